/* t/oom.c - every mapping call of a scenario fails once, and then with all that follow it: the caller
 * gets NULL and ENOMEM, nothing that was allocated is harmed, and afterwards all is as usual.
 *
 * Each failure is tried in a child of its own, in which the heap is as new.
 * SPDX-License-Identifier: MIT
 */
#include "blackbox.h"

#include <sys/wait.h>

#include "os/os.h"

enum { SLOTS = 6000 };

static struct {
    unsigned char *p;
    size_t size;
} slot[SLOTS];
static unsigned n_slots, n_refused;

/* What a child found; its exit status. */
enum verdict { GOOD, UNTOUCHED, SPOILT, WRONG_ERRNO, NOT_ZERO, MISALIGNED, UNSOUND, NO_SERVICE, LIED };

/* How much of a block is written and looked at: all of small ones, the start of large ones. */
static size_t
part(size_t size)
{
    return size < 256 * KIB ? size : 256 * KIB;
}

/* Notes what an allocation gave, which failed in the right way or not at all. */
static enum verdict
take(void *p, size_t size, size_t align)
{
    if (p == NULL) {
        n_refused++;
        return errno == ENOMEM ? GOOD : WRONG_ERRNO;
    }
    if (!is_aligned(p, align))
        return MISALIGNED;
    fill(p, part(size), n_slots);
    slot[n_slots].p = p;
    slot[n_slots++].size = size;
    errno = 0;
    return GOOD;
}

/* Changes the size of the newest block; if that is refused the block must be as it was. */
static enum verdict
resize_newest(size_t size)
{
    if (n_slots == 0)
        return GOOD;
    unsigned i = n_slots - 1;
    size_t old = slot[i].size;
    void *q = jsm_realloc(slot[i].p, size);

    if (q == NULL) {
        n_refused++;
        if (errno != ENOMEM)
            return WRONG_ERRNO;
        errno = 0;
        return is_filled(slot[i].p, part(old), part(old), i) ? GOOD : SPOILT;
    }
    if (!is_filled(q, part(old < size ? old : size), part(old), i))
        return SPOILT;
    slot[i].p = q;
    slot[i].size = size;
    fill(q, part(size), i);
    return GOOD;
}

static enum verdict
allocate_small(void)
{
    enum verdict v = GOOD;

    for (size_t size = 8; size <= 40000 && v == GOOD; size += size / 4 + 8)
        for (unsigned i = 0; i < 6 && v == GOOD; i++)
            v = take(jsm_malloc(size), size, natural_align(size));
    for (unsigned i = 0; i < 2000 && v == GOOD; i++)
        v = take(jsm_malloc(200), 200, 16);
    return v;
}

static enum verdict
allocate_large(void)
{
    static const size_t sizes[] = {70000, 300000, 2 * MIB, 20 * MIB, 65 * MIB};
    enum verdict v = GOOD;

    for (unsigned i = 0; i < COUNT_OF(sizes) && v == GOOD; i++) {
        unsigned char *p = jsm_calloc(1, sizes[i]);
        if (p != NULL && (p[0] != 0 || p[sizes[i] / 2] != 0 || p[sizes[i] - 1] != 0))
            return NOT_ZERO;
        v = take(p, sizes[i], 16);
        if (v == GOOD)
            v = take(jsm_aligned_alloc(MIB, sizes[i]), sizes[i], MIB);
    }
    return v;
}

static enum verdict
grow(void)
{
    enum verdict v = take(jsm_malloc(50), 50, 16);

    for (size_t size = 100; size < 80 * MIB && v == GOOD; size *= 3)
        v = resize_newest(size);
    for (size_t size = 40 * MIB; size > 100 && v == GOOD; size /= 7)
        v = resize_newest(size);
    return v;
}

/* All blocks hold what was written to them; frees `which` of two, 0 or 1, or both with 2. */
static enum verdict
look_and_free(unsigned which)
{
    for (unsigned i = 0; i < n_slots; i++) {
        if (slot[i].p == NULL || (which < 2 && i % 2 != which))
            continue;
        if (!is_filled(slot[i].p, part(slot[i].size), part(slot[i].size), i))
            return SPOILT;
        errno = ERRNO_MARK;
        jsm_free(slot[i].p);
        if (errno != ERRNO_MARK)
            return WRONG_ERRNO;
        slot[i].p = NULL;
    }
    errno = 0;
    return GOOD;
}

/* The scenario: every kind of block, growth, holes, their return, allocation into them. */
static enum verdict
scenario(void)
{
    enum verdict v;

    n_slots = n_refused = 0;
    errno = 0;
    if ((v = allocate_small()) != GOOD || (v = allocate_large()) != GOOD || (v = grow()) != GOOD)
        return v;
    if ((v = look_and_free(0)) != GOOD)
        return v;
    (void)jsm_malloc_trim(0);
    errno = 0;
    if ((v = allocate_small()) != GOOD || (v = look_and_free(2)) != GOOD)
        return v;
    return jsm_check() == 0 ? GOOD : UNSOUND;
}

/* In a child: the scenario with call `n` failing, then once more without. */
static enum verdict
try_failure(unsigned n, bool sticky)
{
    jsm_os_fail_sticky = sticky;
    jsm_os_fail_after = (int)n;
    enum verdict v = scenario();
    bool reached = sticky || jsm_os_fail_after < 0;
    jsm_os_fail_sticky = false;
    jsm_os_fail_after = -1;
    if (v != GOOD)
        return v;
    if (!reached && n_refused > 0)
        return LIED;
    v = scenario();
    if (v != GOOD)
        return v;
    if (n_refused > 0)
        return NO_SERVICE;
    return reached ? GOOD : UNTOUCHED;
}

static int
in_child(unsigned n, bool sticky)
{
    pid_t child = fork();
    int status;

    if (child == 0) {
        alarm(300); /* a child that hangs must not hang the test */
        _exit((int)try_failure(n, sticky));
    }
    if (child < 0 || waitpid(child, &status, 0) != child)
        return -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

/* Lets call 0, 1, 2, ... up to `limit` fail, or until the scenario has no more; judges them in one
 * result.  Returns how many there are. */
static unsigned
test_failures(bool sticky, unsigned limit, const char *what)
{
    static const char *const words[] = {"good", "untouched", "a block was spoilt", "errno was not ENOMEM",
        "calloc gave a block that is not zero", "a block was misaligned", "the heap was not sound",
        "there was no service afterwards", "NULL though nothing had failed"};
    unsigned n = 0, bad = 0, step = rounds(10, 10) == 10 ? 1 : 7;
    int verdict;

    while (n < limit && (verdict = in_child(n, sticky)) != UNTOUCHED) {
        if (verdict != GOOD && bad++ < 20)
            diag("call %u: %s", n, verdict > 0 && verdict <= LIED ? words[verdict] : "killed, or no child");
        n += step;
    }
    is_int(bad, 0, "%s", what);
    return n;
}

int
main(void)
{
    enum { TOO_MANY = 5000 };
    unsigned n;

    plan(3);
    n = test_failures(false, TOO_MANY, "each mapping call fails once");
    diag("%u mapping calls", n);
    ok(n > 3 && n < TOO_MANY, "the scenario has an end, and some such calls");
    (void)test_failures(true, n, "each mapping call fails, and all after it");
    return done();
}
