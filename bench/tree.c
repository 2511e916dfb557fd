/* bench/tree.c - linked structures, built and taken apart.
 *
 * `binary`: complete binary trees of many depths come and go while one long-lived tree stays.  `words`: a search tree
 * whose nodes own a key, a value and a list of notes, every one a block of its own, grown, pruned and freed.
 *
 * SPDX-License-Identifier: MIT
 */
#include "bench.h"

struct pair_node {
    struct pair_node *left, *right;
};

static struct pair_node *
build_pair(unsigned depth)
{
    struct pair_node *n = bench_checked(malloc(sizeof *n));

    n->left = depth > 0 ? build_pair(depth - 1) : NULL;
    n->right = depth > 0 ? build_pair(depth - 1) : NULL;
    return n;
}

static uint64_t
free_pair(struct pair_node *n)
{
    uint64_t count = 1;

    if (n->left != NULL)
        count += free_pair(n->left) + free_pair(n->right);
    free(n);
    return count;
}

static uint64_t
binary(const char *percent)
{
    enum { DEPTH_MAX = 17, DEPTH_MIN = 5, LONG_LIVED = 19 };
    uint64_t sum = 0;
    struct pair_node *stays = build_pair(LONG_LIVED);

    for (unsigned depth = DEPTH_MIN; depth <= DEPTH_MAX; depth += 3) {
        long n = bench_scaled(percent, 10L << (DEPTH_MAX - depth));

        for (long i = 0; i < n; i++)
            sum += free_pair(build_pair(depth));
    }
    return sum + free_pair(stays);
}

struct note {
    struct note *next;
    char text[];
};

struct word {
    struct word *left, *right;
    struct note *notes;
    char *key;
    char *value;
    uint64_t order; /* a random priority instead of balancing: keys come in random order */
};

static char *
random_text(struct bench_random *random, size_t min, size_t spread)
{
    size_t length = min + bench_below(random, spread);
    char *text = bench_checked(malloc(length + 1));

    for (size_t i = 0; i < length; i++)
        text[i] = (char)('a' + (char)((i * 7 + length) % 26));
    text[length] = '\0';
    return text;
}

static void
add_note(struct word *w, struct bench_random *random)
{
    size_t length = 8 + bench_below(random, 90);
    struct note *n = bench_checked(malloc(sizeof *n + length));

    memset(n->text, 'n', length);
    n->text[length - 1] = '\0';
    n->next = w->notes;
    w->notes = n;
}

static void
insert(struct word **at, struct bench_random *random)
{
    uint64_t order = bench_next(random);

    while (*at != NULL) {
        if ((*at)->order == order)
            return;
        at = order < (*at)->order ? &(*at)->left : &(*at)->right;
    }
    struct word *w = bench_checked(malloc(sizeof *w));

    *w = (struct word){ .key = random_text(random, 4, 28), .value = random_text(random, 10, 120), .order = order };
    for (size_t i = bench_below(random, 4); i > 0; i--)
        add_note(w, random);
    *at = w;
}

static uint64_t
free_words(struct word *w)
{
    uint64_t sum = 0;

    while (w != NULL) {
        struct word *right = w->right;

        sum += free_words(w->left) + w->order + strlen(w->key) + strlen(w->value);
        for (struct note *n = w->notes; n != NULL;) {
            struct note *next = n->next;

            free(n);
            n = next;
        }
        free(w->key);
        free(w->value);
        free(w);
        w = right;
    }
    return sum;
}

/* Every value is replaced and some of the subtrees go, as when a document is edited. */
static uint64_t
edit(struct word **at, struct bench_random *random, unsigned depth)
{
    struct word *w = *at;
    uint64_t sum = 0;

    if (w == NULL)
        return 0;
    if (depth > 12 && bench_below(random, 8) == 0) {
        *at = NULL;
        return free_words(w);
    }
    free(w->value);
    w->value = random_text(random, 10, 200);
    sum += edit(&w->left, random, depth + 1);
    return sum + edit(&w->right, random, depth + 1);
}

static uint64_t
words(const char *percent)
{
    enum { WORDS = 100 * 1000, EDITS = 3 };
    struct bench_random random = bench_seed(9);
    struct word *root = NULL;
    long n = bench_scaled(percent, WORDS);
    uint64_t sum = 0;

    for (int round = 0; round < EDITS; round++) {
        for (long i = 0; i < n; i++)
            insert(&root, &random);
        sum += edit(&root, &random, 0);
    }
    return sum + free_words(root);
}

int
main(int argc, char **argv)
{
    if (argc != 3)
        bench_usage("tree PERCENT binary|words");

    double start = bench_seconds();
    uint64_t sum = strcmp(argv[2], "binary") == 0 ? binary(argv[1]) : words(argv[1]);

    bench_report("tree", (bench_seconds() - start) * 1e3, "ms");
    bench_checksum(sum);
    return 0;
}
