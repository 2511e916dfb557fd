/* t/harden.c - option harden, at each level: what is found, by whom, and what it says.
 *
 * The option counts at the start, so each scene is a program of its own: this one, with the scene's number.  With
 * check_action=0 a call that found a fault did nothing: the block is still there.
 * SPDX-License-Identifier: MIT
 */
#include "harden.h"

#include <pthread.h>
#include <sys/resource.h>

static char program[] = "harden.t";

static int
verdict(unsigned wrong)
{
    return wrong < 90 ? (int)wrong : 90;
}

/* A block of which the compiler does not know the size, nor what is freed. */
static void *
get(size_t size)
{
    return hide(jsm_malloc(size));
}

static void
drop(const volatile void *p)
{
    jsm_free((void *)(uintptr_t)p);
}

/* Whether the call of free found something. */
static bool
free_finds(unsigned char *p)
{
    jsm_free(p);
    return jsm_is_ours(p) != 0;
}

/* ---- Overflows ---- */

static unsigned
missed_at(size_t size, unsigned char value)
{
    unsigned char *p = get(size);
    unsigned missed = 0;

    memset(p, 'x', size);
    unsigned char was = p[size];
    p[size] = was == value ? (unsigned char)~value : value;
    missed += !free_finds(p);
    missed += jsm_realloc(p, size + 100) != NULL;
    jsm_free_sized(p, size);
    missed += !jsm_is_ours(p) + (jsm_malloc_usable_size(p) != 0);
    p[size] = was;
    missed += jsm_malloc_usable_size(p) != size || !is_all(p, size, 'x');
    missed += free_finds(p);
    return missed;
}

static int
overflow_by_one(void)
{
    static const size_t large[] = { 65500, 65528, 65529, 65537, 100000, 131071, 131073, 1000001, 100000001 };
    unsigned missed = 0;

    begin("0");
    for (size_t size = 1; size <= 5000; size++)
        missed += missed_at(size, 0);
    for (size_t i = 0; i < COUNT_OF(large); i++)
        missed += missed_at(large[i], 0) + missed_at(large[i], 'A') + missed_at(large[i], 0xff);
    for (size_t size = 1; size <= 5000; size += 7)
        missed += missed_at(size, 'A') + missed_at(size, 0xff);
    return verdict(missed + (unsigned)jsm_check());
}

/* All that lies behind the block, up to the next, is watched; with level on, the first and the last 8 bytes of it. */
static int
overflow_anywhere(void)
{
    unsigned missed = 0;

    begin("0");
    for (size_t size = 0; size <= 3000; size += 1 + size / 20) {
        size_t end = jsm_class_bytes[jsm_class_of(jsm_harden_room(size))];
        unsigned char *p = get(size);
        for (size_t at = size; at < end; at++) {
            if (!is_level_full() && at >= size + 8 && at < end - 8)
                continue;
            p[at] ^= 1;
            missed += !free_finds(p);
            p[at] ^= 1;
        }
        missed += free_finds(p);
    }
    return verdict(missed);
}

static int
underflow(void)
{
    unsigned missed = 0, seen = 0;
    unsigned char *p[200];

    begin("0");
    for (unsigned i = 0; i < COUNT_OF(p); i++)
        p[i] = get(40);
    for (unsigned i = 0; i < COUNT_OF(p); i++) {
        for (unsigned j = 0; j < COUNT_OF(p); j++) {
            if (p[i] + 48 != p[j])
                continue;
            seen++;
            p[j][-1] ^= 0x40;
            missed += !free_finds(p[i]);
            p[j][-1] ^= 0x40;
        }
    }
    return verdict(missed + (seen < 100));
}

static int
overflow_of_large_into_guard(void)
{
    begin("0");
    unsigned char *p = get(32 * 4096);
    memset(p, 1, 32 * 4096);
    jsm_free(p);
    p = get(1 << 20);
    *(volatile unsigned char *)(p + (1 << 20)) = 1;
    return 0;
}

/* Behind the last block of a slab, too. */
static int
overflow_of_slab_into_guard(void)
{
    begin("0");
    const struct jsm_span *slab = jsm_pagemap_find(get(40));
    if (jsm_kind(slab) != JSM_KIND_SLAB)
        return 1; /* the page has taken the place of the blocks */
    if (jsm_os_page_bytes() > JSM_SLICE_BYTES / 4) {
        slab = jsm_pagemap_find(get(5000)); /* the smaller ones have none */
        if (jsm_kind(slab) == JSM_KIND_SLAB_PART)
            slab -= slab->back;
    }
    *(volatile unsigned char *)(slab->base + slab->n_slices * JSM_SLICE_BYTES - 1) = 1;
    return 0;
}

static int
overflow_is_told(void)
{
    begin("1");
    char *p = get(24);
    memcpy(p + 24, "ABC", 3);
    jsm_free(p);
    p = get(1000);
    p[1002] = 'Z';
    jsm_free(p);
    return 0;
}

/* ---- After free ---- */

/* How much of a block is wiped and watched, and of what size blocks are held back. */
static size_t
watched_bytes(size_t size)
{
    return is_level_full() || size < JSM_HARDEN_HEAD_BYTES ? size : JSM_HARDEN_HEAD_BYTES;
}

static size_t
held_back_bytes(void)
{
    return is_level_full() ? 14000 : 4000;
}

static int
write_after_free(void)
{
    uint64_t random = 12345;

    begin("1");
    for (size_t size = 16; size < held_back_bytes(); size = size * 3 / 2 + 5) {
        volatile unsigned char *p = get(size);
        drop(p);
        random = random * UINT64_C(6364136223846793005) + 1;
        p[(random >> 33) % watched_bytes(size)] = 'W';
        (void)jsm_malloc_trim(0);
    }
    return verdict((unsigned)jsm_check());
}

/* So many of them. */
static unsigned
writes(void)
{
    unsigned n = 0;

    for (size_t size = 16; size < held_back_bytes(); size = size * 3 / 2 + 5)
        n++;
    return n;
}

static int
write_later(void)
{
    begin("1");
    volatile unsigned char *p = get(100), *kept = get(100);
    drop(p);
    (void)jsm_malloc_trim(0); /* it is no longer held back */
    p[50] = 'L';
    for (unsigned i = 0; i < 1000; i++)
        (void)get(100);
    drop(kept);
    return 0;
}

static int
is_wiped(void)
{
    unsigned wrong = 0;

    begin("3");
    for (size_t size = 8; size < 60000; size = size * 2 + 1) {
        volatile unsigned char *p = get(size);
        memset((void *)(uintptr_t)p, 's', size);
        drop(p);
        for (size_t i = 0; i < watched_bytes(size); i++)
            wrong += p[i] != 0;
    }
    return verdict(wrong);
}

static int
read_freed_large(void)
{
    begin("3");
    volatile unsigned char *p = get(200000);
    p[5] = 1;
    drop(p);
    return p[5];
}

static void *
free_it(void *p)
{
    jsm_free(p);
    return NULL;
}

static void
free_elsewhere(void *p)
{
    pthread_t t;

    if (pthread_create(&t, NULL, free_it, p) != 0)
        _exit(98);
    pthread_join(t, NULL);
}

static int
double_frees(void)
{
    static const size_t sizes[] = { 0, 1, 16, 100, 1000, 5000, 20000, 60000, 100000, 2000000 };

    begin("1");
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        void *p = get(sizes[i]), *q = get(sizes[i]), *r = get(sizes[i]);
        drop(p);
        drop(p);
        free_elsewhere(q);
        drop(q);
        drop(r);
        free_elsewhere(r);
    }
    return verdict((unsigned)jsm_check());
}

enum { DOUBLE_FREES = 30 };

/* ---- Sizes ---- */

static int
sizes_are_exact(void)
{
    unsigned wrong = 0;

    begin("0");
    for (size_t size = 0; size < 200000; size += 1 + size / 30) {
        char *p = get(size);
        wrong += jsm_malloc_usable_size(p) != size || jsm_malloc_good_size(size) != size;
        jsm_free_sized(p, size + 1);
        wrong += !jsm_is_ours(p);
        jsm_free_sized(p, size);
        wrong += jsm_is_ours(p);
    }
    return verdict(wrong);
}

static int
resized(void)
{
    unsigned wrong = 0;
    size_t was = 1;
    unsigned char *p;

    begin("0");
    p = get(was);
    p[0] = 'r';
    for (size_t size = 2; size < 300000; size += 1 + size / 25) {
        p = jsm_realloc(p, size);
        wrong += jsm_malloc_usable_size(p) != size || !is_all(p, was, 'r');
        memset(p, 'r', size);
        if (size % 4096 != 0) {
            p[size] ^= 8;
            wrong += !free_finds(p);
            p[size] ^= 8;
        }
        was = size;
    }
    for (; was > 1; was -= 1 + was / 25) {
        p = jsm_realloc(p, was);
        wrong += jsm_malloc_usable_size(p) != was || !is_all(p, was, 'r');
    }
    p = jsm_recallocarray(p, jsm_malloc_usable_size(p), 30, 100);
    p = jsm_recallocarray(p, 30, 29, 100);
    wrong += jsm_malloc_usable_size(p) != 2900;
    wrong += free_finds(p);
    return verdict(wrong + (unsigned)jsm_check());
}

/* ---- Others ---- */

static int
set_too_late(void)
{
    unsigned wrong = 0;

    begin("0");
    jsm_free(get(1));
    wrong += jsm_option_set("harden", "off") != 0 || errno != EINVAL;
    wrong += jsm_mallopt(JSM_M_HARDEN, 0) != 0;
    wrong += jsm_option_set("harden", level) != 1;
    wrong += jsm_option_set("preset", "default") != 1 || jsm_option(JSM_OPT_HARDEN) == 0;
    wrong += !set_option("check_action", "0") || missed_at(33, 0) != 0;
    return verdict(wrong);
}

static int
scatters(void)
{
    unsigned upward = 0;
    char *last = NULL;

    begin("0");
    for (unsigned i = 0; i < 200; i++) {
        char *p = get(24);
        upward += p == last + 32;
        last = p;
    }
    return upward < 20 ? 0 : 1;
}

static int
program_heap(void)
{
    jsm_heap *heap;
    unsigned wrong = 0;

    begin("0");
    heap = jsm_heap_new(NULL);
    for (size_t size = 1; size < 100000; size += 1 + size / 4) {
        unsigned char *p = jsm_heap_malloc(heap, size), *s = jsm_malloc_conceal(size);
        p[size] ^= 1;
        s[size] ^= 1;
        wrong += !free_finds(p) + !free_finds(s);
        p[size] ^= 1;
        s[size] ^= 1;
        wrong += free_finds(p) + free_finds(s);
    }
    wrong += jsm_heap_malloc(heap, 50) == NULL;
    wrong += (unsigned)jsm_check();
    jsm_heap_destroy(heap);
    return verdict(wrong + (unsigned)jsm_check());
}

enum { THREADS = 4, STEPS = 20000, LIVE = 64 };
static void *mail[THREADS][LIVE];
static pthread_mutex_t mail_lock = PTHREAD_MUTEX_INITIALIZER;

static void *
exchange(void *arg)
{
    uint64_t random = (uintptr_t)arg + 1;

    for (unsigned i = 0; i < STEPS; i++) {
        random = random * UINT64_C(6364136223846793005) + 1;
        size_t size = (random >> 40) % 3000;
        unsigned char *p = get(size);
        memset(p, (int)i, size);
        pthread_mutex_lock(&mail_lock);
        void **slot = &mail[(random >> 33) % THREADS][(random >> 35) % LIVE], *other = *slot;
        *slot = p;
        pthread_mutex_unlock(&mail_lock);
        jsm_free(other);
    }
    return NULL;
}

static int
threads_and_fork(void)
{
    pthread_t thread[THREADS];
    unsigned wrong = 0;

    begin("3");
    for (uintptr_t i = 0; i < THREADS; i++)
        pthread_create(&thread[i], NULL, exchange, (void *)i);
    for (unsigned i = 0; i < 20; i++) {
        pid_t child = fork();
        if (child == 0) {
            for (unsigned j = 0; j < 1000; j++)
                jsm_free(get(j * 10));
            (void)jsm_malloc_trim(0);
            _exit(jsm_check() != 0);
        }
        int status = 1;
        waitpid(child, &status, 0);
        wrong += status != 0;
    }
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(thread[i], NULL);
    for (unsigned i = 0; i < THREADS * LIVE; i++)
        jsm_free(mail[i / LIVE][i % LIVE]);
    (void)jsm_malloc_trim(0);
    wrong += jsm_mallinfo2().uordblks != 0;
    return verdict(wrong + (unsigned)jsm_check());
}

enum { PAIRS = 200, PAIR_ROUNDS = 50 };
static void *pairs[PAIRS];
static _Atomic(unsigned) n_met;

/* Returns when both threads have come here for the n-th time, to both as near to one moment as can be. */
static void
meet(unsigned n)
{
    n_met++;
    for (unsigned spins = 1; n_met < 2 * n; spins++)
        if (spins % 1024 == 0)
            sched_yield();
}

/* One of two threads that free the same blocks; the first allocates them. */
static void *
free_in_step(void *is_first)
{
    for (unsigned round = 0, step = 0; round < PAIR_ROUNDS; round++) {
        for (unsigned i = 0; i < PAIRS && is_first != NULL; i++)
            pairs[i] = get(i % 2 == 0 ? 40 + round : 400 * round);
        for (unsigned i = 0; i < PAIRS; i++) {
            meet(++step);
            jsm_free(pairs[i]);
        }
        for (unsigned who = 0; who < 2; who++) { /* one after the other lets go what it held back */
            meet(++step);
            if (who == (is_first != NULL))
                (void)jsm_malloc_trim(0);
        }
        meet(++step);
    }
    return NULL;
}

static int
freed_at_one_moment(void)
{
    pthread_t other;

    begin("0");
    pthread_create(&other, NULL, free_in_step, NULL);
    (void)free_in_step(&other);
    pthread_join(other, NULL);
    (void)jsm_malloc_trim(0);
    return verdict((jsm_mallinfo2().uordblks != 0) + (unsigned)jsm_check());
}

/* What two such threads leave with level on, each having seen a live block: it is held back twice. */
static int
held_back_twice(void)
{
    uint32_t i = 0;

    begin("1");
    void *p = get(40);
    struct jsm_span *slab = jsm_pagemap_find(p);
    unsigned wrong = !jsm_slab_index(slab, p, &i);
    jsm_free(p);
    jsm_slab_set_cell(slab, i, JSM_LINK_USED);
    (void)jsm_harden_new(p, 40);
    jsm_free(hide(p));
    (void)jsm_malloc_trim(0);
    return verdict(wrong + (jsm_mallinfo2().uordblks != 0) + (unsigned)jsm_check());
}

static _Atomic(bool) enough;

static void *
begin_often(void *unused)
{
    while (!enough)
        jsm_free(get(1));
    return unused;
}

/* Each call of a thread that can have no heap of its own, for lack of a key, begins as the first one does. */
static int
begun_while_forking(void)
{
    pthread_t thread[2];
    pthread_key_t key;
    unsigned wrong = 0;

    begin("3");
    while (pthread_key_create(&key, NULL) == 0)
        ;
    for (unsigned i = 0; i < 2; i++)
        pthread_create(&thread[i], NULL, begin_often, NULL);
    for (unsigned i = 0; i < 200 && wrong == 0; i++) {
        pid_t child = fork();
        if (child == 0) {
            alarm(10);
            jsm_free(get(1));
            _exit(0);
        }
        int status = 1;
        waitpid(child, &status, 0);
        wrong += status != 0;
    }
    enough = true;
    for (unsigned i = 0; i < 2; i++)
        pthread_join(thread[i], NULL);
    return verdict(wrong);
}

/* What is held back is bounded: by the thread's share, and by large blocks' addresses alone. */
static int
bounded(void)
{
    struct jsm_mallinfo2 info;

    begin("3");
    for (unsigned i = 0; i < 100000; i++)
        jsm_free(get(i % 30000));
    for (unsigned i = 0; i < 200; i++) {
        char *p = get(1 << 20);
        memset(p, 1, 1 << 20);
        jsm_free(p);
    }
    size_t resident = jsm_heap_resident_bytes();
    (void)jsm_malloc_trim(0);
    info = jsm_mallinfo2();
    diag("%zu bytes resident, %zu in use", resident, (size_t)info.uordblks);
    /* qemu-user's mincore() fails where not all can be accessed: all of that counts as resident then. */
    return (resident > (size_t)32 << 20 && !under_qemu()) || info.uordblks != 0;
}

/* malloc looks at fresh blocks before anybody writes to them: that must not cost a fault more for each page. */
static int
faulted_in_once(void)
{
    enum { BLOCKS = 8000, BYTES = 1000 };
    struct rusage before, after;

    begin("0");
    jsm_free(get(BYTES));
    getrusage(RUSAGE_SELF, &before);
    for (unsigned i = 0; i < BLOCKS; i++)
        memset(get(BYTES), 1, BYTES);
    getrusage(RUSAGE_SELF, &after);
    long faults = after.ru_minflt - before.ru_minflt, pages = BLOCKS * 1024L / (long)jsm_os_page_bytes();
    diag("%ld faults for %ld pages", faults, pages);
    return !SANITIZED && !is_emulated() && faults > pages + pages / 3;
}

static unsigned
guarded(unsigned char *const *block, size_t n)
{
    unsigned n_guarded = 0;

    for (size_t i = 0; i < n; i++)
        n_guarded += (jsm_pagemap_find(block[i])->traits & JSM_TRAIT_GUARDED) != 0;
    return n_guarded;
}

/* Of more blocks than protection may cut off, the last ones have padding that is watched.  What they cost in mappings
 * is bounded, and given back with them. */
static int
cuts_are_bounded(void)
{
    enum { BLOCKS = 9000, BYTES = 70000, OTHERS = 200 };
    static unsigned char *block[BLOCKS];
    unsigned wrong = 0, n_guarded;

    begin("0");
    size_t most = jsm_min(jsm_os_read_number("/proc/sys/vm/max_map_count") / 8, (size_t)8192) | 1;
    for (unsigned round = 0; round < 2; round++) {
        for (unsigned i = 0; i < BLOCKS; i++)
            block[i] = get(BYTES);
        n_guarded = guarded(block, BLOCKS);
        size_t mappings = mappings_now();
        diag("%u of %u blocks are guarded, %zu may be; %zu mappings", n_guarded, (unsigned)BLOCKS, most, mappings);
        wrong += n_guarded > most || n_guarded + 100 < most; /* slabs have some */
        wrong += mappings > 2 * most + OTHERS && !is_emulated();
        wrong += guarded(&block[0], 1) != 1 || guarded(&block[BLOCKS - 1], 1) != 0;
        wrong += missed_at(BYTES, 'A');
        for (unsigned i = 0; i < BLOCKS; i++)
            jsm_free(block[i]);
        (void)jsm_malloc_trim(0);
        wrong += mappings_now() > OTHERS && !is_emulated();
    }
    return verdict(wrong);
}

static int
nothing(void)
{
    begin("0");
    return 0;
}

/* ---- */

static unsigned
count(const char *text, const char *word)
{
    unsigned n = 0;

    while ((text = strstr(text, word)) != NULL) {
        n++;
        text += strlen(word);
    }
    return n;
}

static int (*const scenes[])(void) = {
    overflow_by_one, overflow_anywhere, underflow, overflow_of_large_into_guard, overflow_of_slab_into_guard,
    overflow_is_told, write_after_free, write_later, is_wiped, read_freed_large, double_frees, sizes_are_exact, resized,
    set_too_late, scatters, program_heap, threads_and_fork, bounded, nothing,
    faulted_in_once, cuts_are_bounded, freed_at_one_moment, held_back_twice, begun_while_forking
};

static int (*scene_now)(void);

static int
start_scene(void)
{
    char options[40], number[20];
    size_t i = 0;

    while (scenes[i] != scene_now)
        i++;
    snprintf(options, sizeof options, "JSMALLOC_OPTIONS=harden=%s", level);
    snprintf(number, sizeof number, "%zu", i);
    char old[] = "old", *const argv[] = { program, number, hide(level), is_old_kernel ? old : NULL, NULL };
    char *const env[] = { options, NULL };
    exec_again(argv, env);
    return 97;
}

static struct child child;

static void
play(int (*scene)(void))
{
    scene_now = scene;
    in_child(&child, start_scene);
}

static void
holds(int (*scene)(void), const char *what)
{
    play(scene);
    if (!ok(ended_well(&child), "%s: %s", level, what))
        tell_child(&child);
}

static void
faults(int (*scene)(void), const char *what)
{
    play(scene);
    if (!ok(WIFSIGNALED(child.status) && WTERMSIG(child.status) == SIGSEGV, "%s: %s", level, what))
        tell_child(&child);
}

/* The scene ends well, and has said `words` so many times. */
static void
says(int (*scene)(void), unsigned times, const char *words, const char *what)
{
    play(scene);
    if (!ok(ended_well(&child) && count(child.text, words) == times, "%s: %s", level, what)) {
        diag("\"%s\" %u times, expected %u", words, count(child.text, words), times);
        tell_child(&child);
    }
}

static void
test_level(void)
{
    holds(overflow_by_one, "an overflow by one byte is found, whatever the size, by all that take the block");
    holds(overflow_anywhere, is_level_full() ? "and one of any byte up to the next block"
                                             : "and one of the first and last 8 bytes up to the next block");
    holds(underflow, "an underflow by one byte is found in the block before");
    faults(overflow_of_large_into_guard, "behind the pages of a large block is nothing");
    if (is_level_full())
        faults(overflow_of_slab_into_guard, "neither is behind the last block of a slab");
    says(overflow_is_told, 1, "heap overflow: from offset 24 on was written to; what is there now is 41 42 43 ",
         "a report tells where the first byte is, and what was written");
    ok(count(child.text, "heap overflow: from offset 1002 on was written to; what is there now is 5a ") == 1 &&
           count(child.text, "block of 1000 bytes") == 1,
       "%s: also behind the first byte", level);
    says(write_after_free, writes(), "): write after free: from offset ",
         "a write after free is found when the block leaves the quarantine");
    says(write_later, 1, "malloc(", "or when it is handed out again");
    holds(is_wiped, is_level_full() ? "a freed block is zero" : "the first 64 bytes of a freed block are zero");
    if (is_level_full())
        faults(read_freed_large, "and a large one is inaccessible");
    else
        holds(read_freed_large, "and of a large one, too");
    says(double_frees, DOUBLE_FREES, "): double free",
         "double frees are found while the block is held back: here and by other threads");
    says(held_back_twice, 1, "): double free", "a block that is held back twice is found when it is let go");
    holds(sizes_are_exact, "all sizes are those that were asked for");
    holds(resized, "what realloc gives is watched as well, also where it was");
    holds(set_too_late, "the option cannot be changed later");
    if (is_level_full() && SANITIZED)
        skip(1, "two threads that free a block at one moment are a data race");
    else if (is_level_full())
        holds(freed_at_one_moment, "of two threads that free a block at one moment one does");
    if (is_level_full())
        holds(scatters, "neighbours in time are no neighbours in memory");
    holds(program_heap, "heaps of the program and concealed blocks are watched");
    holds(threads_and_fork, "threads exchange blocks, and fork meanwhile; in the end all is free");
    holds(begun_while_forking, "threads begin while another forks: the child begins, too");
    holds(bounded, "what is held back is bounded");
    holds(faulted_in_once, "a page is faulted in once");
}

/* Where there are no guards, protection does it: up to two mappings each, of a budget. */
static void
test_old_kernel(void)
{
    is_old_kernel = true;
    play(nothing);
    is_old_kernel = WEXITSTATUS(child.status) != UNABLE;
    if (!is_old_kernel) {
        skip(5u + 3 * is_level_full(), "system calls cannot be refused here");
        return;
    }
    faults(overflow_of_large_into_guard, "without guards of the kernel: behind the pages of a large block is nothing");
    holds(overflow_by_one, "without guards: an overflow by one byte is found");
    holds(program_heap, "without guards: heaps of the program are watched");
    holds(threads_and_fork, "without guards: threads exchange blocks, and fork meanwhile");
    holds(bounded, "without guards: what is held back is bounded");
    if (is_level_full()) {
        faults(overflow_of_slab_into_guard, "without guards: behind the last block of a slab is nothing");
        faults(read_freed_large, "without guards: a freed large block is inaccessible");
        holds(cuts_are_bounded, "without guards: what protection cuts off is bounded");
    }
    is_old_kernel = false;
}

int
main(int argc, char **argv)
{
    static const char *const levels[] = { "on", "full" };

    if (argc >= 3) {
        level = argv[2];
        is_old_kernel = argc > 3;
        return scenes[atoi(argv[1])]();
    }

    end_if_stuck();
    if (is_emulated() && !under_qemu())
        skip_all("valgrind does not run the program once more by /proc/self/exe");
    plan(20 + 5 + 23 + 8);
    for (unsigned i = 0; i < COUNT_OF(levels); i++) {
        level = levels[i];
        test_level();
        test_old_kernel();
    }
    return done();
}
