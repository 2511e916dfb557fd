/* osmem/block.h - blocks of the os_ allocator, those of the heap and those that are mapped.
 *
 * Invariants, at all times when nobody holds the lock:
 *   O1  A segment is memory by which this layer moved the program break.  Segments are disjoint, and listed by
 *       address.  What lies between two of them belongs to somebody else and is neither read nor written.
 *   O2  Each byte of a segment belongs to one block: a header and the payload behind it.  Headers and sizes of
 *       payloads are multiples of 8.
 *   O3  The blocks of all segments are on one list, by address.  Two of them are neighbours if the second begins
 *       where the first ends; they are not if a segment ends between them.
 *   O4  A free block may have free neighbours, until a search or os_realloc() joins them.
 *   O5  A mapped block is the start of a mapping of its own, as long as header and payload, and has one entry in
 *       the table of mapped blocks.  It is on no list.
 *   O6  A header carries the seal of its address, size and status; the seal of a header that became part of
 *       another block is broken.  So an address in a segment is that of a header if its seal is good, but for
 *       one chance in 4 thousand million.
 *
 * All of it is [lock osmem], but the payload of a block in use is the program's.
 * SPDX-License-Identifier: MIT
 */
#ifndef JSM_OSMEM_BLOCK_H
#define JSM_OSMEM_BLOCK_H

#include "osmem/osmem.h"

enum jsm_osmem_status { JSM_OSMEM_FREE, JSM_OSMEM_USED, JSM_OSMEM_MAPPED };

#define JSM_OSMEM_ALIGN ((size_t)8) /* bytes */

struct jsm_osmem_block {
    _Alignas(JSM_OSMEM_ALIGN) size_t size; /* of the payload */
    uint32_t status;                       /* enum jsm_osmem_status */
    uint32_t seal;                         /* O6 */
    struct jsm_osmem_block *prev, *next;   /* O3 */
};

#define JSM_OSMEM_HEADER sizeof(struct jsm_osmem_block)
_Static_assert(JSM_OSMEM_HEADER % JSM_OSMEM_ALIGN == 0, "payloads are aligned as headers are");

/* Drawn once for each process. */
extern uint64_t jsm_osmem_secret;

static inline uint32_t
jsm_osmem_seal(const struct jsm_osmem_block *b)
{
    uint64_t z = (jsm_osmem_secret ^ (uintptr_t)b) * UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ (z >> 32) ^ b->status ^ ((uint64_t)b->size << 2)) * UINT64_C(0xbf58476d1ce4e5b9);
    return (uint32_t)(z >> 32);
}

static inline bool
jsm_osmem_is_sealed(const struct jsm_osmem_block *b)
{
    return b->seal == jsm_osmem_seal(b);
}

static inline void
jsm_osmem_set(struct jsm_osmem_block *b, size_t size, enum jsm_osmem_status status)
{
    b->size = size;
    b->status = status;
    b->seal = jsm_osmem_seal(b);
}

static inline uint8_t *
jsm_osmem_payload(const struct jsm_osmem_block *b)
{
    return (uint8_t *)(uintptr_t)b + JSM_OSMEM_HEADER;
}

static inline uint8_t *
jsm_osmem_end(const struct jsm_osmem_block *b)
{
    return jsm_osmem_payload(b) + b->size;
}

/* ---- Heap (heap.c); here and for mapped blocks the caller holds the lock ---- */

/* A block of `size` bytes, a multiple of 8, in use.  NULL: no memory; or, with `*damaged` set, a header that is
 * not as it was left. */
struct jsm_osmem_block *jsm_osmem_heap_take(size_t size, const struct jsm_osmem_block **damaged);

/* Makes a block in use `size` bytes long where it is; whether that was possible.  Only if `may_grow`, more memory is
 * taken from the system for it. */
bool jsm_osmem_heap_resize(struct jsm_osmem_block *b, size_t size, bool may_grow,
                           const struct jsm_osmem_block **damaged);

/* ---- Mapped blocks (mapped.c) ---- */

/* Enters a block into the table; whether there was room.  Takes it out. */
bool jsm_osmem_mapped_add(struct jsm_osmem_block *b);
void jsm_osmem_mapped_remove(struct jsm_osmem_block *b);

/* ---- Any pointer ---- */

enum jsm_osmem_kind {
    JSM_OSMEM_LIVE,    /* the payload of a block in use */
    JSM_OSMEM_GONE,    /* of one that was freed, or inside what it became part of */
    JSM_OSMEM_INSIDE,  /* in a block, but not where its payload begins */
    JSM_OSMEM_DAMAGED, /* the block's header, or one before it, was overwritten */
    JSM_OSMEM_UNKNOWN
};

/* What a pointer is.  `block` is NULL for UNKNOWN, and for a mapped block that is GONE. */
struct jsm_osmem_found {
    enum jsm_osmem_kind kind;
    struct jsm_osmem_block *block;
};

/* Each says UNKNOWN of what is not in its memory. */
struct jsm_osmem_found jsm_osmem_heap_find(const void *p);
struct jsm_osmem_found jsm_osmem_mapped_find(const void *p);

/* Number of faults, each of them reported. */
JSM_COLD unsigned jsm_osmem_heap_check(void);
JSM_COLD unsigned jsm_osmem_mapped_check(void);

/* ---- Reports (report.c) ---- */

/* What there is to say of a pointer, noted under the lock. */
struct jsm_osmem_report {
    enum jsm_osmem_kind kind;
    uintptr_t at;   /* payload of the block, 0 if there is none */
    size_t bytes;   /* of it */
    bool is_in_use;
};

struct jsm_osmem_report jsm_osmem_note(const struct jsm_osmem_found *found);

/* Reports and does as option check_action says.  `p` is what `function` was given, NULL if that was no pointer. */
JSM_COLD void jsm_osmem_misuse(const char *function, const void *p, const struct jsm_osmem_report *report);

#endif
