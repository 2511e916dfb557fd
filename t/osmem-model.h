/* t/osmem-model.h - the heap of the os_ allocator on paper, as <jsmalloc/osmem.h> describes it: where each block is
 * to be, and the program break.
 *
 * All places are counted from where the break was when nothing had been allocated.
 * SPDX-License-Identifier: MIT
 */
#ifndef JSM_OSMEM_MODEL_H
#define JSM_OSMEM_MODEL_H

#include "unit.h"

#include <jsmalloc/osmem.h>

#include "osmem/block.h"

enum { H = JSM_OSMEM_HEADER, PAPER_CHUNKS = 4000 };

#define PAPER_NOWHERE SIZE_MAX

static struct chunk {
    size_t at, size; /* of the payload */
    bool used;
} chunk[PAPER_CHUNKS];
static unsigned n_chunks;
static size_t paper_strangers; /* bytes by which others have moved the break beyond the last chunk */

static void
chunk_insert(unsigned i, size_t at, size_t size)
{
    memmove(&chunk[i + 1], &chunk[i], (n_chunks++ - i) * sizeof *chunk);
    chunk[i] = (struct chunk){ at, size, false };
}

/* Whether a free chunk begins where chunk `i` ends. */
static bool
chunk_has_neighbour(unsigned i)
{
    return i + 1 < n_chunks && !chunk[i + 1].used && chunk[i + 1].at == chunk[i].at + chunk[i].size + H;
}

static void
chunk_join(unsigned i)
{
    chunk[i].size += H + chunk[i + 1].size;
    memmove(&chunk[i + 1], &chunk[i + 2], (--n_chunks - i - 1) * sizeof *chunk);
}

static void
chunk_split(unsigned i, size_t size)
{
    size_t rest = chunk[i].size - size;

    if (rest <= H)
        return;
    chunk[i].size = size;
    chunk_insert(i + 1, chunk[i].at + size + H, rest - H);
}

static unsigned
chunk_at(size_t at)
{
    unsigned i = 0;

    while (chunk[i].at != at)
        i++;
    return i;
}

/* Where the break is. */
BB_UNUSED static size_t
paper_end(void)
{
    return paper_strangers + (n_chunks == 0 ? 0 : chunk[n_chunks - 1].at + chunk[n_chunks - 1].size);
}

/* The last chunk gets `size` bytes, or there is a new one. */
static unsigned
paper_grow(size_t size)
{
    if (n_chunks > 0 && !chunk[n_chunks - 1].used && paper_strangers == 0) {
        chunk[n_chunks - 1].size = size;
    } else {
        chunk_insert(n_chunks, jsm_round_up(paper_end(), 8) + H, n_chunks == 0 ? jsm_max(size, 128 * KIB - H) : size);
        paper_strangers = 0;
    }
    return n_chunks - 1;
}

/* Where os_malloc() of `size` bytes of the heap is. */
BB_UNUSED static size_t
paper_take(size_t size)
{
    unsigned best = PAPER_CHUNKS;

    size = jsm_round_up(size, 8);
    for (unsigned i = 0; i < n_chunks; i++) {
        while (!chunk[i].used && chunk_has_neighbour(i))
            chunk_join(i);
        if (!chunk[i].used && chunk[i].size >= size && (best == PAPER_CHUNKS || chunk[i].size < chunk[best].size))
            best = i;
    }
    if (best == PAPER_CHUNKS)
        best = paper_grow(size);
    chunk[best].used = true;
    chunk_split(best, size);
    return chunk[best].at;
}

BB_UNUSED static void
paper_free(size_t at)
{
    chunk[chunk_at(at)].used = false;
}

/* Where os_realloc() moves it; PAPER_NOWHERE: it is mapped now. */
BB_UNUSED static size_t
paper_change(size_t at, size_t size)
{
    unsigned i = chunk_at(at);
    size_t wanted = jsm_round_up(size, 8);

    while (chunk[i].size < wanted && chunk_has_neighbour(i))
        chunk_join(i);
    if (chunk[i].size < wanted && i + 1 == n_chunks && paper_strangers == 0 && size < OS_MMAP_THRESHOLD)
        chunk[i].size = wanted;
    if (chunk[i].size >= wanted) {
        chunk_split(i, wanted);
        return at;
    }
    size_t to = size < OS_MMAP_THRESHOLD ? paper_take(size) : PAPER_NOWHERE;
    paper_free(at);
    return to;
}

#endif
