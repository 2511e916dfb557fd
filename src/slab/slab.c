/* slab/slab.c - making slabs, carving them, giving back their holes.
 *
 * SPDX-License-Identifier: MIT
 */
#include <config.h>

#include "slab/slab.h"

#include <string.h>

JSM_CORE_CONST const struct jsm_span jsm_slab_none = { .head = JSM_LINK_END };

/* Arrays of one class are of one size, but for short slabs, whose arrays are all as short as can be. */
enum { CLASS_IDS = 64, SHORT_LINKS = CLASS_IDS - 1, SHORT_LINK_BYTES = 32 };
static struct jsm_meta_pool link_pools[CLASS_IDS];

/* One cell more than blocks: the address behind the last block may be a multiple of the size.  Slabs with and without
 * a guard page have arrays of one length. */
static size_t
link_bytes(uint32_t capacity)
{
    return jsm_round_up((capacity + 1) * sizeof(uint16_t), (size_t)SHORT_LINK_BYTES);
}

/* Blocks that there would be room for without a guard page. */
static uint32_t
full_capacity(const struct jsm_span *slab, size_t block_bytes)
{
    return (uint32_t)((slab->n_slices << JSM_SLICE_SHIFT) / block_bytes);
}

static struct jsm_meta_pool *
link_pool(unsigned class_id, uint32_t capacity)
{
    return &link_pools[link_bytes(capacity) == SHORT_LINK_BYTES ? (unsigned)SHORT_LINKS : class_id];
}

static uint32_t
reciprocal(size_t block_bytes, size_t n_slices)
{
    uint64_t unit = n_slices > 1 ? block_bytes >> JSM_SLAB_UNIT_SHIFT : block_bytes;

    return (uint32_t)(((UINT64_C(1) << 32) + unit - 1) / unit);
}

static void
write_parts(struct jsm_span *slab)
{
    for (uint32_t i = 1; i < slab->n_slices; i++) {
        slab[i].back = (uint8_t)i;
        jsm_set_kind(&slab[i], JSM_KIND_SLAB_PART);
    }
}

JSM_CORE bool
jsm_slab_init(struct jsm_span *slab, unsigned class_id, size_t block_bytes, bool clean)
{
    uint32_t cells = full_capacity(slab, block_bytes);
    size_t guard_bytes = (slab->traits & JSM_TRAIT_GUARDED) != 0 ? jsm_os_page_bytes() : 0;
    uint32_t capacity = (uint32_t)(((slab->n_slices << JSM_SLICE_SHIFT) - guard_bytes) / block_bytes);

    jsm_assert(class_id < CLASS_IDS);
    /* A span from a thread's cache brings its array along; used cells there are none (S4). */
    if (slab->link == NULL || slab->class_id != class_id) {
        if (slab->link != NULL)
            jsm_slab_fini(slab);
        uint64_t *link = jsm_meta_pool_take(link_pool(class_id, cells), link_bytes(cells));
        if (link == NULL)
            return false;
        link[0] = 0; /* the link of the pool */
        slab->link = (uint16_t *)(void *)link;
        slab->class_id = (uint8_t)class_id;
    }
    slab->recip = reciprocal(block_bytes, slab->n_slices);
    slab->block_bytes = (uint32_t)block_bytes;
    slab->capacity = (uint16_t)capacity;
    slab->wake = (uint16_t)jsm_max(1u, jsm_min(capacity / 16, (uint32_t)JSM_SLAB_WAKE_MAX));
    jsm_slab_set_left(slab, 0);
    slab->head = JSM_LINK_END;
    slab->carved = 0;
    slab->purged_head = JSM_LINK_END;
    slab->n_purged = 0;
    slab->biased = 0;
    slab->clean = clean;
    slab->state = JSM_SLAB_NEW;
    /* ORDER: relaxed; nobody else knows the slab yet. */
    jsm_store_relaxed(&slab->remote, 0);
    jsm_slab_note(slab);
    write_parts(slab);
    jsm_set_kind(slab, JSM_KIND_SLAB);
    return true;
}

JSM_CORE void
jsm_slab_fini(struct jsm_span *slab)
{
    uint32_t cells = full_capacity(slab, slab->block_bytes);

    if (jsm_unlikely(jsm_slab_used(slab) != 0)) /* its heap ends: no later slab has used cells (S4) */
        memset(slab->link, 0, slab->carved * sizeof slab->link[0]);
    jsm_meta_pool_give(link_pool(slab->class_id, cells), slab->link, link_bytes(cells));
    slab->link = NULL;
    for (uint32_t i = 1; i < slab->n_slices; i++)
        jsm_set_kind(&slab[i], JSM_KIND_NONE);
}

/* Where in a stretch of `n` blocks the list begins: different in each process. */
static uint32_t
rotation(const struct jsm_span *slab, uint32_t first, uint32_t n)
{
    static _Atomic(uint32_t) secret;
    /* ORDER: relaxed; threads that race here may use different secrets, any will do. */
    uint32_t key = jsm_load_relaxed(&secret);

    if (key == 0) {
        key = (uint32_t)jsm_os_entropy() | 1;
        /* ORDER: relaxed, as above. */
        jsm_store_relaxed(&secret, key);
    }
    uint32_t mixed = ((uint32_t)((uintptr_t)slab->base >> JSM_SLICE_SHIFT) + first) * UINT32_C(0x9e3779b9) * key;
    return (uint32_t)(((uint64_t)(mixed ^ mixed >> 15) * n) >> 32);
}

bool
jsm_slab_carve(struct jsm_span *slab)
{
    return jsm_slab_carve_ahead(slab, JSM_SLAB_CARVE_BYTES);
}

uint32_t jsm_slab_wipe_bytes;
bool jsm_slab_scatter;

/* Memory that was never used is zero already.  Each page is written to nevertheless: malloc looks at blocks before it
 * writes to them, and a page that is read first is faulted in twice. */
static void
touch(uint8_t *at, uint8_t *end)
{
    for (; at < end; at = (uint8_t *)jsm_round_down((uintptr_t)at, jsm_os_page_bytes()) + jsm_os_page_bytes())
        *(volatile uint8_t *)at = 0;
}

/* `n` blocks from `first` on. */
static void
wipe(struct jsm_span *slab, uint32_t first, uint32_t n)
{
    uint8_t *block = jsm_slab_block(slab, first);

    if (slab->clean)
        touch(block, jsm_slab_block(slab, first + n));
    else if (slab->block_bytes <= jsm_slab_wipe_bytes)
        memset(block, 0, (size_t)n * slab->block_bytes);
    else
        for (; n > 0; n--, block += slab->block_bytes)
            memset(block, 0, jsm_slab_wipe_bytes);
}

/* Makes a ring of `n` blocks from `first` on in random order, by Sattolo's algorithm. */
static void
scatter(uint16_t *link, uint32_t first, uint32_t n)
{
    static _Thread_local uint64_t bits;

    if (bits == 0)
        bits = jsm_os_entropy() ^ jsm_os_thread_id();
    for (uint32_t i = 0; i < n; i++)
        link[i] = (uint16_t)(first + i);
    for (uint32_t i = n - 1; i > 0; i--) {
        bits = bits * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        uint32_t j = (uint32_t)(((bits >> 32) * i) >> 32);
        uint16_t other = link[j];
        link[j] = link[i];
        link[i] = other;
    }
}

JSM_CORE bool
jsm_slab_carve_ahead(struct jsm_span *slab, size_t bytes)
{
    uint32_t first = slab->carved, n = slab->capacity - first;

    if (n == 0)
        return false;
    size_t start = (size_t)first * slab->block_bytes;
    size_t stretch_end = jsm_round_down(start, (size_t)JSM_SLAB_CARVE_BYTES) + bytes;
    n = jsm_min(n, jsm_max(1u, (uint32_t)((stretch_end - start) / slab->block_bytes)));

    /* Within the first page: the others are touched one after the other, as they are needed. */
    uint32_t turn = rotation(slab, first, jsm_min(n, jsm_max(1u, (uint32_t)JSM_SLAB_CARVE_BYTES / slab->block_bytes)));
    uint16_t *link = slab->link + first;
    if (jsm_unlikely(jsm_slab_wipe_bytes != 0))
        wipe(slab, first, n);
    if (jsm_unlikely(jsm_slab_scatter)) {
        scatter(link, first, n);
    } else {
        for (uint32_t i = 0; i + 1 < n; i++)
            link[i] = (uint16_t)(first + i + 1);
        link[n - 1] = (uint16_t)first;        /* a ring ... */
    }
    uint32_t last = turn > 0 ? turn - 1 : n - 1;
    uint16_t head = link[last];
    link[last] = slab->head;                  /* ... that is opened somewhere */
    slab->head = head;
    slab->carved = (uint16_t)(first + n);
    return true;
}

JSM_CORE bool
jsm_slab_recarve(struct jsm_span *slab)
{
    uint32_t n = jsm_max(1u, (uint32_t)JSM_SLAB_CARVE_BYTES / slab->block_bytes);

    if (slab->n_purged == 0)
        return false;
    for (; n > 0 && slab->n_purged > 0; n--) {
        uint16_t i = slab->purged_head;
        slab->purged_head = slab->link[i];
        slab->link[i] = slab->head;
        slab->head = i;
        slab->n_purged--;
    }
    return true;
}

JSM_CORE uint32_t
jsm_slab_used(const struct jsm_span *slab)
{
    switch ((enum jsm_slab_state)slab->state) {
    case JSM_SLAB_FULL:
        return slab->capacity - (slab->wake - jsm_slab_left(slab));
    case JSM_SLAB_ACTIVE:
        return jsm_slab_left(slab) - (slab->biased != 0);
    default:
        return jsm_slab_left(slab);
    }
}

/* The only slabs of more than 4096 blocks are those of 8 bytes, which are carved 512 at a time: where
 * SEEN_MAX is noted as carved it is one more. */
enum { SEEN_BITS = 13, SEEN_MAX = (1 << SEEN_BITS) - 1 };
_Static_assert(JSM_SLAB_CAPACITY_MAX == SEEN_MAX + 1, "what is noted fits, but for one value");

JSM_CORE void
jsm_slab_note(struct jsm_span *slab)
{
    /* One too high, as a biased slab has one used block less than `left`. */
    uint32_t above = jsm_slab_used(slab) + 1 - jsm_slab_left(slab);
    uint32_t carved = jsm_min((uint32_t)slab->carved, (uint32_t)SEEN_MAX);

    /* ORDER: relaxed; a statistic. */
    jsm_store_relaxed(&slab->seen, (uint32_t)slab->class_id << 2 * SEEN_BITS | above << SEEN_BITS | carved);
}

void
jsm_slab_noted(const struct jsm_span *slab, unsigned *class_id, uint32_t *used, uint32_t *carved)
{
    /* ORDER: relaxed; a statistic. */
    uint32_t seen = jsm_load_relaxed(&slab->seen);
    uint32_t more = jsm_slab_left(slab) + (seen >> SEEN_BITS & SEEN_MAX);

    *class_id = seen >> 2 * SEEN_BITS;
    *carved = seen & SEEN_MAX;
    *carved += *carved == SEEN_MAX;
    *used = jsm_min(more > 0 ? more - 1 : 0, *carved); /* the two words may be of different moments */
}

/* ---- Holes: pages that hold only free blocks ---- */

enum { PAGES_MAX = JSM_SLAB_SLICES_MAX << (JSM_SLICE_SHIFT - 12) };

struct holes {
    size_t page_bytes;
    uint32_t n_pages;                              /* that carved blocks lie in */
    uint16_t n_free[PAGES_MAX];                    /* free blocks that touch the page */
    bool purge[PAGES_MAX];
    uint64_t purged[JSM_SLAB_CAPACITY_MAX / 64];   /* blocks that will be on the purged list */
};

static uint32_t
first_page(const struct jsm_span *slab, const struct holes *h, uint32_t i)
{
    return (uint32_t)((size_t)i * slab->block_bytes / h->page_bytes);
}

static uint32_t
last_page(const struct jsm_span *slab, const struct holes *h, uint32_t i)
{
    return (uint32_t)(((size_t)(i + 1) * slab->block_bytes - 1) / h->page_bytes);
}

static void
count_free(const struct jsm_span *slab, struct holes *h, uint16_t list)
{
    for (uint32_t i = list; i != JSM_LINK_END; i = slab->link[i])
        for (uint32_t page = first_page(slab, h, i); page <= last_page(slab, h, i); page++)
            h->n_free[page]++;
}

/* Carved blocks that touch a page. */
static uint32_t
blocks_of_page(const struct jsm_span *slab, const struct holes *h, uint32_t page)
{
    uint32_t first = (uint32_t)((size_t)page * h->page_bytes / slab->block_bytes);
    uint32_t end = (uint32_t)(((size_t)(page + 1) * h->page_bytes - 1) / slab->block_bytes) + 1;

    return jsm_min(end, (uint32_t)slab->carved) - first;
}

static bool
touches_hole(const struct jsm_span *slab, const struct holes *h, uint32_t i)
{
    for (uint32_t page = first_page(slab, h, i); page <= last_page(slab, h, i); page++)
        if (h->purge[page])
            return true;
    return false;
}

/* Moves the blocks that touch a hole from the free list to the set. */
static void
split_free_list(struct jsm_span *slab, struct holes *h)
{
    uint16_t *tail = &slab->head;

    for (uint16_t i = slab->head; i != JSM_LINK_END; i = slab->link[i]) {
        if (touches_hole(slab, h, i)) {
            jsm_bits_set(h->purged, i, (size_t)i + 1);
        } else {
            *tail = i;
            tail = &slab->link[i];
        }
    }
    *tail = JSM_LINK_END;
}

/* Links the set, lowest address first, so that recarving goes page by page. */
static void
link_purged_list(struct jsm_span *slab, struct holes *h)
{
    uint16_t *tail = &slab->purged_head;

    for (uint32_t i = slab->purged_head; i != JSM_LINK_END; i = slab->link[i])
        jsm_bits_set(h->purged, i, (size_t)i + 1);
    slab->n_purged = 0;
    for (size_t i = 0; (i = jsm_bits_find(h->purged, i, slab->carved, true)) < slab->carved; i++) {
        *tail = (uint16_t)i;
        tail = &slab->link[i];
        slab->n_purged++;
    }
    *tail = JSM_LINK_END;
}

static void
find_holes(const struct jsm_span *slab, struct holes *h)
{
    memset(h, 0, sizeof *h);
    if (slab->head == JSM_LINK_END)
        return;
    h->page_bytes = jsm_os_page_bytes();
    h->n_pages = last_page(slab, h, slab->carved - 1u) + 1;
    count_free(slab, h, slab->head);
    for (uint32_t page = 0; page < h->n_pages; page++)
        h->purge[page] = h->n_free[page] > 0; /* those with purged blocks alone are no news */
    count_free(slab, h, slab->purged_head);
    for (uint32_t page = 0; page < h->n_pages; page++)
        h->purge[page] = h->purge[page] && h->n_free[page] == blocks_of_page(slab, h, page);
}

/* The next run of holes from `*page` on, which moves behind it: where it is and its bytes, 0 if there is none. */
static size_t
next_hole(const struct jsm_span *slab, const struct holes *h, uint32_t *page, void **addr)
{
    uint32_t start = *page;

    while (start < h->n_pages && !h->purge[start])
        start++;
    for (*page = start; *page < h->n_pages && h->purge[*page];)
        ++*page;
    *addr = slab->base + start * h->page_bytes;
    return (*page - start) * h->page_bytes;
}

size_t
jsm_slab_hole_bytes(const struct jsm_span *slab)
{
    struct holes h;
    size_t resident = 0;
    void *addr;

    find_holes(slab, &h);
    for (uint32_t page = 0; page < h.n_pages;) {
        size_t bytes = next_hole(slab, &h, &page, &addr);
        resident += jsm_os_resident_in(addr, bytes);
    }
    return resident;
}

size_t
jsm_slab_purge_holes(struct jsm_span *slab)
{
    struct holes h;
    size_t given_back = 0, bytes;
    void *addr;

    find_holes(slab, &h);
    for (uint32_t page = 0; page < h.n_pages;) {
        bytes = next_hole(slab, &h, &page, &addr);
        if (bytes > 0 && jsm_os_purge(addr, bytes) == 0)
            given_back += bytes;
    }
    if (given_back > 0) {
        split_free_list(slab, &h);
        link_purged_list(slab, &h);
    }
    return given_back;
}

/* ---- Checks ---- */

/* The blocks of lists. */
struct lists {
    uint64_t seen[JSM_SLAB_CAPACITY_MAX / 64];
};

/* The length of a list of `most` blocks at most, none of which is live or on a list before; more than all there can be
 * if it is not one. */
static uint32_t
list_length(const struct jsm_span *slab, struct lists *lists, uint32_t i, uint32_t most)
{
    uint32_t n = 0;

    for (; n < most && i != JSM_LINK_END; n++, i = slab->link[i]) {
        if (i >= slab->carved || jsm_bit_get(lists->seen, i) || slab->link[i] == JSM_LINK_USED)
            return UINT16_MAX + 1u;
        jsm_bits_set(lists->seen, i, (size_t)i + 1);
    }
    return n;
}

/* Whether all cells hold what the cell of a block can (S4), but for those on its lists, which were seen. */
static bool
cells_are_good(const struct jsm_span *slab, const struct lists *lists)
{
    for (uint32_t i = 0; i < slab->carved; i++) {
        uint16_t cell = jsm_bit_get(lists->seen, i) ? JSM_LINK_END : jsm_slab_cell(slab, i);
        if (cell >= slab->carved && cell != JSM_LINK_USED && cell != JSM_LINK_END && cell != JSM_LINK_QUARANTINED)
            return false;
    }
    for (uint32_t i = slab->carved; i <= slab->capacity; i++)
        if (slab->link[i] == JSM_LINK_USED)
            return false;
    return true;
}

static bool
shape_is_good(const struct jsm_span *slab)
{
    if (slab->n_slices == 0 || slab->n_slices > JSM_SLAB_SLICES_MAX || slab->block_bytes < 8 || slab->capacity == 0 ||
        slab->capacity > JSM_SLAB_CAPACITY_MAX || slab->carved > slab->capacity)
        return false;
    uint32_t most = full_capacity(slab, slab->block_bytes);
    return slab->capacity <= most && slab->recip == reciprocal(slab->block_bytes, slab->n_slices) &&
           jsm_meta_holds(slab->link, link_bytes(most));
}

/* Whether the state may be one with `left` as it is. */
static bool
left_is_good(const struct jsm_span *slab)
{
    uint32_t left = jsm_slab_left(slab);

    switch ((enum jsm_slab_state)slab->state) {
    case JSM_SLAB_FULL:
        return left <= slab->wake;
    case JSM_SLAB_ACTIVE:
        return left >= (slab->biased != 0);
    default:
        return slab->state <= JSM_SLAB_SHARED;
    }
}

const char *
jsm_slab_fault(const struct jsm_span *slab)
{
    struct lists lists;

    if (!shape_is_good(slab))
        return "slab of an impossible shape at ";
    memset(&lists, 0, sizeof lists);
    uint32_t n_free = list_length(slab, &lists, slab->head, UINT32_MAX);
    uint32_t n_purged = list_length(slab, &lists, slab->purged_head, UINT32_MAX);
    if (n_free > slab->carved || n_purged != slab->n_purged)
        return "slab whose lists hold what is not free, or twice, at ";
    if (!left_is_good(slab))
        return "slab of an impossible state at ";
    uint32_t used = jsm_slab_used(slab);
    if (slab->carved != used + n_free + n_purged)
        return "slab whose lists do not add up, at ";
    /* ORDER: acquire, with R1: the links of the list.  Who publishes meanwhile does so in front of it. */
    uint64_t word = jsm_load_acquire(&slab->remote);
    uint32_t n = jsm_remote_blocks(word);
    if (n > used || (n > 0 && list_length(slab, &lists, jsm_remote_head(word), n) != n))
        return "slab with a broken list of blocks that others freed at ";
    if (!cells_are_good(slab, &lists))
        return "slab with a cell that leads to nowhere at ";
    return NULL;
}

bool
jsm_slab_check(const struct jsm_span *slab)
{
    return jsm_slab_fault(slab) == NULL;
}

void
jsm_slab_rebuild(struct jsm_span *slab)
{
    uint32_t used = 0;

    /* A carve that was interrupted is seen whole or not at all: `carved` comes last in it, and
     * cells beyond are not USED. */
    slab->head = slab->purged_head = JSM_LINK_END;
    slab->n_purged = 0;
    for (uint32_t i = slab->carved; i-- > 0;) {
        if (slab->link[i] == JSM_LINK_USED) {
            used++;
        } else {
            slab->link[i] = slab->head;
            slab->head = (uint16_t)i;
        }
    }
    jsm_slab_set_left(slab, used);
    slab->biased = 0;
    /* ORDER: relaxed; the child of fork() has one thread. */
    jsm_store_relaxed(&slab->remote, 0);
}
