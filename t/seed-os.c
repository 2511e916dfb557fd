/* t/seed-os.c - <jsmalloc/osmem.h>, sentence by sentence as the description of the minimal allocator has it.
 *
 * Each part begins with a heap that is one free block, and leaves it so: what is allocated first comes
 * from the heap's first address.  Where a sentence names a system call, its effect is looked at.
 * doc/seeds.md has the sentences that the library keeps in another way.
 * SPDX-License-Identifier: MIT
 */
#include "blackbox.h"

#include <jsmalloc/osmem.h>
#include <sys/mman.h>
#include <sys/resource.h>

/* The document's description of a block. */
struct block_meta {
    size_t size;
    int status;
    struct block_meta *prev;
    struct block_meta *next;
};

static size_t page, header;
static unsigned char *heap, *heap_base; /* the break before first use, and the first payload */

static unsigned char *
program_break(void)
{
    return sbrk(0);
}

static bool
is_on_heap(const void *p)
{
    return (const unsigned char *)p >= heap && (const unsigned char *)p < program_break();
}

/* Whether there is memory at an address, whoever's it is. */
static bool
is_memory(const void *p)
{
    void *start = (void *)((uintptr_t)p & ~(uintptr_t)(page - 1));
    unsigned char resident;

    return mincore(start, 1, &resident) == 0;
}

static bool
is_mapped(const void *p)
{
    return p != NULL && !is_on_heap(p) && is_memory(p);
}

static unsigned char *
take(size_t size)
{
    return hide(os_malloc(hide_size(size)));
}

static unsigned char *
change(void *p, size_t size)
{
    return hide(os_realloc(p, hide_size(size)));
}

static size_t
round8(size_t n)
{
    return (n + 7) / 8 * 8;
}

/* os_realloc() of a block that cannot be had: not because of its size alone, as all of 32 bits may be there. */
static void *
change_to_most(void *p)
{
    struct rlimit before, none;

    (void)getrlimit(RLIMIT_AS, &before);
    none = before;
    none.rlim_cur = 0;
    (void)setrlimit(RLIMIT_AS, &none);
    p = change(p, PTRDIFF_MAX);
    (void)setrlimit(RLIMIT_AS, &before);
    return p;
}

/* What begins behind a block of `size` bytes at `p`: the payload of the next one. */
static unsigned char *
behind(const void *p, size_t size)
{
    return (unsigned char *)hide(p) + round8(size) + header;
}

/* "Heap Preallocation" */
static void
test_prealloc(void)
{
    unsigned char *mapped = take(OS_MMAP_THRESHOLD);

    heap = program_break();
    header = (uintptr_t)mapped % page;
    ok(is_mapped(mapped), "bigger chunks are mapped");
    os_free(mapped);
    ok(program_break() == heap, "without the heap being used");

    heap_base = take(1000);
    is_uint((size_t)(program_break() - heap), 128 * KIB,
            "if we try to allocate 1000 bytes we first allocate a block of 128 kilobytes");
    is_ptr(heap_base, heap + header, "and then split it: the 1000 bytes are its start");
    unsigned char *second = take(1000), *all = take(128 * KIB - 2 * 1000 - 3 * header);
    is_ptr(second, behind(heap_base, 1000), "on future small allocations, we split the preallocated chunk");
    ok(program_break() == heap + 128 * KIB && all == behind(second, 1000) &&
           all + 128 * KIB - 2 * 1000 - 3 * header == program_break(),
       "to its last byte, without another brk()");
    unsigned char *more = take(8);
    ok(more == program_break() - 8 && program_break() == heap + 128 * KIB + header + 8,
       "heap preallocation happens only once: then the heap grows by what is missing");
    os_free(more);
    os_free(all);
    os_free(second);
    os_free(heap_base);
}

/* "void *os_malloc(size_t size)" */
static void
test_malloc(void)
{
    static const size_t sizes[] = {1, 7, 8, 9, 1000, 4096, 65535, OS_MMAP_THRESHOLD - 1};
    unsigned wrong = 0;

    for (unsigned i = 0; i < COUNT_OF(sizes); i++) {
        unsigned char *p = take(sizes[i]);
        wrong += !is_on_heap(p);
        set_all(p, sizes[i], 0xa5);
        os_free(p);
    }
    is_uint(wrong, 0, "chunks of memory smaller than MMAP_THRESHOLD are allocated with brk()");
    unsigned char *before = program_break(), *at = take(OS_MMAP_THRESHOLD), *large = take(10 * MIB);
    ok(is_mapped(at) && is_mapped(large) && program_break() == before, "bigger chunks are allocated using mmap()");
    set_all(large, 10 * MIB, 1);
    os_free(at);
    os_free(large);

    unsigned char *p = take(600);
    set_all(p, 600, 0x5a);
    os_free(p);
    unsigned char *q = take(600);
    ok(p == q && is_all(q, 600, 0x5a), "the memory is uninitialized");
    os_free(q);
    errno = ERRNO_MARK;
    ok(take(0) == NULL && errno == ERRNO_MARK, "passing 0 as size will return NULL");
}

/* "void *os_calloc(size_t nmemb, size_t size)" */
static void
test_calloc(void)
{
    unsigned char *p = take(page);

    set_all(p, page, 0xff);
    os_free(p);
    unsigned char *small = os_calloc(1, page - 1), *large = os_calloc(page / 8, 8), *larger = os_calloc(page, 30);
    ok(is_on_heap(small), "chunks of memory smaller than page_size are allocated with brk()");
    ok(is_mapped(large) && is_mapped(larger), "bigger chunks are allocated using mmap()");
    ok(small == p && is_all(small, page - 1, 0) && is_all(large, page, 0) && is_all(larger, 30 * page, 0),
       "the memory is set to zero, also where it was used before");
    os_free(small);
    os_free(large);
    os_free(larger);
    errno = ERRNO_MARK;
    ok(os_calloc(hide_size(0), 8) == NULL && os_calloc(8, hide_size(0)) == NULL && errno == ERRNO_MARK,
       "passing 0 as nmemb or size will return NULL");
}

/* "void *os_realloc(void *ptr, size_t size)", smaller. */
static void
test_truncate(void)
{
    unsigned char *p = take(1000), *fence = take(8);

    fill(p, 1000, 1);
    ok(change(p, 500) == p && is_filled(p, 500, 1000, 1), "if the size is smaller, the memory block will be truncated");
    unsigned char *rest = take(1000 - round8(500) - header);
    is_ptr(rest, behind(p, 500), "what is cut off can be reused");
    os_free(rest);
    os_free(p);
    os_free(fence);

    unsigned char *m = take(40 * page + OS_MMAP_THRESHOLD), *end = m - header + 40 * page + OS_MMAP_THRESHOLD;
    fill(m, 40 * page + OS_MMAP_THRESHOLD, 2);
    ok(change(m, 10 * page) == m && is_filled(m, 10 * page, 40 * page + OS_MMAP_THRESHOLD, 2) &&
           is_memory(m + 10 * page) && !is_memory(m + 11 * page) && !is_memory(end),
       "also where it is mapped: its last pages are unmapped");
    os_free(m);
}

/* "... first try to expand the block, rather than moving it." */
static void
test_expand(void)
{
    unsigned char *p = take(64), *a = take(64), *b = take(64), *fence = take(8), *brk_before = program_break();
    size_t both = 64 + header + 64 + header + 64;

    fill(p, 64, 3);
    os_free(a);
    os_free(b);
    ok(change(p, 64 + header + 40) == p && is_filled(p, 64, 64, 3),
       "if ptr points to a block on heap, os_realloc() will first try to expand the block");
    is_ptr(take(64), b, "followed by multiple free blocks, it takes them one at a time: the second is whole");
    os_free(b);
    ok(change(p, both) == p && is_filled(p, 64, 64, 3), "and as many as it needs");
    unsigned char *moved = change(p, both + 8);
    ok(moved == behind(fence, 8) && is_filled(moved, 64, 64, 3),
       "otherwise, the block will be reallocated and its contents copied");
    is_ptr(take(both), p, "and the old one is free");
    os_free(p);
    ok(change(moved, 5000) == moved && program_break() == brk_before, "no memory is asked for meanwhile");
    os_free(moved);

    p = take(64), a = take(64), b = take(64);
    os_free(a);
    os_free(b);
    errno = 0;
    if (is_emulated() && sizeof(void *) == 4) {
        skip(2, "2 GiB can be had, as limits of addresses are the host's");
    } else {
        ok(change_to_most(p) == NULL && errno == ENOMEM, "a block that cannot be reallocated is told by NULL");
        unsigned char *elsewhere = take(64);
        ok(elsewhere > fence && change(p, both) == p,
           "blocks will remain coalesced even if the resulting block is not big enough");
        os_free(elsewhere);
    }
    os_free(p);
    os_free(fence);
}

static void
test_expand_last(void)
{
    size_t room = (size_t)(program_break() - heap_base);
    unsigned char *p = take(100), *before = program_break();

    ok(change(p, room - 1000 - header) == p && program_break() == before, "a block may grow until the heap is full");
    unsigned char *last = take(1000);
    fill(last, 1000, 4);
    ok(last + 1000 == before && change(last, 1500) == last && program_break() == last + round8(1500),
       "the last block of the heap is expanded by brk(), by what is missing");
    unsigned char *large = change(last, 200000);
    ok(is_mapped(large) && is_filled(large, 1000, 1000, 4),
       "from MMAP_THRESHOLD on it moves to a mapping of its own");
    os_free(large);
    os_free(p);

    before = program_break();
    unsigned char *m = take(200000);
    fill(m, 200000, 5);
    unsigned char *n = change(m, 300000);
    ok(n != NULL && n != m && is_mapped(n) && is_filled(n, 200000, 200000, 5) && program_break() == before,
       "a mapped block that is to be larger is reallocated and its contents copied");
    ok(!is_memory(m) || n < m + 200000, "and the old mapping is gone");
    os_free(n);
    unsigned char *c = os_calloc(page, 2), *d = change(c, 3 * page);
    ok(is_mapped(c - header) || !is_memory(c), "a mapped block of os_calloc() is one");
    ok(is_on_heap(d) && is_all(d, 2 * page, 0), "which goes to the heap if os_malloc() would take it from there");
    os_free(d);
}

static void
test_realloc_rest(void)
{
    unsigned char *p = take(100), *q = take(100), *fence = take(8);

    os_free(p);
    errno = 0;
    ok(change(p, 200) == NULL && change(p, 50) == NULL && errno == EINVAL,
       "calling os_realloc() on a block that has STATUS_FREE returns NULL");
    os_free(q);
    unsigned char *r = take(150);
    os_free(r);
    ok(r == p && change(q, 50) == NULL, "also when that has become part of another block");
    os_free(fence);
    unsigned char *m = take(300000);
    os_free(m);
    ok(change(m, 50) == NULL, "also when it was mapped");

    p = os_realloc(NULL, 50);
    ok(is_on_heap(p), "passing NULL as ptr will have the same effect as os_malloc(size)");
    m = os_realloc(NULL, 300000);
    ok(is_mapped(m) && os_realloc(NULL, hide_size(0)) == NULL, "for all sizes");
    ok(change(p, 0) == NULL && take(50) == p, "passing 0 as size will have the same effect as os_free(ptr)");
    ok(change(m, 0) == NULL && !is_memory(m), "for mapped blocks as well");
    os_free(p);
}

/* "void os_free(void *ptr)" */
static void
test_free(void)
{
    unsigned char *p[100], *before;
    unsigned same = 0;

    for (unsigned i = 0; i < COUNT_OF(p); i++)
        p[i] = take(5000);
    before = program_break();
    ok(before > heap + 128 * KIB, "the heap grows");
    for (unsigned i = 0; i < COUNT_OF(p); i++)
        os_free(p[i]);
    ok(program_break() == before, "os_free() will not return memory from the heap to the OS by calling brk()");
    for (unsigned i = 0; i < COUNT_OF(p); i++)
        same += take(5000) == p[i];
    ok(same == COUNT_OF(p) && program_break() == before,
       "but rather mark it as free and reuse it in future allocations");
    for (unsigned i = 0; i < COUNT_OF(p); i++)
        os_free(p[i]);
    unsigned char *m = take(MIB);
    bool was_mapped = is_mapped(m);
    os_free(m);
    ok(was_mapped && !is_memory(m) && !is_memory(m + MIB - 1),
       "in the case of mapped memory blocks, os_free() will call munmap()");
    errno = ERRNO_MARK;
    os_free(NULL);
    os_free(take(10));
    os_free(take(MIB));
    is_int(errno, ERRNO_MARK, "os_free() leaves errno alone, and NULL");
}

/* "Memory Alignment", "Block Reuse" */
static void
test_blocks(void)
{
    unsigned char *p[64], *m = take(OS_MMAP_THRESHOLD);
    unsigned misaligned = (uintptr_t)m % 8 != 0, apart = 0;

    for (unsigned i = 0; i < COUNT_OF(p); i++) {
        p[i] = take(i + 1);
        misaligned += (uintptr_t)p[i] % 8 != 0;
        apart += i > 0 && p[i] != behind(p[i - 1], i);
    }
    is_uint(misaligned, 0, "all memory allocations are aligned to 8 bytes");
    is_uint(apart, 0, "each zone is a block_meta structure placed at the start, followed by data");
    ok(header >= sizeof(struct block_meta) && header % 8 == 0 && header < sizeof(struct block_meta) + 16,
       "which is as large as the document's, and a seal: both structure and payload are aligned to 8 bytes");
    for (unsigned i = 0; i < COUNT_OF(p); i++)
        os_free(p[i]);
    os_free(m);
}

/* "Split Block" */
static void
test_split(void)
{
    unsigned char *p = take(400), *fence = take(8);

    os_free(p);
    unsigned char *small = take(200), *rest = take(400 - 200 - header);
    ok(small == p && rest == behind(p, 200),
       "a block is truncated to the required size and the remaining bytes are a new free block, which is reusable");
    os_free(small);
    os_free(rest);
    small = take(400 - header - 8);
    unsigned char *tiny = take(1);
    ok(small == p && tiny == behind(p, 400 - header - 8) && tiny + 8 == fence - header,
       "also when that has room for a block_meta structure and the least there is: 1 byte, aligned to 8");
    os_free(small);
    os_free(tiny);
    small = take(400 - header);
    tiny = take(1);
    ok(small == p && tiny > fence, "the split will not be performed if the remaining size is not big enough");
    set_all(small, 400, 0xee);
    os_free(small);
    os_free(tiny);
    os_free(fence);
    ok(take(1000) == p, "and nothing is lost");
    os_free(p);
}

/* "Coalesce Blocks" */
static void
test_coalesce(void)
{
    unsigned char *p = take(100), *q = take(100), *r = take(100), *fence = take(8);
    size_t all = 3 * round8(100) + 2 * header;

    os_free(q);
    os_free(p);
    os_free(r);
    is_ptr(take(all), p,
           "adjacent free blocks are merged to form a contiguous chunk, in whatever order they were freed");
    ok(change(p, 100) == p && take(100) == q && take(100) == r, "which may be split again");
    os_free(p);
    os_free(r);
    ok(take(all) > fence, "blocks with one in use between them are not");
    os_free(behind(fence, 8));
    os_free(q);
    p = take(50), r = take(all - 56 - header);
    ok(p == heap_base && r == behind(p, 50), "you might still need to split the block after coalesce");
    os_free(p);
    os_free(r);
    os_free(fence);
}

/* "Find Best Block" */
static void
test_best(void)
{
    static const size_t sizes[] = {400, 120, 64, 2000, 120, 96};
    unsigned char *hole[COUNT_OF(sizes)], *fence[COUNT_OF(sizes)];

    for (unsigned i = 0; i < COUNT_OF(sizes); i++) {
        hole[i] = take(sizes[i]);
        fence[i] = take(8);
    }
    for (unsigned i = 0; i < COUNT_OF(sizes); i++)
        os_free(hole[i]);
    ok(take(65) == hole[5] && take(60) == hole[2], "the best fitting free block is chosen");
    ok(take(97) == hole[1] && take(120) == hole[4], "of equals the one with the lowest address");
    is_ptr(take(401), hole[3], "what fits in none but the largest comes from there");
    is_ptr(take(2), hole[0], "the next smaller one is cut up before what is left of that");
    is_ptr(take(390), behind(hole[3], 401), "all is used at last");
    os_free(behind(hole[3], 401));
    for (unsigned i = 0; i < COUNT_OF(sizes); i++) {
        os_free(hole[i]);
        os_free(fence[i]);
    }
}

/* What the heap must be between parts: one free block, which begins where the first did. */
static void
test_whole(void)
{
    unsigned char *before = program_break(), *all = take(1);

    ok(all == heap_base && change(all, (size_t)(before - all)) == all && program_break() == before,
       "all has become one block again");
    os_free(all);
}

int
main(void)
{
    static void (*const parts[])(void) = {
        test_malloc, test_calloc, test_truncate, test_expand, test_expand_last, test_realloc_rest,
        test_free, test_blocks, test_split, test_coalesce, test_best};

    plan(7 + 4 + 4 + 3 + 8 + 7 + 7 + 5 + 3 + 4 + 4 + 5 + COUNT_OF(parts));
    page = (size_t)sysconf(_SC_PAGESIZE);
    test_prealloc();
    for (unsigned i = 0; i < COUNT_OF(parts); i++) {
        parts[i]();
        test_whole();
    }
    return done();
}
