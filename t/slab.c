/* t/slab.c - slabs: which block an address is, carving, the free list, holes; S1 to S4.
 * SPDX-License-Identifier: MIT
 */
#include "unit.h"

#include "class/class.h"
#include "slab/slab.h"

#include <sys/mman.h>

static struct jsm_span *
slab_new(unsigned c)
{
    bool clean;
    size_t n_slices = jsm_class_slices(jsm_class_bytes[c]);
    struct jsm_span *slab = jsm_span_alloc(0, n_slices, 1, JSM_WANT_OLDEST, &clean);

    if (slab == NULL || !jsm_slab_init(slab, c, jsm_class_bytes[c], clean)) {
        diag("no memory for a slab");
        _exit(1);
    }
    return slab;
}

static void
slab_delete(struct jsm_span *slab)
{
    jsm_slab_fini(slab);
    jsm_set_kind(slab, JSM_KIND_BUSY);
    jsm_span_free(slab);
}

static size_t
slab_bytes(const struct jsm_span *slab)
{
    return (size_t)slab->n_slices << JSM_SLICE_SHIFT;
}

/* Carves all of it and takes every block. */
static void
take_all(struct jsm_span *slab)
{
    do
        while (slab->head != JSM_LINK_END)
            (void)jsm_slab_pop(slab);
    while (jsm_slab_carve(slab));
}

/* ---- Addresses ---- */

static void
test_index(void)
{
    size_t wrong_index = 0, wrong_around = 0, wrong_block = 0, beyond_links = 0;

    for (unsigned c = 0; c < JSM_CLASSES; c++) {
        struct jsm_span *slab = slab_new(c);
        uint32_t size = slab->block_bytes, index, next = 0;
        for (size_t offset = 0; offset < slab_bytes(slab); offset++) {
            bool block = offset % size == 0 && offset / size < slab->capacity;
            bool found = jsm_slab_index(slab, slab->base + offset, &index);
            wrong_index += found != block || (found && index != next);
            wrong_around += jsm_slab_index_around(slab, slab->base + offset) != offset / size;
            if (block)
                wrong_block += jsm_slab_block(slab, next++) != slab->base + offset;
            /* What free() computes of an offset in a slab of one slice, before it knows more. */
            if (slab->n_slices == 1)
                beyond_links += (uint64_t)offset * slab->recip >> 32 > slab->capacity;
        }
        wrong_index += next != slab->capacity;
        slab_delete(slab);
    }
    is_uint(wrong_index, 0, "every address of every class is known as the block it is, or as none");
    is_uint(wrong_around, 0, "the block around every address is known");
    is_uint(wrong_block, 0, "a block's address follows from its index");
    is_uint(beyond_links, 0, "no address leads beyond the cell behind the last");
}

/* ---- Shape ---- */

static void
test_init(void)
{
    unsigned wrong_parts = 0, wrong_shape = 0, left_over = 0, used_cells = 0, no_sleep = 0;

    for (unsigned c = 0; c < JSM_CLASSES; c++) {
        struct jsm_span *slab = slab_new(c);
        uint32_t sixteenth = slab->capacity / 16;
        wrong_shape += slab->capacity != slab_bytes(slab) / jsm_class_bytes[c] || slab->class_id != c ||
                       slab->carved != 0 || slab->head != JSM_LINK_END || jsm_slab_used(slab) != 0 ||
                       jsm_kind(slab) != JSM_KIND_SLAB || slab->state != JSM_SLAB_NEW || !jsm_slab_check(slab);
        no_sleep += slab->wake != jsm_max(1u, jsm_min(sixteenth, (uint32_t)JSM_SLAB_WAKE_MAX)) ||
                    slab->wake >= slab->capacity;
        for (unsigned i = 1; i < slab->n_slices; i++)
            wrong_parts += jsm_kind(&slab[i]) != JSM_KIND_SLAB_PART || slab[i].back != i;
        take_all(slab);
        used_cells += slab->link[slab->capacity] == JSM_LINK_USED;
        while (slab->left > 0)
            (void)jsm_slab_push(slab, slab->left - 1);
        uint32_t n_slices = slab->n_slices;
        slab_delete(slab);
        for (unsigned i = 1; i < n_slices; i++)
            left_over += jsm_kind(&slab[i]) == JSM_KIND_SLAB_PART;

        /* The links of the next slab of the class are those of the last. */
        slab = slab_new(c);
        for (unsigned i = 0; i <= slab->capacity; i++)
            used_cells += slab->link[i] == JSM_LINK_USED;
        slab_delete(slab);
    }
    is_uint(wrong_shape, 0, "a new slab has blocks for all of its memory, and none of them carved");
    is_uint(no_sleep, 0, "a full slab wakes after a sixteenth of its blocks, at most 32");
    is_uint(wrong_parts, 0, "every further slice leads to the first");
    is_uint(left_over, 0, "and to nothing when the slab is gone");
    is_uint(used_cells, 0, "S4: what is not live is never marked as used, in recycled links neither");
    ok(jsm_slab_none.head == JSM_LINK_END && jsm_slab_is_exhausted(&jsm_slab_none) && jsm_slab_none.class_id == 0 &&
           jsm_slab_none.link == NULL,
       "the slab that is none has nothing to give");
}

/* ---- Carving ---- */

struct carve_faults {
    unsigned not_once, too_far, unchecked;
};

/* Carves stretch by stretch and takes what there is. */
static void
carve_one(struct jsm_span *slab, struct carve_faults *faults)
{
    static bool seen[JSM_SLAB_CAPACITY_MAX];
    uint32_t n_seen = 0;

    memset(seen, 0, sizeof seen);
    for (;;) {
        size_t start = (size_t)slab->carved * slab->block_bytes, first = slab->carved;
        if (!jsm_slab_carve(slab))
            break;
        size_t end = (size_t)slab->carved * slab->block_bytes;
        size_t page_end = start / JSM_SLAB_CARVE_BYTES * JSM_SLAB_CARVE_BYTES + JSM_SLAB_CARVE_BYTES;
        faults->too_far += end > page_end && end != start + slab->block_bytes;
        faults->unchecked += !jsm_slab_check(slab);
        while (slab->head != JSM_LINK_END) {
            uint32_t i = slab->head;
            faults->not_once += i < first || i >= slab->carved || seen[i];
            if (i >= slab->capacity)
                break;
            seen[i] = true;
            n_seen++;
            faults->not_once += jsm_slab_pop(slab) != slab->base + (size_t)i * slab->block_bytes;
            faults->not_once += slab->link[i] != JSM_LINK_USED;
        }
    }
    faults->not_once += n_seen != slab->capacity || !jsm_slab_is_exhausted(slab);
    faults->unchecked += !jsm_slab_check(slab) || slab->left != slab->capacity;
}

static void
test_carve(void)
{
    struct carve_faults faults = { 0, 0, 0 };

    for (unsigned c = 0; c < JSM_CLASSES; c++) {
        struct jsm_span *slab = slab_new(c);
        carve_one(slab, &faults);
        slab_delete(slab);
    }
    is_uint(faults.not_once, 0, "carving gives each block of each class once");
    is_uint(faults.too_far, 0, "and no block that ends more than 4 KiB ahead, but for one at a time");
    is_uint(faults.unchecked, 0, "S1: carved blocks are used or on a list, all the way");

    struct jsm_span *slab = slab_new(jsm_class_of(64));
    (void)jsm_slab_carve(slab);
    uint32_t first = slab->carved;
    (void)jsm_slab_carve(slab);
    uint32_t n = 0;
    for (uint32_t i = slab->head; i != JSM_LINK_END && n <= slab->capacity; i = slab->link[i])
        n++;
    ok(n == 2 * first && jsm_slab_check(slab), "what was on the free list before carving stays there");
    slab_delete(slab);
}

/* ---- The free list ---- */

static void
test_pop_push(void)
{
    struct jsm_span *slab = slab_new(jsm_class_of(48));
    uint32_t index = 0;

    (void)jsm_slab_carve(slab);
    uint8_t *a = jsm_slab_pop(slab), *b = jsm_slab_pop(slab);
    ok(a != b && slab->left == 2, "each block that is taken is counted");
    (void)jsm_slab_index(slab, a, &index);
    ok(!jsm_slab_push(slab, index) && slab->left == 1 && slab->link[index] != JSM_LINK_USED,
       "so is each that comes back; the owner need not look at the slab");
    is_ptr(jsm_slab_pop(slab), a, "the last that came back goes out first");
    (void)jsm_slab_push(slab, index);
    (void)jsm_slab_index(slab, b, &index);
    ok(jsm_slab_push(slab, index), "but must look when the last has come back");
    ok(jsm_slab_check(slab), "and the lists add up");
    slab_delete(slab);
}

static void
test_used(void)
{
    struct jsm_span *slab = slab_new(jsm_class_of(64));

    take_all(slab);
    slab->state = JSM_SLAB_FULL;
    slab->left = slab->wake;
    is_uint(jsm_slab_used(slab), slab->capacity, "S2: of a full slab all blocks are used");
    (void)jsm_slab_push(slab, 7);
    (void)jsm_slab_push(slab, 9);
    ok(jsm_slab_used(slab) == slab->capacity - 2u && jsm_slab_check(slab), "less those that came back");
    slab->left = slab->capacity - 2u;
    slab->state = JSM_SLAB_PARTIAL;
    ok(jsm_slab_used(slab) == slab->capacity - 2u && jsm_slab_check(slab), "of a slab in a queue `left` tells it");
    slab->state = JSM_SLAB_ACTIVE;
    slab->biased = 1;
    slab->left++;
    ok(jsm_slab_used(slab) == slab->capacity - 2u && jsm_slab_check(slab), "of an active one less its bias");
    slab_delete(slab);
}

/* Each fault that is planted must be found, and the search must end. */
static void
test_check(void)
{
    struct jsm_span *slab = slab_new(jsm_class_of(64));

    while (slab->carved < 200)
        (void)jsm_slab_carve(slab);
    for (unsigned i = 0; i < 50; i++)
        (void)jsm_slab_pop(slab);
    uint16_t second = slab->link[slab->head], third = slab->link[second];
    ok(jsm_slab_check(slab), "a sound slab passes");
    slab->left++;
    ok(!jsm_slab_check(slab), "S1: a used block too many is found");
    slab->left -= 2;
    ok(!jsm_slab_check(slab), "and one too few");
    slab->left++;
    slab->link[second] = JSM_LINK_END;
    ok(!jsm_slab_check(slab), "S3: a free list that was cut off is found");
    slab->link[second] = slab->head;
    ok(!jsm_slab_check(slab), "and one that leads back to its beginning");
    slab->link[second] = second;
    ok(!jsm_slab_check(slab), "or to itself");
    slab->link[second] = slab->carved;
    ok(!jsm_slab_check(slab), "and one that leaves what was carved");
    slab->link[second] = JSM_LINK_USED;
    ok(!jsm_slab_check(slab), "and one that holds a live block");
    slab->link[second] = third;
    slab->n_purged = 1;
    ok(!jsm_slab_check(slab), "a wrong count of purged blocks is found");
    slab->n_purged = 0;
    slab->purged_head = third;
    ok(!jsm_slab_check(slab), "and a block that is on both lists");
    slab->purged_head = JSM_LINK_END;
    ok(jsm_slab_check(slab), "and nothing when all is as it was");
    slab_delete(slab);
}

/* ---- Holes ---- */

enum { HOLE_PAGES_MAX = JSM_SLAB_SLICES_MAX << (JSM_SLICE_SHIFT - 12), PATTERN = 0x5a };

struct holes {
    size_t page;
    bool live[JSM_SLAB_CAPACITY_MAX];
    bool gone[HOLE_PAGES_MAX];          /* was given back, and has not been used since */
    unsigned wrong_bytes, wrong_pages, lost, unsound;
};

/* Pages of carved blocks that no live block touches and that were not given back yet; marks them. */
static size_t
expect_holes(const struct jsm_span *slab, struct holes *h)
{
    size_t end = (size_t)slab->carved * slab->block_bytes, n = 0;

    for (size_t page = 0; page * h->page < end; page++) {
        size_t first = page * h->page / slab->block_bytes;
        bool used = false;
        for (size_t i = first; i < slab->carved && i * slab->block_bytes < (page + 1) * h->page; i++)
            used = used || h->live[i];
        n += !used && !h->gone[page];
        h->gone[page] = !used;
    }
    return n * h->page;
}

/* Each byte of the slab is as it was written, or, in pages that were given back, zero. */
static unsigned
wrong_pages(const struct jsm_span *slab, const struct holes *h)
{
    unsigned wrong = 0;

    for (size_t page = 0; page * h->page < slab_bytes(slab); page++)
        wrong += !is_all(slab->base + page * h->page, h->page, h->gone[page] ? 0 : PATTERN);
    return wrong;
}

static void
free_some(struct jsm_span *slab, struct holes *h, uint64_t *random, unsigned keep_of_100)
{
    /* In runs, so that there are holes also in slabs of small blocks. */
    for (uint32_t i = 0; i < slab->carved;) {
        uint32_t run = 1 + (uint32_t)random_below(random, 12000 / slab->block_bytes + 2);
        bool keep = random_below(random, 100) < keep_of_100;
        for (; run > 0 && i < slab->carved; run--, i++) {
            if (!keep && h->live[i]) {
                h->live[i] = false;
                (void)jsm_slab_push(slab, i);
            }
        }
    }
}

static void
purge_holes(struct jsm_span *slab, struct holes *h)
{
    size_t want = expect_holes(slab, h);

    h->wrong_bytes += jsm_slab_purge_holes(slab) != want;
    h->wrong_pages += wrong_pages(slab, h);
    h->unsound += !jsm_slab_check(slab);
}

/* Takes all blocks that are not live, purged ones too, each once. */
static void
take_back(struct jsm_span *slab, struct holes *h)
{
    uint32_t missing = 0;

    do {
        while (slab->head != JSM_LINK_END) {
            uint32_t i = slab->head;
            h->lost += i >= slab->carved || h->live[i];
            (void)jsm_slab_pop(slab);
            h->live[i] = true;
        }
        h->unsound += !jsm_slab_check(slab);
    } while (jsm_slab_recarve(slab));
    for (uint32_t i = 0; i < slab->carved; i++)
        missing += !h->live[i];
    h->lost += missing + (slab->n_purged != 0) + (slab->left != slab->carved);
    memset(h->gone, 0, sizeof h->gone);
    memset(slab->base, PATTERN, slab_bytes(slab));
}

static void
holes_of_class(unsigned c, struct holes *h, uint64_t *random)
{
    struct jsm_span *slab = slab_new(c);
    uint32_t stop = random_below(random, 2) != 0 ? slab->capacity : 1 + (uint32_t)random_below(random, slab->capacity);

    memset(h->live, 0, sizeof h->live);
    memset(h->gone, 0, sizeof h->gone);
    while (slab->carved < stop && jsm_slab_carve(slab))
        while (slab->head != JSM_LINK_END)
            (void)jsm_slab_pop(slab);
    memset(h->live, true, slab->carved);
    memset(slab->base, PATTERN, slab_bytes(slab));

    h->wrong_bytes += jsm_slab_purge_holes(slab) != 0; /* all live */
    free_some(slab, h, random, 70);
    purge_holes(slab, h);
    purge_holes(slab, h); /* nothing new */
    free_some(slab, h, random, 70);
    purge_holes(slab, h);
    take_back(slab, h);
    free_some(slab, h, random, 50);
    purge_holes(slab, h);
    take_back(slab, h);
    free_some(slab, h, random, 0);
    purge_holes(slab, h);
    h->lost += slab->left != 0;
    slab_delete(slab);
}

static void
test_holes(uint64_t *random)
{
    static struct holes h;

    h.page = jsm_os_page_bytes();
    for (unsigned round = 0; round < rounds(2, 40); round++)
        for (unsigned c = 0; c < JSM_CLASSES; c++)
            holes_of_class(c, &h, random);
    is_uint(h.wrong_pages, 0, "the pages without live blocks, and no others, are given back");
    is_uint(h.wrong_bytes, 0, "and counted, once");
    is_uint(h.unsound, 0, "S1, S3: the lists add up at each step");
    is_uint(h.lost, 0, "every block that was purged can be had again, once");
}

/* With the memory out of reach, whoever reads or writes it is ended. */
static void
test_no_memory_touched(void)
{
    unsigned unsound = 0;

    for (unsigned c = 0; c < JSM_CLASSES; c += 4) {
        struct jsm_span *slab = slab_new(c);
        if (mprotect(slab->base, slab_bytes(slab), PROT_NONE) != 0)
            continue;
        take_all(slab);
        for (uint32_t i = 0; i < slab->capacity; i += 1 + (i % 3))
            (void)jsm_slab_push(slab, i);
        (void)jsm_slab_purge_holes(slab);
        unsound += !jsm_slab_check(slab);
        do
            while (slab->head != JSM_LINK_END)
                (void)jsm_slab_pop(slab);
        while (jsm_slab_recarve(slab));
        unsound += slab->left != slab->capacity;
        (void)mprotect(slab->base, slab_bytes(slab), PROT_READ | PROT_WRITE);
        slab_delete(slab);
    }
    is_uint(unsound, 0, "nothing but the program ever touches the memory of blocks");
}

/* ---- After fork ---- */

static void
test_rebuild(uint64_t *random)
{
    unsigned wrong = 0;

    for (unsigned c = 0; c < JSM_CLASSES; c += 3) {
        struct jsm_span *slab = slab_new(c);
        static bool live[JSM_SLAB_CAPACITY_MAX];
        uint32_t n_live = 0;
        while (slab->carved < slab->capacity / 2)
            (void)jsm_slab_carve(slab);
        while (slab->head != JSM_LINK_END)
            (void)jsm_slab_pop(slab);
        for (uint32_t i = 0; i < slab->carved; i++) {
            live[i] = random_below(random, 2) != 0;
            n_live += live[i];
            if (!live[i] && i % 3 == 0)
                (void)jsm_slab_push(slab, i); /* on the list */
            else if (!live[i])
                slab->link[i] = (uint16_t)i;  /* in the middle of being freed by a thread that is gone */
        }
        slab->state = JSM_SLAB_FULL;
        jsm_slab_rebuild(slab);
        slab->state = JSM_SLAB_PARTIAL;
        wrong += slab->left != n_live || !jsm_slab_check(slab) || jsm_slab_has_remote(slab);
        for (uint32_t i = 0; i < slab->carved; i++)
            wrong += (slab->link[i] == JSM_LINK_USED) != live[i];
        slab_delete(slab);
    }
    is_uint(wrong, 0, "a slab whose owner is gone has its live blocks, all others are free");
}

int
main(void)
{
    plan(4 + 6 + 4 + 5 + 4 + 11 + 4 + 1 + 1);
    uint64_t random = test_seed();
    end_if_stuck();
    test_index();
    test_init();
    test_carve();
    test_pop_push();
    test_used();
    test_check();
    test_holes(&random);
    test_no_memory_touched();
    test_rebuild(&random);
    return done();
}
