/* t/soak.c - a thousand million operations: threads that keep blocks, hand them over and end, while others fork.
 *
 * Without JSM_TEST_EXTRA=1 there are fewer.  JSM_TEST_SEED repeats a run as far as the scheduler does.
 *
 * The slots of a worker outlive its threads: what one leaves behind, the next one looks at and frees.  Most blocks
 * carry a mark at their beginning, in their middle and at their end; one in 64 is filled.
 * SPDX-License-Identifier: MIT
 */
#include "model.h"

#include <pthread.h>

enum {
    WORKERS = 4, SLOTS = 2000, SHARED = 256, FULL_EVERY = 64,
    LIVE_BYTES_MAX = 16 << 20, /* of a worker */
    COMMITTED_MAX = 192 << 20  /* three times what may live at once */
};

struct worker {
    struct model model;
    uint64_t random;
    unsigned operations; /* of one thread */
    pthread_t thread;
    struct block slot[SLOTS];
};

static struct worker workers[WORKERS];

/* Blocks on the way from one thread to another. */
static struct {
    pthread_mutex_t lock;
    struct block block;
} shared[SHARED];

/* ---- Contents ---- */

static uint64_t
mark_of(const struct block *b, size_t at)
{
    return b->id * UINT64_C(0x9e3779b97f4a7c15) + at;
}

/* Calls `word` for the places that are marked; they overlap where the block is short. */
static bool
each_mark(const struct block *b, bool (*word)(unsigned char *, const void *, size_t))
{
    size_t len = b->size < 8 ? b->size : 8;
    const size_t places[] = { 0, (b->size - len) / 2 & ~(size_t)7, b->size - len };
    bool good = true;

    for (unsigned i = 0; i < COUNT_OF(places); i++) {
        uint64_t mark = mark_of(b, i == 1 && places[i] < 8 ? 0 : places[i]);
        if (places[i] >= 16 || i == 0)
            good &= word(b->p + places[i], &mark, len);
    }
    return good;
}

static bool
is_full(const struct block *b)
{
    return b->id % FULL_EVERY == 0;
}

static void
look(struct worker *w, const struct block *b)
{
    if (!(is_full(b) ? is_filled(b->p, b->size, b->size, b->id) : each_mark(b, pattern_same)))
        w->model.spoilt++;
}

static void
settle(struct worker *w, struct block *b, void *p, size_t size)
{
    if (p == NULL) {
        w->model.refused++;
        return;
    }
    if (!is_aligned(p, natural_align(size)))
        w->model.wrong++;
    *b = (struct block){ p, size, w->model.next_id++ };
    w->model.live_bytes += size;
    if (is_full(b))
        fill(p, size, b->id);
    else
        (void)each_mark(b, pattern_put);
}

/* ---- Operations ---- */

static size_t
random_size(struct worker *w)
{
    size_t r = (size_t)random_next(&w->random), kind = r % 4096, n = r >> 12;

    if (kind < 3800)
        return n % 256 + 1;
    if (kind < 4070)
        return n % 4096 + 1;
    if (kind < 4094)
        return n % 65536 + 1;
    return w->model.live_bytes > LIVE_BYTES_MAX / 2 ? 1 : n % MIB + 1;
}

static void
allocate(struct worker *w, struct block *b, size_t what)
{
    size_t size = w->model.live_bytes > LIVE_BYTES_MAX ? 16 : random_size(w);

    if (what % 16 == 0) {
        unsigned char *p = jsm_calloc(size, 1);
        w->model.wrong += p != NULL && !is_all(p, size < 4096 ? size : 4096, 0);
        settle(w, b, p, size);
    } else if (what % 64 == 1) {
        size_t align = (size_t)1 << what % 13;
        settle(w, b, jsm_aligned_alloc(align, size), size);
        w->model.wrong += !is_aligned(b->p, align);
    } else {
        settle(w, b, jsm_malloc(size), size);
    }
}

static void
release(struct worker *w, struct block *b)
{
    look(w, b);
    w->model.live_bytes -= b->size;
    jsm_free(b->p);
    b->p = NULL;
}

static void
change(struct worker *w, struct block *b)
{
    size_t size = b->size / 2 + (size_t)random_next(&w->random) % (b->size + 2) + 1;
    size_t kept = size < b->size ? size : b->size;
    uint64_t mark = mark_of(b, 0);

    look(w, b);
    unsigned char *p = jsm_realloc(b->p, size);
    if (p == NULL) {
        w->model.refused++;
        return;
    }
    w->model.spoilt += is_full(b) ? !is_filled(p, kept, b->size, b->id)
                                  : !pattern_same(p, &mark, kept < 8 ? kept : 8);
    w->model.live_bytes -= b->size;
    settle(w, b, p, size);
}

static void
exchange(struct worker *w, struct block *b, size_t what)
{
    size_t i = what % SHARED;

    pthread_mutex_lock(&shared[i].lock);
    struct block other = shared[i].block;
    shared[i].block = *b;
    pthread_mutex_unlock(&shared[i].lock);
    w->model.live_bytes += (other.p != NULL ? other.size : 0) - (b->p != NULL ? b->size : 0);
    *b = other;
}

static void *
work(void *arg)
{
    struct worker *w = arg;

    for (unsigned n = 0; n < w->operations; n++) {
        size_t what = (size_t)(random_next(&w->random) >> 16);
        struct block *b = &w->slot[what % SLOTS];
        what /= SLOTS;
        if (what % 32 == 0)
            exchange(w, b, what / 32);
        else if (b->p == NULL)
            allocate(w, b, what / 32);
        else if (what % 32 < 3)
            change(w, b);
        else
            release(w, b);
        if (what % (1 << 20) == 7)
            (void)jsm_malloc_trim(0);
    }
    return NULL;
}

/* ---- Rounds ---- */

/* Forks while the workers work; the child does some of it, too. */
static bool
try_fork(void)
{
    static struct worker in_child;
    pid_t child = fork_timed();

    if (child != 0)
        return verdict_of(child) == 0;
    in_child.random = (uint64_t)getpid();
    for (unsigned i = 0; i < 5000; i++) {
        struct block *b = &in_child.slot[random_below(&in_child.random, 100)];
        if (b->p == NULL)
            allocate(&in_child, b, i);
        else
            release(&in_child, b);
    }
    const struct model *m = &in_child.model;
    _exit(m->spoilt + m->refused + m->wrong + (unsigned)jsm_check() != 0);
}

static size_t
committed_bytes(void)
{
    struct jsm_mallinfo2 info = jsm_mallinfo2();

    return info.arena + info.hblkhd;
}

/* Each worker has a thread for each round. */
static unsigned
run_round(bool with_fork)
{
    unsigned faults = 0;

    for (unsigned i = 0; i < WORKERS; i++)
        faults += pthread_create(&workers[i].thread, NULL, work, &workers[i]) != 0;
    if (faults > 0)
        _exit(99);
    faults += with_fork && !try_fork();
    for (unsigned i = 0; i < WORKERS; i++)
        pthread_join(workers[i].thread, NULL);
    return faults;
}

static void
clear(void)
{
    struct worker *w = &workers[0];

    for (unsigned i = 0; i < WORKERS * SLOTS; i++)
        if (workers[i / SLOTS].slot[i % SLOTS].p != NULL)
            release(w, &workers[i / SLOTS].slot[i % SLOTS]);
    for (unsigned i = 0; i < SHARED; i++)
        if (shared[i].block.p != NULL)
            release(w, &shared[i].block);
}

int
main(void)
{
    uint64_t seed;
    size_t most = 0;
    unsigned n_rounds, each, bad_forks = 0, spoilt = 0, wrong = 0, refused = 0;

    plan(7);
    seed = test_seed();
    n_rounds = rounds(10, 250);
    each = want_extra() ? 1000000 : rounds(25000, 0);
    for (unsigned i = 0; i < SHARED; i++)
        pthread_mutex_init(&shared[i].lock, NULL);
    for (unsigned i = 0; i < WORKERS; i++) {
        workers[i].random = seed + i;
        workers[i].operations = each;
        workers[i].model.next_id = (uint64_t)i << 40;
    }
    for (unsigned i = 0; i < n_rounds; i++) {
        bad_forks += run_round(i % 5 == 2);
        most = committed_bytes() > most ? committed_bytes() : most;
    }
    is_int(jsm_check(), 0, "the heap is sound");
    clear();
    for (unsigned i = 0; i < WORKERS; i++) {
        spoilt += workers[i].model.spoilt;
        wrong += workers[i].model.wrong;
        refused += workers[i].model.refused;
    }
    diag("%zu operations, at most %zu MiB committed", (size_t)n_rounds * WORKERS * each, most >> 20);
    is_int(spoilt, 0, "every block held what was written to it");
    is_int(wrong, 0, "alignment and zeros were right");
    is_int(refused, 0, "nothing was refused");
    is_int(bad_forks, 0, "children of forks found all as it should be");
    ok(most < COMMITTED_MAX, "memory was bounded");
    (void)jsm_malloc_trim(0);
    is_int(jsm_check(), 0, "the heap is sound when all is freed");
    return done();
}
