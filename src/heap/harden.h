/* heap/harden.h - option harden: trailers, wiping, and the paths of malloc and free that are the usual ones.
 *
 * Part of the facade heap/heap.h, which includes it.  doc/hardening.md has the invariants, N1 to N9.
 *
 * A block of `n` bytes in a slab:
 *
 *   | n bytes of the program | padding, each byte the same | trailer, 8 bytes |
 *   start                    n                             block_bytes - 8
 *
 * The trailer: | padding byte 8 | length of the padding 16 | origin 8 | code 32 |, lowest address first.  The first
 * three are its tag.
 * With level on only the first 8 bytes of the padding are written, and looked at.
 * SPDX-License-Identifier: MIT
 */
#ifndef JSM_HARDEN_H
#define JSM_HARDEN_H

#include "heap/heap.h"

enum {
    JSM_HARDEN_TRAILER_BYTES = 8,
    JSM_HARDEN_HEAD_BYTES = 64,   /* what level on wipes of each block, and looks at */
    JSM_HARDEN_LARGE = 16,        /* large blocks that a thread holds back */
    JSM_HARDEN_SHIFT_ON = 3,      /* logarithm of the most blocks of a class that it does */
    JSM_HARDEN_SHIFT_FULL = 8
};

/* Who allocates a block has to be who frees it. */
enum jsm_origin { JSM_ORIGIN_MALLOC, JSM_ORIGIN_NEW, JSM_ORIGIN_NEW_ARRAY };

/* A size that free was not told. */
#define JSM_SIZE_UNSAID SIZE_MAX

typedef uint64_t __attribute__((may_alias)) jsm_word;
typedef uint64_t __attribute__((may_alias, aligned(1))) jsm_loose_word;
typedef uint64_t __attribute__((may_alias, vector_size(16))) jsm_pair; /* hard blocks are multiples of 16 bytes */

/* Of this process.  [const] from the start on, and then in a page that nobody can write to. */
enum { JSM_SECRET_PAGE_BYTES = 4096 };
struct jsm_secret {
    _Alignas(JSM_SECRET_PAGE_BYTES) uint64_t padding;    /* one byte, eight times; */
    uint64_t add, multiply;
    uint32_t tag;        /* that byte once */
    uint32_t wipe_bytes; /* of a block in a slab, at most */
};
extern struct jsm_secret jsm_secret;

/* Blocks that a thread has freed and holds back: a place for each, of which each class has its own, a power of two.
 * One that is freed takes the place of another, by chance. */
struct jsm_quarantine {
    uint64_t random;                           /* a hash of all that were held back */
    uint32_t max_block_bytes, n_large;
    uint16_t mask[JSM_CLASSES];                /* places of the class, less one */
    struct jsm_span *large[JSM_HARDEN_LARGE];  /* the oldest first */
    size_t large_bytes, large_resident_bytes;
    uint64_t kept[];                           /* descriptor of the slab << 16 | index; 0: none */
};

/* ---- Memory: `bytes` is a multiple of 16, and not below 32 ---- */

/* Sets up to 64 bytes to zero, or tells whether they are, without a branch: two pairs from either end. */
JSM_INLINE void
jsm_wipe_head(void *p, uint32_t bytes)
{
    jsm_pair *first = p, *last = (jsm_pair *)(void *)((uint8_t *)p + bytes - 32);

    first[0] = first[1] = last[0] = last[1] = (jsm_pair){ 0, 0 };
}

JSM_INLINE bool
jsm_is_zero_head(const void *p, uint32_t bytes)
{
    const jsm_pair *first = p, *last = (const jsm_pair *)(const void *)((const uint8_t *)p + bytes - 32);
    jsm_pair all = first[0] | first[1] | last[0] | last[1];

    return (all[0] | all[1]) == 0;
}

/* The same for any length. */
void jsm_wipe_long(void *p, size_t bytes);
bool jsm_is_zero_long(const void *p, size_t bytes);

/* The first `most` bytes of a block, or all of it. */
JSM_INLINE void
jsm_wipe_block(const struct jsm_span *slab, void *block, uint32_t most)
{
    uint32_t bytes = jsm_min(slab->block_bytes, most);

    if (jsm_likely(bytes <= JSM_HARDEN_HEAD_BYTES))
        jsm_wipe_head(block, bytes);
    else
        jsm_wipe_long(block, bytes);
}

JSM_INLINE bool
jsm_is_zero_block(const struct jsm_span *slab, const void *block, uint32_t most)
{
    uint32_t bytes = jsm_min(slab->block_bytes, most);

    return jsm_likely(bytes <= JSM_HARDEN_HEAD_BYTES) ? jsm_is_zero_head(block, bytes) : jsm_is_zero_long(block, bytes);
}

/* ---- Trailers ---- */

JSM_INLINE jsm_word *
jsm_trailer_of(const struct jsm_span *slab, void *block)
{
    return (jsm_word *)(void *)((uint8_t *)block + slab->block_bytes - JSM_HARDEN_TRAILER_BYTES);
}

/* The bytes of a word in the order of their addresses, lowest first in its lowest bits. */
JSM_INLINE uint64_t
jsm_in_order(uint64_t n)
{
    return __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ ? __builtin_bswap64(n) : n;
}

/* The tag of a block. */
JSM_INLINE uint32_t
jsm_tag_with(size_t padding_bytes, enum jsm_origin origin)
{
    return jsm_secret.tag | (uint32_t)padding_bytes << 8 | (uint32_t)origin << 24;
}

JSM_INLINE size_t
jsm_padding_of(uint32_t tag)
{
    return tag >> 8 & 0xffff;
}

JSM_INLINE enum jsm_origin
jsm_origin_of(uint32_t tag)
{
    return (enum jsm_origin)(tag >> 24);
}

JSM_INLINE uint32_t
jsm_tag_of(uint64_t trailer)
{
    return (uint32_t)jsm_in_order(trailer);
}

/* A hash of the block and its tag, of which the upper half counts: no two tags have the same. */
JSM_INLINE uint64_t
jsm_code_of(const void *block, uint32_t tag)
{
    return ((uintptr_t)block + jsm_secret.add + ((uint64_t)tag << 32)) * jsm_secret.multiply;
}

JSM_INLINE uint64_t
jsm_trailer_with(const void *block, uint32_t tag)
{
    return jsm_in_order(jsm_code_of(block, tag) >> 32 << 32 | tag);
}

/* More padding than a word: level full writes all of it, and looks at it. */
void jsm_padding_fill(jsm_word *trailer, size_t bytes);
bool jsm_padding_is_whole(const jsm_word *trailer, size_t bytes);

/* Writes padding and trailer. */
JSM_INLINE void
jsm_harden_dress(const struct jsm_span *slab, void *block, size_t bytes, enum jsm_origin origin, bool is_full)
{
    jsm_word *trailer = jsm_trailer_of(slab, block);
    uint8_t *end = (uint8_t *)block + bytes;
    size_t padding = (size_t)((uint8_t *)trailer - end);

    *(jsm_loose_word *)(void *)end = jsm_secret.padding;
    if (is_full && padding > 8)
        jsm_padding_fill(trailer, padding);
    *trailer = jsm_trailer_with(block, jsm_tag_with(padding, origin));
}

/* Whether trailer and padding are whole; and the tag. */
JSM_INLINE bool
jsm_harden_is_whole(const struct jsm_span *slab, void *block, uint32_t *tag, bool is_full)
{
    const jsm_word *trailer = jsm_trailer_of(slab, block);
    uint64_t is = jsm_in_order(*trailer);

    *tag = (uint32_t)is;
    if (jsm_unlikely((is ^ jsm_code_of(block, *tag)) >> 32 != 0))
        return false;
    size_t padding = jsm_padding_of(*tag);
    uint64_t differ = *(const jsm_loose_word *)(const void *)((const uint8_t *)trailer - padding) ^ jsm_secret.padding;
    /* With less than a word of it: up to the first byte of the trailer, which is the same. */
    if (jsm_unlikely(jsm_in_order(differ) << 8 * (7 - jsm_min(padding, (size_t)7)) != 0))
        return false;
    return !is_full || padding <= 8 || jsm_padding_is_whole(trailer, padding);
}

/* ---- malloc and free ---- */

/* What was found in a free block is told, and made zero. */
JSM_COLD void jsm_harden_written(const char *function, struct jsm_span *slab, void *block);

/* The same when it is handed out, to be dressed as well; the block. */
JSM_COLD void *jsm_harden_take_written(struct jsm_span *slab, void *block, size_t bytes, enum jsm_origin origin);

/* The slab in `front` that has blocks for so many bytes; JSM_SLAB_NONE if none is long enough. */
JSM_INLINE struct jsm_span *
jsm_harden_active(struct jsm_theap_front *front, size_t bytes)
{
    /* 0 bytes are more than all. */
    if (jsm_likely(bytes - 1 < JSM_HARD_DIRECT_MAX))
        return front->active[jsm_hard_class[(bytes + 7) >> JSM_DIRECT_SHIFT]];
    if (bytes - 1 < (size_t)jsm_option(JSM_OPT_SLAB_MAX) - JSM_HARDEN_TRAILER_BYTES)
        return front->active[jsm_class_of(bytes + JSM_HARDEN_TRAILER_BYTES)];
    return JSM_SLAB_NONE;
}

/* Takes block `i` of the slab, the head of its free list, for malloc or new.  It is zero as far as the level wipes. */
JSM_INLINE void *
jsm_harden_take(struct jsm_span *slab, uint32_t i, size_t bytes, enum jsm_origin origin, bool is_full)
{
    void *block = jsm_slab_take(slab, i);

    /* What is handed out next but one will be looked at: if it is in no cache, malloc would wait for it, and one call
     * is too short for it to come. */
    uint32_t next = slab->head;
    if (jsm_likely(next != JSM_LINK_END) && jsm_likely((next = slab->link[next]) != JSM_LINK_END)) {
        uint8_t *ahead = jsm_slab_block(slab, next);
        __builtin_prefetch(ahead, 1);
        __builtin_prefetch(ahead + JSM_HARDEN_HEAD_BYTES - 1, 1);
    }
    if (jsm_unlikely(!jsm_is_zero_block(slab, block, is_full ? UINT32_MAX : JSM_HARDEN_HEAD_BYTES)))
        return jsm_harden_take_written(slab, block, bytes, origin);
    jsm_harden_dress(slab, block, bytes, origin, is_full);
    return block;
}

/* A block leaves the quarantine: its slab is another thread's, or it was written to, or held back twice. */
void jsm_harden_release(struct jsm_theap *th, struct jsm_span *slab, uint32_t index);

/* Level full: of several threads that free the block at the same moment, true for the first. */
JSM_INLINE bool
jsm_harden_claim(struct jsm_span *slab, uint32_t index)
{
    /* ORDER: relaxed; nothing is read through it, and who takes the block later has the order from R1. */
    return jsm_change_relaxed_plain(&slab->link[index], JSM_LINK_USED, JSM_LINK_QUARANTINED);
}

/* Holds back a block, which is wiped, and with level full claimed, and lets go another.  What was read of the block
 * takes no part in the choice: it may be in no cache, and the processor goes on meanwhile. */
JSM_INLINE void
jsm_harden_hold(struct jsm_theap *th, struct jsm_quarantine *q, struct jsm_span *slab, void *block, uint32_t index,
                bool is_full)
{
    uint64_t *places = &q->kept[(size_t)slab->class_id << (is_full ? JSM_HARDEN_SHIFT_FULL : JSM_HARDEN_SHIFT_ON)];
    uint64_t random = (q->random + (uintptr_t)block) * jsm_secret.multiply;
    uint64_t *place = &places[(uint32_t)(random >> 40) & q->mask[slab->class_id]], old = *place;

    q->random = random;
    *place = (uint64_t)(uintptr_t)slab << 16 | index;
    if (!is_full)
        jsm_slab_set_cell(slab, index, JSM_LINK_QUARANTINED);
    if (jsm_unlikely(old == 0))
        return;
    slab = (struct jsm_span *)(uintptr_t)(old >> 16);
    index = (uint32_t)old & 0xffff;
    /* ORDER: relaxed, as in jsm_free_in_slab(). */
    bool is_usual = jsm_likely(jsm_load_relaxed(&slab->theap) == th);
    if (is_full)
        is_usual = is_usual && jsm_is_zero_block(slab, jsm_slab_block(slab, index), UINT32_MAX);
    else
        is_usual = is_usual && slab->link[index] == JSM_LINK_QUARANTINED; /* N5 */
    if (jsm_unlikely(!is_usual))
        jsm_harden_release(th, slab, index);
    else if (jsm_unlikely(jsm_slab_push(slab, index)))
        jsm_theap_event(slab);
}

/* Frees a block of a slab of one slice, whoever owns it, for a thread whose `front.slow` says that there is option
 * harden alone, and so a quarantine; `slab` is what jsm_free_find() says.  False: nothing has changed, it takes the
 * general way. */
JSM_INLINE bool
jsm_harden_free_usual(struct jsm_theap *th, struct jsm_span *slab, void *p, enum jsm_origin origin, size_t bytes,
                      bool is_full)
{
    uint32_t tag;

    if (jsm_unlikely(jsm_kind(slab) != JSM_KIND_SLAB) || jsm_unlikely((slab->traits & JSM_TRAIT_USUAL) == 0))
        return false;
    uint32_t recip = slab->recip;
    uint64_t product = (uint64_t)(uint16_t)(uintptr_t)p * recip; /* as in jsm_free_try() */
    uint32_t i = (uint32_t)(product >> 32);
    if (jsm_unlikely((uint32_t)product >= recip) || jsm_unlikely(slab->link[i] != JSM_LINK_USED) ||
        jsm_unlikely(!jsm_harden_is_whole(slab, p, &tag, is_full)) || jsm_unlikely(jsm_origin_of(tag) != origin))
        return false;
    if (bytes != JSM_SIZE_UNSAID &&
        jsm_unlikely(bytes + jsm_padding_of(tag) + JSM_HARDEN_TRAILER_BYTES != slab->block_bytes))
        return false;
    if (is_full && jsm_unlikely(!jsm_harden_claim(slab, i)))
        return false;
    jsm_wipe_block(slab, p, is_full ? UINT32_MAX : JSM_HARDEN_HEAD_BYTES);
    jsm_harden_hold(th, th->quarantine, slab, p, i, is_full);
    return true;
}

/* ---- The general ways: heap/harden.c, harden_large.c, harden_report.c ---- */

/* What a block of `bytes`, at most PTRDIFF_MAX, takes in a slab. */
static inline size_t
jsm_harden_room(size_t bytes)
{
    return jsm_hardened() ? jsm_max(bytes + JSM_HARDEN_TRAILER_BYTES, (size_t)JSM_HARD_BYTES_MIN) : bytes;
}

/* From here on all blocks are hardened, if the option says so; true the one time that this comes about. */
bool jsm_harden_start(void);

/* What the theap has of before is for nobody to allocate from any more. */
void jsm_harden_theap(struct jsm_theap *th);

/* Frees a block of any slab, as malloc or new gave it; false, and nothing has changed: it takes the general way. */
bool jsm_harden_free(struct jsm_theap *th, void *p, enum jsm_origin origin, size_t bytes);

/* A block was taken from a slab for `bytes`, by malloc; whether all of these are zero.  Or a large one, which has its
 * size. */
bool jsm_harden_new(void *block, size_t bytes);
void jsm_harden_large(struct jsm_span *span);

/* Says that the block is new's. */
void jsm_harden_set_origin(void *block, enum jsm_origin origin);

/* How many bytes were asked for. */
size_t jsm_harden_bytes(const struct jsm_span *slab, void *block);

/* Whether nothing was written behind the block; and whether it is from there.  Else that is reported. */
bool jsm_harden_expect(const char *function, const struct jsm_block *block);
bool jsm_harden_expect_origin(const char *function, const struct jsm_block *block, enum jsm_origin origin);

/* Makes the block one of `bytes` where it is; false: it cannot be. */
bool jsm_harden_resize(const struct jsm_block *block, size_t bytes);

/* Wipes a block that is being freed and holds it back, or reports that another thread did; false: it is wiped, and to
 * be freed now. */
bool jsm_harden_keep(struct jsm_theap *th, const struct jsm_block *block);

/* Prepares a span to become a slab; and makes a guarded span accessible again; false: that failed, and it
 * must not be used any more. */
void jsm_harden_slab(struct jsm_span *slab, const struct jsm_heap *heap);
bool jsm_harden_unguard(struct jsm_span *span);

/* Whether nothing was written behind the live block, of option harden or not; where nobody frees or resizes it. */
JSM_COLD bool jsm_harden_is_sound(struct jsm_span *span, void *block);

/* Checks what the calling thread holds back. */
JSM_COLD void jsm_quarantine_check(struct jsm_quarantine *q, struct jsm_faults *faults);

/* Whether there is a place for what the thread holds back; it may be there already. */
bool jsm_quarantine_prepare(struct jsm_theap *th);

/* Frees all that the thread holds back. */
void jsm_quarantine_drain(struct jsm_theap *th);

/* In the child of fork(): what a thread held back that is not there; what such threads held back of a slab is freed;
 * or is wiped at least, to which they may not have come. */
void jsm_quarantine_forget(struct jsm_quarantine *q);
void jsm_quarantine_sweep(struct jsm_span *slab);
void jsm_quarantine_clean(struct jsm_span *slab);

/* ---- For the files of option harden alone ---- */

static inline bool
jsm_harden_is_full(void)
{
    /* ORDER: relaxed; as in jsm_hardened(). */
    return jsm_load_relaxed(&jsm_harden_level) == JSM_HARDEN_FULL;
}

static inline bool
jsm_is_large(const struct jsm_span *span)
{
    return jsm_kind(span) == JSM_KIND_LARGE || jsm_kind(span) == JSM_KIND_HUGE;
}

/* Whether the span lies in memory that the program gave. */
static inline bool
jsm_is_own_memory(const struct jsm_span *span)
{
    return jsm_arena_at(span->arena)->shard == JSM_SHARD_OWN;
}

/* Bytes behind a large block that only an overflow writes to; writes them, and tells whether they are whole. */
size_t jsm_canary_bytes(const struct jsm_span *span);
void jsm_canary_write(struct jsm_span *span);
bool jsm_canary_is_whole(const struct jsm_span *span);

/* Makes the last page of a slab inaccessible. */
void jsm_harden_guard(struct jsm_span *span);

/* Level full: who touches the large block that was freed gets a signal, until so many others were.  False, and
 * nothing has changed, if it cannot be held back. */
bool jsm_quarantine_keep_large(struct jsm_quarantine *q, struct jsm_span *span);
void jsm_quarantine_drain_large(struct jsm_quarantine *q);
JSM_COLD void jsm_quarantine_check_large(const struct jsm_quarantine *q, struct jsm_faults *faults);

/* Wipes a large block that is going to be freed. */
void jsm_harden_wipe_large(struct jsm_span *span);

#endif
