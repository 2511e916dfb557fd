/* bench/exchange.c - threads that only allocate and threads that only free, batches passing through one queue.
 *
 * Unlike handoff.c a block may be freed by any of several threads, the batch itself is a block too, and the threads
 * sleep while they wait, as those of servers do.
 *
 * SPDX-License-Identifier: MIT
 */
#include "bench.h"

enum { MAKERS = 2, TAKERS = 2, BATCH_BLOCKS = 120, QUEUE_MAX = 64 };

struct batch {
    struct batch *next;
    void *block[BATCH_BLOCKS];
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static struct batch *queue;
static int n_queued;
static int n_makers_left = MAKERS;
static long n_batches;
static uint64_t total;

static void *
make(void *arg)
{
    struct bench_random random = bench_seed((uint64_t)(uintptr_t)arg);

    for (long n = 0; n < n_batches; n++) {
        struct batch *b = bench_checked(malloc(sizeof *b));

        for (size_t i = 0; i < BATCH_BLOCKS; i++)
            b->block[i] = bench_block(8 + bench_below(&random, 500), (uint64_t)n * BATCH_BLOCKS + i);
        pthread_mutex_lock(&lock);
        while (n_queued == QUEUE_MAX)
            pthread_cond_wait(&changed, &lock);
        b->next = queue;
        queue = b;
        n_queued++;
        pthread_cond_broadcast(&changed);
        pthread_mutex_unlock(&lock);
    }
    pthread_mutex_lock(&lock);
    n_makers_left--;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
    return NULL;
}

/* The next batch, or NULL when there will be none. */
static struct batch *
next_batch(void)
{
    struct batch *b;

    pthread_mutex_lock(&lock);
    while (queue == NULL && n_makers_left > 0)
        pthread_cond_wait(&changed, &lock);
    b = queue;
    if (b != NULL) {
        queue = b->next;
        n_queued--;
        pthread_cond_broadcast(&changed);
    }
    pthread_mutex_unlock(&lock);
    return b;
}

static void *
take(void *arg)
{
    uint64_t sum = 0;

    (void)arg;
    for (struct batch *b = next_batch(); b != NULL; b = next_batch()) {
        for (size_t i = 0; i < BATCH_BLOCKS; i++)
            sum += bench_free(b->block[i]);
        free(b);
    }
    pthread_mutex_lock(&lock);
    total += sum;
    pthread_mutex_unlock(&lock);
    return NULL;
}

int
main(int argc, char **argv)
{
    pthread_t thread[MAKERS + TAKERS];

    if (argc != 2)
        bench_usage("exchange PERCENT");
    n_batches = bench_scaled(argv[1], 20000);

    double start = bench_seconds();

    for (uintptr_t i = 0; i < MAKERS + TAKERS; i++)
        thread[i] = bench_thread(i < MAKERS ? make : take, (void *)(i + 1));
    for (size_t i = 0; i < MAKERS + TAKERS; i++)
        pthread_join(thread[i], NULL);
    bench_report("exchange", (bench_seconds() - start) * 1e9 / ((double)n_batches * MAKERS * BATCH_BLOCKS), "ns");
    bench_checksum(total);
    return 0;
}
