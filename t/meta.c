/* t/meta.c - memory for the library's own structures.
 * SPDX-License-Identifier: MIT
 */
#include "unit.h"

#include "arena/arena.h"

#include <pthread.h>

static void
test_alloc(void)
{
    enum { N = 2000 };
    static struct { uint8_t *p; size_t bytes; } piece[N];
    uint64_t random = 5;
    unsigned misaligned = 0, not_zero = 0, changed = 0;
    size_t before = jsm_meta_bytes(), sum = 0;

    for (unsigned i = 0; i < N; i++) {
        size_t align = (size_t)8 << random_below(&random, 10), bytes = 1 + random_below(&random,
        i % 100 == 0 ? 70000 : 500);
        piece[i].p = jsm_meta_alloc(bytes, align);
        piece[i].bytes = bytes;
        sum += bytes;
        misaligned += !is_aligned(piece[i].p, align);
        not_zero += !is_zero(piece[i].p, bytes);
        memset(piece[i].p, (int)(i % 255) + 1, bytes);
    }
    for (unsigned i = 0; i < N; i++)
        changed += !is_all(piece[i].p, piece[i].bytes, (unsigned char)(i % 255 + 1));
    is_uint(misaligned, 0, "metadata is aligned as asked");
    is_uint(not_zero, 0, "it reads as zero");
    is_uint(changed, 0, "no piece overlaps another");
    ok(jsm_meta_bytes() == before + sum, "and all of it is counted");
}

static void
test_chunks(void)
{
    size_t page = jsm_os_page_bytes(), large = 20 * JSM_MIB;
    uint8_t *p = jsm_meta_alloc(large, page);
    unsigned open = 0;

    ok(p != NULL && is_zero(p, large), "a piece may be longer than what is reserved at a time");
    memset(p, 1, large);
    /* Below the page with the head of its chunk there is one that nobody can touch. */
    open += !is_reserved(p - page - 1);
    uint8_t *small = jsm_meta_alloc(100, 8);
    ok(small != NULL && is_zero(small, 100), "what comes after it is as before");
    memset(small, 2, 100);
    is_uint(open, 0, "before the first piece lies a page that cannot be accessed");
    uint8_t *end = p + large;
    while (strncmp(access_of(end), "rw", 2) == 0)
        end += page;
    ok(is_reserved(end), "and behind the last");
}

static void
test_pools(void)
{
    static struct jsm_meta_pool one, other;
    size_t free_bytes = jsm_meta_free_bytes();
    void *a = jsm_meta_pool_take(&one, 96), *b = jsm_meta_pool_take(&one, 96);

    ok(a != NULL && b != NULL && a != b && is_aligned(a, JSM_CACHE_LINE), "objects of an empty pool are new");
    memset(a, 1, 96);
    memset(b, 2, 96);
    ok(is_all(a, 96, 1), "each has its own memory");
    jsm_meta_pool_give(&one, a, 96);
    jsm_meta_pool_give(&one, b, 96);
    ok(one.free_bytes == 192 && jsm_meta_free_bytes() == free_bytes + 192,
       "what is given to a pool is counted as unused");
    size_t taken = jsm_meta_bytes();
    void *c = jsm_meta_pool_take(&other, 32);
    ok(c != NULL && c != a && c != b, "pools do not mix");
    ok(jsm_meta_pool_take(&one, 96) == b && jsm_meta_pool_take(&one, 96) == a && jsm_meta_bytes() == taken + 32,
       "and is taken before new memory, the last first");
    ok(one.free_bytes == 0 && jsm_meta_free_bytes() == free_bytes, "then it is in use again");
}

static void
test_refused(void)
{
    size_t before = jsm_meta_bytes();

    jsm_os_fail_after = 0;
    void *p = jsm_meta_alloc(50 * JSM_MIB, 64);
    jsm_os_fail_after = 0;
    jsm_os_fail_sticky = true;
    p = jsm_meta_alloc(50 * JSM_MIB, 64);
    ok(p == NULL && jsm_meta_bytes() <= before + 50 * JSM_MIB, "without addresses there is no metadata");
    jsm_os_fail_after = 1;
    before = jsm_meta_bytes();
    p = jsm_meta_alloc(60 * JSM_MIB, 64);
    jsm_os_fail_after = -1;
    jsm_os_fail_sticky = false;
    ok(p == NULL && jsm_meta_bytes() == before, "nor without memory, and none is counted");
    p = jsm_meta_alloc(1000, 64);
    ok(p != NULL && is_zero(p, 1000), "but again when there is some");
}

enum { THREADS = 3, EACH = 2000 };
static uint8_t *pieces[THREADS][EACH];
static struct jsm_meta_pool pool;

static void *
take_many(void *arg)
{
    unsigned self = (unsigned)(uintptr_t)arg;

    for (unsigned i = 0; i < EACH; i++) {
        uint8_t *p = i % 2 == 0 ? jsm_meta_alloc(40, 8) : jsm_meta_pool_take(&pool, 40);
        memset(p, (int)self + 1, 40);
        pieces[self][i] = p;
        if (i % 4 == 3) { /* back, and never looked at again */
            jsm_meta_pool_give(&pool, p, 40);
            pieces[self][i] = NULL;
        }
    }
    return NULL;
}

static void
test_threads(void)
{
    pthread_t thread[THREADS];
    unsigned changed = 0;

    for (uintptr_t i = 0; i < THREADS; i++)
        pthread_create(&thread[i], NULL, take_many, (void *)i);
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(thread[i], NULL);
    for (unsigned t = 0; t < THREADS; t++)
        for (unsigned i = 0; i < EACH; i++)
            changed += pieces[t][i] != NULL && !is_all(pieces[t][i], 40, (unsigned char)(t + 1));
    is_uint(changed, 0, "no piece is given to two threads");
}

int
main(void)
{
    plan(4 + 4 + 6 + 3 + 1);
    end_if_stuck();
    test_alloc();
    test_chunks();
    test_pools();
    test_refused();
    test_threads();
    return done();
}
