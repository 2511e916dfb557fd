/* t/check-spans.c - jsm_check() finds each kind of damage of the page heap, arenas, direct mappings and metadata, and
 * says what it is.
 *
 * SPDX-License-Identifier: MIT
 */
#include "check.h"

/* ---- Spans ---- */

static void
lose_length(void)
{
    gap->n_slices = 0;
}

static void
lengthen_used(void)
{
    block->n_slices = 1 << 20;
}

static void
change_tail(void)
{
    gap[gap->n_slices - 1].n_slices++;
}

static void
change_dirty(void)
{
    jsm_fetch_sub_relaxed(&gap->dirty_slices, 1);
}

static void
forget_span(void)
{
    jsm_set_kind(block, JSM_KIND_NONE);
}

static void
swallow_neighbour(void)
{
    block->n_slices += gap->n_slices;
}

static void
begin_inside_gap(void)
{
    jsm_set_kind(gap + 1, JSM_KIND_SLAB_PART);
}

static void
misplace(void)
{
    block->base += JSM_SLICE_BYTES;
}

static void
mislead_part(void)
{
    long_slab[1].back++;
}

static void
split_gap(void)
{
    jsm_set_kind(gap + gap->n_slices - 1, JSM_KIND_NONE);
    gap->n_slices--;
    gap[gap->n_slices].n_slices = 1;
    gap[gap->n_slices].arena = gap->arena;
    gap[gap->n_slices].base = gap->base + gap->n_slices * JSM_SLICE_BYTES;
    jsm_set_kind(gap + gap->n_slices, JSM_KIND_FREE);
}

static void
fill_other_bin(void)
{
    jsm_list_remove(&gap->queue);
    jsm_list_append(&shard->bins[1][JSM_BINS - 1], &gap->queue);
}

static void
clear_filled(void)
{
    memset(shard->filled[1], 0, sizeof shard->filled[1]);
}

static void
break_bin(void)
{
    gap->queue.next = (struct jsm_link *)(uintptr_t)8;
}

static void
loop_bin(void)
{
    gap->queue.next = &gap->queue;
}

static void
list_used(void)
{
    jsm_list_append(&shard->bins[1][jsm_span_bin(gap->n_slices)], &block->queue);
}

static void
leave_bin(void)
{
    jsm_list_remove(&gap->queue);
    gap->queue = (struct jsm_link){ &gap->queue, &gap->queue };
}

static void
leave_both(void)
{
    jsm_list_remove(&gap->queue);
}

static void
break_age(void)
{
    gap->all.prev = NULL;
}

static void
leave_age(void)
{
    jsm_list_remove(&gap->all);
    gap->all = (struct jsm_link){ &gap->all, &gap->all };
}

static void
age_used(void)
{
    jsm_list_append(&shard->by_age, &block->all);
}

static void
change_free_slices(void)
{
    jsm_fetch_add_relaxed(&shard->free_slices, 1);
}

static void
change_used_slices(void)
{
    jsm_fetch_add_relaxed(&jsm_used_slices, 1);
}

static void
change_dirty_slices(void)
{
    jsm_fetch_add_relaxed(&jsm_dirty_slices, 1);
}

/* ---- Arenas ---- */

static void
pass_committed(void)
{
    shard->arenas->frontier = shard->arenas->committed + 1;
}

static void
dirty_above(void)
{
    jsm_bits_set(shard->arenas->dirty, shard->arenas->n_slices - 1, shard->arenas->n_slices);
}

static void
renumber(void)
{
    shard->arenas->id++;
}

static void
shift_arena(void)
{
    shard->arenas->base += 4096;
}

static void
lay_over(void)
{
    struct jsm_arena *arena = jsm_arena_new(1, mine->shard, shard->arenas);

    arena->base = shard->arenas->base;
    shard->arenas = arena;
}

static void
lose_arenas(void)
{
    shard->arenas = NULL;
}

static void
list_no_arena(void)
{
    shard->arenas = (struct jsm_arena *)(void *)small;
}

/* ---- Direct mappings and metadata ---- */

static void
break_mappings(void)
{
    mapping->all.next = (struct jsm_link *)(uintptr_t)1;
}

static void
unmap_secretly(void)
{
    jsm_set_kind(mapping, JSM_KIND_GONE);
}

static void
move_mapping(void)
{
    mapping->base = other_mapping->base;
}

static void
miscount_mapping(void)
{
    jsm_set_size_bytes(mapping, 1);
}

/* The links of two slabs that are no more. */
static void **pooled[2];

static void
fill_pool(void)
{
    void *p[20];

    for (size_t i = 0; i < COUNT_OF(p); i++)
        p[i] = jsm_malloc(30000);
    struct jsm_span *slab[2] = { slab_of(p[0]), slab_of(p[COUNT_OF(p) - 1]) };
    for (size_t i = 0; i < 2; i++)
        pooled[i] = (void **)(void *)slab[i]->link;
    for (size_t i = 0; i < COUNT_OF(p); i++)
        jsm_free(p[i]);
    (void)jsm_malloc_trim(0);
    if (jsm_kind(slab[0]) == JSM_KIND_SLAB || jsm_kind(slab[1]) == JSM_KIND_SLAB || jsm_check() != 0)
        _exit(UNFIT);
}

static void
break_pool(void)
{
    fill_pool();
    *pooled[0] = *pooled[1] = small;
}

static void
loop_pool(void)
{
    fill_pool();
    *pooled[0] = pooled[1];
    *pooled[1] = pooled[0];
}

static const struct scene scenes[] = {
    { lose_length, "free span of impossible length" },
    { lengthen_used, "span of impossible length" },
    { change_tail, "free span whose ends disagree" },
    { change_dirty, "free span with a wrong number of dirty slices" },
    { forget_span, "slices that belong to no span" },
    { swallow_neighbour, "something begins inside of the block" },
    { begin_inside_gap, "something begins inside of the span" },
    { misplace, "span that says that it is elsewhere" },
    { mislead_part, "slab whose further slices do not lead to it" },
    { split_gap, "free spans that were not joined" },
    { fill_other_bin, "free span in a wrong bin" },
    { clear_filled, "bin that is empty or not, against its bit" },
    { break_bin, "bin whose links do not lead there and back" },
    { loop_bin, "bin whose links do not lead there and back" },
    { list_used, "bin with what is not free" },
    { leave_bin, "bins that do not have what is free" },
    { leave_both, "free span that is not listed" },
    { break_age, "list by age whose links do not lead there and back" },
    { leave_age, "list by age that does not have what is dirty" },
    { age_used, "list by age with what is not free and dirty" },
    { change_free_slices, "wrong number of free slices" },
    { change_used_slices, "wrong number of slices in use" },
    { change_dirty_slices, "wrong number of dirty slices, of the shards" },
    { pass_committed, "arena whose frontier is not committed" },
    { dirty_above, "dirty slices above the frontier of the arena" },
    { renumber, "arena that does not know its number" },
    { shift_arena, "arena at an impossible place" },
    { lay_over, "arena that overlaps another" },
    { lose_arenas, "list of arenas that does not have all" },
    { list_no_arena, "list of arenas with what is none" },
    { break_mappings, "list of direct mappings whose links do not lead there and back" },
    { unmap_secretly, "list of direct mappings with what is none" },
    { move_mapping, "direct mapping that says that it is elsewhere" },
    { miscount_mapping, "direct mappings that do not add up" },
    { break_pool, "pool of metadata with what is none" },
    { loop_pool, "pool of metadata with a wrong number of objects" },
};

int
main(void)
{
    end_if_stuck();
    plan(COUNT_OF(scenes));
    for (size_t i = 0; i < COUNT_OF(scenes); i++)
        finds(scenes[i].scene, scenes[i].what);
    return done();
}
