/* t/regress.c - faults that the library once had, each of them in a program as small as shows it.
 *
 * Each runs in a child of its own: it finds a heap as new, and when it crashes or hangs the others
 * still run.
 * SPDX-License-Identifier: MIT
 */
#include "blackbox.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>

/* Exit statuses of a child beside 0, good: what else it returns is a number of faults. */
enum { FAULTS_MAX = 100, NO_HELP = 101, NOT_HERE = 102 };

static int
faults_status(unsigned faults)
{
    return faults < FAULTS_MAX ? (int)faults : FAULTS_MAX;
}

static void
test(int (*body)(void), const char *what)
{
    pid_t child = fork_timed();

    if (child == 0)
        _exit(body());
    int verdict = verdict_of(child);
    if (verdict == NOT_HERE)
        skip(1, "the system does not allow what this needs");
    else
        is_int(verdict, 0, "%s", what);
}

/* Starts a thread whose stack is no great part of the addresses that there may be. */
static pthread_t
start_thread(void *(*body)(void *), void *arg)
{
    pthread_attr_t attr;
    pthread_t t;

    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, MIB);
    if (pthread_create(&t, &attr, body, arg) != 0)
        _exit(NO_HELP);
    pthread_attr_destroy(&attr);
    return t;
}

static void
run_thread(void *(*body)(void *), void *arg)
{
    pthread_join(start_thread(body, arg), NULL);
}

/* Whether there may be many or few addresses: sanitizers and emulators want those themselves. */
static bool
addresses_are_ours(void)
{
    return !SANITIZED && !is_emulated();
}

/* ---- calloc of memory that had been used ---- */

/* The kernel does not take locked pages back, but the page heap believed that it had. */
static int
calloc_of_locked(void)
{
    enum { BLOCKS = 4 };
    unsigned char *p[BLOCKS];
    unsigned dirty = 0;

    for (unsigned i = 0; i < BLOCKS; i++) {
        p[i] = jsm_malloc(MIB);
        if (p[i] == NULL)
            return NO_HELP;
        set_all(p[i], MIB, 0xaa);
        /* Not mlock(), out of which sanitizers make a call that does nothing. */
        if (syscall(SYS_mlock, p[i], (size_t)sysconf(_SC_PAGESIZE)) != 0)
            return NOT_HERE;
    }
    for (unsigned i = 0; i < BLOCKS; i++)
        jsm_free(p[i]);
    (void)jsm_malloc_trim(0);
    for (unsigned i = 0; i < BLOCKS; i++) {
        p[i] = jsm_calloc(1, MIB);
        dirty += p[i] == NULL || !is_all(p[i], MIB, 0);
    }
    return faults_status(dirty);
}

/* A slab that had only ever been given out once had no block left; the one that took its place,
 * with freed blocks, was taken to be as new. */
static int
calloc_after_last(void)
{
    static const size_t sizes[] = {65528, 40000, 17000, 5000, 700, 48};
    enum { BYTES = 4 << 20 };
    static unsigned char *p[BYTES / 48];
    unsigned dirty = 0;

    for (unsigned s = 0; s < COUNT_OF(sizes); s++) {
        unsigned n = (unsigned)(BYTES / sizes[s]);
        for (unsigned i = 0; i < n; i++) {
            p[i] = jsm_malloc(sizes[s]);
            if (p[i] == NULL)
                return NO_HELP;
            set_all(p[i], sizes[s], 0xcd);
        }
        for (unsigned i = 0; i < n / 2; i++)
            jsm_free(p[i]);
        for (unsigned i = 0; i < n / 2; i++) {
            p[i] = jsm_calloc(1, sizes[s]);
            dirty += p[i] == NULL || !is_all(p[i], sizes[s], 0);
        }
    }
    return faults_status(dirty);
}

/* ---- Slabs whose thread has ended ---- */

enum { ORPHANS = 20000, ORPHAN_BYTES = 64 };
static void *orphan[ORPHANS];

/* Leaves many slabs behind, of one class, all with free blocks: any thread may adopt them. */
static void *
make_orphans(void *arg)
{
    for (unsigned i = 0; i < ORPHANS; i++) {
        orphan[i] = jsm_malloc(ORPHAN_BYTES);
        if (orphan[i] == NULL)
            _exit(NO_HELP);
        fill(orphan[i], ORPHAN_BYTES, i);
    }
    for (unsigned i = 0; i < ORPHANS; i += 10) {
        jsm_free(orphan[i]);
        orphan[i] = NULL;
    }
    return arg;
}

/* Frees the blocks from `from` to `to`; how many were spoilt. */
static unsigned
free_orphans(unsigned from, unsigned to)
{
    unsigned spoilt = 0;

    for (unsigned i = from; i < to; i++) {
        spoilt += orphan[i] != NULL && !is_filled(orphan[i], ORPHAN_BYTES, ORPHAN_BYTES, i);
        jsm_free(orphan[i]);
        orphan[i] = NULL;
    }
    return spoilt;
}

/* Some slabs become empty, others are adopted, the rest is trimmed. */
static int
use_orphans(void)
{
    unsigned faults = (unsigned)jsm_check();

    faults += free_orphans(0, ORPHANS / 3);
    for (unsigned i = 0; i < ORPHANS / 4; i++) {
        orphan[i] = jsm_malloc(ORPHAN_BYTES);
        if (orphan[i] == NULL)
            return NO_HELP;
        fill(orphan[i], ORPHAN_BYTES, i);
    }
    faults += (unsigned)jsm_check();
    faults += free_orphans(0, ORPHANS / 2);
    (void)jsm_malloc_trim(0);
    faults += free_orphans(0, ORPHANS);
    return faults_status(faults + (unsigned)jsm_check());
}

static void *
fork_before_use(void *arg)
{
    pid_t child = fork_timed();

    if (child == 0)
        _exit(use_orphans());
    *(int *)arg = verdict_of(child);
    return arg;
}

/* In the child of a thread without a heap of its own, slabs without owner seemed to be its own. */
static int
fork_by_newcomer(void)
{
    int verdict = NO_HELP;

    jsm_free(jsm_malloc(1)); /* this thread, which the child does not have, has a heap */
    run_thread(make_orphans, NULL);
    run_thread(fork_before_use, &verdict);
    if (verdict != 0)
        diag("the child's verdict is %d", verdict);
    return verdict == 0 ? use_orphans() : 1;
}

/* Each slab that was looked at went to the end of the list, to be looked at again. */
static int
trim_two_shared(void)
{
    unsigned faults = 0;

    run_thread(make_orphans, NULL);
    (void)jsm_malloc_trim(0);
    faults += free_orphans(0, ORPHANS / 2);
    (void)jsm_malloc_trim(0);
    faults += free_orphans(0, ORPHANS);
    return faults_status(faults + (unsigned)jsm_check());
}

enum { FREERS = 16, SHARED_BLOCKS = 1024, SHARED_BYTES = 4096, SHARED_FILLED = 16 };
static unsigned char *shared[SHARED_BLOCKS];
static pthread_barrier_t all_ready;

static void *
make_shared(void *arg)
{
    unsigned *faults = arg;

    for (unsigned i = 0; i < SHARED_BLOCKS; i++) {
        shared[i] = jsm_calloc(1, SHARED_BYTES);
        if (shared[i] == NULL)
            _exit(NO_HELP);
        *faults += !is_all(shared[i], SHARED_BYTES, 0);
        fill(shared[i], SHARED_FILLED, i);
    }
    return arg;
}

/* Frees each FREERS-th block; the result is how many were spoilt. */
static void *
free_shared(void *arg)
{
    uintptr_t first = (uintptr_t)arg, spoilt = 0;

    pthread_barrier_wait(&all_ready);
    for (uintptr_t i = first; i < SHARED_BLOCKS; i += FREERS) {
        spoilt += !is_filled(shared[i], SHARED_FILLED, SHARED_FILLED, i);
        set_all(shared[i], SHARED_FILLED, 0xee);
        jsm_free(shared[i]);
    }
    return (void *)spoilt;
}

/* The thread that brought the last block of a slab released it without having seen what the others
 * did to it: a race between them and whoever got the memory next. */
static int
release_shared(void)
{
    unsigned faults = 0;

    pthread_barrier_init(&all_ready, NULL, FREERS);
    for (unsigned round = 0; round < rounds(40, 1000); round++) {
        pthread_t t[FREERS];
        run_thread(make_shared, &faults);
        for (uintptr_t i = 0; i < FREERS; i++)
            t[i] = start_thread(free_shared, (void *)i);
        for (unsigned i = 0; i < FREERS; i++) {
            void *spoilt = NULL;
            pthread_join(t[i], &spoilt);
            faults += (unsigned)(uintptr_t)spoilt;
        }
    }
    return faults_status(faults + (unsigned)jsm_check());
}

/* ---- Direct mappings ---- */

/* A mapping whose pages had been moved did not grow where it was: it moved with each step. */
static int
grow_in_place(void)
{
    const size_t step = 64 * KIB, from = 64 * MIB, to = 128 * MIB;
    unsigned char *p = NULL;
    unsigned n_moves = 0, spoilt = 0;

    for (size_t size = step; size <= to && n_moves <= 8; size += step) {
        unsigned char *q = jsm_realloc(p, size);
        if (q == NULL)
            return NO_HELP;
        n_moves += size > from && q != p;
        p = q;
        fill(p + size - step, 64, size);
    }
    for (size_t size = step; n_moves <= 8 && size <= to; size += step)
        spoilt += !is_filled(p + size - step, 64, 64, size);
    if (n_moves > 8)
        diag("it moved more than 8 times");
    jsm_free(p);
    return faults_status((n_moves > 8) + spoilt);
}

/* Where the kernel put a mapping that had to move was right below another one, so that it had to move again with the
 * next step; between two such places it went to and fro. */
static int
move_to_room(void)
{
    const size_t size = 64 * MIB, page = (size_t)sysconf(_SC_PAGESIZE);
    unsigned char *p = jsm_malloc(size), *below = jsm_malloc(size);

    if (p == NULL || below == NULL)
        return NO_HELP;
    (void)mmap(p + size, page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    unsigned char *q = jsm_realloc(p, size + 1);
    if (q == NULL || q == p)
        return NO_HELP;
    void *behind = mmap(q + size + page, size / 8, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    if (behind != MAP_FAILED && behind != q + size + page) /* the flag is not known here */
        return NOT_HERE;
    jsm_free(q);
    jsm_free(below);
    return behind == MAP_FAILED ? 1 : faults_status((unsigned)jsm_check());
}

/* A mapping grows and shrinks with its contents, now where it is, now with something behind it. */
static int
keep_contents(void)
{
    void *wall[16] = {NULL};
    unsigned spoilt = 0, n = 0;

    if (!jsm_option_set("mmap_threshold", "1M"))
        return NO_HELP;
    for (unsigned round = 0; round < 4; round++) {
        size_t size = MIB + round * 5000, next;
        unsigned char *p = jsm_malloc(size), *q;
        if (p == NULL)
            return NO_HELP;
        fill(p, size, n);
        for (; size < 48 * MIB; size = next, p = q) {
            next = size + size / (2 + n % 3) + n * 100;
            if (n % 2 == 0) { /* more often than not this is mapped next to it */
                jsm_free(wall[n % COUNT_OF(wall)]);
                wall[n % COUNT_OF(wall)] = jsm_malloc(MIB);
            }
            q = jsm_realloc(p, next);
            if (q == NULL)
                return NO_HELP;
            spoilt += !is_filled(q, size, size, n);
            fill(q, next, ++n);
        }
        next = size / 3;
        q = jsm_realloc(p, next);
        spoilt += q == NULL || !is_filled(q, next, size, n);
        jsm_free(q);
    }
    for (unsigned i = 0; i < COUNT_OF(wall); i++)
        jsm_free(wall[i]);
    return faults_status(spoilt + (unsigned)jsm_check());
}

/* Blocks below mmap_threshold came from arenas alone, the longest of which has 4 GiB. */
static int
longer_than_arenas(void)
{
    const size_t gib = sizeof(size_t) > 4 ? 1024 * MIB : 0, size = 5 * gib, grown = 6 * gib;
    void *probe = mmap(NULL, 2 * grown, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (gib == 0 || !addresses_are_ours() || probe == MAP_FAILED || munmap(probe, 2 * grown) != 0)
        return NOT_HERE;
    if (!jsm_option_set("mmap_threshold", "8G"))
        return NO_HELP;
    unsigned char *p = jsm_calloc(1, size);
    if (p == NULL)
        return 1;
    unsigned faults = jsm_malloc_usable_size(p) < size || !is_all(p, KIB, 0) || !is_all(p + size - KIB, KIB, 0);
    fill(p, 64, 1);
    fill(p + size - 64, 64, 2);
    faults += !is_filled(p, 64, 64, 1) || !is_filled(p + size - 64, 64, 64, 2);
    p = jsm_realloc(p, grown);
    if (p == NULL)
        return faults_status(faults + 1);
    faults += !is_filled(p, 64, 64, 1) || !is_filled(p + size - 64, 64, 64, 2);
    p[grown - 1] = 1;
    jsm_free(p);
    return faults_status(faults + (unsigned)jsm_check());
}

/* ---- Alignment ---- */

/* The size that such a block should have was taken to be that of a class. */
static int
free_aligned(void)
{
    static const size_t sizes[] = {1, 100, 4096, 40000, 65536, 70000, 300000};

    for (size_t align = 64 * KIB; align <= 8 * MIB; align *= 2)
        for (unsigned i = 0; i < COUNT_OF(sizes); i++) {
            void *p = jsm_aligned_alloc(align, sizes[i]);
            if (p == NULL)
                return NO_HELP;
            fill(p, sizes[i], i);
            jsm_free_aligned_sized(p, align, sizes[i]);
        }
    return faults_status((unsigned)jsm_check());
}

/* ---- Memory runs out in a thread that is ending ---- */

/* One round less than POSIX promises: in the last of them ThreadSanitizer bids the thread farewell. */
enum { ENDING_ROUNDS = 3, ENDING_REQUESTS = 3000 };
static pthread_key_t ending_key;
static atomic_bool ended;

struct ending {
    unsigned rounds_left;
    bool take_all;
    unsigned n_refused;
};

static void
take_and_free_all(void)
{
    void **last = NULL, **p;

    while ((p = jsm_malloc(2000)) != NULL) {
        *p = last;
        last = p;
    }
    while ((p = last) != NULL) {
        last = *p;
        jsm_free(p);
    }
}

/* Destructor of thread data.  In its second round, at the latest, the thread has no heap any more. */
static void
ask_for_too_much(void *arg)
{
    struct ending *e = arg;

    if (e->take_all)
        take_and_free_all();
    for (unsigned i = 0; i < ENDING_REQUESTS; i++)
        e->n_refused += jsm_malloc(hide_size(PTRDIFF_MAX / 2)) == NULL;
    if (--e->rounds_left > 0)
        pthread_setspecific(ending_key, e);
}

static void *
end_slowly(void *arg)
{
    jsm_free(jsm_malloc(100));
    pthread_setspecific(ending_key, arg);
    return arg;
}

static void *
end_several(void *arg)
{
    for (unsigned i = 0; i < rounds(10, 200); i++) {
        struct ending *e = arg;
        e->rounds_left = ENDING_ROUNDS;
        run_thread(end_slowly, e);
    }
    atomic_store(&ended, true);
    return arg;
}

/* Who is ending took the locks of the fallback heap and of the threads in another order than fork(). */
static int
run_out_while_ending(bool take_all)
{
    struct ending e = {0, take_all, 0};
    unsigned bad = 0;

    if (pthread_key_create(&ending_key, ask_for_too_much) != 0)
        return NO_HELP;
    jsm_free(jsm_malloc(100));
    pthread_t t = start_thread(end_several, &e);
    while (!atomic_load(&ended)) {
        pid_t child = fork();
        if (child == 0) /* past sanitizers, to which a thread that just ended is a leak */
            syscall(SYS_exit_group, 0);
        bad += verdict_of(child) != 0;
    }
    pthread_join(t, NULL);
    bad += e.n_refused != rounds(10, 200) * ENDING_ROUNDS * ENDING_REQUESTS;
    return faults_status(bad + (unsigned)jsm_check());
}

static int
ask_while_ending(void)
{
    if (sizeof(size_t) == 4)
        return NOT_HERE; /* there is no size that is surely refused, but not at once */
    return run_out_while_ending(false);
}

/* Addresses in use, in bytes; 0 where that is not told. */
static size_t
address_bytes(void)
{
    unsigned long pages = 0;
    FILE *f = fopen("/proc/self/statm", "r");

    if (f == NULL || fscanf(f, "%lu", &pages) != 1)
        pages = 0;
    if (f != NULL)
        fclose(f);
    return pages * (size_t)sysconf(_SC_PAGESIZE);
}

static int
take_all_while_ending(void)
{
    size_t used = address_bytes();
    struct rlimit limit = {used + 64 * MIB, used + 64 * MIB};

    if (!addresses_are_ours() || used == 0 || setrlimit(RLIMIT_AS, &limit) != 0)
        return NOT_HERE;
    return run_out_while_ending(true);
}

/* ---- What fuzzing found ---- */

/* A heap that is pushed, in which size 0 gets no block. */
static jsm_heap *
push_zero_null(void)
{
    struct jsm_heap_config config = JSM_HEAP_CONFIG_INIT;

    config.flags = JSM_HEAP_ZERO_NULL;
    jsm_heap *heap = jsm_heap_new(&config);
    if (heap == NULL || jsm_heap_push(heap) != 0)
        _exit(NO_HELP);
    return heap;
}

static int
shrink_to_nothing(void)
{
    (void)push_zero_null();
    void *p = jsm_malloc(100);
    errno = ERRNO_MARK;
    void *q = jsm_recallocarray(p, 100, hide_size(0), 1);
    return q != NULL || errno != ERRNO_MARK || jsm_is_ours(hide(p));
}

static int
align_nothing(void)
{
    void *p = &p;

    (void)push_zero_null();
    return jsm_posix_memalign(&p, 8, 0) != 0 || p != NULL;
}

/* A fault is reported, and ends the child. */
static int
free_shrunk(void)
{
    for (size_t n = 2; n < 200000; n += n / 3 + 1) {
        void *p = jsm_recallocarray(NULL, 0, n, 1);
        p = jsm_recallocarray(p, n, n / 2 + 1, 1);
        jsm_free_sized(p, n / 2 + 1);
    }
    return 0;
}

static int
free_aligned_in_heap(void)
{
    jsm_heap *heaps[] = {NULL, jsm_heap_new(NULL)};

    for (size_t align = 1; align <= 64; align *= 2)
        for (size_t n = 0; n <= 64; n++)
            for (unsigned i = 0; i < COUNT_OF(heaps); i++)
                jsm_free_aligned_sized(jsm_heap_aligned_alloc(heaps[i], align, n), align, n);
    return 0;
}

static int
free_squeezed(void)
{
    struct jsm_heap_config config = JSM_HEAP_CONFIG_INIT;

    config.limit_bytes = 64 * KIB;
    jsm_heap *heap = jsm_heap_new(&config);
    void *p = jsm_heap_malloc(heap, 100), *q = jsm_heap_malloc(heap, 50);
    jsm_heap_delete(heap);
    if (jsm_malloc_usable_size(q) < 100)
        return NO_HELP;
    jsm_free_sized(q, 50);
    jsm_free_sized(p, 100);
    return 0;
}

static void *
free_block(void *p)
{
    jsm_free(p);
    return NULL;
}

/* Blocks outlive their heap in the program's memory; in odd rounds another thread frees the last one. */
static int
reuse_buffer(void)
{
    static unsigned char memory[1 << 20];
    struct jsm_heap_config config = JSM_HEAP_CONFIG_INIT;
    unsigned faults = 0;

    config.memory = memory;
    config.memory_bytes = sizeof memory;
    for (unsigned round = 0; round < 10; round++) {
        jsm_heap *heap = jsm_heap_new(&config);
        if (heap == NULL)
            return faults_status(faults + 1);
        void *small = jsm_heap_malloc(heap, 100), *large = jsm_heap_malloc(heap, 200000);
        jsm_heap_delete(heap);
        faults += jsm_heap_new(&config) != NULL; /* not yet */
        jsm_free(large);
        if (round % 2 == 0)
            jsm_free(small);
        else
            pthread_join(start_thread(free_block, small), NULL);
        set_all(memory, sizeof memory, 0xee);
        faults += (unsigned)jsm_check();
    }
    return faults_status(faults);
}

enum { LATE_FREERS = 3, BLOCKS_EACH = 40 };

static void *blocks_of_deleted[LATE_FREERS][BLOCKS_EACH];

static void *
free_blocks(void *of)
{
    for (unsigned i = 0; i < BLOCKS_EACH; i++)
        jsm_free(((void **)of)[i]);
    return NULL;
}

static int
reuse_buffer_races(void)
{
    static unsigned char memory[4 << 20];
    struct jsm_heap_config config = JSM_HEAP_CONFIG_INIT;
    pthread_t thread[LATE_FREERS];
    unsigned faults = 0;

    config.memory = memory;
    config.memory_bytes = sizeof memory;
    for (unsigned round = 0; round < rounds(50, 1000) && faults == 0; round++) {
        jsm_heap *heap = jsm_heap_new(&config);
        faults += heap == NULL;
        for (unsigned i = 0; i < LATE_FREERS * BLOCKS_EACH && heap != NULL; i++)
            blocks_of_deleted[i % LATE_FREERS][i / LATE_FREERS] = jsm_heap_malloc(heap, i % 50 == 0 ? 100000 : i * 8);
        for (unsigned i = 0; i < LATE_FREERS; i++)
            thread[i] = start_thread(free_blocks, blocks_of_deleted[i]);
        jsm_heap_delete(heap);
        for (unsigned i = 0; i < LATE_FREERS; i++)
            pthread_join(thread[i], NULL);
    }
    return faults_status(faults + (unsigned)jsm_check());
}

/* What a heap that ends leaves to later slabs: no block that was never handed out counts as live. */
static int
forget_ended_heap(void)
{
    struct jsm_heap_config config = JSM_HEAP_CONFIG_INIT;
    unsigned live = 0;

    jsm_heap *heap = jsm_heap_new(&config);
    for (unsigned i = 0; i < 2000 && heap != NULL; i++)
        if (jsm_heap_malloc(heap, 64) == NULL)
            return NO_HELP;
    jsm_heap_destroy(heap);
    heap = jsm_heap_new(&config);
    const char *p = heap != NULL ? jsm_heap_malloc(heap, 64) : NULL;
    if (p == NULL)
        return NO_HELP;
    const char *slab = p - (uintptr_t)p % (64 * KIB);
    for (size_t i = 0; i < 64 * KIB / 64; i++)
        live += jsm_is_ours(slab + i * 64) != 0;
    return faults_status(live - 1 + (unsigned)jsm_check());
}

static atomic_bool heaps_are_made;

static void *
check_meanwhile(void *unused)
{
    unsigned faults = 0;

    while (!atomic_load(&heaps_are_made))
        faults += (unsigned)jsm_check();
    return faults == 0 ? unused : &heaps_are_made;
}

/* Heaps in memory of the program's are made while another thread looks at all heaps there are. */
static int
look_at_newcomers(void)
{
    enum { HEAPS = 300, BYTES = 192 << 10 };
    struct jsm_heap_config config = JSM_HEAP_CONFIG_INIT;
    unsigned faults = 0;
    void *answer;

    unsigned char *memory = mmap(NULL, (size_t)HEAPS * BYTES, PROT_READ | PROT_WRITE,
                                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED)
        return NO_HELP;
    pthread_t thread = start_thread(check_meanwhile, NULL);
    for (unsigned i = 0; i < HEAPS; i++) {
        config.memory = memory + (size_t)i * BYTES;
        config.memory_bytes = BYTES;
        faults += jsm_heap_new(&config) == NULL;
    }
    atomic_store(&heaps_are_made, true);
    pthread_join(thread, &answer);
    return faults_status(faults + (answer != NULL));
}

/* Where option slab_max has changed since a block was made, realloc still leaves it as free_sized wants it. */
static int
resize_after_slab_max(void)
{
    static const struct { const char *before, *after; size_t from, to; } change[] = {
        { "65536", "1796", 4000, 2834 },   /* in a slab; a new block would be a page */
        { "4096", "65536", 40000, 33000 }, /* of ten pages; a new one would be of a class as long */
    };
    unsigned faults = 0;

    if (!jsm_option_set("check_action", "1"))
        return NO_HELP;
    for (unsigned i = 0; i < COUNT_OF(change); i++) {
        faults += !jsm_option_set("slab_max", change[i].before);
        void *p = jsm_malloc(change[i].from);
        faults += !jsm_option_set("slab_max", change[i].after);
        p = jsm_realloc(p, change[i].to);
        faults += p == NULL;
        jsm_free_sized(p, change[i].to);
        faults += jsm_is_ours(p) != 0;
    }
    return faults_status(faults);
}

/* A heap in a buffer ends, and another takes the same buffer and some of what is before it. */
static int
take_more_of_buffer(void)
{
    enum { SLICE = 64 << 10, BYTES = 8 * SLICE };
    struct jsm_heap_config config = JSM_HEAP_CONFIG_INIT;

    config.memory = aligned_alloc(SLICE, BYTES);
    config.memory_bytes = BYTES;
    if (config.memory == NULL)
        return NO_HELP;
    struct jsm_heap_config smaller = config;
    smaller.memory = (char *)config.memory + 2 * SLICE;
    smaller.memory_bytes -= 2 * SLICE;
    jsm_heap *first = jsm_heap_new(&smaller);
    jsm_heap_destroy(first);
    jsm_heap *second = jsm_heap_new(&config);
    return faults_status((first == NULL) + (second == NULL) + (jsm_heap_malloc(second, 300000) == NULL));
}

int
main(void)
{
    plan(23);
    test(calloc_of_locked, "calloc gives zeros where the kernel did not take pages back");
    test(calloc_after_last, "calloc gives zeros after the last block of a slab as new");
    test(fork_by_newcomer, "a thread that never allocated forks: the child uses what is there");
    test(trim_two_shared, "trimming ends with several slabs of a class that have no owner");
    test(release_shared, "slabs without owner are released by the last of several threads");
    test(grow_in_place, "a mapping that grows in small steps seldom moves");
    test(move_to_room, "a mapping that has to move goes where it can grow");
    test(keep_contents, "a mapping that grows and shrinks keeps its contents");
    test(longer_than_arenas, "a block longer than an arena below mmap_threshold");
    test(free_aligned, "free_aligned_sized of small blocks with large alignments");
    test(ask_while_ending, "requests are refused in a thread that is ending, while another forks");
    test(take_all_while_ending, "memory runs out in a thread that is ending, while another forks");
    test(shrink_to_nothing, "recallocarray to nothing in a heap where that is NULL frees the block");
    test(align_nothing, "posix_memalign of nothing in such a heap is no error");
    test(free_shrunk, "free_sized of what recallocarray made smaller");
    test(free_aligned_in_heap, "free_aligned_sized of small blocks from jsm_heap_aligned_alloc");
    test(free_squeezed, "free_sized of a block that is longer for lack of memory, when its heap is deleted");
    test(reuse_buffer, "memory of a deleted heap is the program's again with the last block");
    test(reuse_buffer_races, "also where threads free them while the heap is deleted");
    test(forget_ended_heap, "blocks that lived when their heap was destroyed make none live in later slabs");
    test(take_more_of_buffer, "a buffer whose end was another heap's is free once that is destroyed");
    test(resize_after_slab_max, "free_sized of what realloc left in place after slab_max had changed");
    test(look_at_newcomers, "heaps in buffers are made while a thread checks all heaps");
    return done();
}
