/* <jsmalloc/osmem.h> - a minimal allocator on brk() and mmap(), whose every step can be told beforehand.
 *
 * Four functions beside malloc and its family, for teaching, for experiments, and for programs which
 * want to know where each block comes from.  C99 or later, C++98 or later.  A block from here is
 * used and freed here alone: never give it to free() or jsm_free(), nor theirs to os_free().
 *
 * The rules:
 *   - os_malloc() takes less than OS_MMAP_THRESHOLD bytes from the heap, which brk() makes, and maps
 *     blocks from there on with mmap().  For os_calloc() the limit is the size of a page;
 *   - the first block on the heap makes OS_PREALLOC_BYTES ready, once; later the heap grows by what is
 *     missing.  It never shrinks;
 *   - a block lies behind a header in the same piece of memory.  Payloads are aligned to 8 bytes;
 *   - the smallest free block that is large enough is taken, of equals the one with the lowest address.
 *     Free neighbours are joined before the search; what is left over becomes a free block if it
 *     holds a header and a byte;
 *   - a search walks over all blocks of the heap: the time of an allocation grows with their number.
 *
 * Unless a comment says otherwise:
 *   - any thread may call any function at any time, but not from a signal handler, and a block may be
 *     used and freed by any thread.  The child of a fork() may go on with all of it.
 *   - sbrk() of the C library knows no threads: while one thread moves the program break by it, no other
 *     may be in os_malloc(), os_calloc() or os_realloc().  That holds for the malloc of the C library, too,
 *     where a build without override lives beside it.  Between calls the break may be moved up by anybody,
 *     and down again to where it was;
 *   - success leaves errno alone, and so does os_free(), whatever happens;
 *   - a size above PTRDIFF_MAX, and a product which overflows, is out of memory: ENOMEM;
 *   - a second os_free() of a block, a pointer into the middle of a block or from elsewhere, and a block whose
 *     header was overwritten are reported on standard error, and the program is aborted (option
 *     check_action of <jsmalloc.h>); never is the heap damaged by the call.  Whether a pointer is a block
 *     is looked up, it is not followed.  A mapped block that was freed is known as such until 64
 *     others have been freed after it, and is from elsewhere then.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef JSMALLOC_OSMEM_H
#define JSMALLOC_OSMEM_H

#include <stddef.h>

/* os_malloc() and os_realloc() map blocks of this many bytes and more. */
#define OS_MMAP_THRESHOLD (128 * 1024)

/* The size of the heap after its first block. */
#define OS_PREALLOC_BYTES (128 * 1024)

#if defined(__GNUC__)
#define OSMEM_API             __attribute__((__visibility__("default"), __nothrow__))
#define OSMEM_MALLOC          __attribute__((__malloc__))
#define OSMEM_SIZE(arg)       __attribute__((__alloc_size__(arg)))
#define OSMEM_SIZE2(arg, two) __attribute__((__alloc_size__(arg, two)))
#else
#define OSMEM_API
#define OSMEM_MALLOC
#define OSMEM_SIZE(arg)
#define OSMEM_SIZE2(arg, two)
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* Allocates a block whose contents are undefined.
 *
 * size     bytes; 0 gives NULL without an error.
 * Returns  the block, or NULL.
 * Errors   ENOMEM.
 * Threads  any.
 * Since    1.0
 */
OSMEM_API void *os_malloc(size_t size) OSMEM_MALLOC OSMEM_SIZE(1);

/* Allocates an array whose bytes are all zero.
 *
 * nmemb    elements.
 * size     bytes of an element; 0 elements or 0 bytes give NULL without an error.
 * Returns  the block, or NULL.
 * Errors   ENOMEM, also when nmemb * size overflows.
 * Threads  any.
 * Since    1.0
 */
OSMEM_API void *os_calloc(size_t nmemb, size_t size) OSMEM_MALLOC OSMEM_SIZE2(1, 2);

/* Changes the size of a block; what both sizes hold is kept, new bytes are undefined.
 *
 * A block gets smaller where it is, and the pages behind the end of a mapped one are unmapped.  To get
 * larger, a block of the heap first takes in the free blocks behind it, one at a time, until it is large enough;
 * it keeps them when they do not suffice.  The last block of the heap may then grow with it, below
 * OS_MMAP_THRESHOLD.  In all other cases there is a new block, as from os_malloc(), and the old one is freed.
 *
 * ptr      a block, or NULL: then as os_malloc(size).
 * size     bytes; 0 with a block frees it.
 * Returns  the block, or NULL; after an error the old block is as it was, but for free blocks which it took in.
 *          NULL without an error when the block was freed for size 0.
 * Errors   ENOMEM; EINVAL: the block has been freed, of which there is no report, or `ptr` is no
 *          block, and check_action lets the program go on.
 * Threads  any.
 * Since    1.0
 */
OSMEM_API void *os_realloc(void *ptr, size_t size) OSMEM_SIZE(2);

/* Frees a block: one of the heap is kept for later ones, a mapped one is unmapped.
 *
 * ptr      a block, or NULL: nothing happens.
 * Returns  nothing.
 * Errors   none.
 * Threads  any, also another one than that which allocated.
 * Since    1.0
 */
OSMEM_API void os_free(void *ptr);

#ifdef __cplusplus
}
#endif

#endif
