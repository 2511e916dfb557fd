/* t/model.c - random operations against a model: the test knows of each block which bytes it must
 * hold, and looks before the block changes or goes.
 *
 * JSM_TEST_SEED repeats a run (one thread at a time exactly, threads as far as the scheduler does);
 * JSM_TEST_EXTRA=1 makes it longer.
 * SPDX-License-Identifier: MIT
 */
#include "model.h"

#include <pthread.h>

enum { SLOTS = 3000, SHARED = 512, MAX_THREADS = 4 };

struct worker {
    struct model model;
    uint64_t random;
    unsigned operations;
    size_t max_bytes;
    struct block slot[SLOTS];
};

/* Blocks on the way from one thread to another: whoever wants a place locks it. */
static struct {
    pthread_mutex_t lock;
    struct block block;
} shared[SHARED];

/* All classes alike, spans less often, mappings of their own rarely. */
static size_t
random_size(struct worker *w)
{
    size_t kind = random_below(&w->random, 10000);

    if (kind < 4500)
        return random_below(&w->random, 257);
    if (kind < 7500)
        return random_below(&w->random, 4097);
    if (kind < 9300)
        return random_below(&w->random, 65537);
    if (kind < 9900)
        return random_below(&w->random, MIB);
    if (kind < 9994)
        return random_below(&w->random, 8 * MIB);
    return 60 * MIB + random_below(&w->random, 10 * MIB);
}

static void
allocate(struct worker *w, struct block *b)
{
    size_t size = random_size(w), align;

    if (w->model.live_bytes + size > w->max_bytes)
        size %= 1000;
    switch (random_below(&w->random, 8)) {
    case 0:
        model_adopt(&w->model, b, jsm_calloc(1, size), size);
        break;
    case 1:
        align = (size_t)1 << random_below(&w->random, 14);
        model_adopt(&w->model, b, jsm_aligned_alloc(align, size), size);
        if (b->p != NULL && !is_aligned(b->p, align))
            w->model.wrong++;
        break;
    case 2: {
        unsigned char *p = jsm_calloc(size, 1);
        if (p != NULL && size < 4 * MIB && !is_all(p, size, 0))
            w->model.wrong++;
        model_adopt(&w->model, b, p, size);
        break;
    }
    default:
        model_adopt(&w->model, b, jsm_malloc(size), size);
    }
}

static void
release(struct worker *w, struct block *b)
{
    struct block old = *b;

    model_forget(&w->model, b);
    switch (random_below(&w->random, 16)) {
    case 0:
        jsm_freezero(old.p, old.size < 4096 ? old.size : 4096);
        break;
    case 1:
        (void)!jsm_realloc(old.p, hide_size(0));
        break;
    default:
        jsm_free(old.p);
    }
}

static void
change(struct worker *w, struct block *b)
{
    size_t old = b->size, size;
    void *q;

    if (random_below(&w->random, 3) == 0)
        size = old / 2 + random_below(&w->random, old + 2);
    else
        size = random_size(w);
    if (w->model.live_bytes + size > w->max_bytes || size == 0)
        size = size % 1000 + 1;
    model_verify(&w->model, b);
    if (random_below(&w->random, 6) == 0) {
        q = jsm_expand(b->p, size);
        if (q == NULL)
            return; /* nothing has changed */
        if (q != b->p)
            w->model.wrong++;
    } else {
        q = jsm_realloc(b->p, size);
    }
    if (q == NULL) {
        w->model.refused++;
        return;
    }
    model_move(&w->model, b, q, size);
}

/* Gives the block to whoever comes by, and takes what lies there. */
static void
exchange(struct worker *w, struct block *b)
{
    size_t i = random_below(&w->random, SHARED);

    pthread_mutex_lock(&shared[i].lock);
    struct block other = shared[i].block;
    shared[i].block = *b;
    pthread_mutex_unlock(&shared[i].lock);
    w->model.live_bytes -= b->p != NULL ? b->size : 0;
    w->model.live_bytes += other.p != NULL ? other.size : 0;
    *b = other;
}

static void *
run(void *arg)
{
    struct worker *w = arg;

    for (unsigned n = 0; n < w->operations; n++) {
        struct block *b = &w->slot[random_below(&w->random, SLOTS)];
        size_t what = random_below(&w->random, 100);
        if (what < 10)
            exchange(w, b);
        else if (b->p == NULL)
            allocate(w, b);
        else if (what < 30)
            change(w, b);
        else
            release(w, b);
        if (n % 50000 == 49999 && jsm_check() != 0)
            w->model.wrong++;
        if (random_below(&w->random, 20000) == 0)
            (void)jsm_malloc_trim(0);
    }
    return NULL;
}

/* What is left of a worker's blocks, and of those on their way, when all have ended. */
static void
clear(struct worker *w, bool with_shared)
{
    for (unsigned i = 0; i < SLOTS; i++)
        if (w->slot[i].p != NULL)
            release(w, &w->slot[i]);
    for (unsigned i = 0; with_shared && i < SHARED; i++)
        if (shared[i].block.p != NULL) {
            w->model.live_bytes += shared[i].block.size;
            release(w, &shared[i].block);
        }
}

static struct worker workers[MAX_THREADS];

/* Runs `n` workers, each in a thread of its own if there are several. */
static void
test_workers(unsigned n, unsigned operations, uint64_t seed)
{
    pthread_t thread[MAX_THREADS];
    unsigned spoilt = 0, refused = 0, wrong = 0, started = 0;

    for (unsigned i = 0; i < n; i++) {
        memset(&workers[i], 0, sizeof workers[i]);
        workers[i].random = seed + i * 1000;
        workers[i].model.next_id = (uint64_t)i << 40;
        workers[i].operations = operations;
        workers[i].max_bytes = 160 * MIB / n;
    }
    if (n == 1)
        run(&workers[0]);
    else
        while (started < n && pthread_create(&thread[started], NULL, run, &workers[started]) == 0)
            started++;
    for (unsigned i = 0; i < started; i++)
        pthread_join(thread[i], NULL);
    for (unsigned i = 0; i < n; i++) {
        clear(&workers[i], i == 0);
        spoilt += workers[i].model.spoilt;
        refused += workers[i].model.refused;
        wrong += workers[i].model.wrong;
    }
    is_int(spoilt, 0, "%u thread(s): every block held what was written to it", n);
    is_int(wrong, 0, "%u thread(s): alignment, size, zeros and heap were right", n);
    is_int(refused, 0, "%u thread(s): nothing was refused", n);
}

int
main(void)
{
    uint64_t seed;

    plan(10);
    seed = test_seed();
    for (unsigned i = 0; i < SHARED; i++)
        pthread_mutex_init(&shared[i].lock, NULL);
    test_workers(1, rounds(120000, 5000000), seed);
    test_workers(2, rounds(60000, 3000000), seed + 1);
    test_workers(MAX_THREADS, rounds(30000, 3000000), seed + 2);
    is_int(jsm_check(), 0, "the heap is sound when all is freed");
    return done();
}
