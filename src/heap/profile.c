/* heap/profile.c - a sampling profiler: which callers have how much memory.
 *
 * Of all bytes that are allocated about one in sample_interval is drawn, and the block that it is in
 * becomes a sample, with its stack.  Invariants:
 *   P1  a block of which there is a sample is live: it is noted before the program has it, and forgotten
 *       before it is free.  What a thread frees that has not yet heard that the profiler is on is
 *       forgotten when its address is a block again
 *   P2  the live figures of a stack are the sum of its samples
 *   P3  nobody walks a stack or writes text while it holds the lock: both may allocate
 *   P4  stacks stay for ever; so their list can be walked with the lock taken for each
 *   P5  what a sample was is remembered for FREED_MAX frees of samples more, for reports of misuse
 *
 *   who          operation  order    publishes / sees
 *   F1 start     store      release  the tables
 *   F2 look      load       acquire  the tables
 * SPDX-License-Identifier: MIT
 */
#include <config.h>

#include "heap/heap.h"

#include <errno.h>
#include <string.h>

enum {
    BUCKETS_SHIFT = 16, /* of samples; an empty one spares a free the lock */
    STACK_BUCKETS_SHIFT = 12,
    SAMPLES_MAX = 1 << 20,
    STACKS_MAX = 1 << 14,
    FRAMES_MAX = JSM_OS_STACK_MAX,
    FREED_MAX = 1 << 13
};

/* Blocks of about the same size that were allocated by the same callers. */
struct stack {
    struct stack *next;                /* [const] in its bucket */
    struct stack *older;               /* [const] of all */
    uint64_t hash;                     /* [const] */
    unsigned size_log2;                /* [const] what an estimate comes to depends on the size */
    unsigned n_frames;                 /* [const] */
    struct jsm_profile_figures figures; /* [lock profile] */
    void *frames[];                    /* [const] */
};

struct sample {
    struct sample *next;               /* [lock profile] in its bucket */
    const void *block;
    size_t bytes;
    struct stack *stack;
};

/* A sample whose block was freed, and by whom. */
struct freed {
    const void *block;                 /* NULL: none */
    struct stack *stack;
    unsigned n_frames;
    void *frames[JSM_PROFILE_FRAMES];
};

struct tables {
    struct freed freed[FREED_MAX];                        /* [lock profile] a ring, from n_freed back */
    _Atomic(struct sample *) samples[1 << BUCKETS_SHIFT]; /* [lock profile] but for a look whether it is empty */
    struct stack *stacks[1 << STACK_BUCKETS_SHIFT];       /* [lock profile] */
};

struct jsm_lock jsm_profile_lock = { .rank = JSM_RANK_PROFILE };
static _Atomic(struct tables *) tables; /* NULL until the profiler is switched on */
static struct jsm_meta_pool pool;
static struct stack *all_stacks;        /* [lock profile] */
static size_t n_stacks, n_samples;      /* [lock profile] */
static size_t n_lost;                   /* [lock profile] samples that there was no room for */
static size_t n_freed;                  /* [lock profile] samples that were freed */

static _Thread_local int64_t bytes_left;  /* until the next sample */
static _Thread_local int64_t drawn_for;   /* the sample_interval of it; 0: none was drawn yet */
static _Thread_local uint64_t random_bits;
static _Thread_local bool is_walking;     /* the stack: what that allocates is no sample */

static struct tables *
ready_tables(void)
{
    /* ORDER F2: acquire, with F1; not observable: the tables come zeroed from the kernel, and are locked. */
    return jsm_load_acquire(&tables);
}

/* ---- When ---- */

static uint64_t
next_random(void)
{
    if (random_bits == 0)
        random_bits = (jsm_os_entropy() ^ jsm_os_thread_id()) | 1;
    random_bits ^= random_bits >> 12;
    random_bits ^= random_bits << 25;
    random_bits ^= random_bits >> 27;
    return random_bits * UINT64_C(0x2545f4914f6cdd1d);
}

/* The negative logarithm of a random number between 0 and 1. */
static double
exponential(void)
{
    uint64_t bits = next_random() | 1;
    int exponent = 63 - __builtin_clzll(bits);
    double m = (double)bits / (double)(UINT64_C(1) << exponent); /* from 1 to 2 */
    double s = (m - 1) / (m + 1), q = s * s;
    double log_m = 2 * s * (1 + q * (1.0 / 3 + q * (1.0 / 5 + q * (1.0 / 7 + q / 9))));

    return (64 - exponent) * 0.69314718055994531 - log_m;
}

/* Whether the block of `bytes` is drawn.  Distances between drawn bytes have no memory, so that the next
 * may be counted from the end of the block, or drawn anew when the interval changes. */
static bool
is_drawn(size_t bytes)
{
    int64_t interval = jsm_option(JSM_OPT_SAMPLE_INTERVAL);

    if (jsm_unlikely(drawn_for != interval)) {
        drawn_for = interval;
        bytes_left = 1 + (int64_t)(exponential() * (double)interval);
    }
    if (jsm_unlikely(interval == 1))
        return true;
    bytes_left -= (int64_t)bytes;
    if (jsm_likely(bytes_left > 0))
        return false;
    bytes_left = 1 + (int64_t)(exponential() * (double)interval);
    return true;
}

/* ---- Stacks ---- */

static uint64_t
mix(uint64_t hash, uint64_t n)
{
    hash = (hash ^ n) * UINT64_C(0x9e3779b97f4a7c15);
    return hash ^ hash >> 29;
}

static struct stack *
stack_locked(struct tables *t, void *const *frames, unsigned n_frames, unsigned size_log2)
{
    uint64_t hash = size_log2;

    for (unsigned i = 0; i < n_frames; i++)
        hash = mix(hash, (uintptr_t)frames[i]);
    struct stack **bucket = &t->stacks[hash >> (64 - STACK_BUCKETS_SHIFT)];
    for (struct stack *s = *bucket; s != NULL; s = s->next)
        if (s->hash == hash && s->size_log2 == size_log2 && s->n_frames == n_frames &&
            memcmp(s->frames, frames, n_frames * sizeof frames[0]) == 0)
            return s;
    if (n_stacks == STACKS_MAX)
        return NULL;
    struct stack *s = jsm_meta_alloc(sizeof *s + n_frames * sizeof frames[0], _Alignof(struct stack));
    if (s == NULL)
        return NULL;
    s->hash = hash;
    s->size_log2 = size_log2;
    s->n_frames = n_frames;
    memcpy(s->frames, frames, n_frames * sizeof frames[0]);
    s->next = *bucket;
    *bucket = s;
    s->older = all_stacks;
    all_stacks = s;
    n_stacks++;
    return s;
}

/* ---- Samples ---- */

static _Atomic(struct sample *) *
bucket_of(struct tables *t, const void *block)
{
    return &t->samples[((uint64_t)(uintptr_t)block * UINT64_C(0x9e3779b97f4a7c15)) >> (64 - BUCKETS_SHIFT)];
}

static struct sample *
first_locked(_Atomic(struct sample *) *bucket)
{
    /* ORDER: relaxed; it is written under the lock alone. */
    return jsm_load_relaxed(bucket);
}

static void
add_locked(struct tables *t, const void *block, size_t bytes, struct stack *stack)
{
    struct sample *s = stack != NULL && n_samples < SAMPLES_MAX ? jsm_meta_pool_take(&pool, sizeof *s) : NULL;

    if (s == NULL) {
        n_lost++;
        return;
    }
    _Atomic(struct sample *) *bucket = bucket_of(t, block);
    *s = (struct sample){ first_locked(bucket), block, bytes, stack };
    /* ORDER: relaxed; see jsm_profile_forget_block(). */
    jsm_store_relaxed(bucket, s);
    n_samples++;
    stack->figures.live_blocks++;
    stack->figures.live_bytes += bytes;
    stack->figures.blocks++;
    stack->figures.bytes += bytes;
}

/* Removes from the bucket the samples that `is_gone` says so of. */
static void
remove_locked(_Atomic(struct sample *) *bucket, bool (*is_gone)(const struct sample *s, const void *arg),
              const void *arg)
{
    struct sample *kept = NULL, *next;

    for (struct sample *s = first_locked(bucket); s != NULL; s = next) {
        next = s->next;
        if (!is_gone(s, arg)) {
            s->next = kept;
            kept = s;
            continue;
        }
        n_samples--;
        s->stack->figures.live_blocks--;
        s->stack->figures.live_bytes -= s->bytes;
        jsm_meta_pool_give(&pool, s, sizeof *s);
    }
    /* ORDER: relaxed; see jsm_profile_forget_block(). */
    jsm_store_relaxed(bucket, kept);
}

static bool
is_of_block(const struct sample *s, const void *block)
{
    return s->block == block;
}

/* The stack of the calling thread; no lock is held. */
static unsigned
walk(void **frames)
{
    if (is_walking)
        return 0;
    is_walking = true;
    unsigned n_frames = jsm_os_stack(frames, FRAMES_MAX);
    is_walking = false;
    return n_frames;
}

static struct sample *
find_locked(struct tables *t, const void *block)
{
    struct sample *s = first_locked(bucket_of(t, block));

    while (s != NULL && s->block != block)
        s = s->next;
    return s;
}

static void
remember_locked(struct tables *t, const struct sample *s, void *const *frames, unsigned n_frames)
{
    struct freed *f = &t->freed[n_freed++ % FREED_MAX];

    f->block = s->block;
    f->stack = s->stack;
    f->n_frames = jsm_min(n_frames, (unsigned)JSM_PROFILE_FRAMES);
    memcpy(f->frames, frames, f->n_frames * sizeof frames[0]);
}

static bool
has_sample(struct tables *t, const void *block)
{
    /* ORDER: relaxed.  Who frees the block has it from who allocated it, and so sees its sample in the bucket,
     * or what came after; the rest is read under the lock. */
    if (jsm_likely(jsm_load_relaxed(bucket_of(t, block)) == NULL))
        return false;
    jsm_lock(&jsm_profile_lock);
    bool has = find_locked(t, block) != NULL;
    jsm_unlock(&jsm_profile_lock);
    return has;
}

void
jsm_profile_forget_block(const void *block)
{
    struct tables *t = ready_tables();
    void *frames[FRAMES_MAX];

    if (t == NULL || !has_sample(t, block))
        return;
    int saved_errno = errno;
    unsigned n_frames = walk(frames);
    jsm_lock(&jsm_profile_lock);
    const struct sample *s = find_locked(t, block);
    if (s != NULL)
        remember_locked(t, s, frames, n_frames);
    remove_locked(bucket_of(t, block), is_of_block, block);
    jsm_unlock(&jsm_profile_lock);
    errno = saved_errno;
}

/* What is left of a sample whose block was freed without being forgotten (P1). */
static void
drop_stale(struct tables *t, const void *block)
{
    if (!has_sample(t, block))
        return;
    jsm_lock(&jsm_profile_lock);
    remove_locked(bucket_of(t, block), is_of_block, block);
    jsm_unlock(&jsm_profile_lock);
}

void
jsm_profile_note_block(const void *block, size_t bytes)
{
    struct tables *t = ready_tables();
    void *frames[FRAMES_MAX];

    if (t == NULL || is_walking)
        return;
    drop_stale(t, block);
    bytes = jsm_max(bytes, (size_t)1);
    if (!is_drawn(bytes))
        return;
    int saved_errno = errno;
    unsigned n_frames = walk(frames);
    jsm_lock(&jsm_profile_lock);
    unsigned size_log2 = 63 - (unsigned)__builtin_clzll(bytes);
    add_locked(t, block, bytes, stack_locked(t, frames, n_frames, size_log2));
    jsm_unlock(&jsm_profile_lock);
    errno = saved_errno;
}

bool
jsm_profile_stacks_of(const void *block, bool is_live, struct jsm_profile_stacks *stacks)
{
    struct tables *t = ready_tables();
    const struct stack *stack = NULL;

    memset(stacks, 0, sizeof *stacks);
    if (t == NULL || !jsm_lock_try(&jsm_profile_lock))
        return false;
    if (is_live) {
        const struct sample *s = find_locked(t, block);
        stack = s != NULL ? s->stack : NULL;
    }
    for (size_t i = n_freed; !is_live && stack == NULL && i > 0 && n_freed - i < FREED_MAX; i--) {
        const struct freed *f = &t->freed[(i - 1) % FREED_MAX];
        if (f->block != block)
            continue;
        stack = f->stack;
        stacks->n_free = f->n_frames;
        memcpy(stacks->free, f->frames, sizeof stacks->free);
    }
    if (stack != NULL) {
        stacks->n_alloc = jsm_min(stack->n_frames, (unsigned)JSM_PROFILE_FRAMES);
        memcpy(stacks->alloc, stack->frames, stacks->n_alloc * sizeof stacks->alloc[0]);
    }
    jsm_unlock(&jsm_profile_lock);
    return stack != NULL;
}

unsigned
jsm_profile_walk(void **frames)
{
    void *first;
    bool is_ready = ready_tables() != NULL || jsm_guard_is_ready() || jsm_os_unwind(NULL, &first, 1) > 0;

    return is_ready ? walk(frames) : 0;
}

static bool
is_of_heap(const struct sample *s, const void *heap)
{
    struct jsm_block block;

    jsm_block_find(s->block, &block);
    return block.found == JSM_FOUND_BLOCK && jsm_span_heap(block.span) == heap;
}

static void
remove_all(bool (*is_gone)(const struct sample *s, const void *arg), const void *arg)
{
    struct tables *t = ready_tables();

    jsm_lock(&jsm_profile_lock);
    for (size_t i = 0; t != NULL && n_samples > 0 && i < sizeof t->samples / sizeof t->samples[0]; i++)
        if (first_locked(&t->samples[i]) != NULL)
            remove_locked(&t->samples[i], is_gone, arg);
    jsm_unlock(&jsm_profile_lock);
}

void
jsm_profile_forget_heap(const struct jsm_heap *heap)
{
    remove_all(is_of_heap, heap);
}

/* ---- Switching on ---- */

static bool
is_any(const struct sample *s, const void *arg)
{
    (void)s;
    (void)arg;
    return true;
}

void
jsm_profile_start(void)
{
    void *frames[FRAMES_MAX];

    if (ready_tables() == NULL) {
        (void)jsm_os_stack(frames, FRAMES_MAX); /* which may allocate, the first time */
        jsm_lock(&jsm_profile_lock);
        struct tables *t = ready_tables() == NULL ? jsm_meta_alloc(sizeof *t, JSM_CACHE_LINE) : NULL;
        if (t != NULL)
            /* ORDER F1: release, with F2; not observable, as there. */
            jsm_store_release(&tables, t);
        jsm_unlock(&jsm_profile_lock);
    }
    if (ready_tables() == NULL)
        jsm_message("no memory for a profile; set the option profile again when there is some", NULL, NULL);
    remove_all(is_any, NULL);
    jsm_lock(&jsm_profile_lock);
    for (struct stack *s = all_stacks; s != NULL; s = s->older)
        memset(&s->figures, 0, sizeof s->figures);
    n_lost = 0;
    jsm_unlock(&jsm_profile_lock);
}

/* ---- Telling ---- */

static void
add_figures(struct jsm_text *t, const struct jsm_profile_figures *f)
{
    const uint64_t numbers[] = { f->live_blocks, f->live_bytes, f->blocks, f->bytes };
    static const char before[][4] = { "", ": ", " [", ": " };

    for (unsigned i = 0; i < 4; i++) {
        jsm_text_str(t, before[i]);
        jsm_text_dec(t, numbers[i]);
    }
    jsm_text_str(t, "] @");
}

size_t
jsm_profile_total(struct jsm_profile_figures *total)
{
    memset(total, 0, sizeof *total);
    jsm_lock(&jsm_profile_lock);
    for (const struct stack *s = all_stacks; s != NULL; s = s->older) {
        total->live_blocks += s->figures.live_blocks;
        total->live_bytes += s->figures.live_bytes;
        total->blocks += s->figures.blocks;
        total->bytes += s->figures.bytes;
    }
    size_t lost = n_lost;
    jsm_unlock(&jsm_profile_lock);
    return lost;
}

static void
tell_stacks(struct jsm_text *t, void (*write)(void *arg, const char *text), void *arg)
{
    jsm_lock(&jsm_profile_lock);
    const struct stack *s = all_stacks;
    jsm_unlock(&jsm_profile_lock);
    for (; s != NULL; s = s->older) {
        jsm_lock(&jsm_profile_lock);
        struct jsm_profile_figures figures = s->figures;
        jsm_unlock(&jsm_profile_lock);
        if (figures.blocks == 0)
            continue;
        t->len = 0;
        add_figures(t, &figures);
        for (unsigned i = 0; i < s->n_frames; i++) {
            jsm_text_str(t, " ");
            jsm_text_hex(t, (uintptr_t)s->frames[i]);
        }
        jsm_text_str(t, "\n");
        write(arg, t->buffer);
    }
}

static void
tell_mappings(void (*write)(void *arg, const char *text), void *arg)
{
    char buffer[1025];
    ptrdiff_t len;
    int fd = jsm_os_open_read("/proc/self/maps");

    write(arg, "\nMAPPED_LIBRARIES:\n");
    while (fd >= 0 && (len = jsm_os_read(fd, buffer, sizeof buffer - 1)) > 0) {
        buffer[len] = '\0';
        write(arg, buffer);
    }
    if (fd >= 0)
        jsm_os_close(fd);
}

void
jsm_profile_tell(void (*write)(void *arg, const char *text), void *arg)
{
    char buffer[128 + FRAMES_MAX * 20];
    struct jsm_profile_figures total;
    struct jsm_text t;
    size_t lost = jsm_profile_total(&total);

    jsm_text_init(&t, buffer, sizeof buffer);
    jsm_text_str(&t, "heap profile: ");
    add_figures(&t, &total);
    jsm_text_str(&t, " heap_v2/");
    jsm_text_dec(&t, (uint64_t)jsm_option(JSM_OPT_SAMPLE_INTERVAL));
    jsm_text_str(&t, "\n");
    if (lost > 0) {
        jsm_text_str(&t, "# samples that there was no room for: ");
        jsm_text_dec(&t, lost);
        jsm_text_str(&t, "\n");
    }
    write(arg, buffer);
    tell_stacks(&t, write, arg);
    tell_mappings(write, arg);
}
