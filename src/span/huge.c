/* span/huge.c - blocks that are mappings of their own.
 *
 * SPDX-License-Identifier: MIT
 */
#include <config.h>

#include "span/span.h"

struct jsm_lock jsm_huge_lock = { .rank = JSM_RANK_HUGE };

_Atomic(size_t) jsm_mapped_bytes;

static struct jsm_link mappings;                            /* [lock huge] */
static struct jsm_link stranded;                            /* [lock huge] freed, and still mapped: see below */
static size_t huge_count, max_huge_count, max_huge_bytes;   /* [lock huge] */

bool jsm_huge_guards;

static size_t
mapped_bytes(const struct jsm_span *span)
{
    return jsm_round_up(jsm_size_bytes(span), jsm_os_page_bytes());
}

/* The inaccessible page behind it, which is not counted. */
static size_t
guard_bytes(const struct jsm_span *span)
{
    return (span->traits & JSM_TRAIT_GUARDED) != 0 ? jsm_os_page_bytes() : 0;
}

static void
add_bytes_locked(size_t more, size_t less)
{
    /* ORDER: relaxed, both; an amount, which changes under the lock that we hold. */
    size_t bytes = jsm_load_relaxed(&jsm_mapped_bytes) + more - less;
    jsm_store_relaxed(&jsm_mapped_bytes, bytes);
    max_huge_bytes = jsm_max(max_huge_bytes, bytes);
    max_huge_count = jsm_max(max_huge_count, huge_count);
    jsm_span_note_peak();
}

static void
enter_locked(struct jsm_span *span, uint8_t *base, size_t bytes)
{
    span->base = base;
    jsm_set_size_bytes(span, bytes);
    span->n_slices = 0;
    jsm_set_kind(span, JSM_KIND_HUGE);
    jsm_list_append(&mappings, &span->all);
    add_bytes_locked(mapped_bytes(span), 0);
}

static void
leave_locked(struct jsm_span *span)
{
    jsm_list_remove(&span->all);
    add_bytes_locked(0, mapped_bytes(span));
    jsm_set_kind(span, JSM_KIND_GONE);
}

/* Counts one more mapping, if there may be one; it is taken back if there will be none. */
static bool
count_one(void)
{
    jsm_lock(&jsm_huge_lock);
    bool may = huge_count < (size_t)jsm_option(JSM_OPT_MMAP_MAX);
    huge_count += may;
    jsm_unlock(&jsm_huge_lock);
    return may;
}

static void
uncount_one(void)
{
    jsm_lock(&jsm_huge_lock);
    huge_count--;
    jsm_unlock(&jsm_huge_lock);
}

static uint8_t *
map_described(size_t mapped, size_t align)
{
    uint8_t *base = jsm_os_map(mapped, align);

    if (base != NULL && jsm_pagemap_prepare(base, 1) != 0) {
        jsm_os_unmap(base, mapped);
        base = NULL;
    }
    return base;
}

/* ---- Addresses that the system does not take back ----
 *
 * To unmap the middle of what the kernel has as one mapping takes one more, and fails when the process has as many
 * as it may.  The memory is given back, and the addresses wait in a list, by the descriptor that they still have. */

static void
strand_locked(struct jsm_span *span, uint8_t *base, size_t mapped)
{
    jsm_os_purge(base, mapped);
    span->base = base;
    jsm_set_size_bytes(span, mapped);
    jsm_set_kind(span, JSM_KIND_GONE);
    jsm_list_append(&stranded, &span->all);
}

/* Tries again, from the oldest on, until one is refused. */
void
jsm_huge_return_stranded(void)
{
    jsm_lock(&jsm_huge_lock);
    while (!jsm_list_is_empty(&stranded)) {
        struct jsm_span *span = jsm_list_entry(jsm_list_first(&stranded), struct jsm_span, all);
        jsm_list_remove(&span->all);
        if (jsm_os_unmap(span->base, mapped_bytes(span)) != 0) {
            jsm_list_append(&stranded, &span->all);
            break;
        }
    }
    jsm_unlock(&jsm_huge_lock);
}

/* ---- Blocks ---- */

struct jsm_span *
jsm_huge_alloc(size_t bytes, size_t align)
{
    size_t guard = jsm_huge_guards ? jsm_os_page_bytes() : 0;
    size_t mapped = jsm_round_up(bytes, jsm_os_page_bytes()) + guard;

    align = jsm_max(align, JSM_SLICE_BYTES);
    if (mapped < bytes || !count_one())
        return NULL;
    uint8_t *base = map_described(mapped, align);
    if (base == NULL && jsm_span_pressure != NULL) {
        jsm_span_pressure();
        base = map_described(mapped, align);
    }
    if (base == NULL) {
        uncount_one();
        return NULL;
    }
    struct jsm_span *span = jsm_pagemap_find(base);
    /* If the guard fails the page is there nevertheless, and is unmapped with the rest. */
    if (guard != 0 && jsm_os_guard(base + mapped - guard, guard) != 0)
        (void)jsm_os_decommit(base + mapped - guard, guard);
    /* Under the lock: the address may have been that of another thread's mapping a moment ago. */
    jsm_lock(&jsm_huge_lock);
    span->traits = guard != 0 ? JSM_TRAIT_GUARDED : 0;
    enter_locked(span, base, bytes);
    jsm_unlock(&jsm_huge_lock);
    jsm_purge_tick();
    return span;
}

bool
jsm_huge_free(struct jsm_span *span)
{
    jsm_lock(&jsm_huge_lock);
    if (jsm_kind(span) != JSM_KIND_HUGE) {
        jsm_unlock(&jsm_huge_lock);
        return false;
    }
    size_t mapped = mapped_bytes(span) + guard_bytes(span);
    uint8_t *base = span->base;
    leave_locked(span);
    huge_count--;
    bool others = !jsm_list_is_empty(&stranded);
    jsm_unlock(&jsm_huge_lock);
    if (jsm_os_unmap(base, mapped) == 0) { /* the descriptor may be that of somebody else's mapping now */
        if (others)
            jsm_huge_return_stranded();
        return true;
    }
    jsm_lock(&jsm_huge_lock);
    strand_locked(span, base, mapped);
    jsm_unlock(&jsm_huge_lock);
    return true;
}

/* Addresses with a quarter as many free ones behind, if there are.  The kernel gives those right below another mapping:
 * without room a block that grows in small steps could go to and fro between two such places. */
static uint8_t *
reserve_with_room(size_t mapped)
{
    size_t room = jsm_round_up(mapped / 4, JSM_SLICE_BYTES);
    uint8_t *p = jsm_os_reserve(mapped + room, JSM_SLICE_BYTES);

    if (p == NULL)
        return jsm_os_reserve(mapped, JSM_SLICE_BYTES);
    (void)jsm_os_unmap(p + mapped, room); /* refused with as many mappings as may be: they stay reserved */
    return p;
}

/* Moves the mapping to an aligned place of its new size, which is greater; its address there, or NULL.  The
 * descriptor of the new place is ready before anything is moved. */
static uint8_t *
relocate_locked(uint8_t *base, size_t old, size_t mapped)
{
    uint8_t *to = reserve_with_room(mapped);

    if (to == NULL)
        return NULL;
    bool described = jsm_pagemap_prepare(to, 1) == 0;
    if (described && jsm_os_relocate(base, old, to, mapped))
        return to;
    if (jsm_os_unmap(to, mapped) != 0 && described)
        strand_locked(jsm_pagemap_find(to), to, mapped);
    return NULL;
}

struct jsm_span *
jsm_huge_resize(struct jsm_span *span, size_t bytes, bool may_move)
{
    size_t old = mapped_bytes(span), mapped = jsm_round_up(bytes, jsm_os_page_bytes());
    uint8_t *base = span->base;
    struct jsm_heap *heap = jsm_span_heap(span);

    if (mapped < bytes)
        return NULL;
    jsm_lock(&jsm_huge_lock);
    size_t old_size_bytes = jsm_size_bytes(span);
    leave_locked(span);
    if (mapped != old && !jsm_os_resize(base, old, mapped)) {
        uint8_t *to = may_move && mapped > old ? relocate_locked(base, old, mapped) : NULL;
        base = to != NULL ? to : base;
        bytes = to != NULL ? bytes : old_size_bytes;
    }
    struct jsm_span *now = jsm_pagemap_find(base);
    enter_locked(now, base, bytes);
    jsm_set_span_heap(now, heap);
    jsm_unlock(&jsm_huge_lock);
    return jsm_round_up(bytes, jsm_os_page_bytes()) == mapped ? now : NULL;
}

struct jsm_span *
jsm_huge_around(const void *p)
{
    struct jsm_span *found = NULL;

    jsm_lock(&jsm_huge_lock);
    if (mappings.next != NULL) {
        for (struct jsm_link *l = mappings.next; l != &mappings && found == NULL; l = l->next) {
            struct jsm_span *span = jsm_list_entry(l, struct jsm_span, all);
            if ((uintptr_t)p - (uintptr_t)span->base < mapped_bytes(span))
                found = span;
        }
    }
    jsm_unlock(&jsm_huge_lock);
    return found;
}

void
jsm_huge_totals(struct jsm_span_totals *totals)
{
    jsm_lock(&jsm_huge_lock);
    totals->huge_count = huge_count;
    /* ORDER: relaxed; it changes under the lock that we hold. */
    totals->huge_bytes = jsm_load_relaxed(&jsm_mapped_bytes);
    totals->max_huge_count = max_huge_count;
    totals->max_huge_bytes = max_huge_bytes;
    jsm_unlock(&jsm_huge_lock);
}

void
jsm_huge_visit(void (*visit)(struct jsm_span *span, void *arg), void *arg)
{
    jsm_lock(&jsm_huge_lock);
    for (struct jsm_link *l = mappings.next; l != NULL && l != &mappings; l = l->next)
        visit(jsm_list_entry(l, struct jsm_span, all), arg);
    jsm_unlock(&jsm_huge_lock);
}

size_t
jsm_huge_resident_bytes(void)
{
    size_t bytes = 0, page = jsm_os_page_bytes();
    uintptr_t counted = 0; /* the page of the descriptor before, which neighbours share */

    jsm_lock(&jsm_huge_lock);
    for (struct jsm_link *l = mappings.next; l != NULL && l != &mappings; l = l->next) {
        struct jsm_span *span = jsm_list_entry(l, struct jsm_span, all);
        bytes += jsm_os_resident_in(span->base, mapped_bytes(span));
        if ((uintptr_t)span / page != counted)
            bytes += page;
        counted = (uintptr_t)span / page;
    }
    jsm_unlock(&jsm_huge_lock);
    return bytes;
}

/* ---- Checks ---- */

static void
check_mapping(const struct jsm_span *span, enum jsm_kind kind, struct jsm_faults *faults)
{
    if (jsm_kind(span) != kind)
        jsm_fault(faults, "list of direct mappings with what is none at ", span->base);
    else if (jsm_pagemap_find(span->base) != span || (kind == JSM_KIND_HUGE && span->n_slices != 0))
        jsm_fault(faults, "direct mapping that says that it is elsewhere at ", span->base);
}

void
jsm_huge_check(struct jsm_faults *faults)
{
    struct jsm_walk live = JSM_WALK(&mappings, all), gone = JSM_WALK(&stranded, all);
    size_t n = 0, bytes = 0;

    jsm_lock(&jsm_huge_lock);
    for (const struct jsm_span *span; (span = jsm_walk_next(&live)) != NULL; n++) {
        check_mapping(span, JSM_KIND_HUGE, faults);
        bytes += mapped_bytes(span);
    }
    for (const struct jsm_span *span; (span = jsm_walk_next(&gone)) != NULL;)
        check_mapping(span, JSM_KIND_GONE, faults);
    if (live.is_broken || gone.is_broken)
        jsm_fault(faults, "list of direct mappings whose links do not lead there and back at ",
                  live.is_broken ? live.list : gone.list);
    /* Who is about to map one has counted it.
     * ORDER: relaxed; it changes under the lock that we hold. */
    else if (n > huge_count || bytes != jsm_load_relaxed(&jsm_mapped_bytes))
        jsm_fault(faults, "direct mappings that do not add up, of the list at ", &mappings);
    jsm_unlock(&jsm_huge_lock);
}
