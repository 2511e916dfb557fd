/* t/option-source.c - where options come from: the configuration file, glibc's variables and tunables,
 * JSMALLOC_OPTIONS; which wins, what is said about faults, presets, confirm.
 *
 * Each is read by a child, in which nothing has been read before.
 * SPDX-License-Identifier: MIT
 */
#include "unit.h"

#include "rt/option.h"

#include <sys/stat.h>

static char conf[64]; /* the configuration file of this test */

static void
write_conf(const char *text, size_t len)
{
    int fd = open(conf, O_WRONLY | O_CREAT | O_TRUNC, 0600);

    if (fd < 0 || write(fd, text, len) != (ssize_t)len)
        _exit(99);
    close(fd);
}

static const char *file_text, *variables[12];

/* A child that finds this file and these variables ("NAME=value", up to NULL). */
static void
start_with(const char *file, const char *const list[])
{
    file_text = file;
    for (unsigned i = 0; i < COUNT_OF(variables); i++)
        variables[i] = NULL;
    for (unsigned i = 0; list != NULL && list[i] != NULL; i++)
        variables[i] = list[i];
}

static void
read_all(void)
{
    if (file_text != NULL)
        write_conf(file_text, strlen(file_text));
    setenv("JSMALLOC_CONF", file_text != NULL ? conf : "/nowhere/jsmalloc.conf", 1);
    for (unsigned i = 0; variables[i] != NULL; i++)
        putenv((char *)(uintptr_t)variables[i]);
    jsm_options_init();
}

/* Says all values, for the parent to look for. */
static int
tell_in_child(void)
{
    read_all();
    for (size_t i = 0; i < JSM_OPT_COUNT; i++) {
        char buffer[300];
        struct jsm_text t;
        jsm_text_init(&t, buffer, sizeof buffer);
        jsm_option_format(jsm_options[i].name, &t);
        jsm_message(jsm_options[i].name, " is ", buffer);
    }
    return 0;
}

static struct child child;

static void
run_it(const char *file, const char *const list[])
{
    start_with(file, list);
    in_child(&child, tell_in_child);
}

static bool
said(const char *text)
{
    if (ended_well(&child) && strstr(child.text, text) != NULL)
        return true;
    diag("\"%s\" is not in:", text);
    tell_child(&child);
    return false;
}

/* Whether nothing but the values was said. */
static bool
quiet(void)
{
    unsigned lines = 0, values = 0;

    for (const char *s = child.text; (s = strstr(s, "jsmalloc: ")) != NULL; s++)
        lines++;
    for (const char *s = child.text; (s = strstr(s, " is ")) != NULL; s++)
        values++;
    if (lines == JSM_OPT_COUNT && values >= lines)
        return true;
    tell_child(&child);
    return false;
}

/* ---- The file ---- */

static void
test_file(void)
{
    run_it("# all of it\n\nperturb=7\n  purge_delay = 5s  # soon\n\tthp=\ton\r\nstats_file = /tmp/a b#c.%p\nmmap_max "
           "=0x10",
           NULL);
    ok(quiet() && said("perturb is 7\n") && said("purge_delay is 5000\n") && said("thp is on\n"),
       "the file has a setting a line, blanks and comments as one likes");
    ok(said("stats_file is /tmp/a b#c.%p\n"), "a text may have blanks and # inside");
    ok(said("mmap_max is 16\n"), "the last line needs no end");
    run_it("perturb=1\nperturb=2\n[nobody]\nperturb=3\n[option-source.t]\nthp=off\n[x, option-*  y]\nprealloc=2M\n[*]\n"
           "arena_batch=9\n[option]\nslab_max=1K\n[-source.t]\nslab_max=2K\n[]\nslab_max=3K\n",
           NULL);
    ok(quiet() && said("perturb is 2\n"), "later lines win, sections for other programs are not for us");
    ok(said("thp is off\n") && said("prealloc is 2097152\n") && said("arena_batch is 9\n"),
       "those for our name, for a pattern of it, and for all are");
    ok(said("slab_max is 65536\n"), "a part of the name is not the name");
    run_it(NULL, NULL);
    ok(quiet() && said("perturb is 0\n"), "where there is no file, nothing is said");
    run_it("", NULL);
    ok(quiet(), "nor for an empty one");
}

static void
test_file_faults(void)
{
    static char longest[3000], large[70000];
    char want[200];

    run_it("perturb=1\n\nperturb=300\n nonsense\npurge_dely=3\n[foo\nperturb=9\n[*]\nthp = maybe\nprealloc=-1\n", NULL);
    ok(said("perturb is 1\n"), "what is wrong in the file is ignored");
    snprintf(want, sizeof want, "jsmalloc: %s:3: perturb=300: bad value, 0 to 255; ignored\n", conf);
    ok(said(want), "and reported, with file and line");
    ok(said(":4: nonsense: no such option") &&
           said(":5: purge_dely=3: no such option, nearest is purge_delay; ignored\n"),
       "with the nearest name");
    ok(said(":6: a section without ]; ignored up to the next section\n"), "a section that does not end is one");
    ok(said(":9: thp = maybe: bad value, one of: default on off;") &&
           said(":10: prealloc=-1: bad value, 0 to 1024G; ignored\n"),
       "with what would be right");
    memset(longest, 'x', sizeof longest - 1);
    memcpy(longest, "perturb=5\n", 10);
    memcpy(longest + 2500, "\nthp=on\nthp=x\n", 15);
    run_it(longest, NULL);
    ok(said("perturb is 5\n") && said("thp is on\n") && said(":2: a line too long; ignored\n") && said(":4: thp=x"),
       "a line too long is skipped, and counted");
    memset(large, '\n', sizeof large - 1);
    memcpy(large, "perturb=5", 9);
    memcpy(large + 69000, "\nthp=on", 7);
    run_it(large, NULL);
    ok(said("perturb is 5\n") && said("thp is default\n") && said(": longer than 64 KiB; the rest is ignored\n"),
       "of a file too long the beginning counts");
    unlink(conf);
    mkdir(conf, 0700);
    char variable[100];
    snprintf(variable, sizeof variable, "JSMALLOC_CONF=%s", conf);
    run_it(NULL, (const char *const[]){variable, NULL});
    ok(said(": cannot be read; ignored\n") && said("perturb is 0\n"), "a folder is none, and that is said");
    rmdir(conf);
}

/* ---- glibc's variables ---- */

static void
test_glibc(void)
{
    run_it(NULL, (const char *const[]){"MALLOC_ARENA_MAX=2", "MALLOC_TRIM_THRESHOLD_=131072",
                                       "MALLOC_MMAP_THRESHOLD_=0x100000", "MALLOC_MMAP_MAX_=7", "MALLOC_TOP_PAD_=4096",
                                       "MALLOC_PERTURB_=165", "MALLOC_CHECK_=1", NULL});
    ok(quiet() && said("arena_max is 2\n") && said("trim_threshold is 131072\n") &&
           said("mmap_threshold is 1048576\n") && said("mmap_max is 7\n") && said("prealloc is 4096\n") &&
           said("perturb is 165\n") && said("check_action is 1\n"),
       "glibc's variables count");
    run_it(NULL, (const char *const[]){"MALLOC_ARENA_MAX=0", "MALLOC_TRIM_THRESHOLD_=-1", "MALLOC_MMAP_THRESHOLD_=1000",
                                       "MALLOC_MMAP_MAX_=99999999999", "MALLOC_PERTURB_=", "MALLOC_CHECK_=7", NULL});
    ok(quiet() && said("arena_max is auto\n") && said("trim_threshold is unlimited\n") && said("check_action is 3\n") &&
           said("mmap_threshold is 65537\n") && said("mmap_max is unlimited\n") && said("perturb is 0\n"),
       "what glibc takes and we do not is brought into range");
    run_it(NULL, (const char *const[]){"MALLOC_ARENA_MAX=two", "MALLOC_TOP_PAD_=4K", "MALLOC_CHECK_=-", NULL});
    ok(said("jsmalloc: MALLOC_ARENA_MAX: MALLOC_ARENA_MAX=two: not a number; ignored\n") &&
           said("MALLOC_TOP_PAD_=4K: not a number") && said("MALLOC_CHECK_=-: not a number") &&
           said("arena_max is auto\n"),
       "what is no number is reported");
    run_it(NULL, (const char *const[]){
                     "GLIBC_TUNABLES=glibc.malloc.arena_max=3:glibc.malloc.check=2:glibc.rtld.nns=4:"
                     "glibc.malloc.tcache_count=0:glibc.malloc.top_pad=0x2000:glibc.malloc.hugetlb=1:"
                     "glibc.malloc.perturb=3:x::=:glibc.malloc.:glibc.malloc.mmap_max=0:"
                     "glibc.malloc.mxfast=96:glibc.malloc.trim_threshold=100000:glibc.malloc.mmap_threshold=70000",
                     NULL});
    ok(quiet() && said("arena_max is 3\n") && said("check_action is 2\n") && said("prealloc is 8192\n") &&
           said("thp is on\n") && said("fast_max is 96\n") && said("perturb is 3\n") && said("mmap_max is 0\n") &&
           said("trim_threshold is 100000\n") && said("mmap_threshold is 70000\n"),
       "so do its tunables, where they have a meaning");
    run_it(NULL, (const char *const[]){"GLIBC_TUNABLES=glibc.malloc.arena_max=x:glibc.malloc.hugetlb=2", NULL});
    ok(said("jsmalloc: GLIBC_TUNABLES: arena_max=x: not a number; ignored\n") && said("thp is default\n"),
       "and are reported likewise");
}

/* ---- Which wins ---- */

static int
precedence_in_child(void)
{
    read_all();
    return !set_option("stats", "off") || jsm_option(JSM_OPT_STATS) != 0;
}

static void
test_precedence(void)
{
    const char *const list[] = {"MALLOC_PERTURB_=2",
                                "MALLOC_CHECK_=2",
                                "MALLOC_MMAP_MAX_=2",
                                "JSMALLOC_OPTIONS=perturb=4,stats=exit",
                                "GLIBC_TUNABLES=glibc.malloc.perturb=3:glibc.malloc.check=1",
                                NULL};

    run_it("perturb=1\ncheck_action=0\nmmap_max=1\nprealloc=1\nstats=off", list);
    ok(quiet() && said("perturb is 4\n"), "JSMALLOC_OPTIONS wins over all that comes before the program");
    ok(said("check_action is 1\n"), "then glibc's tunables");
    ok(said("mmap_max is 2\n"), "then its variables");
    ok(said("prealloc is 1\n") && said("arena_batch is 8\n"), "then the file, and last the default");
    start_with("stats=exit", list);
    in_child(&child, precedence_in_child);
    ok(ended_well(&child), "a call wins over all");
}

/* ---- confirm, presets ---- */

static int
confirm_in_child(void)
{
    read_all();
    jsm_message("--", NULL, NULL);
    setenv("JSMALLOC_CONF", "/elsewhere", 1);
    return !jsm_option_set_number(-6, 9) || !set_option("confirm", "off") || !jsm_option_set_number(JSM_M_CONFIRM, 1);
}

static void
test_confirm(void)
{
    char want[200];

    start_with("# x\nprealloc=3M\nperturb=1",
               (const char *const[]){"MALLOC_MMAP_MAX_=2", "JSMALLOC_OPTIONS=confirm=on,preset=small",
                                     "GLIBC_TUNABLES=glibc.malloc.check=1", NULL});
    in_child(&child, confirm_in_child);
    snprintf(want, sizeof want, "jsmalloc: perturb=1 (%s:3)\n", conf);
    ok(said(want), "confirm tells where from the file a value is");
    ok(said("jsmalloc: mmap_max=2 (MALLOC_MMAP_MAX_)\n") && said("jsmalloc: check_action=1 (GLIBC_TUNABLES)\n") &&
           said("jsmalloc: confirm=on (JSMALLOC_OPTIONS)\n") && said("jsmalloc: thp=default (default)\n"),
       "or from which variable, or that it is the default");
    ok(said("jsmalloc: trim_threshold=0 (JSMALLOC_OPTIONS, preset)\n") &&
           said("jsmalloc: preset=small (JSMALLOC_OPTIONS)\n"),
       "or that it is of a preset");
    const char *later = strstr(child.text, "--");
    unsigned lines = 0;
    for (const char *s = child.text; later != NULL && s < later; s++)
        lines += *s == '\n';
    is_uint(lines, JSM_OPT_COUNT, "each option has a line");
    ok(later != NULL && strstr(later, "perturb=9 (call)\n") != NULL, "when it is switched on later, what holds then");
}

static void
test_presets(void)
{
    static const char *const names[] = {"default", "speed", "small", "hardened", "debug"};
    unsigned wrong = 0;

    for (unsigned i = 0; i < COUNT_OF(names); i++) {
        char variable[100];
        snprintf(variable, sizeof variable, "JSMALLOC_OPTIONS=preset=%s", names[i]);
        run_it(NULL, (const char *const[]){variable, NULL});
        snprintf(variable, sizeof variable, "preset is %s\n", names[i]);
        wrong += !quiet() || !said(variable);
    }
    is_uint(wrong, 0, "each preset is known, and sets what may be set");
    run_it(NULL, (const char *const[]){"JSMALLOC_OPTIONS=preset=small,purge_delay=2s", NULL});
    ok(said("trim_threshold is 0\n") && said("purge_delay is 2000\n") && said("arena_max is 1\n"),
       "what stands behind a preset wins over it");
    run_it("preset=debug\nstats_file=x\nconfirm=off", (const char *const[]){"JSMALLOC_OPTIONS=preset=default", NULL});
    ok(quiet() && said("perturb is 0\n") && said("check_action is 3\n") && said("stats is off\n") &&
           said("stats_file is \n"),
       "preset=default takes back what was set");
    run_it(NULL, (const char *const[]){"JSMALLOC_OPTIONS=preset=smal", NULL});
    ok(said("preset=smal: bad value, one of: default speed small hardened debug; ignored\n"), "there are five");
}

/* ---- Nothing is allocated ---- */

static int
no_memory_in_child(void)
{
    jsm_os_fail_after = 0;
    jsm_os_fail_sticky = true;
    read_all();
    return jsm_option(JSM_OPT_PERTURB) != 4;
}

int
main(void)
{
    plan(8 + 8 + 5 + 5 + 5 + 4 + 1);
    unsetenv("JSMALLOC_OPTIONS");
    snprintf(conf, sizeof conf, "/tmp/jsmalloc-option-%ld.conf", (long)getpid());
    test_file();
    test_file_faults();
    test_glibc();
    test_precedence();
    test_confirm();
    test_presets();
    start_with("perturb=1\n[x]\n", (const char *const[]){"JSMALLOC_OPTIONS=perturb=4,nonsense=1", NULL});
    in_child(&child, no_memory_in_child);
    ok(ended_well(&child), "options are read where there is no memory");
    unlink(conf);
    return done();
}
