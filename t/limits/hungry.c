/* t/limits/hungry.c - takes memory until there is no more, under whatever limit it was started with:
 * what it was given stays good, errors are ENOMEM, and what it frees can be had again.
 *
 *   hungry SIZE MAX_MIB [THREADS]    blocks of about SIZE bytes, at most MAX_MIB in all;
 *                                    exit status 0: good, and a limit was met; 3: good, but none was
 * SPDX-License-Identifier: MIT
 */
#include "../blackbox.h"

#include <pthread.h>

enum { NO_LIMIT_MET = 3, MAX_THREADS = 16 };

/* The blocks are chained by their first word, so that the list takes no memory of its own. */
struct link {
    struct link *next;
    size_t bytes;
    uint64_t id;
};

struct eater {
    size_t size, max_bytes;
    uint64_t random;
    unsigned bad;
    bool alone;
    bool met_limit;
    struct link *list;
    size_t n;
};

static void
complain(struct eater *e, const char *what)
{
    e->bad++;
    (void)!write(STDERR_FILENO, what, strlen(what));
    (void)!write(STDERR_FILENO, "\n", 1);
}

static bool
is_link_good(const struct link *l)
{
    size_t n = l->bytes - sizeof *l;

    return is_filled(l + 1, n, n, l->id);
}

/* Takes one more block; false when there is none. */
static bool
eat_one(struct eater *e)
{
    size_t bytes = sizeof(struct link) + e->size / 2 + random_below(&e->random, e->size);

    errno = 0;
    struct link *l = e->n % 5 == 0 ? jsm_calloc(1, bytes) : jsm_malloc(bytes);
    if (l == NULL) {
        if (errno != ENOMEM)
            complain(e, "the error was not ENOMEM");
        return false;
    }
    l->bytes = bytes;
    l->id = e->n++;
    l->next = e->list;
    e->list = l;
    fill(l + 1, bytes - sizeof *l, l->id);
    return true;
}

/* Frees all but one of `keep` blocks; bytes freed. */
static size_t
digest(struct eater *e, size_t keep)
{
    struct link *l = e->list, *kept = NULL;
    size_t freed = 0, i = 0;

    while (l != NULL) {
        struct link *next = l->next;
        if (!is_link_good(l))
            complain(e, "a block was spoilt");
        if (keep != 0 && i++ % keep == 0) {
            l->next = kept;
            kept = l;
        } else {
            freed += l->bytes;
            jsm_free(l);
        }
        l = next;
    }
    e->list = kept;
    return freed;
}

/* Fills up, checks that a block cannot grow but stays, frees half, takes a part of that again. */
static void
eat(struct eater *e)
{
    size_t eaten = 0, again = 0, freed;

    while (eaten < e->max_bytes && eat_one(e))
        eaten += e->list->bytes;
    e->met_limit = eaten < e->max_bytes;
    if (e->list == NULL) {
        if (e->alone) /* else the others may have all of it */
            complain(e, "not one block was given");
        return;
    }
    if (e->met_limit) {
        size_t bytes = e->list->bytes;
        errno = 0;
        if (jsm_realloc(e->list, (size_t)1 << (sizeof(size_t) * 8 - 3)) != NULL || errno != ENOMEM)
            complain(e, "a block grew beyond all memory, or the error was not ENOMEM");
        if (e->list->bytes != bytes || !is_link_good(e->list))
            complain(e, "a block was spoilt by growth that failed");
    }
    freed = digest(e, 4);
    while (again < freed / 2 && eat_one(e))
        again += e->list->bytes;
    if (again < freed / 2 && e->alone) /* another thread may have been faster */
        complain(e, "half of what was freed could not be had again");
    (void)digest(e, 0);
}

static void *
eat_in_thread(void *arg)
{
    eat(arg);
    return NULL;
}

int
main(int argc, char **argv)
{
    static struct eater eater[MAX_THREADS];
    pthread_t t[MAX_THREADS];
    unsigned threads = argc > 3 ? (unsigned)atoi(argv[3]) : 1, started = 0, bad = 0, met = 0;

    if (argc < 3 || threads == 0 || threads > MAX_THREADS)
        return 2;
    for (unsigned i = 0; i < threads; i++) {
        eater[i].size = strtoull(argv[1], NULL, 10);
        eater[i].max_bytes = strtoull(argv[2], NULL, 10) * MIB / threads;
        eater[i].random = i;
        eater[i].alone = threads == 1;
    }
    if (threads == 1)
        eat(&eater[0]);
    else
        /* Under a tight limit there may be no memory for the stack of another thread. */
        while (started < threads && pthread_create(&t[started], NULL, eat_in_thread, &eater[started]) == 0)
            started++;
    for (unsigned i = 0; i < started; i++)
        pthread_join(t[i], NULL);
    for (unsigned i = 0; i < threads; i++) {
        bad += eater[i].bad;
        met += eater[i].met_limit;
    }
    if (bad != 0 || jsm_check() != 0)
        return 1;
    return met > 0 ? 0 : NO_LIMIT_MET;
}
