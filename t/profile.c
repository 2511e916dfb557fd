/* t/profile.c - the profiler: who allocates how much, by samples, and what of it lives.
 *
 * What is allocated in the functions of a section is known; estimates are held against it.  Each case is
 * a child of its own.
 * SPDX-License-Identifier: MIT
 */
#include "unit.h"

#include <dirent.h>
#include <math.h>
#include <pthread.h>
#include <sys/stat.h>

enum { INTERVAL = 1024, SMALL = 20000, SMALL_BYTES = 100, MEDIUM = 500, MEDIUM_BYTES = 10000, SURE_BYTES = 200000 };

static struct child child;

static void
set(const char *name, const char *value)
{
    if (jsm_option_set(name, value) != 1)
        _exit(120);
}

static void
test(int (*body)(void), const char *what)
{
    in_child(&child, body);
    if (!ok(ended_well(&child), "%s", what))
        tell_child(&child);
}

/* ---- Two known places ---- */

extern const char __start_code_here[], __stop_code_here[], __start_code_there[], __stop_code_there[];

__attribute__((noinline, section("code_here"))) static void *
take_here(size_t bytes)
{
    void *p = hide(jsm_malloc(bytes));

    if (p == NULL)
        _exit(121);
    return p;
}

__attribute__((noinline, section("code_there"))) static void *
take_there(size_t bytes)
{
    void *p = hide(jsm_calloc(1, bytes));

    if (p == NULL)
        _exit(122);
    return p;
}

/* ---- A profile, read ---- */

static char text[16 << 20];
static size_t text_len;

static void
add_text(void *arg, const char *piece)
{
    size_t len = strlen(piece);

    (void)arg;
    if (text_len + len >= sizeof text)
        _exit(123);
    memcpy(text + text_len, piece, len + 1);
    text_len += len;
}

struct figures {
    double live_blocks, live_bytes, blocks, bytes;
};

static double
scale(double blocks, double bytes, double interval)
{
    return blocks > 0 ? 1 / (1 - exp(-(bytes / blocks) / interval)) : 0;
}

/* Adds what a line says, as pprof estimates it; or the samples themselves when the interval is 0. */
static void
add_line(struct figures *sum, const struct figures *f, double interval)
{
    double live = interval > 0 ? scale(f->live_blocks, f->live_bytes, interval) : 1;
    double all = interval > 0 ? scale(f->blocks, f->bytes, interval) : 1;

    sum->live_blocks += f->live_blocks * live;
    sum->live_bytes += f->live_bytes * live;
    sum->blocks += f->blocks * all;
    sum->bytes += f->bytes * all;
}

static bool
is_within(const char *addresses, const char *from, const char *to)
{
    char *end;

    for (;;) {
        unsigned long long p = strtoull(addresses, &end, 16);
        if (end == addresses)
            return false;
        if (p > (uintptr_t)from && p <= (uintptr_t)to)
            return true;
        addresses = end;
    }
}

/* What the profile has of callers in [from, to); of all with NULL. */
static struct figures
read_profile(const char *from, const char *to, double interval)
{
    struct figures sum = {0, 0, 0, 0}, f;
    int at;

    text_len = 0;
    if (jsm_stats_print("profile", add_text, NULL) != 0)
        _exit(124);
    char *maps = strstr(text, "\nMAPPED_LIBRARIES:\n");
    if (maps == NULL)
        _exit(125);
    for (char *line = strchr(text, '\n') + 1; line < maps; line = strchr(line, '\n') + 1) {
        char *end = strchr(line, '\n');
        *end = '\0'; /* addresses end with the line */
        if (sscanf(line, "%lf: %lf [%lf: %lf] @%n", &f.live_blocks, &f.live_bytes, &f.blocks, &f.bytes, &at) == 4 &&
            (from == NULL || is_within(line + at, from, to)))
            add_line(&sum, &f, interval);
        *end = '\n';
    }
    return sum;
}

static struct figures
here(double interval)
{
    return read_profile(__start_code_here, __stop_code_here, interval);
}

static struct figures
there(double interval)
{
    return read_profile(__start_code_there, __stop_code_there, interval);
}

static bool
is_near(double estimate, double truth)
{
    if (estimate > truth * 0.75 && estimate < truth * 1.25)
        return true;
    fprintf(stderr, "estimated %.0f, it is %.0f\n", estimate, truth);
    return false;
}

static void
start(void)
{
    char number[24];

    snprintf(number, sizeof number, "%d", INTERVAL);
    set("sample_interval", number);
    set("profile", "on");
}

/* ---- Cases ---- */

static void *small[SMALL], *medium[MEDIUM];

static void
take_all(void)
{
    for (unsigned i = 0; i < SMALL; i++)
        small[i] = take_here(SMALL_BYTES);
    for (unsigned i = 0; i < MEDIUM; i++)
        medium[i] = take_there(MEDIUM_BYTES);
}

static int
places_in_child(void)
{
    start();
    take_all();
    struct figures a = here(INTERVAL), b = there(INTERVAL);
    if (!is_near(a.live_bytes, SMALL * SMALL_BYTES) || !is_near(a.live_blocks, SMALL) ||
        !is_near(b.live_bytes, MEDIUM * MEDIUM_BYTES) || !is_near(b.live_blocks, MEDIUM))
        return 1;
    a = here(0);
    b = there(0);
    return a.bytes != a.live_bytes || b.bytes != b.live_bytes || jsm_check() != 0;
}

static int
frees_in_child(void)
{
    start();
    take_all();
    for (unsigned i = 0; i < SMALL; i += 2)
        jsm_free(small[i]);
    for (unsigned i = 0; i < MEDIUM; i++)
        jsm_free(medium[i]);
    struct figures a = here(INTERVAL), b = there(INTERVAL);
    if (!is_near(a.live_bytes, SMALL * SMALL_BYTES / 2) || !is_near(a.bytes, SMALL * SMALL_BYTES))
        return 1;
    return b.live_blocks != 0 || b.live_bytes != 0 || !is_near(b.bytes, MEDIUM * MEDIUM_BYTES);
}

/* Blocks so long that each is a sample, of all that can be done to one. */
static int
kinds_in_child(void)
{
    set("mmap_threshold", "1M");
    start();
    char *p = take_here(SURE_BYTES);
    if (here(0).live_bytes != SURE_BYTES || here(0).live_blocks != 1)
        return 1;
    p = hide(jsm_realloc(p, SURE_BYTES + 50000)); /* in place, or not */
    if (read_profile(NULL, NULL, 0).live_bytes != SURE_BYTES + 50000)
        return 2;
    p = hide(jsm_realloc(p, 3 * MIB)); /* from the arena to a mapping */
    p = hide(jsm_realloc(p, 40 * MIB)); /* which grows or moves */
    struct figures all = read_profile(NULL, NULL, 0);
    if (all.live_bytes != 40.0 * MIB || all.live_blocks != 1)
        return 3;
    jsm_free(p);
    p = jsm_aligned_alloc(1 << 16, SURE_BYTES);
    char *q = jsm_aligned_alloc(4096, 50000), *r = jsm_malloc(60000);
    if (read_profile(NULL, NULL, 0).live_bytes != SURE_BYTES + 110000)
        return 4;
    jsm_free_aligned_sized(p, 1 << 16, SURE_BYTES);
    jsm_free_sized(r, 60000);
    jsm_free(q);
    return read_profile(NULL, NULL, 0).live_blocks != 0;
}

static int
heaps_in_child(void)
{
    start();
    jsm_heap *a = jsm_heap_new(NULL), *b = jsm_heap_new(NULL);
    void *kept = take_here(SURE_BYTES), *p[100];
    for (unsigned i = 0; i < 100; i++)
        p[i] = jsm_heap_malloc(i % 2 == 0 ? a : b, i < 50 ? 30000 : SURE_BYTES);
    const double each = 25 * 30000 + 25 * SURE_BYTES;
    if (read_profile(NULL, NULL, 0).live_bytes != 2 * each + SURE_BYTES)
        return 1;
    jsm_heap_destroy(a);
    if (read_profile(NULL, NULL, 0).live_bytes != each + SURE_BYTES)
        return 2;
    jsm_heap_delete(b); /* its blocks live on */
    if (read_profile(NULL, NULL, 0).live_bytes != each + SURE_BYTES)
        return 3;
    for (unsigned i = 1; i < 100; i += 2)
        jsm_free(p[i]);
    if (read_profile(NULL, NULL, 0).live_bytes != SURE_BYTES || here(0).live_blocks != 1)
        return 4;
    jsm_free(kept);
    return read_profile(NULL, NULL, 0).live_blocks != 0;
}

enum { THREADS = 4 };

/* Takes a part of the blocks, and frees what the thread before has taken. */
static void *
work(void *arg)
{
    static pthread_barrier_t *const barrier = (pthread_barrier_t *)medium;
    size_t me = (size_t)(uintptr_t)arg, n = SMALL / THREADS;

    for (size_t i = 0; i < n; i++)
        small[me * n + i] = take_here(SMALL_BYTES);
    pthread_barrier_wait(barrier);
    size_t other = (me + 1) % THREADS;
    for (size_t i = 0; i < n; i++)
        if (i % 2 == 0)
            jsm_free(small[other * n + i]);
    return NULL;
}

static int
threads_in_child(void)
{
    pthread_t thread[THREADS];

    start();
    pthread_barrier_init((pthread_barrier_t *)medium, NULL, THREADS);
    for (size_t i = 0; i < THREADS; i++)
        pthread_create(&thread[i], NULL, work, (void *)(uintptr_t)i);
    for (size_t i = 0; i < THREADS; i++)
        pthread_join(thread[i], NULL);
    struct figures a = here(INTERVAL);
    if (!is_near(a.live_bytes, SMALL * SMALL_BYTES / 2) || !is_near(a.bytes, SMALL * SMALL_BYTES))
        return 1;
    for (unsigned i = 0; i < SMALL; i++)
        if (i % (SMALL / THREADS) % 2 == 1)
            jsm_free(small[i]);
    return here(0).live_blocks != 0;
}

static int
fork_in_child(void)
{
    int status = -1;

    start();
    take_all();
    double before = here(0).live_blocks;
    pid_t pid = fork();
    if (pid == 0) {
        if (here(0).live_blocks != before)
            _exit(1);
        for (unsigned i = 0; i < SMALL; i++)
            jsm_free(small[i]);
        void *p = take_there(SURE_BYTES);
        _exit(p == NULL || here(0).live_blocks != 0 || there(0).live_bytes < SURE_BYTES);
    }
    waitpid(pid, &status, 0);
    return status != 0 || before == 0 || here(0).live_blocks != before;
}

/* Off and on again. */
static int
off_in_child(void)
{
    void *p = take_here(SURE_BYTES);

    if (read_profile(NULL, NULL, 0).blocks != 0)
        return 1;
    start();
    void *q = take_here(SURE_BYTES);
    set("profile", "off");
    void *r = take_here(SURE_BYTES);
    if (here(0).blocks != 1 || here(0).live_blocks != 1) /* it stays as it was */
        return 2;
    jsm_free(q);
    set("profile", "on");
    if (read_profile(NULL, NULL, 0).blocks != 0)
        return 3;
    q = take_here(SURE_BYTES);
    if (here(0).live_blocks != 1 || strncmp(text, "heap profile: 1: 200000 [1: 200000] @ heap_v2/1024\n", 51) != 0)
        return 4;
    jsm_free(p); /* of which there is no sample */
    jsm_free(r);
    return here(0).live_blocks != 1;
}

static int
interval_in_child(void)
{
    start();
    take_all();
    double many = here(0).blocks;
    set("sample_interval", "64K"); /* begins anew */
    if (here(0).blocks != 0)
        return 1;
    take_all();
    double few = here(0).blocks;
    return few >= many / 16 || strstr(text, "heap_v2/65536\n") == NULL;
}

/* Each set of bits is a way of its own through these; volatile, so that none is left out. */
static void *take_left(unsigned bits, unsigned depth);
static void *take_right(unsigned bits, unsigned depth);
static void *(*volatile const take[2])(unsigned bits, unsigned depth) = { take_left, take_right };
static volatile unsigned n_left, n_right;

static void *
take_left(unsigned bits, unsigned depth)
{
    void *p = depth == 0 ? jsm_malloc(64) : take[bits % 2](bits / 2, depth - 1);

    n_left++;
    return p;
}

static void *
take_right(unsigned bits, unsigned depth)
{
    void *p = depth == 0 ? jsm_malloc(64) : take[bits % 2](bits / 2, depth - 1);

    n_right++;
    return p;
}

static int
lost_in_child(void)
{
    enum { DEPTH = 15 }; /* twice as many as stacks are kept */
    unsigned long long lost = 0;

    set("sample_interval", "1");
    set("profile", "on");
    for (unsigned i = 0; i < 1 << DEPTH; i++)
        (void)take_left(i, DEPTH);
    struct figures all = read_profile(NULL, NULL, 0);
    const char *said = strstr(text, "# samples that there was no room for: ");
    if (said == NULL || sscanf(said, "# samples that there was no room for: %llu", &lost) != 1)
        return 1;
    return all.blocks < 10000 || all.blocks + (double)lost != 1 << DEPTH;
}

/* What malloc leaves alone, the profiler does too. */
static int
errno_in_child(void)
{
    start();
    errno = ERRNO_MARK;
    jsm_free(take_here(SURE_BYTES));
    return errno != ERRNO_MARK;
}

/* ---- At exit ---- */

static char folder[] = "/tmp/jsmalloc-profile-XXXXXX";
static const char *file_name;

static int
exit_in_child(void)
{
    if (chdir(folder) != 0)
        return 1;
    if (file_name != NULL) {
        set("profile_file", file_name);
        start();
    }
    (void)take_here(SURE_BYTES);
    exit(0);
}

/* The only file in the folder: its name, and its text. */
static const char *
only_file(void)
{
    static char name[300], path[600];
    unsigned n = 0;
    DIR *d = opendir(folder);

    name[0] = text[0] = '\0';
    for (struct dirent *e; d != NULL && (e = readdir(d)) != NULL;) {
        if (e->d_name[0] == '.')
            continue;
        snprintf(name, sizeof name, "%s", e->d_name);
        n++;
    }
    if (d != NULL)
        closedir(d);
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = n == 1 ? fopen(path, "r") : NULL;
    if (f != NULL) {
        text[fread(text, 1, sizeof text - 1, f)] = '\0';
        fclose(f);
        unlink(path);
    }
    return n == 1 ? name : n == 0 ? "" : "several";
}

static void
test_exit(void)
{
    long pid = 0;
    char tail[20] = "";

    if (mkdtemp(folder) == NULL)
        _exit(99);
    in_child(&child, exit_in_child);
    is_str(only_file(), "", "profile=off: there is no file at exit");
    file_name = "";
    in_child(&child, exit_in_child);
    const char *name = only_file();
    ok(sscanf(name, "jsmalloc.%ld.%10s", &pid, tail) == 2 && pid > 1 && strcmp(tail, "heap") == 0,
       "profile=on: a file is named after the process");
    const char *maps = strstr(text, "\nMAPPED_LIBRARIES:\n");
    static const char head[] = "heap profile: 1: 200000 [1: 200000] @ heap_v2/1024\n1: 200000 [1: 200000] @ 0x";
    ok(strncmp(text, head, sizeof head - 1) == 0 && maps != NULL && strstr(maps, "r-xp") != NULL,
       "it has the samples, and what is mapped where");
    file_name = "x.%p";
    in_child(&child, exit_in_child);
    ok(sscanf(only_file(), "x.%ld", &pid) == 1, "profile_file: another name");
    file_name = "same";
    char command[100];
    snprintf(command, sizeof command, "echo old > %s/same", folder);
    ok(system(command) == 0, "where there is such a file");
    in_child(&child, exit_in_child);
    ok(strcmp(only_file(), "same") == 0 && strncmp(text, "heap profile:", 13) == 0, "it is written anew");
    file_name = "no/such/folder";
    in_child(&child, exit_in_child);
    is_str(child.text, "jsmalloc: cannot open profile_file no/such/folder\n", "where that is not possible, it is said");
    rmdir(folder);
}

int
main(void)
{
#if !defined(HAVE_BACKTRACE) && !defined(HAVE__UNWIND_BACKTRACE)
    skip_all("neither libc nor the compiler's library tells who called: a profile names no functions");
#endif
    plan(10 + 7);
    test(places_in_child, "estimates of two places are near what they have");
    test(frees_in_child, "what is freed is counted no more");
    test(kinds_in_child, "blocks that are resized, aligned, large, mapped");
    test(heaps_in_child, "blocks of heaps, destroyed and deleted ones");
    test(threads_in_child, "several threads, which free each other's blocks");
    test(fork_in_child, "the child of fork goes on with a profile of its own");
    test(off_in_child, "switched off it stays, switched on it begins anew");
    test(interval_in_child, "sample_interval: the longer, the fewer samples");
    test(lost_in_child, "what there is no room for is counted");
    test(errno_in_child, "errno stays as it was");
    test_exit();
    return done();
}
