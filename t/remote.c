/* t/remote.c - frees by other threads: none is lost, each is seen whole, each goal is acted on once.
 * SPDX-License-Identifier: MIT
 */
#include "unit.h"

#include "class/class.h"
#include "slab/slab.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

enum { BLOCK_BYTES = 64, FREERS = 3, SLOTS = 16, FEW_BLOCKS = 24, FEW_WAKE = 6 };

static struct jsm_span *slab;

static void
slab_set_up(void)
{
    bool clean;

    slab = jsm_span_alloc(0, 1, 1, JSM_WANT_OLDEST, &clean);
    if (slab == NULL || !jsm_slab_init(slab, jsm_class_of(BLOCK_BYTES), BLOCK_BYTES, clean))
        _exit(1);
    slab->state = JSM_SLAB_PARTIAL;
}

/* All blocks are with the program. */
static void
hand_out_all(void)
{
    jsm_slab_rebuild(slab);
    do
        while (slab->head != JSM_LINK_END)
            (void)jsm_slab_pop(slab);
    while (jsm_slab_carve(slab));
}

static uint64_t
word(void)
{
    return jsm_load_relaxed(&slab->remote);
}

/* Publishes blocks `first` to `first + n - 1` in one chain. */
static enum jsm_remote_act
publish(uint32_t first, uint32_t n)
{
    for (uint32_t i = first; i < first + n - 1; i++)
        slab->link[i] = (uint16_t)(i + 1);
    slab->link[first + n - 1] = JSM_LINK_END;
    return jsm_slab_publish(slab, first, first + n - 1, n);
}

/* Whether exactly blocks 0 to n - 1 are on the free list. */
static bool
free_list_is(uint32_t n)
{
    static bool seen[JSM_SLAB_CAPACITY_MAX];
    uint32_t length = 0;

    memset(seen, 0, sizeof seen);
    for (uint32_t i = slab->head; i != JSM_LINK_END; i = slab->link[i]) {
        if (i >= n || seen[i])
            return false;
        seen[i] = true;
        length++;
    }
    return length == n;
}

static void
test_take(void)
{
    hand_out_all();
    ok(!jsm_slab_has_remote(slab) && jsm_slab_take_remote(slab) == 0, "there is nothing to take at first");
    ok(publish(0, 1) == JSM_ACT_NONE && publish(1, 5) == JSM_ACT_NONE && jsm_slab_has_remote(slab),
       "without a goal nobody has to act");
    is_uint(jsm_slab_take_remote(slab), 6, "what was published is taken at once");
    ok(free_list_is(6) && !jsm_slab_has_remote(slab), "and is on the free list");
    (void)publish(6, 2);
    is_uint(jsm_slab_take_remote(slab), 2, "also what comes later");
    ok(free_list_is(8), "in front of what was there");
}

static void
test_sleep(void)
{
    uint32_t wake = slab->wake;

    hand_out_all();
    (void)publish(0, 1);
    uint64_t before = word();
    ok(!jsm_slab_sleep(slab) && word() == before, "there is no sleep with blocks on the list");
    (void)jsm_slab_take_remote(slab);
    ok(jsm_slab_sleep(slab), "but without");
    ok(publish(1, wake - 1) == JSM_ACT_NONE && !jsm_slab_is_pinned(slab), "blocks below the goal call nobody");
    ok(publish(wake, 1) == JSM_ACT_POST && jsm_slab_is_pinned(slab), "who reaches the goal has to post the slab");
    ok(publish(wake + 1, 7) == JSM_ACT_NONE && jsm_slab_is_pinned(slab), "who comes later has not");
    is_uint(jsm_slab_unpin(slab), wake + 7, "the owner takes the pin and all blocks");
    ok(!jsm_slab_is_pinned(slab) && free_list_is(wake + 8) && word() == 0, "and the slab is awake");
    ok(publish(wake + 8, wake) == JSM_ACT_NONE, "nobody is called then");
    (void)jsm_slab_take_remote(slab);

    hand_out_all();
    (void)jsm_slab_sleep(slab);
    (void)publish(0, wake - 1);
    jsm_slab_wake(slab);
    ok(publish(wake - 1, 5) == JSM_ACT_NONE && !jsm_slab_is_pinned(slab), "woken by its owner, it calls nobody");
    is_uint(jsm_slab_take_remote(slab), wake + 4, "and keeps what was published");

    hand_out_all();
    (void)jsm_slab_sleep(slab);
    (void)publish(0, wake);
    jsm_slab_wake(slab);
    ok(jsm_slab_is_pinned(slab), "waking does not take the pin of who is about to post");
    (void)jsm_slab_take_remote(slab);
    ok(jsm_slab_sleep(slab) && jsm_slab_is_pinned(slab), "neither does sleeping");
    ok(publish(wake, wake + 1) == JSM_ACT_NONE, "nor is it posted twice");
    is_uint(jsm_slab_unpin(slab), wake + 1, "all this is found when the post arrives");
    hand_out_all();
    (void)jsm_slab_sleep(slab);
    ok(publish(0, slab->capacity) == JSM_ACT_POST && jsm_slab_unpin(slab) == slab->capacity &&
           free_list_is(slab->capacity),
       "all blocks of a slab may come back in one chain");
}

static void
test_detached(void)
{
    uint32_t came_back = 99;

    hand_out_all();
    ok(!jsm_slab_detach(slab, 10) && publish(0, 9) == JSM_ACT_NONE, "a slab without owner rests below its goal");
    ok(publish(9, 1) == JSM_ACT_SHARE && publish(10, 1) == JSM_ACT_NONE, "who reaches it has to share it, alone");
    ok(!jsm_slab_adopt(slab, &came_back), "as long as it is pinned nobody adopts it");
    uint64_t seen = word();
    (void)publish(11, 2);
    ok(!jsm_slab_settle(slab, &seen, 20) && jsm_remote_blocks(seen) == 13,
       "the pin is not taken back while there is news");
    while (!jsm_slab_settle(slab, &seen, 20)) /* may fail for no reason */
        ;
    ok(!jsm_slab_is_pinned(slab) && publish(13, 6) == JSM_ACT_NONE, "settled, it rests below its new goal");
    ok(publish(19, 1) == JSM_ACT_SHARE, "which is acted on as well");
    for (seen = word(); !jsm_slab_settle(slab, &seen, slab->capacity);)
        ;
    ok(jsm_slab_adopt(slab, &came_back) && came_back == 20 && free_list_is(20), "who adopts it has all blocks");
    ok(word() == 0 && publish(20, 1) == JSM_ACT_NONE && jsm_slab_take_remote(slab) == 1, "and is its owner");

    hand_out_all();
    (void)publish(0, 3);
    ok(jsm_slab_detach(slab, 3) && jsm_slab_is_pinned(slab), "a goal that is reached already is the detacher's");
    hand_out_all();
    ok(jsm_slab_detach(slab, 0) && jsm_slab_is_pinned(slab), "so is none at all");
    hand_out_all();
    (void)publish(0, 2);
    ok(!jsm_slab_detach(slab, 3) && publish(2, 1) == JSM_ACT_SHARE, "blocks from before count");
    hand_out_all();
}

/* ---- Owner and freers ---- */

/* What the owner wrote into a block, what its freer did. */
struct contents {
    uint32_t index, round, freer, check;
};

static _Atomic(uint32_t) slots[FREERS][SLOTS]; /* index + 1 of a live block for the freer, or 0 */
static atomic_bool all_done;
static atomic_uint posts, in_inbox, double_posts, wrong_seen;

static struct contents *
contents(uint32_t i)
{
    return jsm_slab_block(slab, i);
}

static uint32_t
check_of(const struct contents *c)
{
    return (c->index * 31 + c->round) * 31 + c->freer;
}

static void
publish_chain(uint32_t head, uint32_t tail, uint32_t n)
{
    if (n == 0 || jsm_slab_publish(slab, head, tail, n) != JSM_ACT_POST)
        return;
    atomic_fetch_add_explicit(&posts, 1, memory_order_relaxed);
    /* The slab's place in the inbox: it must be free. */
    if (atomic_exchange_explicit(&in_inbox, 1, memory_order_release) != 0)
        atomic_fetch_add_explicit(&double_posts, 1, memory_order_relaxed);
}

static void *
freer(void *arg)
{
    uint32_t self = (uint32_t)(uintptr_t)arg, wrong = 0;
    uint64_t random = self + 1;
    bool last = false;

    while (!last) {
        uint32_t head = 0, tail = 0, n = 0, longest = 1 + (uint32_t)random_below(&random, 6);
        last = atomic_load_explicit(&all_done, memory_order_acquire);
        for (unsigned s = 0; s < SLOTS; s++) {
            if (!last && random_below(&random, 3) == 0)
                continue; /* later */
            uint32_t i = atomic_exchange_explicit(&slots[self][s], 0, memory_order_acquire);
            if (i-- == 0)
                continue;
            struct contents *c = contents(i);
            wrong += c->index != i || c->freer != FREERS || c->check != check_of(c);
            c->freer = self;
            c->check = check_of(c);
            slab->link[i] = (uint16_t)(n > 0 ? head : JSM_LINK_END);
            head = i;
            tail = n == 0 ? i : tail;
            if (++n == longest) {
                publish_chain(head, tail, n);
                n = 0;
            }
        }
        publish_chain(head, tail, n);
        sched_yield();
    }
    atomic_fetch_add_explicit(&wrong_seen, wrong, memory_order_relaxed);
    return NULL;
}

struct owner {
    uint64_t random;
    uint32_t rounds_of[JSM_SLAB_CAPACITY_MAX]; /* how often the block was handed out */
    bool outside[JSM_SLAB_CAPACITY_MAX];
    uint32_t n_outside;
    unsigned wrong_contents, not_outside, unpins, early_posts, slept;
};

/* Looks at `n` blocks that have just come onto the front of the free list. */
static void
welcome(struct owner *o, uint32_t n)
{
    for (uint32_t i = slab->head; n > 0; n--, i = slab->link[i]) {
        if (i >= slab->capacity || !o->outside[i]) {
            o->not_outside++;
            return;
        }
        const struct contents *c = contents(i);
        o->wrong_contents +=
            c->index != i || c->round != o->rounds_of[i] || c->freer >= FREERS || c->check != check_of(c);
        o->outside[i] = false;
        o->n_outside--;
        slab->left--;
    }
}

static bool
unpin_if_posted(struct owner *o, uint32_t at_least)
{
    if (atomic_exchange_explicit(&in_inbox, 0, memory_order_acquire) == 0)
        return false;
    o->unpins++;
    uint32_t n = jsm_slab_unpin(slab);
    o->early_posts += n < at_least;
    welcome(o, n);
    return true;
}

/* The slab has no block left: sleep until it is posted, or change one's mind. */
static void
rest(struct owner *o)
{
    if (!jsm_slab_sleep(slab))
        return;
    o->slept++;
    for (uint64_t patience = random_below(&o->random, 50); o->n_outside >= slab->wake && patience > 0; patience--) {
        if (unpin_if_posted(o, slab->wake))
            return;
        sched_yield();
    }
    jsm_slab_wake(slab);
    while (jsm_slab_is_pinned(slab) && !unpin_if_posted(o, 0))
        sched_yield();
}

/* Hands the first block of the free list to a freer that has a place for it. */
static void
hand_over(struct owner *o)
{
    uint32_t i = slab->head;
    _Atomic(uint32_t) *slot = &slots[random_below(&o->random, FREERS)][random_below(&o->random, SLOTS)];

    if (atomic_load_explicit(slot, memory_order_relaxed) != 0)
        return;
    struct contents *c = jsm_slab_pop(slab);
    *c = (struct contents){ .index = i, .round = ++o->rounds_of[i], .freer = FREERS };
    c->check = check_of(c);
    o->outside[i] = true;
    o->n_outside++;
    atomic_store_explicit(slot, i + 1, memory_order_release);
}

static void
test_owner(uint64_t seed)
{
    static struct owner o;
    pthread_t thread[FREERS];
    uint32_t came_back;

    /* Few blocks, so that there are often none left. */
    slab_set_up();
    slab->capacity = FEW_BLOCKS;
    slab->wake = FEW_WAKE;
    (void)jsm_slab_carve(slab);
    o.random = seed;
    for (uintptr_t i = 0; i < FREERS; i++)
        pthread_create(&thread[i], NULL, freer, (void *)i);
    for (unsigned step = 0; step < rounds(150000, 5000000); step++) {
        if (slab->head != JSM_LINK_END)
            hand_over(&o);
        else if ((came_back = jsm_slab_take_remote(slab)) > 0)
            welcome(&o, came_back);
        else
            rest(&o);
    }
    atomic_store_explicit(&all_done, true, memory_order_release);
    for (unsigned i = 0; i < FREERS; i++)
        pthread_join(thread[i], NULL);
    if (jsm_slab_is_pinned(slab))
        (void)unpin_if_posted(&o, 0);
    welcome(&o, jsm_slab_take_remote(slab));

    slab->capacity = JSM_SLICE_BYTES / BLOCK_BYTES;
    diag("slept %u times, %u posts", o.slept, atomic_load(&posts));
    is_uint(o.n_outside, 0, "every block came back");
    ok(o.not_outside == 0 && slab->left == 0 && jsm_slab_check(slab), "once");
    is_uint(atomic_load(&wrong_seen), 0, "its freer saw all that the owner wrote");
    is_uint(o.wrong_contents, 0, "the owner saw all that its freer wrote");
    ok(o.unpins == atomic_load(&posts) && atomic_load(&double_posts) == 0, "one post for each pin");
    is_uint(o.early_posts, 0, "not before the goal was reached");
}

/* ---- A slab without owner, its blocks with several threads ---- */

static pthread_barrier_t ready, over;
static atomic_uint shares, releases, adoptions;
static unsigned n_rounds;

/* What the holder of the pin does, without the lists. */
static void
act(enum jsm_remote_act what)
{
    if (what == JSM_ACT_NONE)
        return;
    atomic_fetch_add_explicit(&shares, 1, memory_order_relaxed);
    uint64_t seen = word();
    do {
        if (jsm_remote_blocks(seen) == slab->left) {
            atomic_fetch_add_explicit(&releases, 1, memory_order_relaxed);
            return;
        }
    } while (!jsm_slab_settle(slab, &seen, slab->left));
}

/* Publishes its third of the blocks, in chains. */
static void *
late_freer(void *arg)
{
    uint32_t self = (uint32_t)(uintptr_t)arg, used = slab->capacity - slab->capacity % FREERS;
    uint64_t random = self + 77;

    for (unsigned round = 0; round < n_rounds; round++) {
        pthread_barrier_wait(&ready);
        uint32_t i = self * (used / FREERS), end = i + used / FREERS;
        while (i < end) {
            uint32_t n = 1 + (uint32_t)random_below(&random, 40);
            n = jsm_min(n, end - i);
            act(publish(i, n));
            i += n;
        }
        pthread_barrier_wait(&over);
    }
    return NULL;
}

static void
test_many_freers(uint64_t random)
{
    pthread_t thread[FREERS];
    unsigned not_released = 0, lost = 0, odd_shares = 0;

    slab_set_up();
    hand_out_all();
    uint32_t used = slab->capacity - slab->capacity % FREERS;
    n_rounds = rounds(300, 20000);
    pthread_barrier_init(&ready, NULL, FREERS + 1);
    pthread_barrier_init(&over, NULL, FREERS + 1);
    for (uintptr_t i = 0; i < FREERS; i++)
        pthread_create(&thread[i], NULL, late_freer, (void *)i);
    for (unsigned round = 0; round < n_rounds; round++) {
        hand_out_all();
        for (uint32_t i = used; i < slab->capacity; i++)
            (void)jsm_slab_push(slab, i);
        uint32_t goal = 1 + (uint32_t)random_below(&random, used);
        atomic_store(&shares, 0);
        atomic_store(&releases, 0);
        pthread_barrier_wait(&ready);
        /* Gives it away while its blocks are coming back. */
        if (jsm_slab_detach(slab, goal))
            act(JSM_ACT_SHARE);
        pthread_barrier_wait(&over);
        not_released += atomic_load(&releases) != 1;
        odd_shares += atomic_load(&shares) < 1 || atomic_load(&shares) > 2;
        lost += jsm_slab_unpin(slab) != used;
        slab->left = 0;
        lost += !jsm_slab_check(slab);
    }
    for (unsigned i = 0; i < FREERS; i++)
        pthread_join(thread[i], NULL);
    is_uint(not_released, 0, "a slab that all give back to is given back by one of them");
    is_uint(odd_shares, 0, "two goals are acted on twice at most");
    is_uint(lost, 0, "and none of its blocks is lost");
}

/* ---- Adoption while blocks come back ---- */

static atomic_bool published; /* all of them */

static void *
adopter(void *arg)
{
    atomic_uint *adopted = arg;
    uint32_t came_back;

    pthread_barrier_wait(&ready);
    for (unsigned tries = 0; tries < 1000; tries++) {
        bool last = atomic_load_explicit(&published, memory_order_acquire);
        if (jsm_slab_adopt(slab, &came_back)) {
            /* The owner now: what has come back is on the list. */
            uint32_t n = 0;
            for (uint32_t i = slab->head; i != JSM_LINK_END && n <= slab->capacity; i = slab->link[i])
                n++;
            if (n != came_back)
                atomic_fetch_add_explicit(&wrong_seen, 1, memory_order_relaxed);
            slab->left -= came_back;
            atomic_fetch_add_explicit(adopted, 1, memory_order_relaxed);
            break;
        }
        if (last) /* given back, and so it stays */
            break;
        sched_yield();
    }
    pthread_barrier_wait(&over);
    return NULL;
}

/* The main thread publishes all blocks of a slab without owner, another adopts it: either it has
 * an owner in the end, or who published the last block gave it back; never both. */
static void
test_adoption(void)
{
    unsigned neither = 0, lost = 0, n = rounds(200, 5000);

    atomic_store(&wrong_seen, 0);
    pthread_barrier_init(&ready, NULL, 2);
    pthread_barrier_init(&over, NULL, 2);
    for (unsigned round = 0; round < n; round++) {
        pthread_t thread;
        slab_set_up();
        hand_out_all();
        uint32_t capacity = slab->capacity;
        (void)jsm_slab_detach(slab, capacity);
        atomic_store(&releases, 0);
        atomic_store(&adoptions, 0);
        atomic_store(&published, false);
        pthread_create(&thread, NULL, adopter, &adoptions);
        pthread_barrier_wait(&ready);
        enum jsm_remote_act last = JSM_ACT_NONE;
        for (uint32_t i = 0; i < capacity; i += 8) {
            last = publish(i, 8);
            neither += last != JSM_ACT_NONE && i + 8 < capacity;
        }
        atomic_store_explicit(&published, true, memory_order_release);
        pthread_barrier_wait(&over);
        pthread_join(thread, NULL);
        bool adopted = atomic_load(&adoptions) == 1;
        neither += adopted == (last == JSM_ACT_SHARE);
        if (adopted)
            slab->left -= jsm_slab_take_remote(slab);
        else
            slab->left -= jsm_slab_unpin(slab);
        lost += slab->left != 0 || !jsm_slab_check(slab);
        jsm_slab_fini(slab);
        jsm_set_kind(slab, JSM_KIND_BUSY);
        jsm_span_free(slab);
    }
    is_uint(neither, 0, "a slab is adopted or given back, by one thread");
    is_uint(lost, 0, "with all of its blocks");
    is_uint(atomic_load(&wrong_seen), 0, "who adopts has on the list what came back");
}

int
main(void)
{
    plan(6 + 15 + 11 + 6 + 3 + 3);
    uint64_t random = test_seed();
    end_if_stuck();
    slab_set_up();
    test_take();
    test_sleep();
    test_detached();
    test_owner(random_next(&random));
    test_many_freers(random_next(&random));
    test_adoption();
    return done();
}
