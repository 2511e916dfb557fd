/* t/arena.c - arenas: how they grow, the frontier, what happens when addresses are refused; A1 to A4.
 * SPDX-License-Identifier: MIT
 */
#include "unit.h"

#include "arena/arena.h"

#include <pthread.h>
#include <sys/mman.h>
#include <sys/resource.h>

static bool
within_a_window(const struct jsm_arena *arena)
{
    uint64_t first = (uintptr_t)arena->base, last = first + ((uint64_t)arena->n_slices << JSM_SLICE_SHIFT) - 1;

    return first >> JSM_WINDOW_SHIFT == last >> JSM_WINDOW_SHIFT;
}

static size_t
bytes_of(const struct jsm_arena *arena)
{
    return arena != NULL ? (size_t)arena->n_slices << JSM_SLICE_SHIFT : 0;
}

/* ---- The growth rule ---- */

static int
growth_in_child(void)
{
    int wrong = 0;
    size_t all = 0;

    (void)set_option("arena_size", "1M");
    (void)set_option("arena_batch", "3");
    (void)set_option("arena_shift_max", "2");
    for (unsigned i = 0; i < 14; i++) {
        size_t want = JSM_MIB << jsm_min(i / 3, 2u);
        struct jsm_arena *arena = jsm_arena_new(1, 5, NULL);
        wrong |= (bytes_of(arena) != want) << 0;
        wrong |= (arena == NULL || arena->id != i || jsm_arena_count() != i + 1 || jsm_arena_at(i) != arena) << 1;
        all += want;
        wrong |= (jsm_arena_reserved_bytes() != all || arena->shard != 5 || arena->next != NULL) << 2;
    }
    (void)set_option("arena_size", "5M");
    (void)set_option("arena_shift_max", "0");
    wrong |= (bytes_of(jsm_arena_new(1, 0, NULL)) != 8 * JSM_MIB) << 3;
    wrong |= (bytes_of(jsm_arena_new(1001, 0, NULL)) != 1001 * JSM_SLICE_BYTES) << 4;
    return wrong;
}

static int
default_in_child(void)
{
    return bytes_of(jsm_arena_new(1, 0, NULL)) != (sizeof(void *) == 8 ? 64 * JSM_MIB : 4 * JSM_MIB);
}

static void
test_growth(void)
{
    struct child child;

    in_child(&child, growth_in_child);
    int wrong = WIFEXITED(child.status) ? WEXITSTATUS(child.status) : 255;
    is_int(wrong & 1, 0, "arena number i reserves arena_size << min(i / arena_batch, arena_shift_max)");
    is_int(wrong & 2, 0, "arenas are numbered, and found by their number");
    is_int(wrong & 4, 0, "their addresses are counted");
    is_int(wrong & 8, 0, "a size is rounded to a power of two");
    is_int(wrong & 16, 0, "but an arena is as long as what it is needed for");
    in_child(&child, default_in_child);
    ok(ended_well(&child), "by default the first reserves 64 MiB, 4 MiB where addresses are short");
}

/* ---- The frontier ---- */

static void
test_frontier(void)
{
    uint8_t *p;

    (void)set_option("arena_size", "16M");
    (void)set_option("prealloc", "1M");
    struct jsm_arena *arena = jsm_arena_new(1, 0, NULL);
    ok(arena->frontier == 0 && arena->committed == 0 && jsm_arena_room(arena) == arena->n_slices,
       "A1: nothing is in use at first");
    ok(is_reserved(arena->base), "nor accessible");
    p = jsm_arena_extend(arena, 3);
    ok(p == arena->base && arena->frontier == 3, "slices come from the bottom");
    ok(arena->committed == JSM_MIB / JSM_SLICE_BYTES && strncmp(access_of(p + JSM_MIB - 1), "rw", 2) == 0 &&
           is_reserved(p + JSM_MIB),
       "A1: as much is made accessible as prealloc says");
    ok(is_zero(p, JSM_MIB), "A2: what was never used reads as zero");
    memset(p, 1, 3 * JSM_SLICE_BYTES);
    ok(jsm_arena_extend(arena, 20) == p + 3 * JSM_SLICE_BYTES && arena->frontier == 23 && arena->committed >= 23,
       "one after the other");
    ok(jsm_bits_count(arena->dirty, 0, arena->n_slices) == 0, "A2: none is dirty before it was used");
    ok(jsm_arena_index(arena, p + 5 * JSM_SLICE_BYTES + 77) == 5, "an address has the number of its slice");
    size_t room = jsm_arena_room(arena);
    ok(jsm_arena_extend(arena, room + 1) == NULL && arena->frontier == 23, "there are no more than there are");
    p = jsm_arena_extend(arena, room);
    ok(p != NULL && jsm_arena_room(arena) == 0 && arena->committed == arena->n_slices &&
           is_zero(p, room << JSM_SLICE_SHIFT),
       "but all of them");
    is_ptr(jsm_arena_extend(arena, 1), NULL, "and then none");
    ok(jsm_pagemap_find(arena->base) + arena->n_slices - 1 == jsm_pagemap_find(arena->base + bytes_of(arena) - 1) &&
           jsm_kind(jsm_pagemap_find(arena->base)) == JSM_KIND_NONE,
       "each has a descriptor that says nothing yet");
}

static void
test_commit_refused(void)
{
    struct jsm_arena *arena = jsm_arena_new(1, 0, NULL);

    jsm_os_fail_after = 0;
    uint8_t *p = jsm_arena_extend(arena, 2);
    ok(p == arena->base && arena->frontier == 2 && arena->committed == 2,
       "if not as much can be had as prealloc says, what is needed may do");
    jsm_os_fail_after = 0;
    jsm_os_fail_sticky = true;
    p = jsm_arena_extend(arena, 2);
    jsm_os_fail_after = -1;
    jsm_os_fail_sticky = false;
    ok(p == NULL && arena->frontier == 2 && arena->committed == 2, "if that cannot either nothing changes");
    ok(jsm_arena_extend(arena, 2) == arena->base + 2 * JSM_SLICE_BYTES, "and it can be tried again");
    (void)set_option("prealloc", "0");
    (void)jsm_arena_extend(arena, arena->committed - arena->frontier);
    size_t committed = arena->committed;
    (void)jsm_arena_extend(arena, 1);
    is_uint(arena->committed, committed + 1, "with prealloc=0 no more is made accessible than is needed");
    (void)set_option("prealloc", "1M");
}

/* ---- Without addresses or memory ---- */

static void
test_refused(void)
{
    unsigned before = jsm_arena_count(), given = 0;
    size_t reserved = jsm_arena_reserved_bytes();

    is_ptr(jsm_arena_new(SIZE_MAX >> JSM_SLICE_SHIFT, 0, NULL), NULL, "no arena is longer than the pagemap's windows");
    jsm_os_fail_sticky = true;
    for (int i = 0; i < 2; i++) { /* the reservation; its descriptors */
        jsm_os_fail_after = i;
        given += jsm_arena_new(1, 0, NULL) != NULL;
        jsm_os_fail_after = -1;
    }
    jsm_os_fail_sticky = false;
    ok(given == 0 && jsm_arena_count() == before && jsm_arena_reserved_bytes() == reserved,
       "without addresses or memory there is no arena, and none is counted");
    (void)set_option("arena_size", "16M");
    (void)set_option("arena_shift_max", "0");
    jsm_os_fail_after = 0;
    ok(bytes_of(jsm_arena_new(3, 0, NULL)) == 8 * JSM_MIB, "if so many addresses are refused half of them may do");
    jsm_os_fail_after = -1;
}

/* Addresses of the process in bytes; 0 if unknown. */
static uint64_t
address_bytes(void)
{
    char text[128];

    if (jsm_os_read_file("/proc/self/statm", text, sizeof text) <= 0)
        return 0;
    return strtoull(text, NULL, 10) * jsm_os_page_bytes();
}

/* Room for 32 MiB and what goes with it, not for 64. */
static int
limit_in_child(void)
{
    struct rlimit limit;

    (void)set_option("arena_size", "64M");
    (void)set_option("arena_shift_max", "0");
    void *ballast = mmap(NULL, (size_t)600 << 20, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (ballast == MAP_FAILED || getrlimit(RLIMIT_AS, &limit) != 0 || address_bytes() == 0)
        return 77;
    limit.rlim_cur = (rlim_t)(address_bytes() + 60 * JSM_MIB);
    if (setrlimit(RLIMIT_AS, &limit) != 0)
        return 77;
    void *more = mmap(NULL, 62 << 20, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (more != MAP_FAILED)
        return 77; /* the limit is not enforced, as in an emulator */
    struct jsm_arena *arena = jsm_arena_new(16, 0, NULL);
    return arena == NULL || (arena->n_slices != 512 && arena->n_slices != 256) || !within_a_window(arena) ||
           jsm_arena_extend(arena, 16) == NULL;
}

/* An eighth of the limit at most, as the rest of the program needs addresses as well. */
static int
small_limit_in_child(void)
{
    struct rlimit limit;

    (void)set_option("arena_size", "64M");
    (void)set_option("arena_shift_max", "0");
    if (getrlimit(RLIMIT_AS, &limit) != 0)
        return 77;
    limit.rlim_cur = (rlim_t)200 << 20;
    /* Sanitizers have used more than that already, emulators do not enforce it. */
    if (address_bytes() > 100 * JSM_MIB || setrlimit(RLIMIT_AS, &limit) != 0 ||
        jsm_os_address_limit_bytes() != (size_t)200 << 20)
        return 77;
    struct jsm_arena *arena = jsm_arena_new(16, 0, NULL);
    return arena == NULL || bytes_of(arena) != 16 * JSM_MIB;
}

static void
test_limits(void)
{
    struct child child;

    in_child(&child, limit_in_child);
    if (WIFEXITED(child.status) && WEXITSTATUS(child.status) == 77) {
        skip(1, "no limit of addresses can be set");
    } else if (!ok(ended_well(&child), "under a limit of addresses an arena is as long as it lets it be")) {
        tell_child(&child);
    }
    in_child(&child, small_limit_in_child);
    if (WIFEXITED(child.status) && WEXITSTATUS(child.status) == 77)
        skip(1, "no such limit can be set");
    else if (!ok(ended_well(&child), "and takes an eighth of it at most"))
        tell_child(&child);
}

/* ---- Windows ---- */

static int
windows_in_child(void)
{
#if UINTPTR_MAX > UINT32_MAX
    (void)set_option("arena_size", "1M");
    (void)set_option("arena_shift_max", "0");
    for (unsigned i = 0; i < 12; i++) {
        size_t bytes = (size_t)(i % 4 == 3 ? 4096 : 700 + 500 * (i % 4)) << 20; /* to the whole window */
        struct jsm_arena *arena = jsm_arena_new(bytes >> JSM_SLICE_SHIFT, 0, NULL);
        if (arena == NULL || bytes_of(arena) != bytes)
            return 77;
        if (!within_a_window(arena))
            return 1;
    }
    return jsm_arena_new((((size_t)1 << 32) >> JSM_SLICE_SHIFT) + 1, 0, NULL) != NULL;
#else
    return 77;
#endif
}

static void
test_windows(void)
{
    struct child child;

    in_child(&child, windows_in_child);
    if (WIFEXITED(child.status) && WEXITSTATUS(child.status) == 77)
        skip(1, "there are not enough addresses");
    else
        ok(ended_well(&child), "A4: no arena crosses a boundary of the pagemap's windows");
}

/* ---- Several threads ---- */

enum { THREADS = 3, EACH = 20 };
static struct jsm_arena *made[THREADS][EACH];

static void *
make_many(void *arg)
{
    unsigned self = (unsigned)(uintptr_t)arg;

    for (unsigned i = 0; i < EACH; i++)
        made[self][i] = jsm_arena_new(1, self, i > 0 ? made[self][i - 1] : NULL);
    return NULL;
}

static void
test_threads(void)
{
    pthread_t thread[THREADS];
    unsigned before = jsm_arena_count(), wrong = 0;

    (void)set_option("arena_size", "1M");
    for (uintptr_t i = 0; i < THREADS; i++)
        pthread_create(&thread[i], NULL, make_many, (void *)i);
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(thread[i], NULL);
    wrong += jsm_arena_count() != before + THREADS * EACH;
    for (unsigned t = 0; t < THREADS; t++)
        for (unsigned i = 0; i < EACH; i++)
            wrong += made[t][i] == NULL || jsm_arena_at(made[t][i]->id) != made[t][i] || made[t][i]->shard != t ||
                     made[t][i]->next != (i > 0 ? made[t][i - 1] : NULL);
    is_uint(wrong, 0, "arenas that several threads make at once are all there");
}

int
main(void)
{
    plan(6 + 12 + 4 + 3 + 2 + 1 + 1);
    end_if_stuck();
    test_growth();
    test_limits();
    test_windows();
    test_frontier();
    test_commit_refused();
    test_refused();
    test_threads();
    return done();
}
