/* t/fuzz/osmem.c - sequences of the functions of <jsmalloc/osmem.h> against a model that knows the contents of each
 * block, and where it is to be.
 *
 * The heap never shrinks, and what an input leaves of it is what the next one finds.  AFL++ runs each in a process of
 * its own.
 * SPDX-License-Identifier: MIT
 */
#include "fuzz.h"
#include "osmem-model.h"

enum { BLOCKS = 64, STRANGERS_MAX = 200, BLOCK_BYTES_MAX = 1 << 20 };

static unsigned char *heap; /* where it begins */
static unsigned n_strangers;

static struct slot {
    unsigned char *p, *last; /* NULL: there is none; the block before this one */
    size_t size;
    bool is_mapped;
} slot[BLOCKS];

static struct slot *
slot_of(size_t n)
{
    return &slot[n % BLOCKS];
}

static size_t
place_of(const struct slot *s)
{
    return (size_t)(s->p - heap);
}

static size_t
size_of(size_t n)
{
    return n > PTRDIFF_MAX ? n : n % BLOCK_BYTES_MAX;
}

static void
look(const struct slot *s)
{
    FUZZ_CHECK(is_filled(s->p, s->size, s->size, (uint64_t)(s - slot)));
}

/* The block is at `p`, and should be at `place`. */
static void
settle(struct slot *s, unsigned char *p, size_t size, size_t place)
{
    FUZZ_CHECK(p != NULL && errno == ERRNO_MARK);
    s->is_mapped = place == PAPER_NOWHERE;
    FUZZ_CHECK(s->is_mapped ? ((uintptr_t)p - H) % jsm_os_page_bytes() == 0 : p == heap + place);
    s->p = p;
    s->size = size;
    fill(p, size, (uint64_t)(s - slot));
}

static void
check_break(void)
{
    FUZZ_CHECK((unsigned char *)sbrk(0) == heap + paper_end());
}

/* A new block, below `threshold` from the heap. */
static void
take(struct slot *s, unsigned char *p, size_t size, size_t threshold)
{
    if (size == 0) {
        FUZZ_CHECK(p == NULL && errno == ERRNO_MARK);
    } else if (size > PTRDIFF_MAX) {
        FUZZ_CHECK(p == NULL && errno == ENOMEM);
    } else {
        settle(s, p, size, size < threshold ? paper_take(size) : PAPER_NOWHERE);
    }
}

static void
run_malloc(const struct fuzz_line *l)
{
    struct slot *s = slot_of(l->n[0]);
    size_t size = size_of(l->n[1]);

    if (s->p != NULL)
        return;
    errno = ERRNO_MARK;
    take(s, os_malloc(size), size, OS_MMAP_THRESHOLD);
}

static void
run_calloc(const struct fuzz_line *l)
{
    struct slot *s = slot_of(l->n[0]);
    size_t size = size_of(l->n[1]), count = l->n[2] % 16, bytes;

    if (s->p != NULL)
        return;
    if (__builtin_mul_overflow(count, size, &bytes))
        bytes = SIZE_MAX;
    errno = ERRNO_MARK;
    unsigned char *p = os_calloc(count, size);
    FUZZ_CHECK(p == NULL || is_all(p, bytes, 0));
    take(s, p, bytes, jsm_os_page_bytes());
}

static void
release(struct slot *s)
{
    unsigned char *p = s->p;

    look(s);
    if (!s->is_mapped)
        paper_free(place_of(s));
    s->last = p;
    s->p = NULL;
    errno = ERRNO_MARK;
    os_free(p);
    FUZZ_CHECK(errno == ERRNO_MARK);
}

static void
run_free(const struct fuzz_line *l)
{
    struct slot *s = slot_of(l->n[0]);

    if (s->p != NULL)
        release(s);
}

static void
run_realloc(const struct fuzz_line *l)
{
    struct slot *s = slot_of(l->n[0]);
    size_t size = size_of(l->n[1]), old = s->size, place = PAPER_NOWHERE;

    if (s->p == NULL) {
        run_malloc(l);
        return;
    }
    look(s);
    errno = ERRNO_MARK;
    if (size == 0 || size > PTRDIFF_MAX) {
        FUZZ_CHECK(os_realloc(s->p, size) == NULL && errno == (size == 0 ? ERRNO_MARK : ENOMEM));
        if (size == 0) {
            if (!s->is_mapped)
                paper_free(place_of(s));
            s->p = NULL;
        }
        return;
    }
    if (!s->is_mapped)
        place = paper_change(place_of(s), size);
    unsigned char *p = os_realloc(s->p, size);
    if (s->is_mapped && p != s->p && size < OS_MMAP_THRESHOLD)
        place = paper_take(size);
    FUZZ_CHECK(p == s->p || !s->is_mapped || size > old);
    FUZZ_CHECK(is_filled(p, jsm_min(size, old), old, (uint64_t)(s - slot)));
    settle(s, p, size, place);
}

/* Others move the break: up, or up and down again. */
static void
run_sbrk(const struct fuzz_line *l)
{
    size_t n = l->n[0] % 5000 + 1;

    if (l->n[1] % 2 == 0 || n_strangers == STRANGERS_MAX) {
        if (IS_GLIBC) /* what stands for the break elsewhere does not go down */
            FUZZ_CHECK(sbrk((intptr_t)n) != (void *)-1 && sbrk(-(intptr_t)n) != (void *)-1);
        return;
    }
    n_strangers++;
    unsigned char *p = sbrk((intptr_t)n);
    FUZZ_CHECK(p == heap + paper_end());
    set_all(p, n, 0xff);
    paper_strangers += n;
}

static bool
is_live(const unsigned char *p)
{
    for (unsigned i = 0; i < BLOCKS; i++)
        if (slot[i].p == p)
            return true;
    return false;
}

/* block, function, kind of pointer, offset */
static void
run_misuse(const struct fuzz_line *l)
{
    struct slot *s = slot_of(l->n[0]);
    unsigned char *p = fuzz_wrong_pointer(l, s->last, s->p, s->size);

    if (p == NULL || is_live(p) || !jsm_mallopt(JSM_M_CHECK_ACTION, 0))
        return;
    errno = ERRNO_MARK;
    if (l->n[1] % 2 == 0) {
        os_free(hide(p));
        FUZZ_CHECK(errno == ERRNO_MARK);
    } else {
        FUZZ_CHECK(os_realloc(hide(p), 10) == NULL && errno == EINVAL);
    }
    FUZZ_CHECK(jsm_mallopt(JSM_M_CHECK_ACTION, 3));
}

static void
run_check(const struct fuzz_line *l)
{
    (void)l;
    FUZZ_CHECK(jsm_osmem_check() == 0);
    for (unsigned i = 0; i < BLOCKS; i++)
        if (slot[i].p != NULL)
            look(&slot[i]);
}

static void
run(const struct fuzz_op *op, const struct fuzz_line *line)
{
    op->run(line);
    check_break();
}

static void
start(void)
{
    heap = sbrk(0);
}

static void
one(const char *text, size_t size)
{
    fuzz_each_line(text, size, run);
    run_check(NULL);
    for (unsigned i = 0; i < BLOCKS; i++) {
        if (slot[i].p != NULL)
            release(&slot[i]);
        slot[i].last = NULL;
    }
    FUZZ_CHECK(jsm_osmem_check() == 0);
    check_break();
}

static const struct fuzz_op ops[] = {
    { "malloc", "bn", run_malloc },
    { "calloc", "bnc", run_calloc },
    { "realloc", "bn", run_realloc },
    { "realloc", "bn", run_realloc },
    { "free", "b", run_free },
    { "free", "b", run_free },
    { "sbrk", "nc", run_sbrk },
    { "misuse", "bccn", run_misuse },
    { "check", "", run_check },
    { NULL, "", NULL },
};

const struct fuzz_target fuzz_target = { "osmem", ops, NULL, start, one, true };
