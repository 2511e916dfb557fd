/* t/exhaustion.c - the process has as many mappings as it may have, or as much locked memory: what is there can be
 * used and freed, what cannot be had is ENOMEM, and afterwards there is full service again.
 * SPDX-License-Identifier: MIT
 */
#include "scenario.h"
#include "traps.h"

#include <sys/mman.h>
#include <sys/resource.h>

enum { PAGES = 400000 };

/* Once more, when the cause has gone. */
static int
serve_again(enum verdict v)
{
    if (v != GOOD)
        return v;
    v = work();
    return v != GOOD ? v : n_refused > 0 ? NO_SERVICE : GOOD;
}

/* Every second page of a mapping becomes one of its own, until there can be no more; NULL if more are allowed than
 * we try. */
static unsigned char *
fill_up_mappings(void)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE), n = 0;
    unsigned char *p = mmap(NULL, PAGES * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (p == MAP_FAILED)
        return NULL;
    while (n < PAGES && mprotect(p + n * page, page, PROT_READ) == 0)
        n += 2;
    return n < PAGES ? p : NULL;
}

static void
make_room(unsigned char *full)
{
    munmap(full, PAGES * (size_t)sysconf(_SC_PAGESIZE));
}

static int
use_up_mappings(void)
{
    unsigned char *early = jsm_malloc(5 * MIB), *small = jsm_malloc(100);

    if (early == NULL || small == NULL)
        return UNABLE;
    fill(early, 5 * MIB, 1);
    unsigned char *full = fill_up_mappings();
    if (full == NULL)
        return UNABLE;
    enum verdict v = work();
    bool kept = is_filled(early, 5 * MIB, 5 * MIB, 1);
    jsm_free(early);
    jsm_free(small);
    (void)jsm_malloc_trim(0);
    make_room(full);
    return kept ? serve_again(v) : SPOILT;
}

/* How many of the addresses are still mapped. */
static unsigned
count_mapped(unsigned char *const *p, unsigned n)
{
    unsigned mapped = 0;
    unsigned char state;

    for (unsigned i = 0; i < n; i++)
        mapped += mincore(p[i], 1, &state) == 0;
    return mapped;
}

/* Blocks in the middle of what the kernel has as one mapping cannot be unmapped then; they are, later. */
static int
free_among_neighbours(void)
{
    enum { BLOCKS = 40 };
    unsigned char *p[BLOCKS], *freed[BLOCKS / 2];

    if (jsm_option_set("mmap_threshold", "1M") != 1)
        return UNABLE;
    for (unsigned i = 0; i < BLOCKS; i++) {
        p[i] = jsm_malloc(2 * MIB);
        if (p[i] == NULL)
            return UNABLE;
        fill(p[i], 2 * MIB, i);
    }
    unsigned char *full = fill_up_mappings();
    if (full == NULL)
        return UNABLE;
    for (unsigned i = 1; i < BLOCKS; i += 2) {
        freed[i / 2] = p[i];
        jsm_free(p[i]);
    }
    unsigned stranded = count_mapped(freed, BLOCKS / 2);
    make_room(full);
    if (stranded == 0)
        return UNABLE; /* each was a mapping of its own to the kernel */
    for (unsigned i = 0; i < BLOCKS; i += 2)
        if (!is_filled(p[i], 2 * MIB, 2 * MIB, i))
            return SPOILT;
    jsm_free(p[0]);
    return count_mapped(freed, BLOCKS / 2) != 0 ? LOST : jsm_check() != 0 ? UNSOUND : GOOD;
}

/* All memory is locked, up to a limit, which only those without privileges have. */
static int
use_up_locked(void)
{
    struct rlimit limit = {0, 0};

    scenario_bytes = 10 * MIB;
    getrlimit(RLIMIT_MEMLOCK, &limit);
    limit.rlim_cur = 64 * MIB < limit.rlim_max ? 64 * MIB : limit.rlim_max;
    if (setrlimit(RLIMIT_MEMLOCK, &limit) != 0 || (getuid() == 0 && setuid(65534) != 0) || mlockall(MCL_FUTURE) != 0)
        return UNABLE;
    enum verdict v = work();
    if (munlockall() != 0)
        return UNABLE;
    return serve_again(v);
}

/* What takes accesses away does half of it and fails, as it can where the kernel has several mappings. */
static long
do_half(long number, const long arg[6])
{
    if (arg[2] != PROT_NONE)
        return 0;
    long half = arg[1] / 2 & -sysconf(_SC_PAGESIZE);
    (void)trap_raw(number, arg[0], half, arg[2], 0, 0, 0);
    return -ENOMEM;
}

static int
shut_half(void)
{
    static const long calls[] = {SYS_mprotect};
    enum { BLOCKS = 40 };
    unsigned char *p[BLOCKS];

    for (unsigned i = 0; i < BLOCKS; i++) {
        p[i] = jsm_malloc(300000);
        if (p[i] == NULL)
            return UNABLE;
    }
    trap_judge = do_half;
    if (!trap_calls(calls, COUNT_OF(calls), true))
        return UNABLE;
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned i = 0; i < BLOCKS; i++)
            jsm_free(p[i]);
        for (unsigned i = 0; i < BLOCKS; i++) {
            p[i] = jsm_malloc(300000);
            if (p[i] == NULL)
                return NO_SERVICE;
            fill(p[i], 300000, i);
        }
    }
    return jsm_check() == 0 ? GOOD : UNSOUND;
}

static void
test_in_child(int (*body)(void), const char *what)
{
    pid_t child = fork_timed();

    if (child == 0)
        _exit(body());
    int verdict = verdict_of(child);
    if (verdict == UNABLE)
        skip(1, "the system has no such limit");
    else if (!ok(verdict == GOOD, "%s", what))
        diag("%s (%d)", verdict > 0 && verdict <= UNABLE ? verdict_words[verdict] : "killed", verdict);
}

int
main(void)
{
    const char *emulator = getenv("JSM_EMULATOR");

    if (SANITIZED || (emulator != NULL && emulator[0] != '\0'))
        skip_all("an emulator or a sanitizer has mappings of its own");
    plan(4);
    test_in_child(use_up_mappings, "with as many mappings as there may be");
    test_in_child(free_among_neighbours, "blocks that cannot be unmapped then are unmapped later");
    test_in_child(use_up_locked, "with all memory locked, up to a limit");
    if (traps_work())
        test_in_child(shut_half, "memory of which half was made inaccessible when that failed");
    else
        skip(1, TRAPS_WHY);
    return done();
}
