/* osmem/osmem.c - os_malloc(), os_calloc(), os_realloc() and os_free().
 *
 *   who         operation  order    publishes / sees
 *   Q1 set up   exchange   relaxed  nothing: one caller gets to register the handlers
 *
 * SPDX-License-Identifier: MIT
 */
#include <config.h>

#include "osmem/block.h"

#include <errno.h>
#include <jsmalloc/osmem.h>
#include <pthread.h>
#include <string.h>

uint64_t jsm_osmem_secret;

static struct jsm_lock lock = { .rank = JSM_RANK_OSMEM };
static _Atomic(uint32_t) is_set_up; /* a whole word: not each machine exchanges bytes */

static void
leave(void)
{
    jsm_unlock(&lock);
}

static void
hold(void)
{
    jsm_lock(&lock);
}

/* libc may allocate in it, and nothing of ours is held. */
JSM_COLD static void
set_up(void)
{
    int saved_errno = errno;

    /* ORDER Q1: relaxed; who comes second does not need what the first is doing. */
    if (!jsm_exchange_relaxed(&is_set_up, 1))
        (void)jsm_os_at_fork(hold, leave, leave);
    errno = saved_errno;
}

static void
enter(void)
{
    /* ORDER: relaxed, a hint; Q1 decides. */
    if (jsm_unlikely(!jsm_load_relaxed(&is_set_up)))
        set_up();
    hold();
    if (jsm_unlikely(jsm_osmem_secret == 0))
        jsm_osmem_secret = jsm_os_entropy() | 1;
}

static struct jsm_osmem_found
find(const void *p)
{
    struct jsm_osmem_found found = jsm_osmem_heap_find(p);

    return found.kind == JSM_OSMEM_UNKNOWN ? jsm_osmem_mapped_find(p) : found;
}

/* Reports a damaged header that was met on the way to something else. */
static void
report_damage(const char *function, const void *p, const struct jsm_osmem_block *damaged)
{
    struct jsm_osmem_report report = { .kind = JSM_OSMEM_DAMAGED, .at = (uintptr_t)jsm_osmem_payload(damaged) };

    jsm_osmem_misuse(function, p, &report);
}

/* Unmaps part of a mapping.  The kernel may refuse to cut one up: then the memory goes back at least. */
static void
give_back(uint8_t *from, const uint8_t *end)
{
    if (from < end && jsm_os_unmap(from, (size_t)(end - from)) != 0)
        (void)jsm_os_purge(from, (size_t)(end - from));
}

static struct jsm_osmem_block *
take_from_heap(const char *function, size_t size)
{
    const struct jsm_osmem_block *damaged = NULL;

    enter();
    struct jsm_osmem_block *b = jsm_osmem_heap_take(jsm_round_up(size, JSM_OSMEM_ALIGN), &damaged);
    leave();
    if (damaged != NULL)
        report_damage(function, NULL, damaged);
    return b;
}

static struct jsm_osmem_block *
map(size_t size)
{
    size_t page = jsm_os_page_bytes(), bytes = jsm_round_up(JSM_OSMEM_HEADER + size, page);
    struct jsm_osmem_block *b = jsm_os_map(bytes, page);

    if (b == NULL)
        return NULL;
    enter();
    jsm_osmem_set(b, bytes - JSM_OSMEM_HEADER, JSM_OSMEM_MAPPED);
    bool done = jsm_osmem_mapped_add(b);
    leave();
    if (done)
        return b;
    (void)jsm_os_unmap(b, bytes);
    return NULL;
}

/* A block of `size` bytes, which is mapped if there are `threshold` of them or more. */
static void *
allocate(const char *function, size_t size, size_t threshold)
{
    if (size == 0)
        return NULL;
    struct jsm_osmem_block *b = size < threshold      ? take_from_heap(function, size)
                                : size <= PTRDIFF_MAX ? map(size)
                                                      : NULL;
    if (b == NULL) {
        errno = ENOMEM;
        return NULL;
    }
    return jsm_osmem_payload(b);
}

void *
os_malloc(size_t size)
{
    return allocate("os_malloc", size, OS_MMAP_THRESHOLD);
}

void *
os_calloc(size_t nmemb, size_t size)
{
    size_t page = jsm_os_page_bytes(), bytes;

    if (__builtin_mul_overflow(nmemb, size, &bytes)) {
        errno = ENOMEM;
        return NULL;
    }
    void *p = allocate("os_calloc", bytes, page);
    if (p != NULL && bytes < page)
        memset(p, 0, bytes);
    return p;
}

/* Makes a block `size` bytes long where it is; whether that was possible. */
static bool
resize(struct jsm_osmem_block *b, size_t size, const struct jsm_osmem_block **damaged)
{
    size_t page = jsm_os_page_bytes();

    if (b->status == JSM_OSMEM_USED)
        return jsm_osmem_heap_resize(b, jsm_round_up(size, JSM_OSMEM_ALIGN), size < OS_MMAP_THRESHOLD, damaged);
    if (size > b->size)
        return false;
    uint8_t *old_end = jsm_osmem_end(b), *end = (uint8_t *)b + jsm_round_up(JSM_OSMEM_HEADER + size, page);
    jsm_osmem_set(b, (size_t)(end - jsm_osmem_payload(b)), JSM_OSMEM_MAPPED);
    give_back(end, old_end);
    return true;
}

void *
os_realloc(void *ptr, size_t size)
{
    const struct jsm_osmem_block *damaged = NULL;
    size_t old_size = 0;
    bool done = false;

    if (ptr == NULL)
        return os_malloc(size);
    if (size == 0) {
        os_free(ptr);
        return NULL;
    }
    enter();
    struct jsm_osmem_found found = find(ptr);
    if (found.kind == JSM_OSMEM_LIVE) {
        old_size = found.block->size;
        done = size <= PTRDIFF_MAX && resize(found.block, size, &damaged);
    }
    struct jsm_osmem_report report = jsm_osmem_note(&found);
    leave();

    if (done)
        return ptr;
    if (report.kind != JSM_OSMEM_LIVE || damaged != NULL) {
        if (damaged != NULL)
            report_damage("os_realloc", ptr, damaged);
        else if (report.kind != JSM_OSMEM_GONE)
            jsm_osmem_misuse("os_realloc", ptr, &report);
        errno = EINVAL;
        return NULL;
    }
    void *q = allocate("os_realloc", size, OS_MMAP_THRESHOLD);
    if (q != NULL) {
        memcpy(q, ptr, old_size);
        os_free(ptr);
    }
    return q;
}

void
os_free(void *ptr)
{
    if (ptr == NULL)
        return;
    int saved_errno = errno;

    enter();
    struct jsm_osmem_found found = find(ptr);
    struct jsm_osmem_report report = jsm_osmem_note(&found);
    bool is_mapped = report.kind == JSM_OSMEM_LIVE && found.block->status == JSM_OSMEM_MAPPED;
    if (is_mapped)
        jsm_osmem_mapped_remove(found.block);
    else if (report.kind == JSM_OSMEM_LIVE)
        jsm_osmem_set(found.block, found.block->size, JSM_OSMEM_FREE);
    leave();

    if (is_mapped)
        give_back((uint8_t *)found.block, (uint8_t *)ptr + report.bytes);
    else if (report.kind != JSM_OSMEM_LIVE)
        jsm_osmem_misuse("os_free", ptr, &report);
    errno = saved_errno;
}

unsigned
jsm_osmem_check(void)
{
    enter();
    unsigned faults = jsm_osmem_heap_check() + jsm_osmem_mapped_check();
    leave();
    return faults;
}
