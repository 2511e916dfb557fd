/* class/class.c - the table of size classes.
 *
 * SPDX-License-Identifier: MIT
 */
#include <config.h>

#include "class/class.h"

/* Each doubling from `d` on in eight and in four steps. */
#define EIGHT(d) (d) * 9 / 8, (d) * 10 / 8, (d) * 11 / 8, (d) * 12 / 8, (d) * 13 / 8, (d) * 14 / 8, (d) * 15 / 8, \
    (d) * 2
#define FOUR(d)  (d) * 5 / 4, (d) * 6 / 4, (d) * 7 / 4, (d) * 2

JSM_CORE_CONST const uint32_t jsm_class_bytes[JSM_CLASSES] = {
    8, 16, 32, 48, 64, 80, 96, 112, 128,
    EIGHT(128), FOUR(256), FOUR(512), FOUR(1024), FOUR(2048),
    EIGHT(4096), FOUR(8192), FOUR(16384), FOUR(32768)
};

#define COUNT (9 + 8 + 4 * 4 + 8 + 3 * 4)
_Static_assert(COUNT == JSM_CLASSES, "the table has a size for each class");
_Static_assert(9 + 8 + 2 * 4 - 1 == JSM_CLASS_OF_1_KIB && 9 + 8 + 4 * 4 - 1 == JSM_CLASS_OF_4_KIB &&
               9 + 8 + 4 * 4 + 8 - 1 == JSM_CLASS_OF_8_KIB, "where the steps change");

/* So many entries of one class in the direct table, 8 bytes each; and eight classes in a row. */
#define X2(c)  c, c
#define X4(c)  X2(c), X2(c)
#define X8(c)  X4(c), X4(c)
#define X16(c) X8(c), X8(c)
#define QUAD(x, c) x(c), x((c) + 1), x((c) + 2), x((c) + 3)
#define OCT(x, c) x(c), x((c) + 1), x((c) + 2), x((c) + 3), x((c) + 4), x((c) + 5), x((c) + 6), x((c) + 7)

JSM_CORE_CONST const uint8_t jsm_direct_class[JSM_DIRECTS] = {
    0, 0, 1,                                           /* 0, 8, 16 */
    X2(2), X2(3), X2(4), X2(5), X2(6), X2(7), X2(8),   /* to 128 */
    OCT(X2, 9), QUAD(X8, 17), QUAD(X16, 21)             /* to 256, 512, 1024 */
};

const uint8_t jsm_hard_class[JSM_DIRECTS - 1] = {
    X4(2), X2(3), X2(4), X2(5), X2(6), X2(7), X2(8),
    OCT(X2, 9), QUAD(X8, 17), QUAD(X16, 21)
};

unsigned
jsm_class_of_aligned(size_t bytes, size_t align)
{
    if (bytes > JSM_CLASS_MAX_BYTES || align > JSM_CLASS_MAX_BYTES)
        return JSM_CLASSES;
    unsigned c = jsm_class_of(jsm_max(bytes, align));

    while (c < JSM_CLASSES && (jsm_class_bytes[c] & (align - 1)) != 0)
        c++;
    return c;
}
