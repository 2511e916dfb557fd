/* t/option.c - options: every kind of value, from text, from the environment, by mallopt's numbers.
 * SPDX-License-Identifier: MIT
 */
#include "unit.h"

#include <inttypes.h>

static bool
is_set(const char *name, const char *value, enum jsm_opt opt, int64_t want)
{
    if (set_option(name, value) && jsm_option(opt) == want)
        return true;
    diag("%s=%s: %" PRId64 ", expected %" PRId64, name, value, jsm_option(opt), want);
    return false;
}

/* A bad value is refused and leaves the option as it was. */
static bool
is_refused(const char *name, const char *value, enum jsm_opt opt)
{
    int64_t before = jsm_option(opt);

    if (!set_option(name, value) && jsm_option(opt) == before)
        return true;
    diag("%s=%s: taken as %" PRId64, name, value, jsm_option(opt));
    jsm_store_relaxed(&jsm_option_values[opt], before);
    return false;
}

static bool
formats_as(const char *name, const char *want)
{
    char buffer[300];
    struct jsm_text t;

    jsm_text_init(&t, buffer, sizeof buffer);
    if (jsm_option_format(name, &t) && strcmp(buffer, want) == 0)
        return true;
    diag("%s is \"%s\", expected \"%s\"", name, buffer, want);
    return false;
}

/* The text of an option, until the next call. */
static const char *
text_of(enum jsm_opt opt)
{
    static char text[JSM_OPTION_TEXT_BYTES];

    jsm_option_text(opt, text);
    return text;
}

static void
test_defaults(void)
{
    ok(jsm_option(JSM_OPT_TRIM_THRESHOLD) == JSM_OPT_AUTO && jsm_option(JSM_OPT_PREALLOC) == 1048576 &&
           jsm_option(JSM_OPT_CHECK_ACTION) == 3 && jsm_option(JSM_OPT_PURGE_DELAY) == 1000 &&
           jsm_option(JSM_OPT_ZERO_SIZE) == 0,
       "options have their defaults before anything is read");
    is_str(text_of(JSM_OPT_STATS_FILE), "", "a text is empty");
    is_str(text_of(JSM_OPT_PURGE_DELAY), "", "what is no text has none");
}

static void
test_bytes(void)
{
    static const struct { const char *text; int64_t bytes; } good[] = {
        { "0", 0 }, { "7", 7 }, { "40K", 40 << 10 }, { "40k", 40 << 10 }, { "3KB", 3 << 10 }, { "3KiB", 3 << 10 },
        { "5M", 5 << 20 }, { "5m", 5 << 20 }, { "5MB", 5 << 20 }, { "5MiB", 5 << 20 },
        { "2G", INT64_C(2) << 30 }, { "2g", INT64_C(2) << 30 }, { "2GiB", INT64_C(2) << 30 },
        { "0x10", 16 }, { "0XfF", 255 }, { "0x10K", 16 << 10 }, { "007", 7 }, { "1099511627776", INT64_C(1) << 40 }
    };
    static const char *const bad[] = { "", " ", "-1", "+1", "K", "1KK", "1T", "1 K", " 1", "1 ", "1.5M", "0x", "x",
                                       "1s", "1kilo", "1Ki", "99999999999999999999", "18446744073709551616",
                                       "17179869184G", "9223372036854775808", "on", "1099511627777", "auto" };
    unsigned wrong = 0;

    for (unsigned i = 0; i < COUNT_OF(good); i++)
        wrong += !is_set("prealloc", good[i].text, JSM_OPT_PREALLOC, good[i].bytes);
    is_uint(wrong, 0, "amounts are decimal or hexadecimal, with K, M, G");
    wrong = 0;
    for (unsigned i = 0; i < COUNT_OF(bad); i++)
        wrong += !is_refused("prealloc", bad[i], JSM_OPT_PREALLOC);
    is_uint(wrong, 0, "anything else is refused");
}

static void
test_times_and_counts(void)
{
    ok(is_set("purge_delay", "250", JSM_OPT_PURGE_DELAY, 250) && is_set("purge_delay", "3ms", JSM_OPT_PURGE_DELAY, 3) &&
           is_set("purge_delay", "2s", JSM_OPT_PURGE_DELAY, 2000) &&
           is_set("purge_delay", "5m", JSM_OPT_PURGE_DELAY, 300000),
       "times are milliseconds, or have a unit");
    ok(is_refused("purge_delay", "5K", JSM_OPT_PURGE_DELAY) && is_refused("purge_delay", "5h", JSM_OPT_PURGE_DELAY) &&
           is_refused("purge_delay", "5S", JSM_OPT_PURGE_DELAY) && is_refused("purge_delay", "s", JSM_OPT_PURGE_DELAY),
       "of time");
    ok(is_set("perturb", "165", JSM_OPT_PERTURB, 165) && is_set("perturb", "0xa5", JSM_OPT_PERTURB, 165) &&
           is_set("perturb", "0", JSM_OPT_PERTURB, 0),
       "counts are numbers");
    ok(is_refused("perturb", "1K", JSM_OPT_PERTURB) && is_refused("perturb", "1s", JSM_OPT_PERTURB) &&
           is_refused("perturb", "256", JSM_OPT_PERTURB),
       "without a unit, in their range");
}

static void
test_choices(void)
{
    ok(is_set("thp", "on", JSM_OPT_THP, 1) && is_set("thp", "off", JSM_OPT_THP, 2) &&
           is_set("thp", "default", JSM_OPT_THP, 0),
       "choices are words");
    ok(is_refused("thp", "", JSM_OPT_THP) && is_refused("thp", "o", JSM_OPT_THP) &&
           is_refused("thp", "of", JSM_OPT_THP) && is_refused("thp", "offs", JSM_OPT_THP) &&
           is_refused("thp", "1", JSM_OPT_THP) && is_refused("thp", "ON", JSM_OPT_THP) &&
           is_refused("thp", "on off", JSM_OPT_THP) && is_refused("thp", "default ", JSM_OPT_THP),
       "whole ones, and no others");
    ok(is_set("zero_size", "null", JSM_OPT_ZERO_SIZE, 1) && is_set("zero_size", "unique", JSM_OPT_ZERO_SIZE, 0),
       "each option has its own");
}

static void
test_special(void)
{
    ok(is_set("trim_threshold", "unlimited", JSM_OPT_TRIM_THRESHOLD, JSM_OPT_UNLIMITED) &&
           is_set("trim_threshold", "auto", JSM_OPT_TRIM_THRESHOLD, JSM_OPT_AUTO) &&
           is_set("trim_threshold", "0", JSM_OPT_TRIM_THRESHOLD, 0),
       "limits may be unlimited or automatic");
    ok(is_set("purge_delay", "unlimited", JSM_OPT_PURGE_DELAY, JSM_OPT_UNLIMITED) &&
           is_refused("purge_delay", "auto", JSM_OPT_PURGE_DELAY) &&
           is_set("arena_max", "unlimited", JSM_OPT_ARENA_MAX, 16) &&
           is_set("mmap_max", "unlimited", JSM_OPT_MMAP_MAX, JSM_OPT_UNLIMITED) &&
           is_set("arena_max", "auto", JSM_OPT_ARENA_MAX, JSM_OPT_AUTO),
       "without a limit may also mean as much as there may be");
    /* The range that options.tbl gives, beside its words. */
    ok(is_refused("arena_max", "0", JSM_OPT_ARENA_MAX) && is_refused("arena_max", "17", JSM_OPT_ARENA_MAX) &&
           is_set("arena_max", "1", JSM_OPT_ARENA_MAX, 1) && is_set("arena_max", "16", JSM_OPT_ARENA_MAX, 16),
       "numbers keep to their range also where `auto` is valid");
    ok(is_refused("arena_size", "1048575", JSM_OPT_ARENA_SIZE) &&
           is_set("arena_size", "1M", JSM_OPT_ARENA_SIZE, 1 << 20) &&
           is_set("arena_size", "4G", JSM_OPT_ARENA_SIZE, INT64_C(1) << 32) &&
           is_refused("arena_size", "4294967297", JSM_OPT_ARENA_SIZE),
       "at both ends");
    ok(is_set("purge_delay", "86400000", JSM_OPT_PURGE_DELAY, 86400000) &&
           is_refused("purge_delay", "86400001", JSM_OPT_PURGE_DELAY) &&
           is_refused("purge_delay", "4294967296", JSM_OPT_PURGE_DELAY),
       "and where `unlimited` is");
    ok(is_refused("mmap_threshold", "65536", JSM_OPT_MMAP_THRESHOLD) &&
           is_set("mmap_threshold", "65537", JSM_OPT_MMAP_THRESHOLD, 65537) &&
           is_refused("slab_max", "65537", JSM_OPT_SLAB_MAX) && is_refused("slab_max", "1023", JSM_OPT_SLAB_MAX) &&
           is_set("slab_max", "1024", JSM_OPT_SLAB_MAX, 1024),
       "and where neither is");
    ok(is_refused("trim_threshold", "18446744073709551615", JSM_OPT_TRIM_THRESHOLD) &&
           is_refused("trim_threshold", "-1", JSM_OPT_TRIM_THRESHOLD),
       "no number is taken for such a word");
    (void)set_option("arena_size", "auto");
}

static void
test_text(void)
{
    static char longest[300];

    ok(set_option("stats_file", "out.%p") && strcmp(text_of(JSM_OPT_STATS_FILE), "out.%p") == 0 &&
           formats_as("stats_file", "out.%p"),
       "a text is taken as it is");
    memset(longest, 'a', sizeof longest - 1);
    ok(!set_option("stats_file", longest) && formats_as("stats_file", "out.%p"), "one that is too long is refused");
    ok(jsm_option_parse("stats_file", 10, longest, 255) && strlen(text_of(JSM_OPT_STATS_FILE)) == 255 &&
           !jsm_option_parse("stats_file", 10, longest, 256),
       "255 bytes are not");
    ok(set_option("stats_file", "") && formats_as("stats_file", ""), "it may be empty again");
}

static void
test_names(void)
{
    int64_t before[JSM_OPT_COUNT];

    for (unsigned i = 0; i < JSM_OPT_COUNT; i++)
        before[i] = jsm_option((enum jsm_opt)i);
    static const char *const bad[] = { "", "p", "perturbs", "pertur", "PERTURB", " perturb", "arena", "arena_",
                                       "stats_", "stats_file_" };
    unsigned wrong = 0;
    for (unsigned i = 0; i < COUNT_OF(bad); i++)
        wrong += set_option(bad[i], "1");
    wrong += memcmp(before, jsm_option_values, sizeof before) != 0;
    is_uint(wrong, 0, "no name is known by its beginning, or by more than itself");
    ok(set_option("stats", "exit") && jsm_option(JSM_OPT_STATS) == 1 && formats_as("stats_file", ""),
       "one that is the beginning of another is itself");
    ok(jsm_option_parse("perturb=9", 7, "9,x", 1) && jsm_option(JSM_OPT_PERTURB) == 9,
       "name and value have lengths, not ends");
    (void)set_option("stats", "off");
    (void)set_option("perturb", "0");
    char buffer[8];
    struct jsm_text t;
    jsm_text_init(&t, buffer, sizeof buffer);
    ok(!jsm_option_format("nothing", &t) && t.len == 0, "what is unknown has no value");
}

static void
test_format(void)
{
    (void)set_option("trim_threshold", "640K");
    (void)set_option("thp", "off");
    ok(formats_as("trim_threshold", "655360") && formats_as("thp", "off") && formats_as("zero_size", "unique") &&
           formats_as("check_action", "3"),
       "the value in force can be read");
    (void)set_option("trim_threshold", "unlimited");
    (void)set_option("thp", "default");
    ok(formats_as("trim_threshold", "unlimited") && formats_as("thp", "default") && formats_as("arena_size", "auto"),
       "words as well");
    (void)set_option("trim_threshold", "auto");
}

static void
test_numbers(void)
{
    ok(jsm_option_set_number(-1, 12345) && jsm_option(JSM_OPT_TRIM_THRESHOLD) == 12345 &&
           jsm_option_set_number(-2, 65536) && jsm_option(JSM_OPT_PREALLOC) == 65536 &&
           jsm_option_set_number(-3, 1 << 20) && jsm_option(JSM_OPT_MMAP_THRESHOLD) == 1 << 20 &&
           jsm_option_set_number(-4, 9) && jsm_option(JSM_OPT_MMAP_MAX) == 9 && jsm_option_set_number(-5, 1) &&
           jsm_option(JSM_OPT_CHECK_ACTION) == 1 && jsm_option_set_number(-6, 0xa5) &&
           jsm_option(JSM_OPT_PERTURB) == 0xa5 && jsm_option_set_number(-8, 2) && jsm_option(JSM_OPT_ARENA_MAX) == 2,
       "glibc's options have glibc's numbers");
    ok(jsm_option_set_number(0x4a530005, 77) && jsm_option(JSM_OPT_PURGE_DELAY) == 77 &&
           jsm_option_set_number(0x4a530007, 2) && jsm_option(JSM_OPT_THP) == 2,
       "ours have their own");
    ok(jsm_option_set_number(-1, -1) && jsm_option(JSM_OPT_TRIM_THRESHOLD) == JSM_OPT_UNLIMITED,
       "-1 is never, where that may be");
    ok(!jsm_option_set_number(-8, -1) && !jsm_option_set_number(-6, 256) && !jsm_option_set_number(-5, -1) &&
           !jsm_option_set_number(-2, -1) && jsm_option(JSM_OPT_PERTURB) == 0xa5,
       "values out of range are refused");
    ok(!jsm_option_set_number(0, 1) && !jsm_option_set_number(99, 1) && !jsm_option_set_number(-7, 1) &&
           !jsm_option_set_number(0x4a5300ff, 1),
       "so are unknown numbers");
}

/* ---- The environment ---- */

static const char *list;

static int
with_environment(void)
{
    setenv("JSMALLOC_OPTIONS", list, 1);
    jsm_options_init();
    setenv("JSMALLOC_OPTIONS", "perturb=200", 1);
    jsm_options_init(); /* read once */
    return jsm_option(JSM_OPT_PERTURB) != 7 || jsm_option(JSM_OPT_PURGE_DELAY) != 5000 || jsm_option(JSM_OPT_THP) != 1;
}

static unsigned
lines_of(const char *text)
{
    unsigned n = 0;

    for (; *text != '\0'; text++)
        n += *text == '\n';
    return n;
}

static void
test_environment(void)
{
    struct child child;

    list = "perturb=7,purge_delay=5s,thp=on";
    in_child(&child, with_environment);
    ok(ended_well(&child), "the environment sets options, once");
    is_str(child.text, "", "and nothing is said when it is right");
    list = ",,perturb=7,,purge_delay=5s,thp=on,";
    in_child(&child, with_environment);
    ok(ended_well(&child) && child.text[0] == '\0', "empty parts do no harm");
    list = "perturb=1000,perturb=7,purge_dellay=3,purge_delay=5s,thp=maybe,thp=on,zero_size,=4,stats_fil=x";
    in_child(&child, with_environment);
    ok(ended_well(&child), "what is wrong is ignored, the rest holds");
    is_uint(lines_of(child.text), 6, "and told, in one line each");
    ok(strstr(child.text, "jsmalloc: JSMALLOC_OPTIONS: ") == child.text, "that says where it comes from");
    ok(strstr(child.text, "perturb=1000: bad value, 0 to 255; ignored\n") != NULL, "what was wrong with a value");
    ok(strstr(child.text, "purge_dellay=3: no such option, nearest is purge_delay;") != NULL &&
           strstr(child.text, "stats_fil=x: no such option, nearest is stats_file;") != NULL,
       "which name may have been meant");
    ok(strstr(child.text, "thp=maybe: bad value, one of: default on off") != NULL, "and which words there are");
    static char longest[3000];
    memset(longest, 'n', sizeof longest - 1);
    memcpy(longest, "perturb=7,purge_delay=5s,thp=on,", 32);
    list = longest;
    in_child(&child, with_environment);
    ok(ended_well(&child) && lines_of(child.text) == 1 && strlen(child.text) < 300,
       "a name of any length is told in short");
}

int
main(void)
{
    plan(3 + 2 + 4 + 3 + 7 + 4 + 4 + 2 + 5 + 10);
    test_environment();
    test_defaults();
    test_bytes();
    test_times_and_counts();
    test_choices();
    test_special();
    test_text();
    test_names();
    test_format();
    test_numbers();
    return done();
}
