/* heap/harden_report.c - option harden: what was found, and where.
 *
 * SPDX-License-Identifier: MIT
 */
#include <config.h>

#include "heap/heap.h"

/* "offset N of M bytes reads XX XX ..." of the bytes from `at` to `end`. */
static void
tell_bytes(char *buffer, size_t size, const uint8_t *start, const uint8_t *at, const uint8_t *end)
{
    static const char digit[] = "0123456789abcdef";
    struct jsm_text t;

    jsm_text_init(&t, buffer, size);
    jsm_text_str(&t, "from offset ");
    jsm_text_dec(&t, (uint64_t)(at - start));
    jsm_text_str(&t, " on was written to; what is there now is");
    end = end - at > 8 ? at + 8 : end;
    for (; at < end; at++) {
        const char two[] = { ' ', digit[*at >> 4], digit[*at & 15] };
        jsm_text_chars(&t, two, sizeof two);
    }
}

/* The first byte of [at, end) that is not one of `word`, which are all the same. */
static const uint8_t *
first_other(const uint8_t *at, const uint8_t *end, uint64_t word)
{
    while (end - at >= 8 && *(const jsm_loose_word *)(const void *)at == word)
        at += 8;
    while (at < end && *at == (uint8_t)word)
        at++;
    return at;
}

void
jsm_harden_written(const char *function, struct jsm_span *slab, void *block)
{
    const uint8_t *start = block, *end = start + jsm_min(slab->block_bytes, jsm_secret.wipe_bytes);
    struct jsm_block found;
    char detail[120];

    jsm_block_find(block, &found);
    found.found = JSM_FOUND_FREE;
    tell_bytes(detail, sizeof detail, start, first_other(start, end, 0), end);
    jsm_misuse_kind(function, block, &found, "write after free", detail);
    jsm_wipe_long(block, (size_t)(end - start));
}

void *
jsm_harden_take_written(struct jsm_span *slab, void *block, size_t bytes, enum jsm_origin origin)
{
    jsm_harden_written("malloc", slab, block);
    jsm_harden_dress(slab, block, bytes, origin, jsm_harden_is_full());
    return block;
}

/* So many bytes of padding are looked at. */
static size_t
looked_at(size_t padding)
{
    return jsm_harden_is_full() ? padding : jsm_min(padding, (size_t)8);
}

/* The first wrong byte of padding or trailer. */
static const uint8_t *
first_wrong(const struct jsm_span *slab, void *block)
{
    const uint8_t *start = block, *trailer = start + slab->block_bytes - JSM_HARDEN_TRAILER_BYTES;
    uint64_t is = *jsm_trailer_of(slab, block);
    uint32_t tag = jsm_tag_of(is);
    uint64_t wanted = jsm_trailer_with(block, tag);
    size_t padding = jsm_padding_of(tag);

    if (padding > slab->block_bytes - JSM_HARDEN_TRAILER_BYTES || jsm_origin_of(tag) > JSM_ORIGIN_NEW_ARRAY)
        return trailer; /* overwritten as well: nobody knows where the block ended */
    const uint8_t *looked_at_end = trailer - padding + looked_at(padding);
    const uint8_t *at = first_other(trailer - padding, looked_at_end, jsm_secret.padding);
    if (at != looked_at_end)
        return at;
    uint64_t differ = jsm_in_order(is ^ wanted);
    for (at = trailer; differ != 0 && (differ & 0xff) == 0; differ >>= 8)
        at++;
    return at;
}

bool
jsm_harden_expect(const char *function, const struct jsm_block *block)
{
    struct jsm_span *span = block->span;
    const uint8_t *start = block->start, *at, *end;
    uint32_t tag;
    char detail[120];

    if ((span->traits & JSM_TRAIT_HARD) == 0)
        return true;
    if (jsm_is_large(span)) {
        end = start + block->bytes + jsm_canary_bytes(span);
        at = first_other(start + block->bytes, end, jsm_secret.padding);
        if (at == end)
            return true;
    } else {
        if (jsm_harden_is_whole(span, block->start, &tag, jsm_harden_is_full()))
            return true;
        if (jsm_slab_cell(span, block->index) != JSM_LINK_USED) {
            jsm_block_freed_meanwhile(function, block);
            return false;
        }
        at = first_wrong(span, block->start);
        end = start + span->block_bytes;
    }
    tell_bytes(detail, sizeof detail, start, at, end);
    jsm_misuse_kind(function, start, block, "heap overflow", detail);
    return false;
}

bool
jsm_harden_expect_origin(const char *function, const struct jsm_block *block, enum jsm_origin origin)
{
    static const char *const names[] = { "it was allocated by malloc", "it was allocated by operator new",
                                         "it was allocated by operator new[]" };
    struct jsm_span *span = block->span;

    if ((span->traits & JSM_TRAIT_HARD) == 0)
        return true;
    unsigned is = jsm_is_large(span) ? (unsigned)span->traits / JSM_TRAIT_ORIGIN % 4
                                     : (unsigned)jsm_origin_of(jsm_tag_of(*jsm_trailer_of(span, block->start)));
    if (is == (unsigned)origin)
        return true;
    jsm_misuse_kind(function, block->start, block, "wrong deallocation function", names[is % 3]);
    return false;
}
