/* base/base.h - facade of the lowest layer: nothing but the C language.
 *
 * May include: standard freestanding headers.
 * SPDX-License-Identifier: MIT
 */
#ifndef JSM_BASE_H
#define JSM_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define JSM_EXPORT   __attribute__((visibility("default")))
#define JSM_NOINLINE __attribute__((noinline))
/* Code and constants that most programs touch, and hardly anything else, stand in one piece; see doc/design.md, "Where
 * code stands". */
#define JSM_CORE      __attribute__((section(".text.hot")))
#define JSM_CORE_CONST __attribute__((section(".data.rel.ro.core")))
#define JSM_COLD     __attribute__((cold, noinline))
#define JSM_INLINE   static inline __attribute__((always_inline))
#define jsm_likely(x)   __builtin_expect(!!(x), 1)
#define jsm_unlikely(x) __builtin_expect(!!(x), 0)

#define JSM_CACHE_LINE 64 /* bytes; assumed, for layout only */
/* A large table of which most processes touch little: on pages of its own, so that the linker, which
 * sorts by alignment, puts all small variables side by side.  Each page touched is resident. */
#define JSM_SPARSE _Alignas(4096)
#define JSM_KIB ((size_t)1024)
#define JSM_MIB ((size_t)1024 * 1024)
#define JSM_MAX_ALIGN 16 /* bytes; alignment of every block of 16 bytes or more */

#define jsm_min(a, b) ((a) < (b) ? (a) : (b))
#define jsm_max(a, b) ((a) > (b) ? (a) : (b))

/* `align` is a power of two. */
#define jsm_round_up(n, align)   (((n) + ((align) - 1)) & ~((align) - 1))
#define jsm_round_down(n, align) ((n) & ~((align) - 1))
#define jsm_is_pow2(n)           ((n) != 0 && ((n) & ((n) - 1)) == 0)

#include "base/assert.h"
#include "base/atomic.h"
#include "base/bits.h"
#include "base/list.h"

#endif
