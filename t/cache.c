/* t/cache.c - spans that threads keep: how many, for how long, and who gets them.
 * SPDX-License-Identifier: MIT
 */
#include "unit-heap.h"

#include "tcache/tcache.h"

#include <pthread.h>

enum { BLOCK_BYTES = 4096, PER_SLAB = 16, SLABS = 300 };

static struct jsm_heap heap = { .name = "test", .lock = { .rank = JSM_RANK_SHARED } };
static struct jsm_theap mine;
static unsigned class;
static void *block[SLABS * PER_SLAB];

static uint32_t
cached(void)
{
    return jsm_load_relaxed(&mine.n_cached);
}

static void
fill_and_empty(unsigned slabs)
{
    for (unsigned i = 0; i < slabs * PER_SLAB; i++)
        block[i] = block_take(&mine, class);
    for (unsigned i = 0; i < slabs * PER_SLAB; i++)
        (void)block_give(&mine, block[i]);
}

static void
test_growth(void)
{
    uint32_t most = 0;

    fill_and_empty(100);
    is_uint(cached(), JSM_CACHE_SPANS_MIN, "at first a thread keeps a few spans");
    for (unsigned i = 0; i < 10; i++) {
        fill_and_empty(200);
        most = jsm_max(most, cached());
    }
    ok(most > JSM_CACHE_SPANS_MIN && most <= JSM_CACHE_SPANS_MAX,
       "one that needs again what it gave back keeps more: %u", (unsigned)most);
    ok(most <= 200 / 4 + 1, "but no more than a quarter of what is in use");
}

static void
test_ageing(void)
{
    uint32_t before = cached();
    size_t used = slices_in_use();

    jsm_cache_age(&mine);
    ok(cached() == before, "what was just used stays over a tick");
    jsm_cache_age(&mine);
    ok(cached() == before, "and over two");
    jsm_cache_age(&mine);
    is_uint(cached(), 0, "what nobody used for two goes back to the page heap");
    is_uint(slices_in_use(), used - before, "all of it");
    is_uint(jsm_load_relaxed(&mine.cache_max), JSM_CACHE_SPANS_MIN, "and the thread starts with a few again");
}

static void
test_unused_part(void)
{
    for (unsigned i = 0; i < 10; i++)
        fill_and_empty(200);
    uint32_t most = cached();
    jsm_cache_age(&mine);
    fill_and_empty(2);
    jsm_cache_age(&mine);
    fill_and_empty(2);
    jsm_cache_age(&mine);
    ok(jsm_load_relaxed(&mine.cache_max) < most, "of a cache that is used a little the unused part shrinks: %u of %u",
       (unsigned)jsm_load_relaxed(&mine.cache_max), (unsigned)most);
}

static void
test_options(void)
{
    (void)jsm_theap_trim(&mine, false);
    ok(jsm_option_set("cache_adapt", "off") == 1, "without cache_adapt");
    for (unsigned i = 0; i < 5; i++)
        fill_and_empty(200);
    is_uint(cached(), JSM_CACHE_SPANS_FIXED, "the number is fixed");
    for (unsigned i = 0; i < 5; i++)
        jsm_cache_age(&mine);
    is_uint(cached(), JSM_CACHE_SPANS_FIXED, "and time changes nothing");
    (void)jsm_option_set("cache_adapt", "on");
    (void)jsm_theap_trim(&mine, false);

    ok(jsm_option_set("fast_max", "2K") == 1, "with fast_max below the size");
    fill_and_empty(20);
    ok(cached() == 0 && mine.idle_bytes == 0, "nothing of it is kept");
    (void)jsm_option_set("fast_max", "64K");
}

/* ---- One thread uses its cache, another empties it all the time ---- */

static _Atomic(uint32_t) over;

static void *
steal(void *arg)
{
    unsigned n = 0;

    (void)arg;
    while (!jsm_load_relaxed(&over)) {
        jsm_cache_drop(&mine);
        n++;
    }
    diag("emptied %u times", n);
    return NULL;
}

static void
test_stealing(void)
{
    pthread_t thread;
    unsigned wrong = 0;

    pthread_create(&thread, NULL, steal, NULL);
    for (unsigned round = 0; round < rounds(300, 30000); round++) {
        for (unsigned i = 0; i < 20 * PER_SLAB; i++) {
            block[i] = block_take(&mine, class);
            *(unsigned *)block[i] = i;
        }
        for (unsigned i = 0; i < 20 * PER_SLAB; i++) {
            wrong += *(unsigned *)block[i] != i;
            wrong += !block_give(&mine, block[i]);
        }
    }
    jsm_store_relaxed(&over, 1);
    pthread_join(thread, NULL);
    is_uint(wrong, 0, "others may empty the cache at any time");
    (void)jsm_theap_trim(&mine, false);
    is_uint(cached(), 0, "the count is right afterwards");
}

/* A thread may be about to make its theap when another forks. */
static void
test_unmade(void)
{
    static struct jsm_theap unmade;

    jsm_theap_forget(&unmade);
    ok(unmade.heap == &jsm_heap_default, "the child of a fork forgets a theap that was just being made");
}

int
main(void)
{
    plan(18);
    jsm_options_init();
    (void)jsm_shard_count();
    class = jsm_class_of(BLOCK_BYTES);
    jsm_theap_open(&mine, &heap, 0);
    size_t used = slices_in_use();
    test_growth();
    test_ageing();
    test_unused_part();
    test_options();
    test_stealing();
    test_unmade();
    jsm_theap_close(&mine);
    is_uint(slices_in_use(), used, "nothing is lost");
    return done();
}
