/* osmem/mapped.c - the table of mapped blocks: which addresses are such, without looking at what is there.
 *
 * A hash table, open, with linear probing; nothing is left where an entry was.
 * SPDX-License-Identifier: MIT
 */
#include <config.h>

#include "osmem/block.h"

enum { FIRST_SLOTS = 64, REMEMBERED = 64 };

JSM_SPARSE static struct jsm_osmem_block *first_slots[FIRST_SLOTS];
static struct jsm_osmem_block **slots = first_slots;
static size_t n_slots = FIRST_SLOTS, n_mapped; /* n_slots is a power of two */

/* Blocks that were freed last, a ring. */
static const struct jsm_osmem_block *gone[REMEMBERED];
static unsigned n_gone;

static size_t
home_of(const struct jsm_osmem_block *b)
{
    return (size_t)((((uintptr_t)b >> 12) * UINT64_C(0x9e3779b97f4a7c15)) >> 32) & (n_slots - 1);
}

/* Where a block is, or would be put. */
static size_t
slot_of(const struct jsm_osmem_block *b)
{
    size_t i = home_of(b);

    while (slots[i] != NULL && slots[i] != b)
        i = (i + 1) & (n_slots - 1);
    return i;
}

static bool
double_slots(void)
{
    size_t page = jsm_os_page_bytes(), old_n = n_slots;
    struct jsm_osmem_block **old = slots, **more = jsm_os_map(jsm_round_up(2 * n_slots * sizeof *slots, page), page);

    if (more == NULL)
        return false;
    slots = more;
    n_slots *= 2;
    for (size_t i = 0; i < old_n; i++)
        if (old[i] != NULL)
            slots[slot_of(old[i])] = old[i];
    if (old != first_slots)
        (void)jsm_os_unmap(old, jsm_round_up(old_n * sizeof *slots, page));
    return true;
}

bool
jsm_osmem_mapped_add(struct jsm_osmem_block *b)
{
    if (n_mapped >= n_slots - n_slots / 4 && !double_slots())
        return false;
    slots[slot_of(b)] = b;
    n_mapped++;
    return true;
}

void
jsm_osmem_mapped_remove(struct jsm_osmem_block *b)
{
    size_t hole = slot_of(b), mask = n_slots - 1;

    /* What could not be put at the hole or before it, because that was taken, moves up. */
    for (size_t i = (hole + 1) & mask; slots[i] != NULL; i = (i + 1) & mask)
        if (((i - home_of(slots[i])) & mask) >= ((i - hole) & mask)) {
            slots[hole] = slots[i];
            hole = i;
        }
    slots[hole] = NULL;
    n_mapped--;
    gone[n_gone++ % REMEMBERED] = b;
}

struct jsm_osmem_found
jsm_osmem_mapped_find(const void *p)
{
    uintptr_t at = (uintptr_t)p;
    struct jsm_osmem_block *b = (struct jsm_osmem_block *)(at - JSM_OSMEM_HEADER);

    /* A null pointer is an empty slot. */
    if (b != NULL && slots[slot_of(b)] == b)
        return (struct jsm_osmem_found){ jsm_osmem_is_sealed(b) ? JSM_OSMEM_LIVE : JSM_OSMEM_DAMAGED, b };
    for (size_t i = 0; i < n_slots; i++)
        if (slots[i] != NULL && at >= (uintptr_t)slots[i] && at < (uintptr_t)jsm_osmem_end(slots[i]))
            return (struct jsm_osmem_found){ JSM_OSMEM_INSIDE, slots[i] };
    for (unsigned i = 0; b != NULL && i < REMEMBERED; i++)
        if (gone[i] == b)
            return (struct jsm_osmem_found){ JSM_OSMEM_GONE, NULL };
    return (struct jsm_osmem_found){ JSM_OSMEM_UNKNOWN, NULL };
}

unsigned
jsm_osmem_mapped_check(void)
{
    unsigned faults = 0;
    size_t n = 0, page = jsm_os_page_bytes();

    for (size_t i = 0; i < n_slots; i++) {
        const struct jsm_osmem_block *b = slots[i];
        if (b == NULL)
            continue;
        n++;
        if (slot_of(b) != i || (uintptr_t)b % page != 0 || !jsm_osmem_is_sealed(b) || b->status != JSM_OSMEM_MAPPED ||
            (uintptr_t)jsm_osmem_end(b) % page != 0) {
            jsm_message("os_ heap: the header or the entry of a mapped block is not as it was left", NULL, NULL);
            faults++;
        }
    }
    if (n != n_mapped) {
        jsm_message("os_ heap: there are more or fewer mapped blocks than were counted", NULL, NULL);
        faults++;
    }
    return faults;
}
