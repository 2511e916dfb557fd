/* base/atomic.h - the atomic operations in use, each with its order in its name.
 *
 * Nothing else in src/ uses <stdatomic.h>; t/layers.sh checks that.  There is no
 * sequentially consistent form: add one together with the argument for it.
 * SPDX-License-Identifier: MIT
 */
#ifndef JSM_ATOMIC_H
#define JSM_ATOMIC_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define jsm_load_relaxed(p)          atomic_load_explicit((p), memory_order_relaxed)
#define jsm_load_acquire(p)          atomic_load_explicit((p), memory_order_acquire)
#define jsm_store_relaxed(p, v)      atomic_store_explicit((p), (v), memory_order_relaxed)
#define jsm_store_release(p, v)      atomic_store_explicit((p), (v), memory_order_release)
#define jsm_exchange_relaxed(p, v)   atomic_exchange_explicit((p), (v), memory_order_relaxed)
#define jsm_exchange_acquire(p, v)   atomic_exchange_explicit((p), (v), memory_order_acquire)
#define jsm_exchange_release(p, v)   atomic_exchange_explicit((p), (v), memory_order_release)
#define jsm_fetch_add_relaxed(p, v)  atomic_fetch_add_explicit((p), (v), memory_order_relaxed)
#define jsm_fetch_add_release(p, v)  atomic_fetch_add_explicit((p), (v), memory_order_release)
#define jsm_fetch_or_relaxed(p, v)   atomic_fetch_or_explicit((p), (v), memory_order_relaxed)
#define jsm_fetch_sub_relaxed(p, v)  atomic_fetch_sub_explicit((p), (v), memory_order_relaxed)

/* Of an element of an array that its owner uses as one of plain numbers. */
#define jsm_load_relaxed_plain(p)     __atomic_load_n((p), __ATOMIC_RELAXED)
#define jsm_store_relaxed_plain(p, v) __atomic_store_n((p), (v), __ATOMIC_RELAXED)

/* Adds 1 to, or takes 1 from, a counter that this thread alone writes and others may read: a plain
 * instruction on memory, where compilers make three of a load and a store.  The second tells whether 0 is
 * left. */
#if (defined(__x86_64__) || defined(__i386__)) && !defined(__SANITIZE_THREAD__)
static inline void
jsm_own_increment(_Atomic(uint32_t) *counter)
{
    __asm__("addl $1, %0" : "+m"(*counter) : : "cc");
}

static inline bool
jsm_own_decrement(_Atomic(uint32_t) *counter)
{
    bool is_zero;

    __asm__("subl $1, %0" : "+m"(*counter), "=@ccz"(is_zero));
    return is_zero;
}
#else
static inline void
jsm_own_increment(_Atomic(uint32_t) *counter)
{
    /* ORDER: relaxed, both; a counter, which nothing is read through. */
    jsm_store_relaxed(counter, jsm_load_relaxed(counter) + 1);
}

static inline bool
jsm_own_decrement(_Atomic(uint32_t) *counter)
{
    /* ORDER: relaxed, both, as above. */
    uint32_t left = jsm_load_relaxed(counter) - 1;
    jsm_store_relaxed(counter, left);
    return left == 0;
}
#endif

/* Compare and exchange: `*expected` is reloaded, relaxed, on failure. */
#define jsm_cas_weak_relaxed(p, expected, v) \
    atomic_compare_exchange_weak_explicit((p), (expected), (v), memory_order_relaxed, memory_order_relaxed)
#define jsm_cas_weak_release(p, expected, v) \
    atomic_compare_exchange_weak_explicit((p), (expected), (v), memory_order_release, memory_order_relaxed)
#define jsm_cas_weak_acquire(p, expected, v) \
    atomic_compare_exchange_weak_explicit((p), (expected), (v), memory_order_acquire, memory_order_relaxed)
#define jsm_cas_weak_acq_rel(p, expected, v) \
    atomic_compare_exchange_weak_explicit((p), (expected), (v), memory_order_acq_rel, memory_order_relaxed)
#define jsm_cas_strong_acquire(p, expected, v) \
    atomic_compare_exchange_strong_explicit((p), (expected), (v), memory_order_acquire, memory_order_relaxed)

/* The same of a byte, where only words can be compared and exchanged: the aligned word around it is, with whatever
 * its neighbours are at that moment. */
static inline bool
jsm_cas_weak_in_word_release(_Atomic(uint8_t) *p, uint8_t *expected, uint8_t v)
{
    typedef uint32_t __attribute__((may_alias)) any_word;
    size_t at = (uintptr_t)p & 3;
    any_word *word = (any_word *)((uintptr_t)p - at);
    union {
        uint32_t word;
        uint8_t byte[4];
    } old, new;

    /* ORDER: relaxed, a guess; the exchange decides, release. */
    old.word = __atomic_load_n(word, __ATOMIC_RELAXED);
    if (old.byte[at] != *expected) {
        *expected = old.byte[at];
        return false;
    }
    new = old;
    new.byte[at] = v;
    return __atomic_compare_exchange_n(word, &old.word, new.word, true, __ATOMIC_RELEASE, __ATOMIC_RELAXED);
}

/* gcc 12 would call libatomic for bytes on riscv64. */
#if ATOMIC_CHAR_LOCK_FREE == 2
#define jsm_cas_weak_byte_release(p, expected, v) jsm_cas_weak_release((p), (expected), (v))
#else
#define jsm_cas_weak_byte_release(p, expected, v) jsm_cas_weak_in_word_release((p), (expected), (v))
#endif

/* The same of two bytes that are a plain number to their owner: whether they were `from`; then they are `to`. */
static inline bool
jsm_change_in_word_relaxed(uint16_t *p, uint16_t from, uint16_t to)
{
    typedef uint32_t __attribute__((may_alias)) any_word;
    size_t at = (uintptr_t)p >> 1 & 1;
    any_word *word = (any_word *)((uintptr_t)p & ~(uintptr_t)3);
    union {
        uint32_t word;
        uint16_t half[2];
    } old, new;

    /* ORDER: relaxed, both: the first is a guess. */
    old.word = __atomic_load_n(word, __ATOMIC_RELAXED);
    do {
        if (old.half[at] != from)
            return false;
        new = old;
        new.half[at] = to;
    } while (!__atomic_compare_exchange_n(word, &old.word, new.word, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED));
    return true;
}

static inline bool
jsm_change_relaxed_plain(uint16_t *p, uint16_t from, uint16_t to)
{
#if ATOMIC_SHORT_LOCK_FREE == 2
    return __atomic_compare_exchange_n(p, &from, to, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
#else
    return jsm_change_in_word_relaxed(p, from, to);
#endif
}

#endif
