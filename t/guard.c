/* t/guard.c - blocks between guard pages: what is done to them and beside them ends the program with a report.
 *
 * SPDX-License-Identifier: MIT
 */
#include "guard.h"

#include "api/api.h"

#include <pthread.h>
#include <setjmp.h>
#include <sys/mman.h>

enum { SLOTS = 256 };

static size_t page;

/* ---- Accesses ---- */

static size_t size;
static ptrdiff_t at;
static bool by_write;
static volatile unsigned char seen; /* what was read: valgrind leaves out reads of which nothing comes */

static void
access_at(void *p, ptrdiff_t i)
{
    volatile unsigned char *b = hide(p);

    if (by_write)
        b[i] = 1;
    else
        seen = b[i];
}

static int
use_freed(void)
{
    void *p = take(size);

    jsm_free(p);
    access_at(p, at);
    return 1;
}

static int
use_beyond(void)
{
    access_at(take(size), at);
    return 1;
}

static void
test_use_after_free(void)
{
    static const size_t sizes[] = { 1, 24, 100, 4096, 20000, 57344 };
    unsigned good = 0, n = 0;
    uint64_t seed = test_seed();

    for (unsigned i = 0; i < COUNT_OF(sizes); i++) {
        for (by_write = false;; by_write = true) {
            const char *const words[] = {"use after free: " AT_BYTE, "allocated by\n", "freed by\n", NULL};
            size = jsm_min(sizes[i], MOST_BYTES(page));
            at = (ptrdiff_t)random_below(&seed, size);
            in_child(&child, use_freed);
            bool well = died(SIGSEGV, words);
            if (!well)
                tell_child(&child);
            good += well;
            n++;
            if (by_write)
                break;
        }
    }
    is_uint(good, n, "a freed block: reads and writes anywhere in it end the program, with a report");
}

/* Whole pages end where the block does. */
static void
test_beyond(void)
{
    static const char *const beyond[] = { "heap overflow: " BEYOND " beyond its end\n", "allocated by\n", NULL };
    static const char *const before[] = { "heap underflow: " BEFORE " before its start\n", NULL };
    unsigned good = 0;

    size = jsm_min(3 * page, MOST_BYTES(page));
    for (by_write = false;; by_write = true) {
        at = (ptrdiff_t)size;
        in_child(&child, use_beyond);
        good += died(SIGSEGV, beyond);
        at = -1;
        in_child(&child, use_beyond);
        good += died(SIGSEGV, before);
        if (by_write)
            break;
    }
    is_uint(good, 4, "whole pages: the next byte on either side ends the program, with a report");
}

/* Writes beside the block, and frees it. */
static int
spoil(void)
{
    void *p = take(size);

    by_write = true;
    access_at(p, at);
    jsm_free(p);
    return 1;
}

static void
test_beside(void)
{
    unsigned good = 0, n = 0, by_fault = 0;

    for (size = 1; size < 300; size += 23) {
        for (int side = 0; side < 2; side++, n++) {
            at = side == 0 ? (ptrdiff_t)size : -1;
            in_child(&child, spoil);
            by_fault += WIFSIGNALED(child.status) && WTERMSIG(child.status) == SIGSEGV;
            const char *words = side == 0 ? "heap overflow: 1 byte beyond" : "heap underflow: 1 byte before";
            const char *fault = side == 0 ? "heap overflow: " BEYOND " beyond" : "heap underflow: " BEFORE " before";
            good += WIFSIGNALED(child.status) && (strstr(child.text, words) || strstr(child.text, fault));
        }
    }
    is_uint(good, n, "a byte written beside a block of any size is found: at once, or when it is freed");
    ok(by_fault > 0 && by_fault < n, "blocks lie at either end of their pages (%u of %u end there)", by_fault, n);
}

/* ---- Misuse ---- */

static int
free_twice(void)
{
    void *p = take(50);

    jsm_free(p);
    jsm_free(p);
    return 1;
}

static int
free_inside(void)
{
    jsm_free((char *)take(50) + 16);
    return 1;
}

static int
free_wrong_size(void)
{
    jsm_free_sized(take(50), 49);
    return 1;
}

static int
realloc_freed(void)
{
    void *p = take(50);

    jsm_free(p);
    return jsm_realloc(p, 100) == NULL ? 1 : 2;
}

static void *
free_it(void *p)
{
    jsm_free(p);
    return NULL;
}

static int
free_elsewhere(void)
{
    void *p = take(50);
    pthread_t thread;

    if (pthread_create(&thread, NULL, free_it, p) != 0)
        return 1;
    pthread_join(thread, NULL);
    access_at(p, 0);
    return 2;
}

static int
misuse_and_go_on(void)
{
    void *p = take(50);

    (void)jsm_option_set("check_action", "0");
    jsm_free((char *)p + 16);
    by_write = true;
    access_at(p, 50 + (50 % 16 == 0)); /* beside it on one of the sides */
    jsm_free(p);
    jsm_free(p);
    return jsm_check() != 0;
}

static void
test_misuse(void)
{
    dies(free_twice, SIGABRT, "freed twice: both stacks are told", "double free\n", "called by\n", "allocated by\n",
         "freed by\n");
    dies(free_inside, SIGABRT, "freed in the middle", "invalid pointer (inside a block)\n", "16 bytes inside",
         "allocated by\n");
    dies(free_wrong_size, SIGABRT, "freed with a wrong size", "wrong size: 49 was said\n");
    dies(realloc_freed, SIGABRT, "given to realloc when it is free", "realloc(", "double free\n", "freed by\n");
    by_write = false;
    dies(free_elsewhere, SIGSEGV, "freed by another thread", "allocated by\n", "freed in another thread by\n");
    test(misuse_and_go_on, "what check_action lets go on goes on");
}

/* ---- Blocks like others ---- */

static int
promises(void)
{
    for (size_t n = 1; n < 6000; n += 13) {
        char *p = take(n), *q;
        bool ours = jsm_is_ours(p) && !jsm_is_ours(p + 1) && jsm_malloc_usable_size(p) == n;
        if (!ours || !is_aligned(p, natural_align(n)) || !is_all(p, n, 0))
            return 1;
        fill(p, n, n);
        q = jsm_realloc(p, n);
        if (q != p)
            return 2;
        q = jsm_realloc(p, n + 1000);
        if (q == NULL || q == p || !is_filled(q, n, n, n) || jsm_is_ours(p))
            return 3;
        q = jsm_realloc(q, n);
        if (q == NULL || !is_filled(q, n, n, n))
            return 4;
        jsm_free_sized(q, n);
        if (jsm_is_ours(q))
            return 5;
    }
    return jsm_check();
}

static int
alignments(void)
{
    for (size_t align = 1; align <= 4 * page; align *= 2) {
        for (size_t n = 1; n < 3000; n += 97) {
            sample("1");
            char *p = jsm_aligned_alloc(align, n);
            if (!is_aligned(p, align) || (align <= page) != is_guarded(p))
                return 1;
            set_all(p, n, 1);
            jsm_free_aligned_sized(p, align, n);
        }
    }
    return 0;
}

static int
zeros(void)
{
    sample("1");
    (void)jsm_option_set("perturb", "165");
    char *p = jsm_calloc(10, 10), *q = jsm_malloc(100);

    return !is_guarded(p) || !is_guarded(q) || !is_all(p, 100, 0) || !is_all(q, 100, 165 ^ 0xff);
}

static int
errors(void)
{
    sample("1");
    errno = ERRNO_MARK;
    void *p = jsm_malloc(10);
    jsm_free(p);
    if (errno != ERRNO_MARK || jsm_malloc(hide_size(PTRDIFF_MAX) + 1) != NULL || errno != ENOMEM)
        return 1;
    (void)jsm_option_set("zero_size", "null");
    return jsm_malloc(0) != NULL;
}

static int
checked(void)
{
    char *p = take(100); /* which lies beside its guard on one side at most */

    if (jsm_check() != 0)
        return 1;
    if (((uintptr_t)p & (page - 1)) == 0)
        p[100] = 1;
    else
        p[-1] = 1;
    return freopen("/dev/null", "w", stderr) == NULL || jsm_check() != 1;
}

static void
test_promises(void)
{
    test(promises, "usable size, alignment, contents, realloc, free_sized");
    test(alignments, "alignments up to a page");
    test(zeros, "calloc's zeros, and the pattern of perturb");
    test(errors, "errno, sizes that are too large, malloc(0)");
    test(checked, "jsm_check() finds what was written beside a live block");
}

/* ---- The pool ---- */

static int
exhaust(void)
{
    static char *block[4 * SLOTS];
    unsigned guarded = 0;

    sample("1");
    for (unsigned round = 0; round < 3; round++) {
        guarded = 0;
        for (unsigned i = 0; i < COUNT_OF(block); i++) {
            block[i] = jsm_malloc(100 + i);
            if (block[i] == NULL)
                return 1;
            fill(block[i], 100 + i, i);
            guarded += is_guarded(block[i]);
        }
        if (guarded != SLOTS)
            return 2;
        for (unsigned i = 0; i < COUNT_OF(block); i++) {
            if (!is_filled(block[i], 100 + i, 100 + i, i))
                return 3;
            jsm_free(block[i]);
        }
    }
    return jsm_check();
}

/* A slot is used again only after all others. */
static int
queue(void)
{
    void *p = take(10);

    jsm_free(p);
    for (unsigned i = 0; i < SLOTS - 1; i++) {
        char *q = take(10);
        if ((uintptr_t)q >> 16 == (uintptr_t)p >> 16)
            return 1;
        jsm_free(q);
    }
    return (uintptr_t)take(10) >> 16 != (uintptr_t)p >> 16;
}

static int
rate(void)
{
    unsigned guarded = 0;

    sample("10");
    for (unsigned i = 0; i < 30000; i++) {
        void *p = i % 3 == 0 ? jsm_calloc(1, 50) : i % 3 == 1 ? jsm_malloc(5000) : jsm_aligned_alloc(64, 100);
        guarded += is_guarded(p);
        jsm_free(p);
    }
    return guarded < 2700 || guarded > 3300; /* with 33 as the standard deviation */
}

static int
memory(void)
{
    void *block[100];
    struct jsm_stats stats, before;

    sample("1");
    jsm_free(jsm_malloc(10));
    jsm_stats_take(&before, true);
    for (unsigned i = 0; i < COUNT_OF(block); i++)
        block[i] = jsm_malloc(10);
    jsm_stats_take(&stats, true);
    bool counted = stats.live_blocks == before.live_blocks + COUNT_OF(block) &&
        stats.live_bytes == before.live_bytes + COUNT_OF(block) * page &&
        stats.committed_bytes == stats.live_bytes + stats.cached_bytes + stats.free_bytes + stats.metadata_bytes &&
        stats.heap.heaps[0].live_blocks == before.heap.heaps[0].live_blocks + COUNT_OF(block);
    for (unsigned i = 0; i < COUNT_OF(block); i++)
        jsm_free(block[i]);
    jsm_stats_take(&stats, true);
    return !counted || stats.live_bytes != before.live_bytes || stats.resident_bytes > before.resident_bytes + 8 * page;
}

static int
switch_off(void)
{
    char *p = take(100), text[16];

    if (jsm_option_get("guard_sample", text, sizeof text) != 1 || strcmp(text, "1") != 0)
        return 1;
    sample("off");
    (void)jsm_option_get("guard_sample", text, sizeof text);
    for (unsigned i = 0; i < 100; i++)
        if (is_guarded(jsm_malloc(100)))
            return 2;
    set_all(p, 100, 3);
    jsm_free(p);
    return strcmp(text, "off") != 0 || jsm_check() != 0;
}

/* Locked memory has no guards: protection does it then. */
static int
by_protection(void)
{
    if (mlockall(MCL_FUTURE) != 0 || jsm_os_guard(jsm_os_map(page, page), page) == 0)
        return 77;
    return exhaust() != 0 ? 1 : promises() != 0 ? 2 : 0;
}

static int
by_protection_used_freed(void)
{
    return mlockall(MCL_FUTURE) != 0 ? 77 : use_freed();
}

static void
test_pool(void)
{
    test(exhaust, "when all slots are taken other blocks are as ever");
    test(queue, "the slot that is free longest is used next");
    test(rate, "of all functions' blocks as many are sampled as the option says");
    test(memory, "statistics have them, and free ones take no memory");
    test(switch_off, "switched off while the program runs");
    in_child(&child, by_protection);
    if (under_qemu() || (WIFEXITED(child.status) && WEXITSTATUS(child.status) == 77)) {
        skip(2, "no memory can be locked here");
        return;
    }
    if (!ok(ended_well(&child), "without guards of the kernel, by protection"))
        tell_child(&child);
    size = 100;
    at = 50;
    by_write = true;
    dies(by_protection_used_freed, SIGSEGV, "and the same report", WRITE, "use after free: " AT_BYTE_50);
}

/* ---- Signals ---- */

static sigjmp_buf back;
static const void *volatile heard_address;

static void
hear(int signal, siginfo_t *info, void *context)
{
    (void)signal;
    (void)context;
    heard_address = info->si_addr;
    siglongjmp(back, 1);
}

static void
end_with_42(int signal)
{
    (void)signal;
    _exit(42);
}

static int
other_faults(void)
{
    struct sigaction action = { .sa_sigaction = hear, .sa_flags = SA_SIGINFO };

    sigaction(SIGSEGV, &action, NULL);
    (void)take(10);
    for (uintptr_t i = 1; i < 3; i++) {
        if (sigsetjmp(back, 1) == 0)
            *(volatile char *)hide((void *)(i * 16)) = 1;
        if (heard_address != (void *)(i * 16 / FAULT_UNIT * FAULT_UNIT))
            return 1;
    }
    return 0;
}

static int
fault_with_handler(void)
{
    signal(SIGSEGV, end_with_42);
    size = at = 50;
    return use_freed();
}

static int
handler_later(void)
{
    void *p = take(50);

    signal(SIGSEGV, end_with_42);
    jsm_free(p);
    access_at(p, 1);
    return 1;
}

static int
sent(void)
{
    (void)take(10);
    raise(SIGSEGV);
    return 1;
}

static int
sent_and_ignored(void)
{
    signal(SIGSEGV, SIG_IGN);
    (void)take(10);
    raise(SIGSEGV);
    return 0;
}

static int
far_fault(void)
{
    (void)take(10);
    *(volatile char *)hide((void *)16) = 1;
    return 1;
}

static int
never_used(void)
{
    char *p = take(10);

    access_at(p + 1000000, 0);
    return 1;
}

static void
test_signals(void)
{
    const char *why = "memcheck takes it for an error of the program's, which ends with 99";

    if (under_valgrind())
        skip(1, why);
    else
        test(other_faults, "a handler of the program's hears of faults elsewhere, again and again");
    by_write = false;
    in_child(&child, fault_with_handler);
    ok(WIFEXITED(child.status) && WEXITSTATUS(child.status) == 42 && strstr(child.text, "use after free") != NULL,
       "and of those that were reported");
    in_child(&child, handler_later);
    ok(WIFEXITED(child.status) && WEXITSTATUS(child.status) == 42 && child.text[0] == '\0',
       "one that is set later hears of them instead");
    dies(sent, SIGSEGV, "a signal that was sent still ends the program", "");
    test(sent_and_ignored, "or is ignored");
    if (under_valgrind()) {
        skip(2, why);
    } else {
        dies(far_fault, SIGSEGV, "a fault elsewhere ends the program without a word of ours", "");
        ok(child.text[0] == '\0' || under_qemu(), "indeed without"); /* an emulator has one itself */
    }
    dies(never_used, SIGSEGV, "one in a part of the pool where no block was", "no block was ever here");
}

/* ---- Heaps ---- */

static int
count_one(void *arg, void *block, size_t bytes)
{
    *(size_t *)arg += is_guarded(block) && bytes == 100;
    return 0;
}

static int
heaps(void)
{
    jsm_heap *heap = jsm_heap_new(NULL), *other = jsm_heap_new(NULL);
    struct jsm_heap_config config = JSM_HEAP_CONFIG_INIT;
    void *p[3], *q;
    size_t n = 0;

    config.limit_bytes = 10 * MIB;
    sample("1");
    for (unsigned i = 0; i < 3; i++) {
        p[i] = jsm_heap_malloc(heap, 100);
        if (!is_guarded(p[i]) || jsm_heap_of(p[i]) != heap)
            return 1;
    }
    q = jsm_heap_calloc(other, 1, 100);
    if (!is_guarded(q) || jsm_heap_visit(heap, count_one, &n) != 0 || n != 3)
        return 2;
    jsm_heap_free(heap, p[0]);
    jsm_heap_destroy(heap);
    jsm_heap_delete(other);
    if (jsm_is_ours(p[0]) || jsm_is_ours(p[1]) || jsm_is_ours(p[2]) || !jsm_is_ours(q) || jsm_heap_of(q) != NULL)
        return 3;
    jsm_free(q);
    if (is_guarded(jsm_heap_malloc(jsm_heap_new(&config), 100)) || is_guarded(jsm_malloc_conceal(100)))
        return 4;
    return jsm_check();
}

int
main(void)
{
    plan(1 + 1 + 2 + 6 + 5 + 7 + 8 + 1);
    end_if_stuck();
    page = jsm_os_page_bytes();
    test_use_after_free();
    test_beyond();
    test_beside();
    test_misuse();
    test_promises();
    test_pool();
    test_signals();
    test(heaps, "heaps of the program: blocks, visits, the end");
    return done();
}
