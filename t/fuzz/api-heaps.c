/* t/fuzz/api-heaps.c - operations of the target `api` on heaps.
 * SPDX-License-Identifier: MIT
 */
#include "api.h"

static struct buffer *
free_buffer(void)
{
    for (unsigned i = 0; i < BUFFERS; i++)
        if (buffer[i].uses == 0)
            return &buffer[i];
    return NULL;
}

static void
heap_is_made(struct heap *h, struct jsm_heap_config *config)
{
    mark();
    h->heap = jsm_heap_new(config);
    h->n_pushed = 0;
    h->thread = now;
    h->flags = config->flags;
    h->limit_bytes = config->limit_bytes;
    if (h->heap == NULL)
        FUZZ_CHECK(errno == EINVAL || errno == ENOMEM);
    else
        FUZZ_CHECK(errno == ERRNO_MARK);
}

void
run_heap(const struct fuzz_line *l)
{
    size_t n = l->n[0] % (HEAPS + 1);
    struct heap *h = &heap[n - (n > 0)];
    struct jsm_heap_config config = JSM_HEAP_CONFIG_INIT;
    char name[2] = { (char)('A' + n), '\0' };

    if (n == 0 || h->heap != NULL)
        return;
    config.name = name;
    config.flags = (unsigned)l->n[1] % 8;
    config.limit_bytes = l->n[2] % (32 * MIB);
    config.prealloc_bytes = l->n[3] % (16 * MIB);
    if (l->n[3] % 3 == 0)
        config.mmap_threshold_bytes = l->n[3];
    h->buffer = NULL;
    heap_is_made(h, &config);
    FUZZ_CHECK(h->heap != NULL || config.limit_bytes > 0 || config.mmap_threshold_bytes > 0);
}

/* heap, size of the buffer, where it begins, flags */
void
run_heap_in(const struct fuzz_line *l)
{
    size_t n = l->n[0] % (HEAPS + 1), begin = l->n[2] % (150 * KIB), bytes = l->n[1] % (BUFFER_BYTES + 1);
    struct heap *h = &heap[n - (n > 0)];
    struct buffer *b = free_buffer();
    struct jsm_heap_config config = JSM_HEAP_CONFIG_INIT;

    if (n == 0 || h->heap != NULL || b == NULL)
        return;
    bytes = begin < bytes ? bytes - begin : 0;
    memset(b->bytes, 0xbb, GUARD_BYTES + begin);
    b->size = begin + bytes;
    memset(b->bytes + GUARD_BYTES + b->size, 0xbb, GUARD_BYTES);
    config.memory = b->bytes + GUARD_BYTES + begin;
    config.memory_bytes = bytes;
    config.flags = (unsigned)l->n[3] % 8;
    h->buffer = b;
    heap_is_made(h, &config);
    if (h->heap == NULL)
        FUZZ_CHECK(bytes < 128 * KIB || (config.flags & JSM_HEAP_BRK) != 0);
    if (h->heap != NULL)
        b->uses = 1;
}

void
end_heap(struct heap *h, bool keep)
{
    for (unsigned i = 0; i < BLOCKS; i++) {
        struct slot *s = &slot[i];
        if (is_free(s) || s->heap != h)
            continue;
        if (keep) {
            s->heap = NULL;
            continue;
        }
        (void)leave(s);
        s->last = NULL; /* nobody may ask about it: the buffer is not the library's any more */
        left(s);
    }
    (keep ? jsm_heap_delete : jsm_heap_destroy)(h->heap);
    h->heap = NULL;
    buffer_leave(h->buffer);
    h->buffer = NULL;
}

void
run_destroy(const struct fuzz_line *l)
{
    struct heap *h = heap_of(l->n[0]);

    if (h != NULL && h->n_pushed == 0)
        end_heap(h, false);
}

void
run_delete(const struct fuzz_line *l)
{
    struct heap *h = heap_of(l->n[0]);

    if (h != NULL && h->n_pushed == 0 && may_use(h))
        end_heap(h, true);
}

/* heap, block, size, alignment and which function */
void
run_heap_malloc(const struct fuzz_line *l)
{
    struct heap *h = heap_of(l->n[0]);
    struct slot *s = slot_of(l->n[1]);
    size_t size = size_of(l->n[2]), align = (size_t)1 << l->n[3] / 3 % 22;

    if (!is_free(s) || !may_use(h))
        return;
    mark();
    if (l->n[3] % 3 == 0) {
        arrive(s, h, jsm_heap_malloc(handle(h), size), size, 0);
    } else if (l->n[3] % 3 == 1) {
        arrive(s, h, jsm_heap_aligned_alloc(handle(h), align, size), size, align);
    } else {
        unsigned char *p = jsm_heap_calloc(handle(h), size, 1);
        if (p != NULL)
            check_zero(p, size);
        arrive(s, h, p, size, 0);
    }
}

void
run_heap_realloc(const struct fuzz_line *l)
{
    struct heap *h = heap_of(l->n[0]);
    struct slot *s = slot_of(l->n[1]);
    size_t size = size_of(l->n[2]);

    if (!may_change(s) || !may_use(h) || size == 0)
        return;
    struct buffer *before = s->buffer;
    struct heap *from = s->heap;
    model_verify(&model, &s->block);
    mark();
    void *q = jsm_heap_realloc(handle(h), s->block.p, size);
    if (q != NULL) {
        s->heap = h;
        if (h != from || q != s->block.p) {
            s->buffer = h != NULL ? h->buffer : NULL;
            if (s->buffer != NULL)
                s->buffer->uses++;
            s->is_concealed = false;
        } else {
            before = NULL;
        }
        change(s, q, size);
        buffer_leave(before);
    } else {
        check_refusal(h, size);
        model_verify(&model, &s->block);
        check_model();
    }
}

struct visit {
    const struct heap *heap;
    size_t n;
    bool frees;
};

static int
visit_one(void *arg, void *p, size_t usable_bytes)
{
    struct visit *v = arg;

    for (unsigned i = 0; i < BLOCKS; i++) {
        struct slot *s = &slot[i];
        if (s->block.p != p)
            continue;
        FUZZ_CHECK(s->heap == v->heap && !s->is_visited && usable_bytes >= s->block.size);
        FUZZ_CHECK(usable_bytes == jsm_malloc_usable_size(p));
        s->is_visited = true;
        v->n++;
        if (v->frees && i % 2 == 0) {
            jsm_free(leave(s));
            left(s);
        }
        return 0;
    }
    fuzz_fail("a block that is visited is one of ours", __FILE__, __LINE__);
}

static int
visit_stop(void *arg, void *p, size_t usable_bytes)
{
    ++*(unsigned *)arg;
    return p != NULL && usable_bytes <= PTRDIFF_MAX ? 7 : 8; /* 0 bytes, with option harden, are 0 */
}

void
run_visit(const struct fuzz_line *l)
{
    struct visit v = { .heap = heap_of(l->n[0]), .frees = l->n[1] % 4 == 1 };
    size_t want = 0;
    unsigned stops = 0;

    if (v.heap == NULL || !may_use(v.heap))
        return;
    for (unsigned i = 0; i < BLOCKS; i++) {
        want += !is_free(&slot[i]) && slot[i].heap == v.heap;
        slot[i].is_visited = false;
    }
    FUZZ_CHECK(jsm_heap_visit(v.heap->heap, visit_stop, &stops) == (want > 0 ? 7 : 0) && stops == (want > 0));
    FUZZ_CHECK(jsm_heap_visit(v.heap->heap, visit_one, &v) == 0);
    FUZZ_CHECK(v.n == want);
}

void
run_push(const struct fuzz_line *l)
{
    struct heap *h = heap_of(l->n[0]);
    struct thread *t = &thread[now];

    if (t->n_scopes == SCOPES || !may_use(h))
        return;
    mark();
    FUZZ_CHECK(jsm_heap_push(handle(h)) == 0 && errno == ERRNO_MARK);
    t->scope[t->n_scopes++] = h;
    if (h != NULL)
        h->n_pushed++;
}

struct heap *
pop_model(struct thread *t)
{
    struct heap *h = t->n_scopes > 0 ? t->scope[--t->n_scopes] : NULL;

    if (h != NULL)
        h->n_pushed--;
    return h;
}

void
run_pop(const struct fuzz_line *l)
{
    (void)l;
    jsm_heap *want = handle(pop_model(&thread[now]));
    FUZZ_CHECK(jsm_heap_pop() == want);
}
