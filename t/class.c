/* t/class.c - size classes: the smallest that fits, always.
 * SPDX-License-Identifier: MIT
 */
#include "unit.h"

#include "class/class.h"
#include "slab/slab.h"

static unsigned
smallest(size_t bytes, size_t align)
{
    unsigned c = 0;

    while (c < JSM_CLASSES && (jsm_class_bytes[c] < bytes || jsm_class_bytes[c] % align != 0))
        c++;
    return c;
}

/* The sizes as the header tells them. */
static unsigned
steps_that_differ(void)
{
    unsigned c = 0, wrong = jsm_class_bytes[c++] != 8;

    for (size_t bytes = 16; bytes <= 256; bytes += 16)
        wrong += jsm_class_bytes[c++] != bytes;
    for (size_t from = 256; from < JSM_CLASS_MAX_BYTES; from *= 2) {
        size_t steps = from == 4096 ? 8 : 4;
        for (size_t i = 1; i <= steps; i++, c++)
            wrong += c >= JSM_CLASSES || jsm_class_bytes[c] != from + from / steps * i;
    }
    return wrong + (c != JSM_CLASSES);
}

static void
test_table(void)
{
    unsigned unordered = 0, unaligned = 0;

    for (unsigned c = 1; c < JSM_CLASSES; c++) {
        unordered += jsm_class_bytes[c] <= jsm_class_bytes[c - 1];
        unaligned += jsm_class_bytes[c] % JSM_MAX_ALIGN != 0;
    }
    is_uint(unordered, 0, "each class is larger than the one before");
    is_uint(unaligned, 0, "blocks of 16 bytes and more are aligned to 16");
    is_uint(jsm_class_bytes[JSM_CLASSES - 1], JSM_CLASS_MAX_BYTES, "the last class is the largest block");
    is_uint(steps_that_differ(), 0, "the steps are those that the header tells");
    ok(jsm_class_bytes[JSM_CLASS_OF_1_KIB] == 1024 && jsm_class_bytes[JSM_CLASS_OF_4_KIB] == 4096 &&
           jsm_class_bytes[JSM_CLASS_OF_8_KIB] == 8192,
       "the classes where the steps change have the sizes of their names");
}

static void
test_sizes(void)
{
    unsigned wrong = 0, wrong_direct = 0;

    for (size_t bytes = 1; bytes <= JSM_CLASS_MAX_BYTES; bytes++) {
        unsigned want = smallest(bytes, 1);
        wrong += jsm_class_of(bytes) != want;
        if (bytes <= JSM_DIRECT_MAX)
            wrong_direct += jsm_direct_class[(bytes + 7) >> JSM_DIRECT_SHIFT] != want;
    }
    is_uint(wrong, 0, "every size has the smallest class that holds it");
    is_uint(wrong_direct, 0, "the direct table agrees");
    is_uint(jsm_class_of(0), 0, "nothing is served like one byte");
}

static void
test_aligned(void)
{
    unsigned wrong = 0, misaligned = 0;

    for (size_t align = 1; align <= JSM_CLASS_MAX_BYTES; align *= 2) {
        for (size_t bytes = 0; bytes <= JSM_CLASS_MAX_BYTES; bytes += 1 + bytes / 256) {
            unsigned c = jsm_class_of_aligned(bytes, align);
            wrong += c != smallest(jsm_max(bytes, (size_t)1), align);
            misaligned += c < JSM_CLASSES && (jsm_class_bytes[c] % align != 0 || jsm_class_bytes[c] < bytes);
        }
        for (size_t bytes = align > 3 ? align - 3 : 0; bytes <= align + 3 && bytes <= JSM_CLASS_MAX_BYTES; bytes++)
            wrong += jsm_class_of_aligned(bytes, align) != smallest(jsm_max(bytes, (size_t)1), align);
    }
    is_uint(misaligned, 0, "the blocks of an aligned class are multiples of the alignment");
    is_uint(wrong, 0, "and it is the smallest such class");
    ok(jsm_class_of_aligned(JSM_CLASS_MAX_BYTES + 1, 16) == JSM_CLASSES &&
           jsm_class_of_aligned(SIZE_MAX, 16) == JSM_CLASSES,
       "there is no class for more than the largest block");
    is_uint(jsm_class_of_aligned(1, 2 * JSM_CLASS_MAX_BYTES), JSM_CLASSES, "nor for more than the largest alignment");
}

static void
test_shapes(void)
{
    unsigned too_many = 0, too_few = 0, no_units = 0, wrong_slices = 0;

    for (unsigned c = 0; c < JSM_CLASSES; c++) {
        size_t bytes = jsm_class_bytes[c], slices = jsm_class_slices(bytes);
        size_t capacity = (slices << 16) / bytes;
        wrong_slices += slices != (bytes <= 4096 ? 1u : bytes <= 16384 ? 4u : 8u) || slices > JSM_SLAB_SLICES_MAX;
        too_many += capacity > JSM_SLAB_CAPACITY_MAX;
        too_few += capacity < 8;
        no_units += slices > 1 && bytes % (1u << JSM_SLAB_UNIT_SHIFT) != 0;
    }
    is_uint(wrong_slices, 0, "slabs are 64, 256 and 512 KiB long");
    is_uint(too_many, 0, "no slab has more blocks than its links can count");
    is_uint(too_few, 0, "each has eight or more");
    is_uint(no_units, 0, "blocks of slabs of several slices are multiples of their unit");
}

int
main(void)
{
    plan(16);
    test_table();
    test_sizes();
    test_aligned();
    test_shapes();
    return done();
}
