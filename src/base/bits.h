/* base/bits.h - counting and finding bits.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef JSM_BITS_H
#define JSM_BITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Position of the highest set bit; `n` is not 0. */
static inline unsigned
jsm_log2(size_t n)
{
    return (unsigned)(sizeof(unsigned long long) * 8 - 1) - (unsigned)__builtin_clzll(n);
}

static inline unsigned
jsm_ctz64(uint64_t n)
{
    return (unsigned)__builtin_ctzll(n);
}

static inline size_t
jsm_pow2_ceil(size_t n)
{
    return n <= 1 ? 1 : (size_t)1 << (jsm_log2(n - 1) + 1);
}

/* Bit sets in arrays of 64-bit words. */
static inline bool
jsm_bit_get(const uint64_t *set, size_t i)
{
    return (set[i / 64] >> (i % 64)) & 1;
}

/* Mask of the bits of word `w` that lie in [from, to). */
static inline uint64_t
jsm_bit_mask(size_t w, size_t from, size_t to)
{
    uint64_t mask = ~UINT64_C(0);

    if (from > w * 64)
        mask &= ~UINT64_C(0) << (from - w * 64);
    if (to < (w + 1) * 64)
        mask &= ~(~UINT64_C(0) << (to - w * 64));
    return mask;
}

static inline void
jsm_bits_set(uint64_t *set, size_t from, size_t to)
{
    for (size_t w = from / 64; w * 64 < to; w++)
        set[w] |= jsm_bit_mask(w, from, to);
}

static inline void
jsm_bits_clear(uint64_t *set, size_t from, size_t to)
{
    for (size_t w = from / 64; w * 64 < to; w++)
        set[w] &= ~jsm_bit_mask(w, from, to);
}

/* gcc turns __builtin_popcountll into a call of libgcc where the CPU has no instruction. */
static inline unsigned
jsm_popcount64(uint64_t x)
{
    x -= (x >> 1) & UINT64_C(0x5555555555555555);
    x = (x & UINT64_C(0x3333333333333333)) + ((x >> 2) & UINT64_C(0x3333333333333333));
    x = (x + (x >> 4)) & UINT64_C(0x0f0f0f0f0f0f0f0f);
    return (unsigned)((x * UINT64_C(0x0101010101010101)) >> 56);
}

static inline size_t
jsm_bits_count(const uint64_t *set, size_t from, size_t to)
{
    size_t n = 0;

    for (size_t w = from / 64; w * 64 < to; w++)
        n += jsm_popcount64(set[w] & jsm_bit_mask(w, from, to));
    return n;
}

/* First position in [from, to) whose bit is `value`; `to` if there is none. */
static inline size_t
jsm_bits_find(const uint64_t *set, size_t from, size_t to, bool value)
{
    for (size_t w = from / 64; w * 64 < to; w++) {
        uint64_t word = (value ? set[w] : ~set[w]) & jsm_bit_mask(w, from, to);
        if (word != 0)
            return w * 64 + jsm_ctz64(word);
    }
    return to;
}

#endif
