/* t/option-fuzz.c - the parsers of options take anything: text of all kinds leaves every option in its
 * range, and takes no memory.
 *
 * LLVMFuzzerTestOneInput() is the entry that a fuzzer calls:
 *   clang -fsanitize=fuzzer,address -DJSM_FUZZER ... t/option-fuzz.c libcore
 * Without one, main() makes random input, and mutates input that is nearly right.
 * SPDX-License-Identifier: MIT
 */
#include "unit.h"

#include "rt/option.h"

#include <malloc.h>
#include <sys/mman.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { INPUT_MAX = 4096 };

static int file = -1;

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
        if ((n == JSM_OPT_AUTO && o->automatic) || (n == JSM_OPT_UNLIMITED && o->unlimited))
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

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char text[INPUT_MAX + 1];
    static char path[32];

    if (file < 0) {
        file = memfd_create("conf", MFD_CLOEXEC);
        snprintf(path, sizeof path, "/proc/self/fd/%d", file);
        int nowhere = open("/dev/null", O_WRONLY);
        dup2(nowhere, STDERR_FILENO); /* what is wrong with it is of no interest here */
    }
    if (size > INPUT_MAX || file < 0)
        return 0;
    memcpy(text, data, size);
    text[size] = '\0';
    if (ftruncate(file, 0) != 0 || pwrite(file, data, size, 0) != (ssize_t)size)
        return 0;
    jsm_options_read_list(ORIGIN_LIST, text);
    jsm_options_read_tunables(text);
    jsm_options_read_file(path, size % 2 == 0 ? "program" : text);
    const char *equals = memchr(text, '=', size);
    if (equals != NULL)
        jsm_option_parse(text, (size_t)(equals - text), equals + 1, size - (size_t)(equals - text) - 1);
    (void)set_option(text, text + size / 2);
    if (!all_in_range() || !round_trip())
        abort();
    return 0;
}

#ifndef JSM_FUZZER

static uint64_t state;

static uint32_t
draw(uint32_t below)
{
    state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(state >> 33) % below;
}

/* A piece of what such text consists of. */
static size_t
piece(char *to)
{
    static const char *const words[] = {"=",
                                        ",",
                                        ":",
                                        "\n",
                                        " ",
                                        "#",
                                        "[",
                                        "]",
                                        "*",
                                        "on",
                                        "off",
                                        "auto",
                                        "unlimited",
                                        "0x",
                                        "K",
                                        "M",
                                        "G",
                                        "ms",
                                        "s",
                                        "iB",
                                        "-1",
                                        "0",
                                        "1",
                                        "255",
                                        "65536",
                                        "9223372036854775807",
                                        "18446744073709551615",
                                        "glibc.malloc.",
                                        "top_pad",
                                        "check",
                                        "arena_max",
                                        "program",
                                        "prog*",
                                        "preset=",
                                        "small",
                                        "default",
                                        "debug",
                                        "%p",
                                        "\r\n",
                                        "\t",
                                        "99999999999999999999"};
    const char *word = words[draw(COUNT_OF(words))];

    if (draw(3) == 0)
        word = jsm_options[draw(JSM_OPT_COUNT)].name;
    size_t len = strlen(word);
    memcpy(to, word, len);
    return len;
}

static size_t
make(char *input)
{
    size_t len = 0;

    for (uint32_t n = draw(draw(20) == 0 ? 200 : 12); n > 0 && len < INPUT_MAX - 64; n--)
        len += piece(input + len);
    if (draw(100) == 0) { /* a long line */
        memset(input + len, "ax=9,"[draw(5)], INPUT_MAX - 64 - jsm_min(len, (size_t)INPUT_MAX - 64));
        len = jsm_max(len, (size_t)INPUT_MAX - 64);
    }
    for (uint32_t n = draw(4); n > 0 && len > 0; n--)
        input[draw((uint32_t)len)] = (char)draw(256);
    return len;
}

/* What libc's malloc has given out, where it tells. */
static size_t
allocated_bytes(void)
{
#if defined(__GLIBC__) && __GLIBC_PREREQ(2, 33)
    return mallinfo2().uordblks;
#else
    return 0;
#endif
}

int
main(void)
{
    static char input[INPUT_MAX];
    unsigned n_rounds;
    size_t before, wrong = 0;

    plan(3);
    end_if_stuck();
    state = test_seed();
    n_rounds = rounds(30000, 3000000);
    before = allocated_bytes();
    jsm_os_fail_after = 0; /* no memory from the system, either */
    jsm_os_fail_sticky = true;
    for (unsigned i = 0; i < n_rounds && wrong == 0; i++) {
        size_t len = make(input);
        LLVMFuzzerTestOneInput((const uint8_t *)input, len);
        wrong += !all_in_range() || !round_trip();
    }
    is_uint(wrong, 0, "whatever the text, each option has a value of its range, that it can be given again");
    is_uint(allocated_bytes(), before, "none of it takes memory");
    ok(set_option("perturb", "5") && jsm_option(JSM_OPT_PERTURB) == 5 && set_option("preset", "default"),
       "and options can be set as before");
    return done();
}
#endif
