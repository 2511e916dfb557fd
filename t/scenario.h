/* t/scenario.h - what a program does that meets with faults: every kind of block, growth, holes, their return.
 *
 * Each thread has its own ledger of blocks, so several may run it at once.
 * SPDX-License-Identifier: MIT
 */
#ifndef JSM_TEST_SCENARIO_H
#define JSM_TEST_SCENARIO_H

#include "blackbox.h"

#include <jsmalloc/osmem.h>

enum { SLOTS = 6000 };

static _Thread_local struct {
    unsigned char *p;
    size_t size;
} slot[SLOTS];
static _Thread_local unsigned n_slots, n_refused;

/* Blocks up to this size. */
static size_t scenario_bytes = 80 * MIB;

/* What a child found; its exit status. */
enum verdict { GOOD, UNTOUCHED, SPOILT, WRONG_ERRNO, NOT_ZERO, MISALIGNED, UNSOUND, NO_SERVICE, LIED, LOST, UNABLE };

static const char *const verdict_words[] = {"good", "untouched", "a block was spoilt", "errno was not as it should be",
    "calloc gave a block that is not zero", "a block was misaligned", "the heap was not sound",
    "there was no service afterwards", "NULL though nothing had failed", "memory was lost", "there was no such fault"};

/* How much of a block is written and looked at: all of small ones, the start of large ones. */
static size_t
part(size_t size)
{
    return size < 256 * KIB ? size : 256 * KIB;
}

/* Sets "NAME=VALUE,...", for what is read only when it is needed. */
BB_UNUSED static bool
set_options(const char *list)
{
    char copy[200], *rest = NULL;
    bool good = true;

    snprintf(copy, sizeof copy, "%s", list);
    for (char *name = strtok_r(copy, ",", &rest); name != NULL; name = strtok_r(NULL, ",", &rest)) {
        char *value = strchr(name, '=');
        if (value == NULL)
            return false;
        *value++ = '\0';
        good = jsm_option_set(name, value) == 1 && good;
    }
    return good;
}

/* Notes what an allocation gave, which failed in the right way or not at all. */
static enum verdict
take(void *p, size_t size, size_t align)
{
    if (p == NULL) {
        n_refused++;
        return errno == ENOMEM ? GOOD : WRONG_ERRNO;
    }
    if (!is_aligned(p, align))
        return MISALIGNED;
    fill(p, part(size), n_slots);
    slot[n_slots].p = p;
    slot[n_slots++].size = size;
    errno = 0;
    return GOOD;
}

/* Changes the size of the newest block; if that is refused the block must be as it was. */
static enum verdict
resize_newest(size_t size)
{
    if (n_slots == 0)
        return GOOD;
    unsigned i = n_slots - 1;
    size_t old = slot[i].size;
    void *q = jsm_realloc(slot[i].p, size);

    if (q == NULL) {
        n_refused++;
        if (errno != ENOMEM)
            return WRONG_ERRNO;
        errno = 0;
        return is_filled(slot[i].p, part(old), part(old), i) ? GOOD : SPOILT;
    }
    if (!is_filled(q, part(old < size ? old : size), part(old), i))
        return SPOILT;
    slot[i].p = q;
    slot[i].size = size;
    fill(q, part(size), i);
    return GOOD;
}

static enum verdict
allocate_small(void)
{
    enum verdict v = GOOD;

    for (size_t size = 8; size <= 40000 && v == GOOD; size += size / 4 + 8)
        for (unsigned i = 0; i < 6 && v == GOOD; i++)
            v = take(jsm_malloc(size), size, natural_align(size));
    for (unsigned i = 0; i < 2000 && v == GOOD; i++)
        v = take(jsm_malloc(200), 200, 16);
    return v;
}

static enum verdict
allocate_large(void)
{
    static const size_t sizes[] = {70000, 300000, 2 * MIB, 20 * MIB, 65 * MIB};
    enum verdict v = GOOD;

    for (unsigned i = 0; i < COUNT_OF(sizes) && sizes[i] <= scenario_bytes && v == GOOD; i++) {
        unsigned char *p = jsm_calloc(1, sizes[i]);
        if (p != NULL && (p[0] != 0 || p[sizes[i] / 2] != 0 || p[sizes[i] - 1] != 0))
            return NOT_ZERO;
        v = take(p, sizes[i], 16);
        if (v == GOOD)
            v = take(jsm_aligned_alloc(MIB, sizes[i]), sizes[i], MIB);
    }
    return v;
}

static enum verdict
grow(void)
{
    enum verdict v = take(jsm_malloc(50), 50, 16);

    for (size_t size = 100; size < scenario_bytes && v == GOOD; size *= 3)
        v = resize_newest(size);
    for (size_t size = scenario_bytes / 2; size > 100 && v == GOOD; size /= 7)
        v = resize_newest(size);
    return v;
}

/* All blocks hold what was written to them; frees `which` of two, 0 or 1, or both with 2. */
static enum verdict
look_and_free(unsigned which)
{
    for (unsigned i = 0; i < n_slots; i++) {
        if (slot[i].p == NULL || (which < 2 && i % 2 != which))
            continue;
        if (!is_filled(slot[i].p, part(slot[i].size), part(slot[i].size), i))
            return SPOILT;
        errno = ERRNO_MARK;
        jsm_free(slot[i].p);
        if (errno != ERRNO_MARK)
            return WRONG_ERRNO;
        slot[i].p = NULL;
    }
    errno = 0;
    return GOOD;
}

/* The scenario: every kind of block, growth, holes, their return, allocation into them. */
static enum verdict
scenario(void)
{
    enum verdict v;

    n_slots = n_refused = 0;
    errno = 0;
    if ((v = allocate_small()) != GOOD || (v = allocate_large()) != GOOD || (v = grow()) != GOOD)
        return v;
    if ((v = look_and_free(0)) != GOOD)
        return v;
    (void)jsm_malloc_trim(0);
    errno = 0;
    if ((v = allocate_small()) != GOOD || (v = look_and_free(2)) != GOOD)
        return v;
    return jsm_check() == 0 ? GOOD : UNSOUND;
}

/* ---- Heaps, the os_ allocator, statistics ---- */

static enum verdict
refused(void)
{
    n_refused++;
    return errno == ENOMEM ? GOOD : WRONG_ERRNO;
}

/* A heap of the program's, with blocks that outlive it or end with it. */
static enum verdict
use_heap(unsigned flags, bool outlive)
{
    struct jsm_heap_config config = JSM_HEAP_CONFIG_INIT;
    enum verdict v = GOOD;

    config.flags = flags;
    config.prealloc_bytes = 256 * KIB;
    errno = 0;
    jsm_heap *heap = jsm_heap_new(&config);
    if (heap == NULL)
        return refused();
    errno = 0;
    unsigned from = n_slots;
    for (size_t size = 10; size < 3 * MIB && v == GOOD; size = size * 3 / 2 + 5) {
        v = take(jsm_heap_malloc(heap, size), size, natural_align(size));
        if (v == GOOD && n_slots > from && size > 1000 && slot[n_slots - 1].size > 1000)
            v = resize_newest(size * 2);
    }
    for (unsigned i = from; i < n_slots && v == GOOD; i++)
        if (slot[i].p != NULL && !is_filled(slot[i].p, part(slot[i].size), part(slot[i].size), i))
            v = SPOILT;
    if (outlive) {
        jsm_heap_delete(heap);
        return v;
    }
    jsm_heap_destroy(heap);
    n_slots = from;
    return v;
}

static enum verdict
use_osmem(void)
{
    enum { N = 40 };
    unsigned char *p[N];
    enum verdict v = GOOD;

    for (unsigned i = 0; i < N && v == GOOD; i++) {
        size_t size = (size_t)i * i * 300 + 1;
        errno = 0;
        p[i] = i % 3 == 0 ? os_calloc(1, size) : os_malloc(size);
        if (p[i] == NULL) {
            v = refused();
            continue;
        }
        if (i % 3 == 0 && !is_all(p[i], size, 0))
            v = NOT_ZERO;
        fill(p[i], size, i);
        unsigned char *q = os_realloc(p[i], size * 2);
        v = q == NULL ? refused() : v;
        p[i] = q != NULL ? q : p[i];
        if (!is_filled(p[i], size, size, i))
            v = SPOILT;
    }
    for (unsigned i = 0; i < N && v == GOOD; i++)
        os_free(p[i]);
    errno = 0;
    return v;
}

static void
ignore(void *arg, const char *text)
{
    (void)arg;
    (void)text;
}

/* valgrind has 8 MiB for the break, qemu what happens to be free above it. */
static bool
break_has_room(void)
{
    const intptr_t bytes = 8 * MIB;

    return !under_valgrind() && (!under_qemu() || (sbrk(bytes) != (void *)-1 && sbrk(-bytes) != (void *)-1));
}

/* All of it. */
static enum verdict
work(void)
{
    enum verdict v = scenario();
    unsigned refused_before = n_refused;

    n_slots = 0;
    if (v == GOOD)
        v = use_heap(0, false);
    if (v == GOOD)
        v = use_heap(0, true);
    if (v == GOOD && break_has_room())
        v = use_heap(JSM_HEAP_BRK, false);
    if (v == GOOD)
        v = look_and_free(2);
    if (v == GOOD && (under_valgrind() || break_has_room()))
        v = use_osmem();
    (void)jsm_stats_print("json", ignore, NULL);
    n_refused += n_refused < refused_before ? refused_before : 0;
    return v != GOOD || jsm_check() == 0 ? v : UNSOUND;
}

#endif
