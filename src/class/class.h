/* class/class.h - facade of the size classes.
 *
 * 8; steps of 16 to 256; four classes a doubling to 4 KiB; eight from 4 to 8 KiB, where a page and
 * a header go; four a doubling to 64 KiB.  A class is a size of blocks and the shape of the
 * slabs that hold them.  doc/decisions/0001 has what other steps cost.
 *
 * May include: base, os, rt, addr, arena, span, slab.
 * SPDX-License-Identifier: MIT
 */
#ifndef JSM_CLASS_H
#define JSM_CLASS_H

#include "base/base.h"

enum {
    JSM_CLASSES = 53,
    JSM_CLASS_OF_1_KIB = 24,
    JSM_CLASS_OF_4_KIB = 32,
    JSM_CLASS_OF_8_KIB = 40,
    JSM_DIRECT_MAX = 1024, /* up to here a table leads from size to slab */
    JSM_DIRECT_SHIFT = 3,
    JSM_DIRECTS = (JSM_DIRECT_MAX >> JSM_DIRECT_SHIFT) + 1,
    JSM_CLASS_MAX_BYTES = 65536
};

extern const uint32_t jsm_class_bytes[JSM_CLASSES];

/* Class of each entry of the direct table: sizes (i - 1) * 8 + 1 to i * 8. */
extern const uint8_t jsm_direct_class[JSM_DIRECTS];

/* The same for option harden, whose blocks have 8 bytes more, and 32 at least. */
enum { JSM_HARD_DIRECT_MAX = JSM_DIRECT_MAX - 8, JSM_HARD_BYTES_MIN = 32 };
extern const uint8_t jsm_hard_class[JSM_DIRECTS - 1];

/* The smallest class that holds `bytes`, 1 to JSM_CLASS_MAX_BYTES (0 counts as 1). */
static inline unsigned
jsm_class_of(size_t bytes)
{
    if (bytes <= JSM_DIRECT_MAX)
        return jsm_direct_class[(bytes + 7) >> JSM_DIRECT_SHIFT];
    unsigned top = jsm_log2(bytes - 1); /* the doubling: 2^top < bytes <= 2^(top + 1) */
    if (top == 12)
        return JSM_CLASS_OF_4_KIB + 1 + (unsigned)(((bytes - 1) >> 9) & 7);
    unsigned step = (unsigned)(((bytes - 1) >> (top - 2)) & 3);
    return (top < 12 ? JSM_CLASS_OF_1_KIB + 1 + (top - 10) * 4 : JSM_CLASS_OF_8_KIB + 1 + (top - 13) * 4) + step;
}

/* Slices of a slab of blocks of `block_bytes`: 64 KiB to 4 KiB, 256 KiB to 16 KiB, 512 KiB. */
static inline unsigned
jsm_class_slices(size_t block_bytes)
{
    return block_bytes <= 4096 ? 1 : block_bytes <= 16384 ? 4 : 8;
}

/* The smallest class of at least `bytes` whose blocks are multiples of `align` (a power of two up
 * to JSM_CLASS_MAX_BYTES), JSM_CLASSES if there is none.  Slabs start at multiples of 64 KiB. */
unsigned jsm_class_of_aligned(size_t bytes, size_t align);

#endif
