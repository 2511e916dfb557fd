/* class/class.h - facade of the size classes.
 *
 * 8; steps of 16 to 128; eight classes a doubling to 4 KiB; four a doubling to 64 KiB.  A class is
 * a size of blocks and the shape of the slabs that hold them.
 *
 * May include: base, os, rt, addr, arena, span, slab.
 * SPDX-License-Identifier: MIT
 */
#ifndef JSM_CLASS_H
#define JSM_CLASS_H

#include "base/base.h"

enum {
    JSM_CLASSES = 65,
    JSM_DIRECT_MAX = 1024, /* up to here a table leads from size to slab */
    JSM_DIRECT_SHIFT = 3,
    JSM_DIRECTS = (JSM_DIRECT_MAX >> JSM_DIRECT_SHIFT) + 1,
    JSM_CLASS_MAX_BYTES = 65536,
    JSM_CLASS_8_PER_DOUBLING_MAX = 4096,
    JSM_CLASS_FIRST_4_PER_DOUBLING = 49 /* of 5 KiB */
};

extern const uint32_t jsm_class_bytes[JSM_CLASSES];

/* Class of each entry of the direct table: sizes (i - 1) * 8 + 1 to i * 8. */
extern const uint8_t jsm_direct_class[JSM_DIRECTS];

/* The smallest class that holds `bytes`, 1 to JSM_CLASS_MAX_BYTES (0 counts as 1). */
static inline unsigned
jsm_class_of(size_t bytes)
{
    if (bytes <= JSM_DIRECT_MAX)
        return jsm_direct_class[(bytes + 7) >> JSM_DIRECT_SHIFT];
    unsigned top = jsm_log2(bytes - 1);
    if (bytes <= JSM_CLASS_8_PER_DOUBLING_MAX)
        return 33 + (top - 10) * 8 + (unsigned)(((bytes - 1) >> (top - 3)) & 7);
    return JSM_CLASS_FIRST_4_PER_DOUBLING + (top - 12) * 4 + (unsigned)(((bytes - 1) >> (top - 2)) & 3);
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
