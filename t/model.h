/* t/model.h - blocks and what a test knows of them: which bytes each must hold.
 *
 * A test looks at a block before it changes or goes.  What is not as it should be is counted.
 * SPDX-License-Identifier: MIT
 */
#ifndef JSM_MODEL_H
#define JSM_MODEL_H

#include "blackbox.h"

struct block {
    unsigned char *p; /* NULL: there is none */
    size_t size;
    uint64_t id;      /* of the pattern in it */
};

struct model {
    uint64_t next_id;
    size_t live_bytes;
    unsigned spoilt;  /* blocks that did not hold what they should */
    unsigned refused; /* allocations that failed */
    unsigned wrong;   /* blocks that are misaligned, too small or not zero */
};

BB_UNUSED static void
model_verify(struct model *m, const struct block *b)
{
    if (!is_filled(b->p, b->size, b->size, b->id))
        m->spoilt++;
    if (jsm_malloc_usable_size(b->p) < b->size)
        m->wrong++;
}

/* Makes `b` the model of the block at `p`, which it fills. */
BB_UNUSED static void
model_adopt(struct model *m, struct block *b, void *p, size_t size)
{
    if (p == NULL) {
        m->refused++;
        return;
    }
    if (!is_aligned(p, natural_align(size)))
        m->wrong++;
    b->p = p;
    b->size = size;
    b->id = m->next_id++;
    fill(p, size, b->id);
    m->live_bytes += size;
}

/* The block is about to be freed. */
BB_UNUSED static void
model_forget(struct model *m, struct block *b)
{
    model_verify(m, b);
    m->live_bytes -= b->size;
    b->p = NULL;
}

/* The block now has `size` bytes at `p`. */
BB_UNUSED static void
model_move(struct model *m, struct block *b, void *p, size_t size)
{
    if (!is_filled(p, size < b->size ? size : b->size, b->size, b->id))
        m->spoilt++;
    m->live_bytes -= b->size;
    b->p = NULL;
    model_adopt(m, b, p, size);
}

#endif
