/* <jsmalloc.h> - what libjsmalloc offers under names of its own.
 *
 * The same header on every architecture and for every build of the library; C99 or later,
 * C++98 or later.  The functions which share a name with one of <stdlib.h> or <malloc.h>, but
 * for the prefix, keep every promise of that one.  They are there whether or not the library
 * also took over the plain names; where it did, both are the same function, and a block from
 * one may be given to the other.
 *
 * Sizes and alignments are in bytes.  Unless a comment says otherwise:
 *   - any thread may call any function at any time, but not from a signal handler;
 *   - a block may be used and freed by any thread;
 *   - success leaves errno alone, and so does freeing, whatever happens;
 *   - blocks of 16 bytes and more are aligned to 16, smaller ones to what fits into them;
 *   - a size above PTRDIFF_MAX, and a product which overflows, is out of memory: ENOMEM;
 *   - a pointer which is not a live block is reported on standard error, and the program is
 *     aborted (option check_action); never is the heap damaged by the call.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef JSMALLOC_H
#define JSMALLOC_H

#include <stddef.h>
#include <stdio.h>

/* Version of this header, to compare with that of the library, jsm_version(). */
#define JSM_VERSION_MAJOR  1
#define JSM_VERSION_MINOR  0
#define JSM_VERSION_PATCH  0
#define JSM_VERSION_STRING "1.0.0"

/* Attributes, where the compiler has them. */
#if defined(__GNUC__)
#define JSM_API                   __attribute__((__visibility__("default"), __nothrow__))
#define JSM_ATTR_MALLOC           __attribute__((__malloc__, __warn_unused_result__))
#define JSM_ATTR_RESULT           __attribute__((__warn_unused_result__))
#define JSM_ATTR_SIZE(arg)        __attribute__((__alloc_size__(arg)))
#define JSM_ATTR_SIZE2(arg, arg2) __attribute__((__alloc_size__(arg, arg2)))
#else
#define JSM_API
#define JSM_ATTR_MALLOC
#define JSM_ATTR_RESULT
#define JSM_ATTR_SIZE(arg)
#define JSM_ATTR_SIZE2(arg, arg2)
#endif
#if defined(__clang__) || (defined(__GNUC__) && (__GNUC__ > 4 || (__GNUC__ == 4 && __GNUC_MINOR__ >= 9)))
#define JSM_ATTR_ALIGN(arg) __attribute__((__alloc_align__(arg)))
#else
#define JSM_ATTR_ALIGN(arg)
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* ------------------------------------------------------------------ Allocation */

/* Allocates a block whose contents are undefined.
 *
 * size     bytes; 0 gives a block of its own which can only be freed, or NULL without an error
 *          if option zero_size is "null".
 * Returns  the block, or NULL.
 * Errors   ENOMEM.
 * Threads  any.
 * Since    1.0
 */
JSM_API void *jsm_malloc(size_t size) JSM_ATTR_MALLOC JSM_ATTR_SIZE(1);

/* Allocates an array whose bytes are all zero.
 *
 * count    elements.
 * size     bytes of an element.
 * Returns  the block, or NULL.
 * Errors   ENOMEM, also when count * size overflows.
 * Threads  any.
 * Since    1.0
 */
JSM_API void *jsm_calloc(size_t count, size_t size) JSM_ATTR_MALLOC JSM_ATTR_SIZE2(1, 2);

/* Changes the size of a block; it may move.  What both sizes hold is kept, new bytes are
 * undefined.
 *
 * p        a block, or NULL: then like jsm_malloc(size).
 * size     bytes; 0 with a block frees it.
 * Returns  the block, or NULL; after an error the old block is as it was.  NULL without an error
 *          when the block was freed for size 0.
 * Errors   ENOMEM; EINVAL: `p` is not a live block, and check_action lets the program go on.
 * Threads  any.
 * Since    1.0
 */
JSM_API void *jsm_realloc(void *p, size_t size) JSM_ATTR_RESULT JSM_ATTR_SIZE(2);

/* Frees a block.
 *
 * p        a block, from any function of this header, or NULL: nothing happens.
 * Returns  nothing.
 * Errors   none.
 * Threads  any, also another one than that which allocated.
 * Since    1.0
 */
JSM_API void jsm_free(void *p);

/* jsm_realloc() for an array.
 *
 * p        a block or NULL.
 * count    elements.
 * size     bytes of an element.
 * Returns  as jsm_realloc(p, count * size).
 * Errors   as jsm_realloc(); ENOMEM when count * size overflows, the old block is as it was.
 * Threads  any.
 * Since    1.0
 */
JSM_API void *jsm_reallocarray(void *p, size_t count, size_t size) JSM_ATTR_RESULT JSM_ATTR_SIZE2(2, 3);

/* Like jsm_realloc(), but frees the old block if there is no memory for the new one.
 *
 * p        a block or NULL.
 * size     bytes; 0 with a block frees it.
 * Returns  the block, or NULL: then the old one is gone.
 * Errors   as jsm_realloc().
 * Threads  any.
 * Since    1.0
 */
JSM_API void *jsm_reallocf(void *p, size_t size) JSM_ATTR_RESULT JSM_ATTR_SIZE(2);

/* Changes the number of elements of an array that may hold secrets: new elements are zero, and
 * what is left behind, by moving or by shrinking, is overwritten with zeros first.
 *
 * p          a block or NULL.
 * old_count  elements it has now; not looked at when `p` is NULL.
 * count      elements it shall have; 0 still gives a block.
 * size       bytes of an element.
 * Returns    the block, or NULL; after an error the old block is as it was.
 * Errors     ENOMEM, also when count * size overflows; EINVAL when old_count * size overflows or
 *            is more than the block holds.
 * Threads    any.
 * Since      1.0
 */
JSM_API void *jsm_recallocarray(void *p, size_t old_count, size_t count, size_t size) JSM_ATTR_RESULT
    JSM_ATTR_SIZE2(3, 4);

/* Like jsm_realloc(), but the bytes from `old_size` on are zero.
 *
 * p         a block or NULL.
 * old_size  bytes at its start that count; those after it are overwritten.
 * size      bytes it shall have; 0 with a block frees it.
 * Returns   as jsm_realloc().
 * Errors    as jsm_realloc().
 * Threads   any.
 * Since     1.0
 */
JSM_API void *jsm_rezalloc(void *p, size_t old_size, size_t size) JSM_ATTR_RESULT JSM_ATTR_SIZE(3);

/* Changes the size of a block without moving it.
 *
 * p        a block, or NULL: then the answer is NULL.
 * size     bytes, not 0.
 * Returns  `p`, of which at least `size` bytes can be used now, or NULL: nothing has changed.
 * Errors   none: errno is left alone; EINVAL for `p` as in jsm_realloc().
 * Threads  any.
 * Since    1.0
 */
JSM_API void *jsm_expand(void *p, size_t size);

/* Allocates a block and tells how many bytes of it can be used, at no extra cost.
 *
 * size     bytes that are needed at least.
 * got      where to store how many bytes there are, all of them usable; not written on error.
 * Returns  the block, or NULL.
 * Errors   ENOMEM.
 * Threads  any.
 * Since    1.0
 */
JSM_API void *jsm_malloc_at_least(size_t size, size_t *got) JSM_ATTR_MALLOC;

/* ------------------------------------------------------------------ Alignment */

/* Allocates a block with an alignment.
 *
 * alignment  bytes, a power of two; any size goes with any alignment.
 * size       bytes.
 * Returns    the block, or NULL.
 * Errors     EINVAL: `alignment` is not a power of two; ENOMEM.
 * Threads    any.
 * Since      1.0
 */
JSM_API void *jsm_aligned_alloc(size_t alignment, size_t size) JSM_ATTR_MALLOC JSM_ATTR_ALIGN(1) JSM_ATTR_SIZE(2);

/* Allocates a block with an alignment, as POSIX has it.
 *
 * where      where to store the block; not written on error.
 * alignment  bytes, a power of two and a multiple of sizeof (void *).
 * size       bytes.
 * Returns    0, or EINVAL for the alignment, or ENOMEM.
 * Errors     those returned; errno is left alone.
 * Threads    any.
 * Since      1.0
 */
JSM_API int jsm_posix_memalign(void **where, size_t alignment, size_t size) JSM_ATTR_RESULT;

/* The older name of jsm_aligned_alloc(): the same contract.
 *
 * alignment  bytes, a power of two.
 * size       bytes.
 * Returns    the block, or NULL.
 * Errors     EINVAL, ENOMEM.
 * Threads    any.
 * Since      1.0
 */
JSM_API void *jsm_memalign(size_t alignment, size_t size) JSM_ATTR_MALLOC JSM_ATTR_ALIGN(1) JSM_ATTR_SIZE(2);

/* Allocates a block aligned to a page of the system.
 *
 * size     bytes.
 * Returns  the block, or NULL.
 * Errors   ENOMEM.
 * Threads  any.
 * Since    1.0
 */
JSM_API void *jsm_valloc(size_t size) JSM_ATTR_MALLOC JSM_ATTR_SIZE(1);

/* Allocates whole pages of the system: like jsm_valloc() with `size` rounded up to pages.
 *
 * size     bytes.
 * Returns  the block, or NULL.
 * Errors   ENOMEM.
 * Threads  any.
 * Since    1.0
 */
JSM_API void *jsm_pvalloc(size_t size) JSM_ATTR_MALLOC;

/* ------------------------------------------------------------------ Freeing */

/* Frees a block whose size the caller knows, and holds the caller to it.
 *
 * p        a block from jsm_malloc(), jsm_calloc() or jsm_realloc(), or NULL.
 * size     bytes that were asked for when the block was made or last changed its size, or the usable
 *          size.  One that this block cannot have been asked for is a fault of the program.
 * Returns  nothing.
 * Errors   none.
 * Threads  any.
 * Since    1.0
 */
JSM_API void jsm_free_sized(void *p, size_t size);

/* Frees a block whose size and alignment the caller knows, and holds the caller to them.
 *
 * p          a block from jsm_aligned_alloc(), or NULL.
 * alignment  bytes that were asked for.
 * size       bytes that were asked for.
 * Returns    nothing.
 * Errors     none.
 * Threads    any.
 * Since      1.0
 */
JSM_API void jsm_free_aligned_sized(void *p, size_t alignment, size_t size);

/* Overwrites the start of a block with zeros, in a way that no compiler leaves out, and frees it.
 *
 * p        a block or NULL.
 * size     bytes to overwrite, at most what the block holds.
 * Returns  nothing.
 * Errors   none.
 * Threads  any.
 * Since    1.0
 */
JSM_API void jsm_freezero(void *p, size_t size);

/* Frees a block: the name that very old programs have for jsm_free().
 *
 * p        a block or NULL.
 * Returns  nothing.
 * Errors   none.
 * Threads  any.
 * Since    1.0
 */
JSM_API void jsm_cfree(void *p);

/* ------------------------------------------------------------------ Questions about blocks */

/* Tells how many bytes of a block can be used.
 *
 * p        a block, or NULL.
 * Returns  bytes, at least what was asked for; 0 for NULL.  All of them may be written.
 * Errors   none; 0 for what is not a live block, once it has been reported.
 * Threads  any.
 * Since    1.0
 */
JSM_API size_t jsm_malloc_usable_size(const void *p);

/* The name that other systems have for jsm_malloc_usable_size().
 *
 * p        a block or NULL.
 * Returns  bytes; 0 for NULL.
 * Errors   none.
 * Threads  any.
 * Since    1.0
 */
JSM_API size_t jsm_malloc_size(const void *p);

/* Tells how large a block would be, without making it.
 *
 * size     bytes.
 * Returns  what jsm_malloc_usable_size() would say of jsm_malloc(size); `size` itself if it is
 *          more than there can be.
 * Errors   none.
 * Threads  any.
 * Since    1.0
 */
JSM_API size_t jsm_malloc_good_size(size_t size);

/* Tells whether a pointer is the start of a live block of this library.
 *
 * p        anything: it is looked up, never followed.
 * Returns  1 or 0.
 * Errors   none.
 * Threads  any; the answer lasts as long as nobody frees the block.
 * Since    1.0
 */
JSM_API int jsm_is_ours(const void *p);

/* Walks the whole heap and tests its invariants.
 *
 * Returns  the number of faults, each of which is reported on standard error; 0 if all is sound.
 * Errors   none.
 * Threads  any; what other threads change meanwhile is left out.
 * Since    1.0
 */
JSM_API int jsm_check(void);

/* ------------------------------------------------------------------ Secrets */

/* Allocates a block for secrets: it is left out of core dumps, reads as zeros in children of fork()
 * where the kernel has MADV_WIPEONFORK (Linux 4.14), and is overwritten with zeros when it is freed.
 *
 * size     bytes; as jsm_malloc().
 * Returns  the block, whose contents are zero, or NULL.  Free it with jsm_free() or any of its kin.
 * Errors   ENOMEM.
 * Threads  any.
 * Since    1.0
 */
JSM_API void *jsm_malloc_conceal(size_t size) JSM_ATTR_MALLOC JSM_ATTR_SIZE(1);

/* jsm_malloc_conceal() for an array.
 *
 * count    elements.
 * size     bytes of an element.
 * Returns  the block, all zero, or NULL.
 * Errors   ENOMEM, also when count * size overflows.
 * Threads  any.
 * Since    1.0
 */
JSM_API void *jsm_calloc_conceal(size_t count, size_t size) JSM_ATTR_MALLOC JSM_ATTR_SIZE2(1, 2);

/* ------------------------------------------------------------------ Heaps */

/* A set of blocks that can be freed in one call, limited, counted and placed on its own. */
typedef struct jsm_heap jsm_heap;

/* The heap's memory comes from brk; from mmap only what the program break cannot be moved for, and blocks
 * from the mmap threshold on. */
#define JSM_HEAP_BRK       1u
/* Size 0 gives NULL, without an error. */
#define JSM_HEAP_ZERO_NULL 2u
/* One thread alone uses the heap, and frees its blocks: no locks are taken. */
#define JSM_HEAP_NOLOCK    4u

/* What a heap shall be like.  Start from JSM_HEAP_CONFIG_INIT; 0 in a field is its default. */
struct jsm_heap_config {
    size_t size;                 /* of this structure; set by JSM_HEAP_CONFIG_INIT */
    const char *name;            /* for statistics; its first 31 bytes are copied; NULL: none */
    size_t limit_bytes;          /* most memory of the heap, counted in whole spans of 64 KiB; 0: no limit */
    void *memory;                /* allocate inside this buffer alone; NULL: from the system */
    size_t memory_bytes;         /* of the buffer; at least one aligned 64 KiB piece must fit */
    size_t mmap_threshold_bytes; /* blocks from this size on are mapped on their own; 0: as option mmap_threshold */
    size_t prealloc_bytes;       /* memory that the heap has ready from the start; 0: none */
    unsigned flags;              /* JSM_HEAP_... */
};
#define JSM_HEAP_CONFIG_INIT { sizeof(struct jsm_heap_config), NULL, 0, NULL, 0, 0, 0, 0 }

/* Makes a heap.
 *
 * config   what it shall be like; NULL: all defaults.
 * Returns  the heap, or NULL.
 * Errors   ENOMEM; EINVAL: an unknown flag or size, a buffer that is too small, or a buffer together
 *          with JSM_HEAP_BRK.
 * Threads  any.
 * Since    1.0
 */
JSM_API jsm_heap *jsm_heap_new(const struct jsm_heap_config *config) JSM_ATTR_RESULT;

/* Frees every block of a heap at once, and the heap.  The time goes with the memory's spans, not with
 * the number of blocks.
 *
 * heap     the heap, on no thread's stack of jsm_heap_push(); NULL: nothing happens.
 * Returns  nothing.
 * Errors   none.
 * Threads  any, while no other uses the heap or its blocks.
 * Since    1.0
 */
JSM_API void jsm_heap_destroy(jsm_heap *heap);

/* Ends a heap whose blocks live on: they belong to the default heap from now on.  A buffer that was
 * given as config.memory has to stay as long as blocks in it live.
 *
 * heap     the heap, on no thread's stack of jsm_heap_push(); NULL: nothing happens.
 * Returns  nothing.
 * Errors   none.
 * Threads  any, while no other uses the heap; others may free its blocks.
 * Since    1.0
 */
JSM_API void jsm_heap_delete(jsm_heap *heap);

/* Allocate in a heap; else as the functions without `heap_`.  jsm_heap_realloc() of a block of another
 * heap moves it into this one.
 *
 * heap     the heap; NULL: the default heap.
 * Returns  the block, or NULL.
 * Errors   as jsm_malloc() and so on; ENOMEM also when the heap's limit or buffer is used up.
 * Threads  any, unless the heap is JSM_HEAP_NOLOCK.
 * Since    1.0
 */
JSM_API void *jsm_heap_malloc(jsm_heap *heap, size_t size) JSM_ATTR_MALLOC JSM_ATTR_SIZE(2);
JSM_API void *jsm_heap_calloc(jsm_heap *heap, size_t count, size_t size) JSM_ATTR_MALLOC JSM_ATTR_SIZE2(2, 3);
JSM_API void *jsm_heap_realloc(jsm_heap *heap, void *p, size_t size) JSM_ATTR_RESULT JSM_ATTR_SIZE(3);
JSM_API void *jsm_heap_aligned_alloc(jsm_heap *heap, size_t alignment, size_t size) JSM_ATTR_MALLOC
    JSM_ATTR_ALIGN(2) JSM_ATTR_SIZE(3);

/* Frees a block and holds the caller to its heap; jsm_free() frees blocks of all heaps as well.
 *
 * heap     the block's heap; NULL: the default heap.
 * p        a block of it, or NULL.  A block of another heap is a fault of the program.
 * Returns  nothing.
 * Errors   none.
 * Threads  as jsm_heap_malloc().
 * Since    1.0
 */
JSM_API void jsm_heap_free(jsm_heap *heap, void *p);

/* Tells the heap of a block.
 *
 * p        anything.
 * Returns  the heap; NULL for a block of the default heap and for what is not a live block.
 * Errors   none.
 * Threads  any; the answer lasts as long as the block and the heap.
 * Since    1.0
 */
JSM_API jsm_heap *jsm_heap_of(const void *p);

/* Calls a function for each live block of a heap, once and in no particular order.
 *
 * heap     the heap, not NULL.
 * visit    is called with `arg`, the block and its usable bytes; 0 goes on, anything else stops.  It may
 *          free the block it is called for, and allocate from other heaps.
 * arg      handed to `visit`.
 * Returns  0, or what `visit` stopped with; -1 for an error.
 * Errors   EINVAL: no heap or no function.
 * Threads  any; others that use the heap wait.
 * Since    1.0
 */
JSM_API int jsm_heap_visit(jsm_heap *heap, int (*visit)(void *arg, void *block, size_t usable_bytes), void *arg);

/* From now on all that this thread allocates by plain functions (malloc(), new, strdup()...) comes from
 * a heap, until jsm_heap_pop() brings back what was before.  Scopes nest as deep as you like; those that
 * are left when the thread ends are taken back.  A block that realloc() moves stays in its heap.
 *
 * heap     the heap; NULL: the default heap.
 * Returns  0, or -1.
 * Errors   ENOMEM.
 * Threads  any; counts for the calling thread alone.
 * Since    1.0
 */
JSM_API int jsm_heap_push(jsm_heap *heap);

/* Takes back the last jsm_heap_push() of this thread.  In C++, class jsm_heap_scope does both, also when
 * an exception leaves the scope.
 *
 * Returns  the heap that was pushed; NULL if it was the default heap or none was.
 * Errors   none.
 * Threads  any; counts for the calling thread alone.
 * Since    1.0
 */
JSM_API jsm_heap *jsm_heap_pop(void);

/* ------------------------------------------------------------------ Statistics */

/* What mallinfo() tells, in bytes where a number is not a count; each saturates at INT_MAX. */
struct jsm_mallinfo {
    int arena;    /* memory of the heap, without direct mappings */
    int ordblks;  /* number of free pieces */
    int smblks;   /* number of freed blocks that caches hold */
    int hblks;    /* number of direct mappings */
    int hblkhd;   /* memory of direct mappings */
    int usmblks;  /* most memory that was ever in use */
    int fsmblks;  /* memory of freed blocks that caches hold */
    int uordblks; /* memory of live blocks */
    int fordblks; /* arena - uordblks */
    int keepcost; /* memory that jsm_malloc_trim(0) would give back now */
};

/* The same without saturation. */
struct jsm_mallinfo2 {
    size_t arena;
    size_t ordblks;
    size_t smblks;
    size_t hblks;
    size_t hblkhd;
    size_t usmblks;
    size_t fsmblks;
    size_t uordblks;
    size_t fordblks;
    size_t keepcost;
};

/* The two structures share their names with the functions, as those of <malloc.h> do; g++ -Wshadow
 * would have a word to say about that in every program. */
#if defined(__cplusplus) && defined(__GNUC__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wshadow"
#endif

/* Tells how much memory there is, in figures that fit an int.
 *
 * Returns  the figures, all of one moment for a program with one thread, else nearly so.
 * Errors   none.
 * Threads  any.
 * Since    1.0
 */
JSM_API struct jsm_mallinfo jsm_mallinfo(void);

/* Tells how much memory there is.
 *
 * Returns  the figures, all of one moment for a program with one thread, else nearly so.
 * Errors   none.
 * Threads  any.
 * Since    1.0
 */
JSM_API struct jsm_mallinfo2 jsm_mallinfo2(void);

#if defined(__cplusplus) && defined(__GNUC__)
#pragma GCC diagnostic pop
#endif

/* Writes statistics for people to standard error.
 *
 * Returns  nothing.
 * Errors   none.
 * Threads  any.
 * Since    1.0
 */
JSM_API void jsm_malloc_stats(void);

/* Writes statistics as XML to a stream.
 *
 * options  0.
 * stream   where to.
 * Returns  0, or -1.
 * Errors   EINVAL: `options` is not 0.
 * Threads  any.
 * Since    1.0
 */
JSM_API int jsm_malloc_info(int options, FILE *stream);

/* Writes statistics in a format of choice.  Takes no memory from the heap.
 *
 * format   "text", "json", "xml" or "openmetrics"; or "profile": the samples of the option profile, as
 *          pprof reads them.
 * write    is called with `arg` and a piece of text, a string, until all is said; it must not
 *          allocate.  NULL: to standard error.
 * arg      handed to `write`.
 * Returns  0, or -1.
 * Errors   EINVAL: no such format.
 * Threads  any.
 * Since    1.0
 */
JSM_API int jsm_stats_print(const char *format, void (*write)(void *arg, const char *text), void *arg);

/* ------------------------------------------------------------------ Tuning */

/* Gives memory that nobody uses back to the system: every page without a live block.
 *
 * pad      bytes of it that may stay resident.
 * Returns  1 if something was given back, else 0.
 * Errors   none.
 * Threads  any.
 * Since    1.0
 */
JSM_API int jsm_malloc_trim(size_t pad);

/* Options by number, for jsm_mallopt().  From src/rt/options.tbl, by `make update-header`. */
#define JSM_M_TRIM_THRESHOLD     (-1)
#define JSM_M_PREALLOC           (-2)
#define JSM_M_MMAP_THRESHOLD     (-3)
#define JSM_M_MMAP_MAX           (-4)
#define JSM_M_CHECK_ACTION       (-5)
#define JSM_M_PERTURB            (-6)
#define JSM_M_ARENA_MAX          (-8)
#define JSM_M_ARENA_SIZE         0x4a530001
#define JSM_M_ARENA_BATCH        0x4a530002
#define JSM_M_ARENA_SHIFT_MAX    0x4a530003
#define JSM_M_SLAB_MAX           0x4a530004
#define JSM_M_PURGE_DELAY        0x4a530005
#define JSM_M_CACHE_ADAPT        0x4a53000c
#define JSM_M_FAST_MAX           1
#define JSM_M_ZERO_SIZE          0x4a530006
#define JSM_M_THP                0x4a530007
#define JSM_M_STATS              0x4a530008
#define JSM_M_STATS_FORMAT       0x4a530009
#define JSM_M_SOURCE             0x4a53000a
#define JSM_M_MEMORY_LIMIT       0x4a53000b
#define JSM_M_PRESET             0x4a53000d
#define JSM_M_CONFIRM            0x4a53000e
#define JSM_M_PROFILE            0x4a53000f
#define JSM_M_SAMPLE_INTERVAL    0x4a530010
#define JSM_M_HARDEN             0x4a530011
#define JSM_M_GUARD_SAMPLE       0x4a530012
/* End of the options by number. */

/* Sets an option by number.
 *
 * number   one of the constants above; those below 100 are also called M_... in <malloc.h>.
 * value    in the unit of the option: bytes, milliseconds, a count; of words the place in their list,
 *          from 0 on.  -1 for "unlimited" where the option has that.
 * Returns  1, or 0.
 * Errors   EINVAL: no such number, or a value out of range.
 * Threads  any.
 * Since    1.0
 */
JSM_API int jsm_mallopt(int number, int value);

/* Sets an option by name.
 *
 * name     of the option.
 * value    as in the environment variable JSMALLOC_OPTIONS: "64M", "500ms", "off", "unlimited".
 * Returns  1, or 0.
 * Errors   EINVAL: no such name, or a bad value.
 * Threads  any.
 * Since    1.0
 */
JSM_API int jsm_option_set(const char *name, const char *value);

/* Tells the value of an option that is in force.
 *
 * name     of the option.
 * text     where to write the value, in a form that jsm_option_set() takes.
 * size     bytes at `text`.
 * Returns  1, or 0.
 * Errors   EINVAL: no such name; ERANGE: the value does not fit.
 * Threads  any.
 * Since    1.0
 */
JSM_API int jsm_option_get(const char *name, char *text, size_t size);

/* Tells the version of the library, as in JSM_VERSION_STRING.
 *
 * Returns  a string that is there for ever.
 * Errors   none.
 * Threads  any.
 * Since    1.0
 */
JSM_API const char *jsm_version(void);

#ifdef __cplusplus
}

/* What this scope allocates by plain functions comes from a heap; over when the scope is left, by an
 * exception, too. */
class jsm_heap_scope {
public:
    explicit jsm_heap_scope(jsm_heap *heap) : pushed_(jsm_heap_push(heap) == 0) {}
    ~jsm_heap_scope()
    {
        if (pushed_)
            (void)jsm_heap_pop();
    }

private:
    bool pushed_;
    jsm_heap_scope(const jsm_heap_scope &);
    jsm_heap_scope &operator=(const jsm_heap_scope &);
};
#endif

#endif
