/* t/fuzz/options.c - the parsers of options take anything: text of all kinds leaves every option in its range, and
 * takes no memory.
 *
 * An input is given to the parsers of JSMALLOC_OPTIONS, of GLIBC_TUNABLES, of the configuration file, and of one
 * setting.
 * SPDX-License-Identifier: MIT
 */
#include "fuzz.h"

#include <malloc.h>
#include <sys/mman.h>

static int file = -1;
static char path[32];

static bool
all_in_range(void)
{
    for (size_t i = 0; i < JSM_OPT_COUNT; i++) {
        const struct option *o = &jsm_options[i];
        int64_t n = jsm_option((enum jsm_opt)i);
        char text[JSM_OPTION_TEXT_BYTES];
        jsm_option_text((enum jsm_opt)i, text); /* ends somewhere */
        if (strlen(text) >= sizeof text)
            return false;
        if (o->type == JSM_TYPE_TEXT ? n >= 0 && n <= (int64_t)JSM_OPT_COUNT : n >= o->min && n <= o->max)
            continue;
        if ((n == JSM_OPT_AUTO && o->automatic) || (n == JSM_OPT_UNLIMITED && o->unlimited) || (n == 0 && o->off))
            continue;
        return false;
    }
    return true;
}

/* What an option says of itself can be set again. */
static bool
round_trip(void)
{
    for (size_t i = 0; i < JSM_OPT_COUNT; i++) {
        char buffer[300];
        struct jsm_text t;
        int64_t n = jsm_option((enum jsm_opt)i);
        jsm_text_init(&t, buffer, sizeof buffer);
        if (i == JSM_OPT_PRESET || i == JSM_OPT_CONFIRM) /* these do things */
            continue;
        if (!jsm_option_format(jsm_options[i].name, &t) || !set_option(jsm_options[i].name, buffer) ||
            jsm_option((enum jsm_opt)i) != n)
            return false;
    }
    return true;
}

/* All options as one text, with `end` behind each. */
static size_t
all_settings(char *text, size_t size, char end)
{
    size_t len = 0;

    for (size_t i = 0; i < JSM_OPT_COUNT; i++) {
        char buffer[300];
        struct jsm_text t;
        jsm_text_init(&t, buffer, sizeof buffer);
        if (i == JSM_OPT_PRESET || i == JSM_OPT_CONFIRM || jsm_options[i].type == JSM_TYPE_TEXT)
            continue;
        FUZZ_CHECK(jsm_option_format(jsm_options[i].name, &t));
        len += (size_t)snprintf(text + len, size - len, "%s=%s%c", jsm_options[i].name, buffer, end);
        FUZZ_CHECK(len < size);
    }
    return len;
}

static void
write_file(const char *text, size_t size)
{
    FUZZ_CHECK(ftruncate(file, 0) == 0 && pwrite(file, text, size, 0) == (ssize_t)size);
}

/* All of them together can be given again, in a variable and in a file, after they were set to something else. */
static void
check_forms(void)
{
    char list[2048], again[2048], lines[2048];

    all_settings(list, sizeof list, ',');
    size_t len = all_settings(lines, sizeof lines, '\n');
    FUZZ_CHECK(set_option("preset", "speed") && set_option("preset", "small") && set_option("perturb", "7"));
    jsm_options_read_list(ORIGIN_LIST, list);
    all_settings(again, sizeof again, ',');
    FUZZ_CHECK(strcmp(list, again) == 0);
    FUZZ_CHECK(set_option("preset", "small") && set_option("perturb", "7"));
    write_file(lines, len);
    jsm_options_read_file(path, "program");
    all_settings(again, sizeof again, ',');
    FUZZ_CHECK(strcmp(list, again) == 0);
}

/* What libc's malloc has given out, where it tells. */
static size_t
allocated_bytes(void)
{
#if defined(__GLIBC__)
#if __GLIBC_PREREQ(2, 33)
    return mallinfo2().uordblks;
#endif
#endif
    return 0;
}

static void
start(void)
{
    file = memfd_create("conf", MFD_CLOEXEC);
    FUZZ_CHECK(file >= 0);
    snprintf(path, sizeof path, "/proc/self/fd/%d", file);
    jsm_os_fail_after = 0; /* no memory from the system, either */
    jsm_os_fail_sticky = true;
}

static void
one(const char *text, size_t size)
{
    size_t before = allocated_bytes();
    const char *equals = memchr(text, '=', size);

    write_file(text, size);
    jsm_options_read_list(ORIGIN_LIST, text);
    jsm_options_read_tunables(text);
    jsm_options_read_file(path, size % 2 == 0 ? "program" : text);
    if (equals != NULL)
        jsm_option_parse(text, (size_t)(equals - text), equals + 1, size - (size_t)(equals - text) - 1);
    (void)set_option(text, text + size / 2);
    FUZZ_CHECK(all_in_range());
    FUZZ_CHECK(round_trip());
    check_forms();
    FUZZ_CHECK(set_option("perturb", "5") && jsm_option(JSM_OPT_PERTURB) == 5 && set_option("preset", "default"));
    FUZZ_CHECK(allocated_bytes() == before);
}

static const char *const words[] = {
    "=", ",", ":", "\n", " ", "#", "[", "]", "*", "on", "off", "auto", "unlimited", "0x", "K", "M", "G", "ms", "s",
    "iB", "-1", "0", "1", "255", "65536", "9223372036854775807", "18446744073709551615", "glibc.malloc.",
    "top_pad", "check", "arena_max", "program", "prog*", "preset=", "small", "default", "debug", "%p", "\r\n",
    "\t", "99999999999999999999", NULL
};

const struct fuzz_target fuzz_target = { "options", NULL, words, start, one, false };
