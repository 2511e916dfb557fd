/* bench/rhythm.c - threads that fill and empty their memory in turns, and then sleep while one goes on a little.
 *
 * What is it about: memory that a thread keeps for itself between its turns saves time while it is busy, and is
 * lost when it sleeps.  The option cache_adapt lets what is kept follow demand; run with and without it.
 *
 * SPDX-License-Identifier: MIT
 */
#include "bench.h"

enum { THREADS = 4, BLOCKS = 6000, BLOCK_BYTES = 512, TURNS = 250, QUIET_MS = 4000 };

static pthread_barrier_t busy_over;
static pthread_barrier_t quiet_over;
static long n_turns;
static uint64_t sum_of[THREADS];

static void *
take_turns(void *arg)
{
    size_t id = (size_t)(uintptr_t)arg;
    void **block = bench_checked(malloc(BLOCKS * sizeof *block));

    for (long turn = 0; turn < n_turns; turn++) {
        for (size_t i = 0; i < BLOCKS; i++)
            block[i] = bench_block(BLOCK_BYTES, i);
        for (size_t i = 0; i < BLOCKS; i++)
            sum_of[id] += bench_free(block[i]);
    }
    free(block);
    pthread_barrier_wait(&busy_over);
    pthread_barrier_wait(&quiet_over);
    return NULL;
}

/* A little work of another kind, as a program does that waits for something. */
static uint64_t
idle_along(void)
{
    double end = bench_seconds() + QUIET_MS / 1e3;
    uint64_t sum = 0;

    for (size_t i = 0; bench_seconds() < end; i++) {
        struct timespec pause = { 0, 1000000 };
        void *block[64];
        for (size_t j = 0; j < 64; j++)
            block[j] = bench_block(2000 + 700 * (i % 16) + j, j);
        for (size_t j = 0; j < 64; j++)
            sum += bench_free(block[j]) & 0; /* how often depends on the clock */
        nanosleep(&pause, NULL);
    }
    return sum;
}

int
main(int argc, char **argv)
{
    pthread_t thread[THREADS];
    uint64_t sum = 0;

    if (argc != 2)
        bench_usage("rhythm PERCENT");

    n_turns = bench_scaled(argv[1], TURNS);
    pthread_barrier_init(&busy_over, NULL, THREADS + 1);
    pthread_barrier_init(&quiet_over, NULL, THREADS + 1);

    double start = bench_seconds();

    for (size_t i = 0; i < THREADS; i++)
        thread[i] = bench_thread(take_turns, (void *)(uintptr_t)i);
    pthread_barrier_wait(&busy_over);
    bench_report("busy", (bench_seconds() - start) * 1e9 / ((double)n_turns * THREADS * BLOCKS), "ns");
    sum += idle_along();
    bench_report("idle", (double)bench_resident_kib() / 1024, "MiB");
    pthread_barrier_wait(&quiet_over);
    for (size_t i = 0; i < THREADS; i++) {
        pthread_join(thread[i], NULL);
        sum += sum_of[i];
    }
    bench_checksum(sum);
    return 0;
}
