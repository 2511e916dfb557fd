/* t/threads.c - blocks that one thread allocates and another frees: pairs, many to one, rings,
 * and all threads at once with checks and trims in between.
 * SPDX-License-Identifier: MIT
 */
#include "queue.h"

enum { THREADS = 4 };

/* Sizes from slabs of all shapes, and now and then a span. */
static size_t
some_size(uint64_t *r)
{
    size_t kind = random_below(r, 100);

    if (kind < 70)
        return random_below(r, 512) + 1;
    if (kind < 95)
        return random_below(r, 8192) + 1;
    return random_below(r, 200000) + 1;
}

struct producer {
    struct queue *queue;
    uint64_t random;
    unsigned count;
    size_t size; /* of every block; 0: of all sizes */
    unsigned refused;
};

static void *
produce(void *arg)
{
    struct producer *w = arg;

    for (unsigned i = 0; i < w->count; i++) {
        size_t size = w->size != 0 ? w->size : some_size(&w->random);
        struct parcel parcel = parcel_new(size, random_next(&w->random));
        if (parcel.p == NULL)
            w->refused++;
        else
            queue_put(w->queue, parcel);
    }
    queue_put(w->queue, (struct parcel){NULL, 0, 0});
    return NULL;
}

/* Frees what comes until `senders` have ended; returns how many blocks were not as they should be. */
static unsigned
consume(struct queue *q, unsigned senders, unsigned *received)
{
    unsigned spoilt = 0;

    while (senders > 0) {
        struct parcel parcel = queue_take(q);
        if (parcel.p == NULL) {
            senders--;
            continue;
        }
        spoilt += !parcel_good(&parcel);
        ++*received;
        jsm_free(parcel.p);
    }
    return spoilt;
}

static void
test_producers(unsigned n, size_t size, unsigned count, uint64_t seed, const char *what)
{
    static struct queue queue;
    struct producer w[THREADS];
    pthread_t t[THREADS];
    unsigned started = 0, received = 0, spoilt, refused = 0;

    queue_init(&queue);
    for (; started < n; started++) {
        w[started] = (struct producer){&queue, seed + started, count, size, 0};
        if (pthread_create(&t[started], NULL, produce, &w[started]) != 0)
            break;
    }
    spoilt = consume(&queue, started, &received);
    for (unsigned i = 0; i < started; i++) {
        pthread_join(t[i], NULL);
        refused += w[i].refused;
    }
    ok(spoilt == 0 && refused == 0 && received == n * count, "%s: %u blocks, all as they were sent", what, received);
    is_int(jsm_check(), 0, "%s: the heap is sound", what);
}

/* ---- A ring: every thread gets from one neighbour and gives to the other ---- */

struct station {
    struct queue *in, *out;
    uint64_t random;
    unsigned steps;
    unsigned spoilt, refused;
};

static void *
pass_on(void *arg)
{
    struct station *w = arg;

    for (unsigned i = 0; i < w->steps; i++) {
        struct parcel parcel = queue_take(w->in);
        w->spoilt += !parcel_good(&parcel);
        size_t what = random_below(&w->random, 3);
        if (what == 0) {
            jsm_free(parcel.p);
            parcel = parcel_new(some_size(&w->random), random_next(&w->random));
        } else if (what == 1) {
            size_t size = some_size(&w->random), old = parcel.size;
            void *p = jsm_realloc(parcel.p, size);
            if (p != NULL) {
                w->spoilt += !is_filled(p, old < size ? old : size, old, parcel.id);
                parcel.p = p;
                parcel.size = size;
                fill(p, size, parcel.id);
            }
        }
        if (parcel.p == NULL) {
            w->refused++;
            parcel = parcel_new(1, 1);
        }
        queue_put(w->out, parcel);
    }
    return NULL;
}

static void
test_ring(uint64_t seed)
{
    enum { ROUND = 100 };
    static struct queue queue[THREADS];
    struct station w[THREADS];
    pthread_t t[THREADS];
    unsigned started = 0, spoilt = 0, refused = 0, steps = rounds(20000, 500000);

    for (unsigned i = 0; i < THREADS; i++) {
        queue_init(&queue[i]);
        for (unsigned j = 0; j < ROUND / THREADS; j++)
            queue_put(&queue[i], parcel_new(100 + j, j));
    }
    for (; started < THREADS; started++) {
        w[started] = (struct station){&queue[started], &queue[(started + 1) % THREADS], seed + started, steps, 0, 0};
        if (pthread_create(&t[started], NULL, pass_on, &w[started]) != 0)
            _exit(99); /* the others would wait for ever */
    }
    for (unsigned i = 0; i < started; i++) {
        pthread_join(t[i], NULL);
        spoilt += w[i].spoilt;
        refused += w[i].refused;
    }
    for (unsigned i = 0; i < THREADS; i++)
        while (queue[i].length > 0) {
            struct parcel parcel = queue_take(&queue[i]);
            spoilt += !parcel_good(&parcel);
            jsm_free(parcel.p);
        }
    is_int(spoilt + refused, 0, "ring: blocks are freed, replaced and changed by all, and none is spoilt");
    is_int(jsm_check(), 0, "ring: the heap is sound");
}

/* ---- All at once, each on its own, while another checks and trims ---- */

static pthread_mutex_t gate_lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned still_running;

struct loner {
    uint64_t random;
    unsigned steps;
    unsigned spoilt;
};

static void *
live_alone(void *arg)
{
    enum { OWN = 300 };
    struct loner *w = arg;
    struct parcel own[OWN];

    memset(own, 0, sizeof own);
    for (unsigned i = 0; i < w->steps; i++) {
        struct parcel *at = &own[random_below(&w->random, OWN)];
        if (at->p != NULL)
            w->spoilt += !parcel_good(at);
        jsm_free(at->p);
        *at = parcel_new(some_size(&w->random), random_next(&w->random));
    }
    for (unsigned i = 0; i < OWN; i++) {
        if (own[i].p != NULL)
            w->spoilt += !parcel_good(&own[i]);
        jsm_free(own[i].p);
    }
    pthread_mutex_lock(&gate_lock);
    still_running--;
    pthread_mutex_unlock(&gate_lock);
    return NULL;
}

static unsigned
running(void)
{
    pthread_mutex_lock(&gate_lock);
    unsigned n = still_running;
    pthread_mutex_unlock(&gate_lock);
    return n;
}

static void
test_disturbed(uint64_t seed)
{
    struct loner w[THREADS];
    pthread_t t[THREADS];
    unsigned started = 0, spoilt = 0, faults = 0, checks = 0;

    still_running = THREADS;
    for (; started < THREADS; started++) {
        w[started] = (struct loner){seed + started, rounds(50000, 2000000), 0};
        if (pthread_create(&t[started], NULL, live_alone, &w[started]) != 0)
            _exit(99);
    }
    while (running() > 0) {
        faults += jsm_check() != 0;
        (void)jsm_malloc_trim(0);
        (void)jsm_mallinfo2();
        checks++;
        usleep(1000);
    }
    for (unsigned i = 0; i < started; i++) {
        pthread_join(t[i], NULL);
        spoilt += w[i].spoilt;
    }
    diag("%u checks meanwhile", checks);
    is_int(spoilt, 0, "threads keep their blocks while another checks and trims");
    is_int(faults, 0, "and the heap is sound all the time");
}

int
main(void)
{
    uint64_t seed;
    size_t in_use;

    plan(14);
    seed = test_seed();
    in_use = jsm_mallinfo2().uordblks;
    test_producers(1, 64, rounds(100000, 5000000), seed, "one producer, 64 bytes");
    test_producers(1, 0, rounds(30000, 1000000), seed + 10, "one producer, all sizes");
    test_producers(THREADS, 48, rounds(30000, 1000000), seed + 20, "four producers, 48 bytes");
    test_producers(THREADS, 0, rounds(10000, 500000), seed + 30, "four producers, all sizes");
    test_ring(seed + 40);
    test_disturbed(seed + 50);
    is_int(jsm_check(), 0, "the heap is sound in the end");
    /* Some frees may still be on their way, and threads leave a few objects of libc's behind. */
    size_t left = jsm_mallinfo2().uordblks;
    diag("%zu bytes in use at first, %zu in the end", in_use, left);
    ok(left < in_use + MIB, "no block was lost on the way");
    return done();
}
