/* heap/report.c - what the program did wrong, told in one piece and without taking memory.
 *
 * A report is at most REPORT_BYTES long, which a pipe takes in one piece, so that those of several threads do not
 * mix. It waits for nobody: who finds all rooms taken, or interrupted the one who holds the lock of the profile, tells
 * less. So it may be made in a signal handler.
 * SPDX-License-Identifier: MIT
 */
#include <config.h>

#include "heap/heap.h"

enum { REPORT = 1, ABORT = 2 }; /* bits of check_action */

enum {
    REPORT_BYTES = 4096,
    NEXT_BYTES = 384,    /* kept free for the last lines */
    SHORT_BYTES = 1024,  /* of a report without a room */
    N_STACKS = 3,
    PLACES = 2 + N_STACKS * JSM_PROFILE_FRAMES,
    ROOMS = 4
};

#define INDENT "jsmalloc:   "

/* ---- What to run next: the settings for a second look, of which those not in force are named ---- */

static const struct {
    enum jsm_opt option;
    int64_t value;
    const char *setting;
} second_look[] = {
    { JSM_OPT_PROFILE, 1, "profile=on" },                  /* with the next: stacks of all blocks */
    { JSM_OPT_SAMPLE_INTERVAL, 1, "sample_interval=1" },
    { JSM_OPT_PERTURB, 165, "perturb=165" },               /* who uses freed memory finds 0xa5 in it */
    { JSM_OPT_GUARD_SAMPLE, 1, "guard_sample=1" }          /* or dies there */
};

static void
tell_next(struct jsm_text *t, bool may_go_on)
{
    const char *before = "again with JSMALLOC_OPTIONS=";

    jsm_text_str(t, INDENT "to learn where: run it in gdb, or under valgrind");
    for (size_t i = 0; i < sizeof second_look / sizeof second_look[0]; i++) {
        if (jsm_option(second_look[i].option) == second_look[i].value)
            continue;
        jsm_text_str(t, before[0] == ',' ? "" : ", or ");
        jsm_text_str(t, before);
        jsm_text_str(t, second_look[i].setting);
        before = ",";
    }
    jsm_text_str(t, "\n");
    if (may_go_on)
        jsm_text_str(t, INDENT "to go on nevertheless: JSMALLOC_OPTIONS=check_action=1\n");
}

/* ---- Rooms ---- */

struct stack_told {
    const char *title;
    unsigned first, n; /* among the places */
};

struct room {
    _Atomic(uint32_t) taken;
    unsigned n_places, n_stacks;
    struct stack_told stacks[N_STACKS];
    struct jsm_os_place places[PLACES]; /* of the pointer, of this thread's stack, of return addresses */
    char text[REPORT_BYTES + 1];
    char names[2048];
};
JSM_SPARSE static struct room rooms[ROOMS];

static struct room *
take_room(void)
{
    for (size_t i = 0; i < ROOMS; i++) {
        uint32_t free_word = 0;
        /* ORDER: acquire, with the release in leave_room(): what is in the room. */
        if (jsm_cas_strong_acquire(&rooms[i].taken, &free_word, 1))
            return &rooms[i];
    }
    return NULL;
}

static void
leave_room(struct room *room)
{
    /* ORDER: release, as above. */
    if (room != NULL)
        jsm_exchange_release(&room->taken, 0);
}

void
jsm_misuse_after_fork(void)
{
    for (size_t i = 0; i < ROOMS; i++)
        leave_room(&rooms[i]);
}

/* ---- The block ---- */

/* Whether block `i` is on the list; of another thread's slab it may change meanwhile. */
static bool
is_listed(const struct jsm_span *slab, const uint16_t *link, uint32_t first, uint32_t i)
{
    for (uint32_t n = 0; n <= slab->capacity && first < slab->capacity; n++, first = link[first])
        if (first == i)
            return true;
    return false;
}

static const char *
state_of(const struct jsm_block *block)
{
    const struct jsm_span *slab = block->span;
    const uint16_t *link = slab->link;
    /* ORDER: relaxed; it is only told. */
    uint64_t remote = jsm_load_relaxed(&slab->remote);

    if (block->found == JSM_FOUND_FOREIGN)
        return ", behind which the pointer lies: in what is left over of a slab";
    if (block->found != JSM_FOUND_FREE)
        return ", which is in use";
    if (jsm_kind(slab) != JSM_KIND_SLAB || link == NULL)
        return ", which is free";
    if (block->index >= slab->carved)
        return ", which was not handed out yet since its slab was made";
    if (is_listed(slab, link, slab->head, block->index))
        return ", which is free";
    if (is_listed(slab, link, slab->purged_head, block->index))
        return ", which is free, its memory given back to the system";
    if (jsm_remote_blocks(remote) > 0 && is_listed(slab, link, jsm_remote_head(remote), block->index))
        return ", which is free: freed by a thread that is not its owner, and not yet taken back";
    return ", which is free: freed by a thread that is not its owner, in whose outbox it waits";
}

static const char *
owner_of(const struct jsm_span *slab)
{
    /* ORDER: relaxed; it is only told.  Theaps are never freed. */
    const struct jsm_theap *owner = jsm_load_relaxed(&slab->theap);

    if (owner == NULL)
        return ", owned by no thread: its own has ended or left it to others";
    if (owner->front.thread_id == 0)
        return ", owned by no thread in particular";
    return owner->front.thread_id == jsm_os_thread_id() ? ", owned by this thread" : ", owned by another thread";
}

static void
tell_block(struct jsm_text *t, const void *p, const struct jsm_block *block)
{
    const struct jsm_span *span = block->span;
    const struct jsm_heap *heap = jsm_span_heap(span);
    bool is_slab = jsm_kind(span) == JSM_KIND_SLAB;

    jsm_text_str(t, INDENT "block of ");
    jsm_text_dec(t, block->bytes);
    jsm_text_str(t, " bytes at ");
    jsm_text_hex(t, (uintptr_t)block->start);
    jsm_text_str(t, state_of(block));
    if (is_slab) {
        jsm_text_str(t, "; class ");
        jsm_text_dec(t, span->class_id);
        jsm_text_str(t, ", block ");
        jsm_text_dec(t, block->index);
        jsm_text_str(t, " of ");
        jsm_text_dec(t, span->capacity);
    } else {
        jsm_text_str(t, jsm_kind(span) == JSM_KIND_GUARD  ? "; between guard pages"
                        : jsm_kind(span) == JSM_KIND_HUGE ? "; mapped on its own"
                                                          : "; of the page heap");
    }
    if (p != block->start && (uintptr_t)p - (uintptr_t)block->start < block->bytes) {
        jsm_text_str(t, "; the pointer lies ");
        jsm_text_dec(t, (uintptr_t)p - (uintptr_t)block->start);
        jsm_text_str(t, " bytes inside");
    }
    jsm_text_str(t, "\n" INDENT "heap \"");
    jsm_text_str(t, heap != NULL && heap->name != NULL ? heap->name : "default");
    jsm_text_str(t, "\"");
    if (is_slab && !jsm_heap_is_user(heap))
        jsm_text_str(t, owner_of(span));
    jsm_text_str(t, "\n");
}

/* ---- A pointer that is not of a block ---- */

static void
tell_object(struct jsm_text *t, const struct jsm_os_place *place)
{
    jsm_text_str(t, place->name);
    jsm_text_str(t, "+");
    jsm_text_hex(t, place->offset);
}

static void
tell_mapping(struct jsm_text *t, const struct jsm_os_place *place)
{
    jsm_text_str(t, " of ");
    jsm_text_dec(t, place->end - place->start);
    jsm_text_str(t, " bytes at ");
    jsm_text_hex(t, place->start);
}

static void
tell_place(struct jsm_text *t, const struct jsm_os_place *place, const struct jsm_os_place *own_stack, bool is_known)
{
    jsm_text_str(t, INDENT "it points ");
    if (!is_known) {
        jsm_text_str(t, "to what cannot be told: /proc/self/maps cannot be read");
    } else if (place->what == JSM_OS_UNMAPPED) {
        jsm_text_str(t, "to where nothing is mapped");
    } else if (place->start == own_stack->start) {
        jsm_text_str(t, "into the stack of this thread");
    } else if (place->what == JSM_OS_OBJECT) {
        jsm_text_str(t, place->is_mixed  ? "to code or constants of "
                        : place->is_code ? "to code of "
                                         : "to static data of ");
        tell_object(t, place);
    } else if (place->what == JSM_OS_ANONYMOUS) {
        jsm_text_str(t, "into anonymous memory");
        tell_mapping(t, place);
        jsm_text_str(t, ": mapped by the program or another allocator, or the stack of another thread");
    } else {
        jsm_text_str(t, "into ");
        jsm_text_str(t, place->name);
        if (place->what == JSM_OS_FILE)
            jsm_text_str(t, ", a file that is mapped");
        else if (place->name[1] == 'h') /* [heap] */
            jsm_text_str(t, ", the program break: a block of another allocator, say of libc or os_malloc()");
    }
    jsm_text_str(t, "\n");
}

/* ---- Stacks ---- */

static void
add_stack(struct room *room, const char *title, void *const *frames, unsigned n)
{
    n = jsm_min(n, (unsigned)JSM_PROFILE_FRAMES);
    if (n == 0)
        return;
    room->stacks[room->n_stacks++] = (struct stack_told){ title, room->n_places, n };
    for (unsigned i = 0; i < n; i++) /* an address of return may be that of the next line, or function */
        room->places[room->n_places++].address = (uintptr_t)frames[i] - 1;
}

/* `context`: of the signal that this is told of, or NULL. */
static void
add_stacks(struct room *room, const void *p, const struct jsm_block *block, const void *context)
{
    struct jsm_profile_stacks stacks;
    bool is_guarded = jsm_guard_stacks_of(block, &stacks);
    void *frames[JSM_OS_STACK_MAX];
    bool is_live = block->found == JSM_FOUND_BLOCK || block->found == JSM_FOUND_INSIDE;
    bool all = jsm_option(JSM_OPT_SAMPLE_INTERVAL) == 1;

    if (context != NULL)
        add_stack(room, "accessed by", frames, jsm_os_unwind(context, frames, JSM_OS_STACK_MAX));
    else
        add_stack(room, "called by", frames, jsm_profile_walk(frames));
    if (is_guarded || jsm_profile_stacks_of(block->span != NULL ? block->start : p, is_live, &stacks)) {
        add_stack(room, stacks.alloc_elsewhere              ? "allocated in another thread by"
                        : all || is_live || is_guarded ? "allocated by"
                                                       : "the last block here that was a sample, allocated by",
                  stacks.alloc, stacks.n_alloc);
        add_stack(room, stacks.free_elsewhere ? "freed in another thread by" : "freed by", stacks.free, stacks.n_free);
    }
}

static void
tell_stack(struct jsm_text *t, const struct jsm_os_place *places, const struct stack_told *stack)
{
    size_t len = t->len;

    jsm_text_str(t, INDENT);
    jsm_text_str(t, stack->title);
    jsm_text_str(t, "\n");
    for (unsigned i = 0; i < stack->n && t->len < t->size - 1; i++) {
        const struct jsm_os_place *place = &places[stack->first + i];
        len = t->len;
        jsm_text_str(t, INDENT "  ");
        if (place->what == JSM_OS_OBJECT)
            tell_object(t, place);
        else
            jsm_text_hex(t, place->address);
        jsm_text_str(t, "\n");
    }
    if (t->len == t->size - 1) { /* no half lines */
        t->len = len;
        t->buffer[len] = '\0';
    }
}

/* ---- The report ---- */

static void
tell(struct jsm_text *t, struct room *room, const void *p, const struct jsm_block *block, const void *context)
{
    const char here = 0;

    if (block->span != NULL)
        tell_block(t, p, block);
    else if (block->found == JSM_FOUND_FREE)
        jsm_text_str(t, INDENT "it points to free memory of the page heap: the block that was here is gone\n");
    if (room == NULL)
        return;
    room->n_stacks = 0;
    room->n_places = 2;
    room->places[0].address = (uintptr_t)p;
    room->places[1].address = (uintptr_t)&here;
    add_stacks(room, p, block, context);
    bool is_foreign = block->span == NULL && block->found == JSM_FOUND_FOREIGN;
    if (!is_foreign && room->n_stacks == 0)
        return;
    bool is_known = jsm_os_places(room->places, room->n_places, room->names, sizeof room->names);
    if (is_foreign)
        tell_place(t, &room->places[0], &room->places[1], is_known);
    for (unsigned i = 0; i < room->n_stacks; i++)
        tell_stack(t, room->places, &room->stacks[i]);
    if (room->n_stacks > 0)
        jsm_text_str(t, INDENT "lines of source: addr2line -fpie FILE 0xOFFSET, of FILE+0xOFFSET\n");
}

/* Of an abort that is not told the text is in memory all the same. */
static void
report(const char *function, const void *p, const struct jsm_block *block, const char *kind, const char *detail,
       int64_t action, const void *context)
{
    struct room *room = take_room();
    char buffer[SHORT_BYTES];
    struct jsm_text t;
    size_t size = room != NULL ? sizeof room->text : sizeof buffer;

    jsm_text_init(&t, room != NULL ? room->text : buffer, size - NEXT_BYTES);
    jsm_text_str(&t, "jsmalloc: ");
    jsm_text_str(&t, function);
    jsm_text_str(&t, "(");
    jsm_text_hex(&t, (uintptr_t)p);
    jsm_text_str(&t, "): ");
    jsm_text_str(&t, kind);
    if (detail != NULL) {
        jsm_text_str(&t, ": ");
        jsm_text_str(&t, detail);
    }
    jsm_text_str(&t, "\n");
    tell(&t, room, p, block, context);
    t.size = size;
    tell_next(&t, context == NULL);
    if ((action & REPORT) != 0)
        jsm_text_to_stderr(&t);
    leave_room(room);
    if ((action & ABORT) != 0)
        jsm_os_abort(t.buffer);
}

void
jsm_misuse_kind(const char *function, const void *p, const struct jsm_block *block, const char *kind,
                const char *detail)
{
    jsm_options_init(); /* this may be the first call into the library */
    int64_t action = jsm_option(JSM_OPT_CHECK_ACTION);

    if ((action & (REPORT | ABORT)) != 0)
        report(function, p, block, kind, detail, action, NULL);
}

void
jsm_misuse_fault(const char *function, const void *p, const struct jsm_block *block, const char *kind,
                 const char *detail, const void *context)
{
    const struct jsm_block none = { .found = JSM_FOUND_FOREIGN };

    if ((jsm_option(JSM_OPT_CHECK_ACTION) & REPORT) != 0)
        report(function, p, block != NULL ? block : &none, kind, detail, REPORT, context);
}

void
jsm_misuse(const char *function, const void *p, const struct jsm_block *block)
{
    jsm_misuse_kind(function, p, block,
                    block->found == JSM_FOUND_FREE     ? "double free"
                    : block->found == JSM_FOUND_INSIDE ? "invalid pointer (inside a block)"
                                                       : "invalid pointer (not from this allocator)", NULL);
}

void
jsm_misuse_heap(const char *function, const void *p, const struct jsm_block *block)
{
    jsm_misuse_kind(function, p, block, "wrong heap",
                    jsm_heap_is_user(jsm_span_heap(block->span)) ? "the block is of another heap"
                                                                 : "the block is of the default heap");
}

void
jsm_misuse_size(const char *function, const void *p, const struct jsm_block *block, size_t size)
{
    char buffer[64];
    struct jsm_text t;

    jsm_text_init(&t, buffer, sizeof buffer);
    jsm_text_dec(&t, size);
    jsm_text_str(&t, " was said");
    jsm_misuse_kind(function, p, block, "wrong size", buffer);
}
