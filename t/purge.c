/* t/purge.c - return of memory: by amount at once, by time, what was given back reads as zero.
 *
 * Each promise is tried in a child of its own, whose page heap is empty.
 * SPDX-License-Identifier: MIT
 */
#include "unit.h"

#include "span/span.h"

#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>

enum { PER_MIB = 16 /* slices */ };

static struct jsm_span *
take(size_t n_slices)
{
    bool clean;
    struct jsm_span *span = jsm_span_alloc(0, n_slices, 1, JSM_WANT_OLDEST, &clean);

    if (span == NULL)
        _exit(100);
    memset(span->base, 0x77, n_slices << JSM_SLICE_SHIFT);
    return span;
}

/* `n` spans that are not neighbours. */
static void
take_apart(struct jsm_span *span[], unsigned n, size_t n_slices)
{
    for (unsigned i = 0; i < n; i++) {
        span[i] = take(n_slices);
        (void)take(1);
    }
}

static size_t
dirty(void)
{
    struct jsm_span_totals totals;

    jsm_span_totals(&totals);
    return totals.dirty_slices;
}

static void
nothing(const char *what, const void *where)
{
    diag("%s%#jx", what, (uintmax_t)(uintptr_t)where);
}

static bool
sound(void)
{
    return jsm_span_check(nothing) == 0;
}

static bool
is_gone(const struct jsm_span *span, size_t first, size_t n)
{
    return is_zero(span->base + (first << JSM_SLICE_SHIFT), n << JSM_SLICE_SHIFT);
}

static bool
is_kept(const struct jsm_span *span, size_t first, size_t n)
{
    return is_all(span->base + (first << JSM_SLICE_SHIFT), n << JSM_SLICE_SHIFT, 0x77);
}

static void
set_up(const char *trim_threshold, const char *purge_delay)
{
    if (!set_option("arena_max", "1") || !set_option("arena_size", "256M") ||
        !set_option("trim_threshold", trim_threshold) || !set_option("purge_delay", purge_delay))
        _exit(101);
}

static void
wait_ms(long ms)
{
    struct timespec t = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };

    nanosleep(&t, NULL);
}

/* As if the span had been free for that long. */
static void
make_old(struct jsm_span *span, uint32_t age_ms)
{
    span->freed_at_ms = jsm_os_now_ms() - age_ms;
}

/* Gives the page heap occasion to purge by time: the clock of its ticks goes by 100 ms. */
static void
pass_ticks(unsigned n)
{
    while (n-- > 0) {
        wait_ms(120);
        jsm_purge_balance();
    }
}

/* ---- By amount ---- */

static int
threshold_in_child(void)
{
    struct jsm_span *span[8];
    int wrong = 0;

    set_up("640K", "unlimited");
    take_apart(span, 8, 4);
    for (unsigned i = 0; i < 8; i++) {
        jsm_span_free(span[i]);
        wrong |= (dirty() > 10) << 0;
        wrong |= (dirty() < jsm_min(4 * (i + 1), 9u)) << 1; /* one slice more than must be may go */
        wrong |= !sound() << 2;
    }
    wrong |= !(is_kept(span[7], 0, 4) && is_kept(span[6], 0, 4)) << 3;
    for (unsigned i = 0; i < 5; i++)
        wrong |= !is_gone(span[i], 0, 4) << 3;
    wrong |= (jsm_purge_limit_bytes() != 640 * 1024) << 4;
    return wrong;
}

static int
oldest_first_in_child(void)
{
    struct jsm_span *a, *b;

    set_up("unlimited", "unlimited");
    a = take(100);
    (void)take(1);
    b = take(100);
    (void)take(1);
    jsm_span_free(a);
    jsm_span_free(b);
    size_t bytes = jsm_purge_all(120 * JSM_SLICE_BYTES);
    return bytes != 80 * JSM_SLICE_BYTES || dirty() != 120 || !is_kept(b, 0, 100) || !sound();
}

static int
zero_in_child(void)
{
    struct jsm_span *span[3];
    int wrong = 0;

    set_up("0", "unlimited");
    take_apart(span, 2, 100);
    for (unsigned i = 0; i < 2; i++) {
        jsm_span_free(span[i]);
        wrong |= dirty() != 0 || !is_gone(span[i], 0, 100);
    }
    set_up("40K", "unlimited"); /* less than a slice */
    span[2] = take(3);
    jsm_span_free(span[2]);
    return wrong || dirty() != 0 || !sound();
}

static int
unlimited_in_child(void)
{
    struct jsm_span *span[4];

    set_up("unlimited", "unlimited");
    take_apart(span, 4, 100);
    for (unsigned i = 0; i < 4; i++) {
        jsm_span_free(span[i]);
        make_old(span[i], UINT32_C(2000000000));
    }
    pass_ticks(1);
    return dirty() != 400 || !is_kept(span[0], 0, 100) || jsm_purge_limit_bytes() != SIZE_MAX || !sound();
}

static int
auto_in_child(void)
{
    struct jsm_span *span[5];
    int wrong = 0;

    set_up("auto", "unlimited");
    wrong |= jsm_purge_limit_bytes() != 16 * JSM_MIB;
    take_apart(span, 5, 6 * PER_MIB);
    for (unsigned i = 0; i < 5; i++)
        jsm_span_free(span[i]);
    wrong |= dirty() > 16 * PER_MIB || dirty() < 14 * PER_MIB;
    bool clean;
    wrong |= jsm_span_alloc(0, 192 * PER_MIB, 1, JSM_WANT_OLDEST, &clean) == NULL;
    wrong |= jsm_purge_limit_bytes() < 24 * JSM_MIB || jsm_purge_limit_bytes() > 32 * JSM_MIB;
    return wrong;
}

static void
check(int (*body)(void), const char *promise)
{
    struct child child;

    in_child(&child, body);
    if (!ok(ended_well(&child), "%s", promise))
        tell_child(&child);
}

static void
test_by_amount(void)
{
    struct child child;

    in_child(&child, threshold_in_child);
    int wrong = WIFEXITED(child.status) ? WEXITSTATUS(child.status) : 255;
    is_int(wrong & 1, 0, "never does more free memory stay than trim_threshold");
    is_int(wrong & 2, 0, "and not much less");
    is_int(wrong & 8, 0, "the oldest is given back first, the rest keeps its contents");
    is_int(wrong & 16, 0, "the limit in force can be asked for");
    is_int(wrong & 4, 0, "the page heap is sound after each step");
    check(oldest_first_in_child, "the oldest goes first also when it is long");
    check(zero_in_child, "with trim_threshold=0 nothing stays, with less than a slice neither");
    check(unlimited_in_child, "with both limits unlimited all stays, however old");
    check(auto_in_child, "by default 16 MiB may stay, or an eighth of what is in use");
}

/* ---- By time ---- */

static int
delay_in_child(void)
{
    struct jsm_span *span[3];

    set_up("unlimited", "86400000");
    take_apart(span, 3, 4);
    for (unsigned i = 0; i < 3; i++)
        jsm_span_free(span[i]);
    make_old(span[0], UINT32_C(90000000));
    make_old(span[1], UINT32_C(90000000));
    pass_ticks(1);
    return !is_gone(span[0], 0, 4) || !is_gone(span[1], 0, 4) || !is_kept(span[2], 0, 4) || dirty() != 4 || !sound();
}

static int
rest_in_child(void)
{
    struct jsm_span *span[2];

    set_up("unlimited", "86400000");
    take_apart(span, 2, 8);
    jsm_span_free(span[0]);
    jsm_span_free(span[1]);
    make_old(span[0], UINT32_C(90000000)); /* not sooner: a free may bring the tick that gives it back */
    /* Best fit takes the older of the two, and half of it stays as old as it is. */
    struct jsm_span *part = take(4);
    if (part != span[0])
        return 103;
    pass_ticks(2);
    return !is_gone(span[0], 4, 4) || !is_kept(span[1], 0, 8);
}

static int
bounded_in_child(void)
{
    struct jsm_span *span;
    int wrong = 0;

    set_up("unlimited", "86400000");
    span = take(5 * PER_MIB);
    (void)take(1);
    jsm_span_free(span);
    make_old(span, UINT32_C(90000000));
    size_t left = dirty();
    for (unsigned tick = 0; tick < 6 && left > 0; tick++) {
        pass_ticks(1);
        wrong |= left - dirty() > PER_MIB;
        left = dirty();
    }
    return wrong || left != 0 || !sound();
}

static int
at_once_in_child(void)
{
    struct jsm_span *span[10];
    int wrong = 0;

    set_up("unlimited", "0");
    take_apart(span, 10, 8);
    for (unsigned i = 0; i < 10; i++) {
        jsm_span_free(span[i]);
        wrong |= dirty() != 0;
    }
    return wrong || !sound();
}

static void
test_by_time(void)
{
    check(delay_in_child, "what has been free for purge_delay goes, what has not stays");
    check(rest_in_child, "what is left over of an old span goes like the whole of it would have");
    check(bounded_in_child, "a tick gives back 1 MiB at most, the following ones the rest");
    check(at_once_in_child, "with purge_delay=0 nothing that is freed stays");
}

/* ---- On demand ---- */

static int
all_in_child(void)
{
    struct jsm_span *span[10];
    struct jsm_span_totals totals;
    bool clean;
    int wrong = 0;

    set_up("unlimited", "unlimited");
    take_apart(span, 10, 10);
    for (unsigned i = 0; i < 10; i++)
        jsm_span_free(span[i]);
    wrong |= (jsm_purge_all(SIZE_MAX) != 0 || dirty() != 100) << 0;
    wrong |= (jsm_purge_all(30 * JSM_SLICE_BYTES) != 70 * JSM_SLICE_BYTES || dirty() != 30) << 1;
    wrong |= (jsm_purge_all(0) != 30 * JSM_SLICE_BYTES || dirty() != 0 || jsm_purge_all(0) != 0) << 2;
    for (unsigned i = 0; i < 10; i++)
        wrong |= !is_gone(span[i], 0, 10) << 3;
    jsm_span_totals(&totals);
    wrong |= (totals.purged_bytes != 100 * JSM_SLICE_BYTES || totals.purge_calls == 0 || totals.clean_slices < 100)
             << 4;
    (void)jsm_span_alloc(0, 10, 1, JSM_WANT_CLEAN, &clean);
    wrong |= !clean << 5;
    wrong |= !sound() << 6;
    return wrong;
}

static void
test_all(void)
{
    struct child child;

    in_child(&child, all_in_child);
    int wrong = WIFEXITED(child.status) ? WEXITSTATUS(child.status) : 255;
    is_int(wrong & (1 | 2), 0, "as much is kept as is asked for");
    is_int(wrong & 4, 0, "nothing is given back twice");
    is_int(wrong & (8 | 32), 0, "what was given back reads as zero, and counts as clean");
    is_int(wrong & 16, 0, "it is counted");
    is_int(wrong & 64, 0, "and the page heap is sound");
}

/* ---- Pages that the system does not take back ---- */

static int
locked_in_child(void)
{
    struct jsm_span *span;
    bool clean;

    set_up("unlimited", "unlimited");
    span = take(2);
    (void)take(1);
    /* Not mlock(): sanitizers make that one do nothing. */
    if (syscall(SYS_mlock, span->base, 2 * JSM_SLICE_BYTES) != 0 || jsm_os_purge(span->base, JSM_SLICE_BYTES) == 0)
        return 77;
    jsm_span_free(span);
    (void)jsm_purge_all(0);
    struct jsm_span *again = jsm_span_alloc(0, 2, 1, JSM_WANT_CLEAN, &clean);
    return again != span || (clean && !is_gone(span, 0, 2));
}

static void
test_locked(void)
{
    struct child child;

    in_child(&child, locked_in_child);
    if (WIFEXITED(child.status) && WEXITSTATUS(child.status) == 77)
        skip(1, "no memory can be locked here");
    else
        ok(ended_well(&child), "A3: memory that the system does not take back does not count as clean");
}

/* ---- Regret ---- */

static int
regret_in_child(void)
{
    struct jsm_span *span;
    bool clean;

    set_up("auto", "unlimited");
    (void)jsm_span_alloc(0, 40 * PER_MIB, 1, JSM_WANT_OLDEST, &clean);
    size_t before = jsm_purge_limit_bytes();
    span = take(8 * PER_MIB);
    jsm_span_free(span);
    (void)jsm_purge_all(0);
    (void)take(8 * PER_MIB); /* wanted again at once */
    size_t after = jsm_purge_limit_bytes();
    jsm_purge_regret(1000 * PER_MIB);
    size_t most = jsm_purge_limit_bytes();
    return before != 16 * JSM_MIB || after != before + 8 * JSM_MIB || most > before + 50 * JSM_MIB;
}

int
main(void)
{
    plan(5 + 4 + 4 + 5 + 1 + 1);
    end_if_stuck();
    test_by_amount();
    test_by_time();
    test_all();
    test_locked();
    check(regret_in_child, "what was given back too early raises the limit, to what is in use at most");
    return done();
}
