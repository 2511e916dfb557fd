/* t/seed-lecture.c - "Writing a Memory Allocator", a lecture, sentence by sentence.  Where the library does
 * better than a sentence by design, doc/seeds.md says so.
 * SPDX-License-Identifier: MIT
 */
#include "seed.h"

#include "span/span.h"

static void *xs[10000];

/* ---- A (normal, C-style) memory allocator allocates memory on the heap ---- */

static void
the_heap(void)
{
    CLAIM(jsm_arena_count() == 0 && jsm_arena_reserved_bytes() == 0 && jsm_meta_bytes() == 0,
          "a new process starts with no heap allocated");
    char *p = jsm_malloc(100);
    CLAIM(p != NULL && jsm_is_ours(p), "void *malloc(size_t size)");
    CLAIM(strcmp(access_of(p), "rw-p") == 0, "it is private memory: MAP_PRIVATE");
    CLAIM(is_zero(p, 100), "and anonymous: MAP_ANONYMOUS, new memory is zero");
    jsm_free(p);
    CLAIM(!jsm_is_ours(p), "void free(void *)");
    CLAIM(jsm_arena_reserved_bytes() % page_bytes() == 0,
          "the smallest region we can allocate with mmap is 4k: we ask for whole pages");

    must_set("arena_size", "1M");
    unsigned arenas = jsm_arena_count();
    void *brk_before = sbrk(0);
    for (unsigned i = 0; i < 200; i++)
        xs[i] = must_have(jsm_malloc(1000000));
    CLAIM(jsm_arena_count() > arenas, "the heap is a collection of regions, not just one");
    for (unsigned i = 0; i < 200; i++)
        jsm_free(xs[i]);
    CLAIM(sbrk(0) == brk_before, "traditionally we used sbrk, on modern systems we use mmap");
}

static void
traditionally(void)
{
    must_set("source", "brk");
    char *start = sbrk(0), *p = must_have(jsm_malloc(100));

    if (is_emulated())
        CANNOT_CLAIM(1, "emulators keep the program break to themselves");
    else
        CLAIM(p >= start && p < (char *)sbrk(0), "to get heap space traditionally we used sbrk: source=brk does");
    jsm_free(p);
}

/* ---- We want it to be reasonably fast: syscalls are slow ---- */

static void
many_pairs(void)
{
    for (unsigned i = 0; i < 1000000; i++) {
        unsigned n = i % COUNT_OF(xs);
        jsm_free(xs[n]);
        xs[n] = jsm_malloc(1 + i % 500);
    }
}

static void
reasonably_fast(void)
{
    for (unsigned i = 0; i < COUNT_OF(xs); i++)
        xs[i] = must_have(jsm_malloc(1 + i % 500));
    int none = needs_no_system_call(many_pairs);
    if (none < 0)
        CANNOT_CLAIM(1, "system calls cannot be forbidden here");
    else
        CLAIM(none == 1, "syscalls are slow: a million small frees and mallocs make none at all");

    void *p = must_have(jsm_malloc(300));
    memset(p, 1, 300);
    jsm_free(p);
    CLAIM(jsm_malloc(300) == p, "for small allocations we reuse memory over returning it to the OS");
    CLAIM(resident_pages(p, 300) > 0, "it was not given back by munmap meanwhile");
}

/* ---- We don't want to waste too much memory ---- */

static void
little_waste(void)
{
    uintptr_t lowest = UINTPTR_MAX, highest = 0;

    for (unsigned i = 0; i < 100; i++) {
        xs[i] = must_have(jsm_malloc(10));
        memset(xs[i], (int)i, 10);
        lowest = (uintptr_t)xs[i] < lowest ? (uintptr_t)xs[i] : lowest;
        highest = (uintptr_t)xs[i] > highest ? (uintptr_t)xs[i] : highest;
    }
    CLAIM(highest + 10 - lowest <= 4096, "we need to handle allocations under 1 page: 100 of 10 bytes lie within one");
    CLAIM(resident_pages((void *)(lowest & ~(uintptr_t)0xffff), JSM_SLICE_BYTES) <= 1 + 4096 / page_bytes(),
          "and make one page resident, not 100");
    unsigned damaged = 0;
    for (unsigned i = 0; i < 100; i++)
        damaged += !is_all(xs[i], 10, (unsigned char)i);
    CLAIM(damaged == 0, "each has its own ten bytes");
    for (unsigned i = 0; i < 100; i++)
        jsm_free(xs[i]);
}

/* ---- Need to be able to match the standard interface ---- */

static void
remembers_sizes(void)
{
    static const size_t sizes[] = {1, 10, 100, 1000, 4096, 65536, 100000, 1000000, 70 * MIB};
    size_t before = jsm_mallinfo2().uordblks;
    unsigned wrong = 0;

    for (unsigned i = 0; i < COUNT_OF(sizes); i++) {
        xs[i] = must_have(jsm_malloc(sizes[i]));
        wrong += jsm_malloc_usable_size(xs[i]) < sizes[i];
    }
    CLAIM(wrong == 0, "our allocator needs to remember sizes somehow");
    for (unsigned i = 0; i < COUNT_OF(sizes); i++)
        jsm_free(xs[i]);
    CLAIM(jsm_mallinfo2().uordblks == before && jsm_mallinfo2().hblkhd == 0,
          "free just takes a pointer, not a size, and all of the block is free");

    /* "We can allocate 100 + sizeof(size_t) = 108 bytes": the library has no header at all. */
    char *a = must_have(jsm_malloc(16)), *b = must_have(jsm_malloc(16));
    CLAIM(distance_of(a, b) % 16 == 0 && jsm_malloc_usable_size(a) == 16,
          "better: no size header before the block, 16 bytes take 16");
    set_all(a, 16, 0xff);
    set_all(b, 16, 0xff);
    CLAIM(jsm_malloc_usable_size(a) == 16 && jsm_malloc_usable_size(b) == 16 && jsm_check() == 0,
          "better: whatever is written around a block, its size is known");
    a = must_have(jsm_malloc(8));
    CLAIM(jsm_malloc_usable_size(a) == 8, "better: the minimum allocation size is 8 bytes, not 16");
}

/* ---- The traditional / simple solution is a "free list" ---- */

static int
by_address(const void *a, const void *b)
{
    uintptr_t x = (uintptr_t) * (void *const *)a, y = (uintptr_t) * (void *const *)b;

    return x < y ? -1 : x > y;
}

static void
free_list(void)
{
    enum { MANY = 500 }; /* they fit into one slab */
    static void *again[MANY];
    size_t arena = 0;
    unsigned wrong = 0;

    for (unsigned i = 0; i < MANY; i++) {
        xs[i] = must_have(jsm_malloc(100));
        if (i == 0)
            arena = jsm_mallinfo2().arena;
    }
    CLAIM(jsm_mallinfo2().arena - arena <= 2 * 65536,
          "we request more memory from the OS, split off a chunk, put the rest on the free list: it serves the next");
    size_t free_before = jsm_mallinfo2().fordblks, used_before = jsm_mallinfo2().uordblks;
    for (unsigned i = 0; i < MANY; i++) {
        fill(xs[i], 100, i);
        jsm_free(xs[i]);
    }
    struct jsm_mallinfo2 now = jsm_mallinfo2();
    CLAIM(used_before - now.uordblks >= (size_t)MANY * 100 && now.fordblks - free_before >= (size_t)MANY * 100,
          "when memory is freed, we put the block on the free list");
    for (unsigned i = 0; i < MANY; i++)
        wrong += !is_filled(xs[i], 100, 100, i);
    CLAIM(wrong == 0, "better: the list is not stored in the free chunks, whose bytes nobody touches");

    arena = now.arena;
    for (unsigned i = 0; i < MANY; i++)
        again[i] = must_have(jsm_malloc(100));
    CLAIM(jsm_mallinfo2().arena == arena, "first we check the free list: nothing more is taken from the OS");
    qsort(xs, MANY, sizeof xs[0], by_address);
    qsort(again, MANY, sizeof again[0], by_address);
    CLAIM(memcmp(xs, again, sizeof again) == 0, "requests are satisfied with already-allocated blocks");
}

/* The example: aa to ff. */
static void
example(size_t unit)
{
    char *aa = must_have(jsm_malloc(100 * unit)), *bb = must_have(jsm_malloc(100 * unit)),
         *cc = must_have(jsm_malloc(400 * unit));

    jsm_free(bb);
    char *dd = must_have(jsm_malloc(100 * unit)), *ee = must_have(jsm_malloc(4000 * unit));
    fill(cc, 400 * unit, 1);
    fill(ee, 4000 * unit, 2);
    CLAIM(dd == bb, "the example, %zu bytes for each: dd = malloc(100) is where bb was", unit);
    jsm_free(aa);
    jsm_free(dd);
    char *ff = must_have(jsm_malloc(200 * unit));
    if (unit > 1)
        CLAIM(ff == aa, "ff = malloc(200) lies where aa was: aa and dd were coalesced");
    else
        CLAIM(distance_of(ff, aa) > 200, "better: small blocks keep their sizes, ff has a place of its own");
    CLAIM(is_filled(cc, 400 * unit, 400 * unit, 1) && is_filled(ee, 4000 * unit, 4000 * unit, 2),
          "cc and ee are untouched");
    jsm_free(cc);
    jsm_free(ee);
    jsm_free(ff);
}

static void
the_example(void)
{
    must_set("arena_max", "1");
    must_set("mmap_threshold", "1G");
    must_set("trim_threshold", "unlimited");
    example(1);
    example(1310); /* from here on 100 units are a span of two slices, not a block of a slab */
}

/* ---- Big allocations ---- */

static void
big_allocations(void)
{
    size_t ten_gib = sizeof(size_t) > 4 ? (size_t)(UINT64_C(10) << 30) : 1024 * MIB, touched = 64 * MIB;
    size_t bytes = ten_gib;

    char *zz = jsm_malloc(bytes);
    CLAIM(zz != NULL || errno == ENOMEM, "zz = malloc(10G), or this machine has not that much");
    if (zz == NULL)
        zz = must_have(jsm_malloc(bytes = 256 * MIB));
    CLAIM(jsm_mallinfo2().hblks == 1 && jsm_mallinfo2().hblkhd >= bytes, "if (bytes > BIG_MIN) mmap");
    memset(zz, 1, touched);
    zz[bytes - 1] = 1;
    CLAIM(resident_pages(zz, touched) == touched / page_bytes(), "it can be used");
    size_t with = jsm_os_resident_bytes(); /* now, as what is read of programs and of sanitizers' shadows stays */
    jsm_free(zz);
    size_t without = jsm_os_resident_bytes();
    CLAIM(resident_pages(zz, touched) == 0 && !is_mapped(zz), "free(zz): better to just munmap so OS can reuse");
    if (under_qemu())
        CANNOT_CLAIM(1, "qemu's own memory counts, too");
    else
        CLAIM(with == 0 || without + touched < with + 8 * MIB, "nothing of it stays resident: %zu of %zu KiB",
              without / KIB, with / KIB);
    CLAIM(jsm_mallinfo2().hblks == 0 && jsm_mallinfo2().hblkhd == 0, "and no mapping");

    char *small = must_have(jsm_malloc(1000));
    CLAIM(jsm_mallinfo2().hblks == 0, "else check free list");
    jsm_free(small);
}

static void
the_cutoff(void)
{
    char value[32];

    CLAIM(jsm_option_get("mmap_threshold", value, sizeof value) == 1 && strtoull(value, NULL, 10) >= 4096,
          "how big should the cutoff be? minimum is 4096 bytes: it is %s", value);
    CLAIM(strtoull(value, NULL, 10) < UINT64_C(1) << 30, "probably smaller than 1GB");
    static const struct {
        const char *value;
        size_t bytes;
    } cutoff[] = {{"65537", 65537}, {"1M", MIB}, {"100M", 100 * MIB}};
    for (unsigned i = 0; i < COUNT_OF(cutoff); i++) {
        must_set("mmap_threshold", cutoff[i].value);
        void *below = must_have(jsm_malloc(cutoff[i].bytes - 1));
        size_t mapped = jsm_mallinfo2().hblks;
        void *above = must_have(jsm_malloc(cutoff[i].bytes));
        CLAIM(mapped == 0 && jsm_mallinfo2().hblks == 1,
              "64k? 1M? 100M? with %s the first that is mapped has %zu bytes", cutoff[i].value, cutoff[i].bytes);
        jsm_free(below);
        jsm_free(above);
    }
}

/* ---- Design considerations ---- */

/* Order by memory address: "coalescing is free".  Three neighbours, freed in any order, are one. */
static void
coalescing(void)
{
    static const unsigned char orders[6][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
    enum { PART = 100000 };
    unsigned apart = 0, elsewhere = 0;

    must_set("arena_max", "1");
    must_set("trim_threshold", "unlimited");
    for (unsigned round = 0; round < 6; round++) {
        char *part[3];
        for (unsigned i = 0; i < 3; i++)
            part[i] = must_have(jsm_malloc(PART));
        void *guard = must_have(jsm_malloc(PART));
        apart += distance_of(part[0], part[2]) != 2 * distance_of(part[0], part[1]);
        for (unsigned i = 0; i < 3; i++)
            jsm_free(part[orders[round][i]]);
        char *whole = must_have(jsm_malloc(3 * 2 * JSM_SLICE_BYTES));
        elsewhere += whole != (part[0] < part[2] ? part[0] : part[2]);
        jsm_free(whole);
        jsm_free(guard);
    }
    CLAIM(apart == 0, "three blocks are neighbours");
    CLAIM(elsewhere == 0, "coalescing is free: freed in any order they make one chunk at once");
}

/* ---- Should we ever return memory to the OS from the free list? ---- */

static void
return_to_os(void)
{
    enum { MANY = 100 };
    size_t resident = 0, most = 10, page = page_bytes();

    /* "10 full pages", and at least one where a page is larger than 4 KiB */
    must_set("trim_threshold", "40K");
    most = 40 * KIB / page;
    for (unsigned i = 0; i < MANY; i++) {
        xs[i] = must_have(jsm_malloc(MIB));
        memset(xs[i], 1, MIB);
    }
    CLAIM(resident_pages(xs[0], MIB) == MIB / page, "100 MiB are in use");
    for (unsigned i = 0; i < MANY; i++)
        jsm_free(xs[i]);
    for (unsigned i = 0; i < MANY; i++)
        resident += resident_pages(xs[i], MIB);
    CLAIM(resident <= most, "if we have more than 10 full pages on the free list, free down to 10: %zu stay", resident);

    must_set("trim_threshold", "unlimited");
    must_set("purge_delay", "unlimited");
    for (unsigned i = 0; i < MANY; i++) {
        xs[i] = must_have(jsm_malloc(MIB));
        memset(xs[i], 1, MIB);
    }
    for (unsigned i = 0; i < MANY; i++)
        jsm_free(xs[i]);
    resident = 0;
    for (unsigned i = 0; i < MANY; i++)
        resident += resident_pages(xs[i], MIB);
    CLAIM(resident >= MANY * MIB / page, "simple answer: no. It can be had, too");
    CLAIM(jsm_malloc_trim(0) == 1 && resident_pages(xs[0], MIB) == 0, "and the program can ask for it");
}

int
main(void)
{
    plan(8 + 1 + 3 + 3 + 5 + 5 + 6 + 7 + 5 + 2 + 4);
    chapter("A memory allocator allocates memory on the heap", the_heap);
    chapter("Traditionally, we used sbrk", traditionally);
    chapter("We want it to be reasonably fast", reasonably_fast);
    chapter("We don't want to waste too much memory", little_waste);
    chapter("Need to be able to match the standard interface", remembers_sizes);
    chapter("A free list", free_list);
    chapter("The example", the_example);
    chapter("Big allocations", big_allocations);
    chapter("How big should the cutoff be?", the_cutoff);
    chapter("List be ordered or unordered", coalescing);
    chapter("Should we ever return memory to the OS?", return_to_os);
    return done();
}
