/* bench/text.c - what the run-time of a scripting language does: strings built piece by piece, kept in hash tables.
 *
 * SPDX-License-Identifier: MIT
 */
#include "bench.h"

struct string {
    uint32_t n_references;
    uint32_t length;
    char text[];
};

struct builder {
    char *text;
    size_t length;
    size_t capacity;
};

struct entry {
    struct entry *next;
    struct string *key;
    struct string *value;
    uint64_t hash;
};

struct table {
    struct entry **bucket;
    size_t n_buckets;
    size_t n_entries;
};

static void
append(struct builder *b, const char *text, size_t length)
{
    if (b->length + length > b->capacity) {
        b->capacity = (b->length + length) * 3 / 2 + 16;
        b->text = bench_checked(realloc(b->text, b->capacity));
    }
    memcpy(b->text + b->length, text, length);
    b->length += length;
}

static void
append_number(struct builder *b, uint64_t n)
{
    char digit[20];
    size_t at = sizeof digit;

    do {
        digit[--at] = (char)('0' + (char)(n % 10));
        n /= 10;
    } while (n != 0);
    append(b, digit + at, sizeof digit - at);
}

static struct string *
finish(struct builder *b)
{
    struct string *s = bench_checked(malloc(sizeof *s + b->length));

    s->n_references = 1;
    s->length = (uint32_t)b->length;
    memcpy(s->text, b->text, b->length);
    free(b->text);
    *b = (struct builder){ NULL, 0, 0 };
    return s;
}

static uint64_t
unreference(struct string *s)
{
    uint64_t length = s->length;

    if (--s->n_references == 0)
        free(s);
    return length;
}

static uint64_t
hash(const struct string *s)
{
    uint64_t h = UINT64_C(0xcbf29ce484222325);

    for (size_t i = 0; i < s->length; i++)
        h = (h ^ (unsigned char)s->text[i]) * UINT64_C(0x100000001b3);
    return h ^ (h >> 32);
}

static void
resize(struct table *t, size_t n_buckets)
{
    struct entry **bucket = bench_checked(calloc(n_buckets, sizeof *bucket));

    for (size_t i = 0; i < t->n_buckets; i++)
        for (struct entry *e = t->bucket[i]; e != NULL;) {
            struct entry *next = e->next;
            struct entry **at = &bucket[e->hash & (n_buckets - 1)];

            e->next = *at;
            *at = e;
            e = next;
        }
    free(t->bucket);
    t->bucket = bucket;
    t->n_buckets = n_buckets;
}

static struct entry **
find(struct table *t, const struct string *key, uint64_t h)
{
    struct entry **at = &t->bucket[h & (t->n_buckets - 1)];

    while (*at != NULL && ((*at)->hash != h || (*at)->key->length != key->length ||
                           memcmp((*at)->key->text, key->text, key->length) != 0))
        at = &(*at)->next;
    return at;
}

/* Takes both references over. */
static uint64_t
store(struct table *t, struct string *key, struct string *value)
{
    uint64_t h = hash(key);
    struct entry **at = find(t, key, h);
    uint64_t sum;

    if (*at != NULL) {
        sum = unreference((*at)->value) + unreference(key);
        (*at)->value = value;
        return sum;
    }
    *at = bench_checked(malloc(sizeof **at));
    **at = (struct entry){ NULL, key, value, h };
    if (++t->n_entries > t->n_buckets)
        resize(t, t->n_buckets * 2);
    return 0;
}

static uint64_t
erase(struct table *t, struct string *key)
{
    struct entry **at = find(t, key, hash(key));
    struct entry *e = *at;
    uint64_t sum = 0;

    if (e != NULL) {
        *at = e->next;
        sum = unreference(e->key) + unreference(e->value);
        free(e);
        t->n_entries--;
    }
    return sum + unreference(key);
}

static struct string *
make_key(struct bench_random *random, size_t n_keys)
{
    struct builder b = { NULL, 0, 0 };

    append(&b, "item:", 5);
    append_number(&b, bench_below(random, n_keys));
    append(&b, ":name", 5);
    return finish(&b);
}

static struct string *
make_value(struct bench_random *random)
{
    struct builder b = { NULL, 0, 0 };
    static const char source[] = "lorem ipsum dolor";
    size_t n_words = 1 + bench_below(random, 12);

    for (size_t i = 0; i < n_words; i++) {
        append(&b, &source[bench_below(random, 8)], 3 + bench_below(random, 6));
        append(&b, "=", 1);
        append_number(&b, bench_next(random) >> (20 + bench_below(random, 40)));
    }
    return finish(&b);
}

int
main(int argc, char **argv)
{
    enum { KEYS = 60 * 1000 };
    struct table table = { NULL, 0, 0 };
    struct bench_random random = bench_seed(11);
    uint64_t sum = 0;

    if (argc != 2)
        bench_usage("text PERCENT");

    long n = bench_scaled(argv[1], 700 * 1000);
    double start = bench_seconds();

    resize(&table, 16);
    for (long i = 0; i < n; i++) {
        struct string *key = make_key(&random, KEYS);

        sum += bench_below(&random, 4) == 0 ? erase(&table, key) : store(&table, key, make_value(&random));
    }
    for (size_t i = 0; i < table.n_buckets; i++)
        for (struct entry *e = table.bucket[i]; e != NULL;) {
            struct entry *next = e->next;

            sum += unreference(e->key) + unreference(e->value);
            free(e);
            e = next;
        }
    free(table.bucket);
    bench_report("text", (bench_seconds() - start) * 1e9 / (double)n, "ns");
    bench_checksum(sum);
    return 0;
}
