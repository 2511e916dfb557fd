/* bench/bench.h - what every benchmark program needs: clock, random numbers, sizes, checksum, report.
 *
 * Each program takes as its first argument the scale in percent (100: about half a second to a second with an
 * ordinary malloc) and prints lines "name value unit", then "checksum HEX".  The checksum depends on the work alone,
 * never on addresses or on the order in which threads ran, so that two allocators can be held against each other.
 *
 * malloc and free are called by name: whichever library is preloaded serves them.  The programs are compiled with
 * -fno-builtin, since a compiler may delete a malloc whose block is freed unread.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef JSM_BENCH_H
#define JSM_BENCH_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define BENCH_KIB ((size_t)1024)
#define BENCH_MIB ((size_t)1024 * 1024)

struct bench_random {
    uint64_t state;
};

static inline _Noreturn void
bench_die(const char *what)
{
    fprintf(stderr, "bench: %s: %s\n", what, strerror(errno));
    exit(1);
}

/* For what the allocator got wrong: errno says nothing about it. */
static inline _Noreturn void
bench_fail(const char *what)
{
    fprintf(stderr, "bench: %s\n", what);
    exit(1);
}

/* A program that is called wrongly must not look like one that the allocator broke. */
static inline _Noreturn void
bench_usage(const char *text)
{
    fprintf(stderr, "usage: %s\n", text);
    exit(2);
}

static inline double
bench_seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static inline struct bench_random
bench_seed(uint64_t seed)
{
    return (struct bench_random){ seed * UINT64_C(0x9e3779b97f4a7c15) + UINT64_C(0x1234567) };
}

/* A multiplicative congruential step with its high bits folded down: two operations on the way of the loop that is
 * measured, and good enough to pick slots and sizes. */
static inline uint64_t
bench_next(struct bench_random *r)
{
    r->state = r->state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return r->state ^ (r->state >> 29);
}

/* Uniform in [0, n), n < 2^32, without a division. */
static inline size_t
bench_below(struct bench_random *r, size_t n)
{
    return (size_t)(((bench_next(r) >> 32) * (uint64_t)n) >> 32);
}

/* Sizes as programs ask for them: mostly small, each octave rarer than the one below, 16 to 4095 bytes, 178 on
 * average. */
static inline size_t
bench_mixed_size(struct bench_random *r)
{
    static const struct {
        uint16_t until; /* of 1000 draws, those below it that the rows above left */
        uint16_t first;
        uint16_t width;
    } band[] = { { 450, 16, 48 }, { 700, 64, 64 }, { 850, 128, 128 }, { 940, 256, 256 }, { 985, 512, 512 },
                 { 1000, 1024, 3072 } };
    uint64_t x = bench_next(r);
    size_t draw = (size_t)(((x >> 40) * 1000) >> 24);
    size_t i = 0;

    while (draw >= band[i].until)
        i++;
    return band[i].first + (size_t)(((x & 0xffffffff) * band[i].width) >> 32);
}

static inline void *
bench_checked(void *p)
{
    if (__builtin_expect(p == NULL, 0))
        bench_die("out of memory");
    return p;
}

/* A block of at least 8 bytes that says `tag` at its start, and whose last byte has been written. */
static inline void *
bench_block(size_t size, uint64_t tag)
{
    unsigned char *p = bench_checked(malloc(size));

    p[size - 1] = (unsigned char)tag;
    memcpy(p, &tag, sizeof tag);
    return p;
}

static inline uint64_t
bench_free(void *p)
{
    uint64_t tag;

    memcpy(&tag, p, sizeof tag);
    free(p);
    return tag;
}

/* Memory that the allocator under test does not see, so that the program's own tables are in nobody's figures.  All
 * zero; pages that are not touched cost nothing. */
static inline void *
bench_map(size_t bytes)
{
    void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (p == MAP_FAILED)
        bench_die("mmap");
    return p;
}

static inline long
bench_number(const char *text)
{
    char *end;
    long n = strtol(text, &end, 10);

    if (*text == '\0' || *end != '\0' || n < 0)
        bench_usage("a number is needed where the argument is not one");
    return n;
}

/* `n` operations at the scale of the command line, at least 1. */
static inline long
bench_scaled(const char *percent, long n)
{
    long scaled = (long)((double)n * (double)bench_number(percent) / 100.0);

    return scaled > 0 ? scaled : 1;
}

/* Resident memory now.  Read with plain system calls: stdio would allocate. */
static inline long
bench_resident_kib(void)
{
    char text[4096];
    int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, text, sizeof text - 1) : -1;
    char *second;

    if (fd >= 0)
        close(fd);
    if (n <= 0)
        return -1;
    text[n] = '\0';
    second = strchr(text, ' ');
    return second != NULL ? strtol(second, NULL, 10) * (sysconf(_SC_PAGESIZE) / 1024) : -1;
}

static inline void
bench_report(const char *name, double value, const char *unit)
{
    printf("%s %.3f %s\n", name, value, unit);
}

static inline void
bench_checksum(uint64_t sum)
{
    printf("checksum %016" PRIx64 "\n", sum);
    fflush(stdout);
}

static inline pthread_t
bench_thread(void *(*start)(void *), void *arg)
{
    pthread_t thread;
    int error = pthread_create(&thread, NULL, start, arg);

    if (error != 0) {
        errno = error;
        bench_die("pthread_create");
    }
    return thread;
}

/* Waits a little in a loop that waits for another thread: first in place, then by giving the processor away, since on
 * a machine with fewer processors than threads the other one may be waiting for this one. */
static inline void
bench_pause(unsigned *turns)
{
    if (++*turns < 200) {
#if defined(__x86_64__) || defined(__i386__)
        __builtin_ia32_pause();
#endif
    } else {
        sched_yield();
    }
}

#endif
