/* bench/grow.c - vectors that grow by half with realloc, alone or several in turn.
 *
 * `fill` writes one byte a page of what each step added, as a program that appends would (page faults are then most of
 * the time); `bare` writes only the last byte, which leaves the cost of moving.
 *
 * SPDX-License-Identifier: MIT
 */
#include "bench.h"

enum { VECTORS_MAX = 64, FIRST_BYTES = 16, TOUCH_BYTES = 4096 };

struct vector {
    unsigned char *data;
    size_t bytes;
};

static uint64_t
step(struct vector *v, size_t bytes, bool fill)
{
    size_t old = v->bytes;

    v->data = bench_checked(realloc(v->data, bytes));
    v->bytes = bytes;
    if (fill)
        for (size_t at = old; at < bytes; at += TOUCH_BYTES)
            v->data[at] = (unsigned char)at;
    v->data[bytes - 1] = (unsigned char)bytes;
    /* What was written last before the move. */
    return old != 0 ? v->data[old - 1] : 0;
}

static uint64_t
grow_all(struct vector *v, size_t n_vectors, size_t limit, bool fill)
{
    uint64_t sum = 0;
    size_t bytes = FIRST_BYTES;

    for (;;) {
        for (size_t i = 0; i < n_vectors; i++)
            sum += step(&v[i], bytes, fill);
        if (bytes == limit)
            break;
        bytes += bytes / 2;
        if (bytes > limit)
            bytes = limit;
    }
    for (size_t i = 0; i < n_vectors; i++) {
        free(v[i].data);
        v[i] = (struct vector){ NULL, 0 };
    }
    return sum;
}

int
main(int argc, char **argv)
{
    static struct vector vector[VECTORS_MAX];
    uint64_t sum = 0;

    if (argc != 6 || bench_number(argv[2]) > VECTORS_MAX)
        bench_usage("grow PERCENT VECTORS LIMIT_MIB ROUNDS fill|bare");

    size_t n_vectors = (size_t)bench_number(argv[2]);
    size_t limit = (size_t)bench_number(argv[3]) * BENCH_MIB;
    long n_rounds = bench_scaled(argv[1], bench_number(argv[4]));
    bool fill = strcmp(argv[5], "fill") == 0;
    double start = bench_seconds();

    for (long i = 0; i < n_rounds; i++)
        sum += grow_all(vector, n_vectors, limit, fill);
    bench_report("growth", (bench_seconds() - start) * 1e3 / (double)n_rounds, "ms");
    bench_checksum(sum);
    return 0;
}
