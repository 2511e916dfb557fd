/* t/base.c - counting and finding bits, lists.
 * SPDX-License-Identifier: MIT
 */
#include "unit.h"

#include <pthread.h>

enum { BITS = 200, WORDS = (BITS + 63) / 64 };

static void
test_numbers(void)
{
    unsigned wrong_log = 0, wrong_ceil = 0, wrong_round = 0;

    for (unsigned i = 0; i < sizeof(size_t) * 8; i++) {
        size_t power = (size_t)1 << i;
        wrong_log += jsm_log2(power) != i;
        wrong_log += jsm_log2(power | (power - 1)) != i;
        wrong_ceil += jsm_pow2_ceil(power) != power;
        wrong_ceil += power > 2 && jsm_pow2_ceil(power - 1) != power;
        wrong_ceil += power > 1 && jsm_pow2_ceil(power / 2 + 1) != power;
        wrong_round += !jsm_is_pow2(power) || (power > 1 && jsm_is_pow2(power + 1));
    }
    for (size_t n = 0; n < 1000; n++)
        wrong_round +=
            jsm_round_up(n, (size_t)16) != (n + 15) / 16 * 16 || jsm_round_down(n, (size_t)16) != n / 16 * 16;
    is_uint(wrong_log, 0, "the logarithm is that of the highest bit");
    is_uint(wrong_ceil, 0, "the next power of two is the smallest that is not less");
    is_uint(jsm_pow2_ceil(0), 1, "and 1 for nothing");
    is_uint(wrong_round, 0, "rounding goes to multiples, powers of two are known");
}

static bool
naive_get(const bool *set, size_t from, size_t to, bool value, size_t *first, size_t *n)
{
    *first = to;
    *n = 0;
    for (size_t i = to; i-- > from;) {
        *n += set[i];
        if (set[i] == value)
            *first = i;
    }
    return *first < to;
}

/* A set in words against a set in bytes: random operations, all answers compared. */
static void
test_bits(uint64_t *random)
{
    uint64_t set[WORDS] = { 0 };
    bool naive[BITS] = { false };
    unsigned wrong_get = 0, wrong_count = 0, wrong_find = 0, wrong_popcount = 0;

    for (unsigned step = 0; step < rounds(20000, 1000000); step++) {
        size_t a = random_below(random, BITS + 1), b = random_below(random, BITS + 1);
        size_t from = jsm_min(a, b), to = jsm_max(a, b), first, n;
        bool value = random_below(random, 2) != 0;
        (value ? jsm_bits_set : jsm_bits_clear)(set, from, to);
        memset(naive + from, value, to - from);

        a = random_below(random, BITS + 1), b = random_below(random, BITS + 1);
        from = jsm_min(a, b), to = jsm_max(a, b), value = random_below(random, 2) != 0;
        naive_get(naive, from, to, value, &first, &n);
        wrong_count += jsm_bits_count(set, from, to) != n;
        wrong_find += jsm_bits_find(set, from, to, value) != first;
        size_t i = random_below(random, BITS);
        wrong_get += jsm_bit_get(set, i) != naive[i];

        uint64_t word = random_next(random) & random_next(random);
        wrong_popcount += jsm_popcount64(word) != (unsigned)__builtin_popcountll(word);
    }
    is_uint(wrong_get, 0, "a bit is as it was set last");
    is_uint(wrong_count, 0, "counting counts the bits of the range alone");
    is_uint(wrong_find, 0, "finding gives the first of the range, or its end");
    is_uint(wrong_popcount, 0, "the bits of a word are counted right");
    is_uint(jsm_popcount64(~UINT64_C(0)), 64, "also when all are set");
}

struct item {
    unsigned number;
    struct jsm_link link;
};

static bool
list_is(struct jsm_link *list, const char *want)
{
    char got[32];
    size_t n = 0;

    for (struct jsm_link *l = list->next; l != list && n < sizeof got - 1; l = l->next) {
        got[n++] = (char)('0' + jsm_list_entry(l, struct item, link)->number);
        if (l->next->prev != l || l->prev->next != l)
            return false;
    }
    got[n] = '\0';
    return strcmp(got, want) == 0;
}

static void
test_list(void)
{
    struct jsm_link list = { NULL, NULL };
    struct item item[5];

    memset(item, 0, sizeof item);
    for (unsigned i = 0; i < 5; i++)
        item[i].number = i;
    ok(jsm_list_is_empty(&list) && jsm_list_first(&list) == NULL, "zeroed memory is an empty list");
    ok(!jsm_list_is_linked(&item[0].link), "and a link that is on none");
    jsm_list_append(&list, &item[1].link);
    jsm_list_append(&list, &item[2].link);
    jsm_list_prepend(&list, &item[0].link);
    ok(list_is(&list, "012"), "what is appended comes last, what is prepended first");
    jsm_list_insert(&item[2].link, &item[3].link);
    ok(list_is(&list, "0132"), "what is inserted comes before");
    ok(jsm_list_first(&list) == &item[0].link && jsm_list_is_linked(&item[3].link), "the first is found");
    jsm_list_remove(&item[1].link);
    ok(list_is(&list, "032") && !jsm_list_is_linked(&item[1].link), "what is removed is on no list");
    jsm_list_remove(&item[0].link);
    jsm_list_remove(&item[2].link);
    jsm_list_remove(&item[3].link);
    ok(jsm_list_is_empty(&list) && jsm_list_first(&list) == NULL, "without items a list is empty again");
    jsm_list_prepend(&list, &item[4].link);
    ok(list_is(&list, "4"), "and can be used again");
}

/* A thread that adds 1 to its byte of a word, by compare and exchange of the word. */
static _Alignas(4) _Atomic(uint8_t) bytes[4];

static void *
add_in_word(void *arg)
{
    _Atomic(uint8_t) *mine = arg;
    uint8_t was = 0;

    for (unsigned i = 0; i < 100001; i++)
        while (!jsm_cas_weak_in_word_release(mine, &was, (uint8_t)(was + 1)))
            ;
    return NULL;
}

static void
test_bytes(void)
{
    pthread_t t[4];
    unsigned good = 0;
    uint8_t was = 7;

    atomic_store(&bytes[2], 9);
    ok(!jsm_cas_weak_in_word_release(&bytes[2], &was, 1) && was == 9, "a byte that is another is not exchanged");
    while (!jsm_cas_weak_in_word_release(&bytes[2], &was, 0))
        ;
    ok(bytes[0] == 0 && bytes[1] == 0 && bytes[2] == 0 && bytes[3] == 0, "one is, and its neighbours stay");
    for (unsigned i = 0; i < 4; i++)
        if (pthread_create(&t[i], NULL, add_in_word, &bytes[i]) != 0)
            _exit(1);
    for (unsigned i = 0; i < 4; i++)
        good += pthread_join(t[i], NULL) == 0 && bytes[i] == (uint8_t)100001;
    is_uint(good, 4, "threads that exchange the bytes of one word lose nothing of each other");
}

static uint16_t halves[2] = { 7, 7 };

static void *
count_in_half(void *arg)
{
    uint16_t *mine = arg;

    for (unsigned i = 0; i < 100001; i++)
        while (!jsm_change_in_word_relaxed(mine, (uint16_t)(i + 7), (uint16_t)(i + 8)))
            ;
    return NULL;
}

static void
test_halves(void)
{
    pthread_t t[2];

    ok(!jsm_change_in_word_relaxed(&halves[1], 8, 9) && !jsm_change_relaxed_plain(&halves[0], 0, 9) &&
       halves[0] == 7 && halves[1] == 7, "two bytes that are another number do not change");
    for (unsigned i = 0; i < 2; i++)
        if (pthread_create(&t[i], NULL, count_in_half, &halves[i]) != 0)
            _exit(1);
    for (unsigned i = 0; i < 2; i++)
        pthread_join(t[i], NULL);
    const uint16_t last = (uint16_t)(100001 + 7);
    ok(halves[0] == last && halves[1] == last, "threads that change halves of one word lose nothing of each other");
    ok(jsm_change_relaxed_plain(&halves[1], last, 3) && halves[0] == last && halves[1] == 3, "they change alone");
}

int
main(void)
{
    plan(23);
    uint64_t random = test_seed();
    test_numbers();
    test_bits(&random);
    test_list();
    test_bytes();
    test_halves();
    return done();
}
