/* t/fuzz/api-blocks.c - operations of the target `api` on blocks.
 * SPDX-License-Identifier: MIT
 */
#include "api.h"

/* ---- Allocation ---- */

void
run_malloc(const struct fuzz_line *l)
{
    struct slot *s = slot_of(l->n[0]);
    size_t size = size_of(l->n[1]);

    if (!may_fill(s))
        return;
    int perturb = (int)jsm_option(JSM_OPT_PERTURB);
    mark();
    unsigned char *p = jsm_malloc(size);
    if (p != NULL && perturb != 0 && !had_threads)
        FUZZ_CHECK(is_all(p, size, (unsigned char)~perturb));
    arrive(s, heap_now(), p, size, 0);
}

void
run_calloc(const struct fuzz_line *l)
{
    struct slot *s = slot_of(l->n[0]);
    size_t size = size_of(l->n[1]), count = l->n[2] % 16 + 1, bytes = 0;

    if (!may_fill(s))
        return;
    size = size > PTRDIFF_MAX ? size : size / count;
    bool is_too_much = __builtin_mul_overflow(count, size, &bytes) || bytes > PTRDIFF_MAX;
    mark();
    unsigned char *p = jsm_calloc(count, size);
    if (p != NULL && !is_too_much)
        check_zero(p, bytes);
    arrive(s, heap_now(), p, is_too_much ? SIZE_MAX : bytes, 0);
}

void
run_at_least(const struct fuzz_line *l)
{
    struct slot *s = slot_of(l->n[0]);
    size_t size = size_of(l->n[1]), got = 0;

    if (!may_fill(s))
        return;
    mark();
    unsigned char *p = jsm_malloc_at_least(size, &got);
    arrive(s, heap_now(), p, p != NULL ? got : size, 0);
    if (p != NULL)
        FUZZ_CHECK(got >= size && got == jsm_malloc_usable_size(p));
}

void
run_conceal(const struct fuzz_line *l)
{
    struct slot *s = slot_of(l->n[0]);
    size_t size = size_of(l->n[1]);

    if (!is_free(s))
        return;
    mark();
    unsigned char *p = l->n[2] % 2 == 0 ? jsm_malloc_conceal(size) : jsm_calloc_conceal(1, size);
    if (p == NULL) {
        check_refusal(NULL, size);
        return;
    }
    FUZZ_CHECK(errno == ERRNO_MARK);
    check_zero(p, size);
    *s = (struct slot){ .is_concealed = true };
    check_place(s, p);
    model_adopt(&model, &s->block, p, size);
    check_model();
}

/* Of 2^n; all ways to ask for it. */
void
run_aligned(const struct fuzz_line *l)
{
    struct slot *s = slot_of(l->n[0]);
    size_t align = (size_t)1 << l->n[1] % 24, size = size_of(l->n[2]), page = jsm_os_page_bytes();
    void *p = NULL;

    if (!may_fill(s))
        return;
    mark();
    switch (l->n[3] % 5) {
    case 0:
        p = jsm_aligned_alloc(align, size);
        break;
    case 1:
        p = jsm_memalign(align, size);
        break;
    case 2: {
        align = align < sizeof p ? sizeof p : align;
        int error = jsm_posix_memalign(&p, align, size);
        FUZZ_CHECK(errno == ERRNO_MARK && (error == 0 || (error == ENOMEM && p == NULL)));
        errno = error != 0 ? error : errno;
        break;
    }
    case 3:
        align = page;
        p = jsm_valloc(size);
        break;
    default:
        align = page;
        size = size > PTRDIFF_MAX ? size : jsm_max(jsm_round_up(size, page), page);
        p = jsm_pvalloc(size);
    }
    arrive(s, heap_now(), p, size, align);
}

void
run_misaligned(const struct fuzz_line *l)
{
    size_t align = l->n[0];
    void *p = NULL;

    if (align != 0 && (align & (align - 1)) == 0)
        return;
    mark();
    FUZZ_CHECK(jsm_aligned_alloc(align, l->n[1]) == NULL && errno == EINVAL);
    mark();
    FUZZ_CHECK(jsm_posix_memalign(&p, align, l->n[1]) == EINVAL && p == NULL && errno == ERRNO_MARK);
    FUZZ_CHECK(jsm_heap_aligned_alloc(handle(heap_of(l->n[2])), align, 1) == NULL && errno == EINVAL);
}

/* ---- Change ---- */

void
run_realloc(const struct fuzz_line *l)
{
    struct slot *s = slot_of(l->n[0]);
    size_t size = size_of(l->n[1]);

    if (is_free(s)) {
        if (may_fill(s)) {
            mark();
            arrive(s, heap_now(), jsm_realloc(NULL, size), size, 0);
        }
        return;
    }
    if (!may_change(s))
        return;
    model_verify(&model, &s->block);
    mark();
    if (size == 0) {
        void *p = leave(s);
        FUZZ_CHECK((l->n[2] % 2 == 0 ? jsm_realloc(p, size) : jsm_reallocarray(p, size, 10)) == NULL);
        FUZZ_CHECK(errno == ERRNO_MARK);
        left(s);
        return;
    }
    change(s, l->n[2] % 2 == 0 ? jsm_realloc(s->block.p, size) : jsm_reallocarray(s->block.p, size, 1), size);
}

/* The block was freed by the function that answered NULL. */
static void
vanish(struct slot *s)
{
    FUZZ_CHECK(jsm_is_ours(s->block.p) == 0);
    model.live_bytes -= s->block.size;
    s->block.p = NULL;
    left(s);
}

/* As change(), for a function that keeps only the first bytes, and makes zeros of the others. */
static void
change_zeroed(struct slot *s, unsigned char *q, size_t size, size_t kept)
{
    if (q != NULL) {
        FUZZ_CHECK(is_filled(q, kept, s->block.size, s->block.id));
        if (size > kept)
            check_zero(q + kept, size - kept);
        model.live_bytes -= s->block.size;
        s->block.size = 0;
    }
    change(s, q, size);
}

void
run_reallocf(const struct fuzz_line *l)
{
    struct slot *s = slot_of(l->n[0]);
    size_t size = size_of(l->n[1]);

    if (!may_change(s))
        return;
    mark();
    void *q = jsm_reallocf(s->block.p, size);
    if (q != NULL) {
        change(s, q, size);
        return;
    }
    if (size > 0)
        check_refusal(s->heap, size);
    vanish(s);
}

void
run_rezalloc(const struct fuzz_line *l)
{
    struct slot *s = slot_of(l->n[0]);
    size_t size = size_of(l->n[1]), old = l->n[2];

    if (!may_change(s) || size == 0)
        return;
    old = old % (s->block.size + 1);
    mark();
    unsigned char *q = jsm_rezalloc(s->block.p, old, size);
    change_zeroed(s, q, size, old < size ? old : size);
}

void
run_recallocarray(const struct fuzz_line *l)
{
    struct slot *s = slot_of(l->n[0]);
    size_t width = l->n[1] % 20 + 1, count = size_of(l->n[2]), old;

    if (!may_change(s))
        return;
    old = s->block.size / width;
    count = count > PTRDIFF_MAX ? count : count / width;
    mark();
    unsigned char *q = jsm_recallocarray(s->block.p, old, count, width);
    size_t size = count > PTRDIFF_MAX ? count : count * width, kept = size < old * width ? size : old * width;
    if (q == NULL && size == 0 && errno == ERRNO_MARK) { /* zero_size */
        check_refusal(s->heap, 0);
        vanish(s);
        return;
    }
    change_zeroed(s, q, size, kept);
}

void
run_expand(const struct fuzz_line *l)
{
    struct slot *s = slot_of(l->n[0]);
    size_t size = size_of(l->n[1]), align = s->align;

    if (!may_change(s) || size == 0)
        return;
    mark();
    void *q = jsm_expand(s->block.p, size);
    FUZZ_CHECK(q == NULL || q == s->block.p);
    FUZZ_CHECK(errno == ERRNO_MARK);
    if (q != NULL)
        change(s, q, size);
    s->align = align;
}

/* ---- Freeing ---- */

void
run_free(const struct fuzz_line *l)
{
    struct slot *s = slot_of(l->n[0]);

    if (!may_change(s))
        return;
    size_t size = s->block.size, usable = jsm_malloc_usable_size(s->block.p);
    unsigned char *p = leave(s);
    mark();
    switch (l->n[1] % 6) {
    case 0:
        if (s->align == 0)
            jsm_free_sized(p, size);
        else
            jsm_free_aligned_sized(p, s->align, size);
        break;
    case 1:
        if (s->align == 0)
            jsm_free_sized(p, usable);
        else
            jsm_free(p);
        break;
    case 2:
        jsm_freezero(p, size);
        break;
    case 3:
        jsm_cfree(p);
        break;
    case 4:
        if (s->is_concealed)
            jsm_free(p);
        else
            jsm_heap_free(handle(s->heap), p);
        break;
    default:
        jsm_free(p);
    }
    FUZZ_CHECK(errno == ERRNO_MARK);
    left(s);
}
