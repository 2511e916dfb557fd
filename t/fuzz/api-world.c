/* t/fuzz/api-world.c - blocks come, change and go, and what of it can be seen is checked.
 * SPDX-License-Identifier: MIT
 */
#include "api.h"

struct model model;
struct buffer buffer[BUFFERS];
struct slot slot[BLOCKS];
struct heap heap[HEAPS];
struct thread thread[THREADS + 1];
unsigned now;
bool had_threads;

void
check_model(void)
{
    FUZZ_CHECK(model.spoilt == 0);
    FUZZ_CHECK(model.wrong == 0);
}

void
check_buffers(void)
{
    for (unsigned i = 0; i < BUFFERS; i++)
        FUZZ_CHECK(buffer[i].uses == 0 || (is_all(buffer[i].bytes, GUARD_BYTES, 0xbb) &&
                                           is_all(buffer[i].bytes + GUARD_BYTES + buffer[i].size, GUARD_BYTES, 0xbb)));
}

void
buffer_leave(struct buffer *b)
{
    if (b == NULL)
        return;
    check_buffers();
    if (--b->uses == 0)
        set_all(b->bytes + GUARD_BYTES, b->size, 0xee);
}

static bool
is_in(const struct buffer *b, const unsigned char *p)
{
    return p >= b->bytes && p < b->bytes + sizeof b->bytes;
}

struct slot *
slot_of(size_t n)
{
    return &slot[n % BLOCKS];
}

struct heap *
heap_of(size_t n)
{
    struct heap *h = n % (HEAPS + 1) == 0 ? NULL : &heap[n % (HEAPS + 1) - 1];

    return h == NULL || h->heap == NULL ? NULL : h;
}

jsm_heap *
handle(const struct heap *h)
{
    return h != NULL ? h->heap : NULL;
}

struct heap *
heap_now(void)
{
    const struct thread *t = &thread[now];

    return t->n_scopes > 0 ? t->scope[t->n_scopes - 1] : NULL;
}

bool
may_use(const struct heap *h)
{
    return h == NULL || (h->flags & JSM_HEAP_NOLOCK) == 0 || h->thread == now;
}

static bool
is_option(const char *name, const char *value)
{
    char text[300];

    return jsm_option_get(name, text, sizeof text) && strcmp(text, value) == 0;
}

/* ---- Blocks come, change and go ---- */

size_t
size_of(size_t n)
{
    if (n > PTRDIFF_MAX)
        return n;
    n %= BLOCK_BYTES_MAX;
    return model.live_bytes + n > LIVE_BYTES_MAX ? n % 1000 : n;
}

void
mark(void)
{
    errno = ERRNO_MARK;
}

void
check_refusal(const struct heap *h, size_t size)
{
    bool is_nothing = size == 0 && (is_option("zero_size", "null") || (h != NULL && (h->flags & JSM_HEAP_ZERO_NULL)));
    bool has_end = h != NULL && (h->limit_bytes != 0 || h->buffer != NULL);

    if (is_nothing)
        FUZZ_CHECK(errno == ERRNO_MARK || (errno == ENOMEM && has_end));
    else
        FUZZ_CHECK(errno == ENOMEM && (size > PTRDIFF_MAX || has_end));
}

void
check_place(const struct slot *s, const unsigned char *p)
{
    jsm_heap *h = jsm_heap_of(p);

    FUZZ_CHECK(jsm_is_ours(p) == 1);
    FUZZ_CHECK(is_aligned(p, s->align > 0 ? s->align : 1));
    FUZZ_CHECK(s->is_concealed || h == handle(s->heap));
    for (unsigned i = 0; i < BUFFERS; i++)
        FUZZ_CHECK(is_in(&buffer[i], p) == (s->buffer == &buffer[i]));
}

void
arrive(struct slot *s, struct heap *h, void *p, size_t size, size_t align)
{
    if (p == NULL) {
        check_refusal(h, size);
        return;
    }
    FUZZ_CHECK(errno == ERRNO_MARK && size <= PTRDIFF_MAX);
    s->align = align;
    s->heap = h;
    s->is_concealed = false;
    s->buffer = h != NULL ? h->buffer : NULL;
    if (s->buffer != NULL)
        s->buffer->uses++;
    check_place(s, p);
    model_adopt(&model, &s->block, p, size);
    check_model();
}

void *
leave(struct slot *s)
{
    unsigned char *p = s->block.p;

    model_forget(&model, &s->block);
    check_model();
    s->last = p;
    return p;
}

void
left(struct slot *s)
{
    buffer_leave(s->buffer);
    s->buffer = NULL;
}

void
change(struct slot *s, void *q, size_t size)
{
    if (q == NULL) {
        check_refusal(s->heap, size);
        model_verify(&model, &s->block);
        check_model();
        return;
    }
    FUZZ_CHECK(errno == ERRNO_MARK && size <= PTRDIFF_MAX);
    struct buffer *before = s->buffer;
    bool has_left = before != NULL && s->heap == NULL && q != s->block.p; /* a heap that was deleted */
    s->buffer = has_left ? NULL : before;
    s->align = 0;
    check_place(s, q);
    model_move(&model, &s->block, q, size);
    check_model();
    if (has_left)
        buffer_leave(before);
}

bool
is_free(const struct slot *s)
{
    return s->block.p == NULL;
}

bool
may_change(const struct slot *s)
{
    return !is_free(s) && may_use(s->heap);
}

bool
may_fill(const struct slot *s)
{
    return is_free(s) && may_use(heap_now());
}

void
check_zero(const unsigned char *p, size_t size)
{
    enum { PART = 1 << 17 };

    FUZZ_CHECK(is_all(p, size < PART ? size : PART, 0));
    if (size > PART)
        FUZZ_CHECK(is_all(p + size - PART / 2, PART / 2, 0));
}
