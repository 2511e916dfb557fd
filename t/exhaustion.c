/* t/exhaustion.c - the process has as many mappings as it may have, or as much locked memory: what is there can be
 * used and freed, what cannot be had is ENOMEM, and afterwards there is full service again.
 * SPDX-License-Identifier: MIT
 */
#include "scenario.h"

#include <sys/mman.h>
#include <sys/resource.h>

/* Once more, when the cause has gone. */
static int
serve_again(enum verdict v)
{
    if (v != GOOD)
        return v;
    v = work();
    return v != GOOD ? v : n_refused > 0 ? NO_SERVICE : GOOD;
}

/* Every second page of a mapping becomes one of its own, until there can be no more. */
static int
use_up_mappings(void)
{
    enum { PAGES = 400000 };
    size_t page = (size_t)sysconf(_SC_PAGESIZE), n = 0;
    unsigned char *p = mmap(NULL, PAGES * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    unsigned char *early = jsm_malloc(5 * MIB), *small = jsm_malloc(100);

    if (p == MAP_FAILED || early == NULL || small == NULL)
        return UNABLE;
    fill(early, 5 * MIB, 1);
    while (n < PAGES && mprotect(p + n * page, page, PROT_READ) == 0)
        n += 2;
    if (n >= PAGES)
        return UNABLE; /* more are allowed than we try */
    enum verdict v = work();
    bool kept = is_filled(early, 5 * MIB, 5 * MIB, 1);
    jsm_free(early);
    jsm_free(small);
    (void)jsm_malloc_trim(0);
    munmap(p, PAGES * page);
    return kept ? serve_again(v) : SPOILT;
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
    plan(2);
    test_in_child(use_up_mappings, "with as many mappings as there may be");
    test_in_child(use_up_locked, "with all memory locked, up to a limit");
    return done();
}
