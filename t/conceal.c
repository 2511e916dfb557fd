/* t/conceal.c - secrets: no copy of one is left anywhere in the memory of the process, in a child, or for a core dump.
 *
 * The test looks through all that /proc/self/mem shows. It knows the secret only in another form, so that what it
 * finds is what the library has left.
 * SPDX-License-Identifier: MIT
 */
#include "blackbox.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>

/* ---- Finding it ---- */

enum { SECRET_BYTES = 24, MASK = 0x5a, CHUNK_BYTES = 1 << 20 };

static unsigned char masked[SECRET_BYTES];
static char *chunk; /* a mapping of its own, which is not looked through */

static void
put_secret(char *at)
{
    for (size_t i = 0; i < SECRET_BYTES; i++)
        ((volatile char *)at)[i] = (char)(masked[i] ^ MASK);
}

static bool
is_secret(const char *at)
{
    for (size_t i = 0; i < SECRET_BYTES; i++)
        if ((((const volatile unsigned char *)at)[i] ^ MASK) != masked[i])
            return false;
    return true;
}

/* Copies in [from, to) of the process's memory. */
static unsigned
count_in(int mem, unsigned long from, unsigned long to)
{
    const char first = (char)(masked[0] ^ MASK);
    unsigned n = 0;

    while (from + SECRET_BYTES <= to) {
        size_t wanted = to - from < CHUNK_BYTES ? to - from : CHUNK_BYTES;
        ssize_t got = pread(mem, chunk, wanted, (off_t)from);
        if (got < SECRET_BYTES)
            break;
        const char *end = chunk + got - SECRET_BYTES + 1;
        for (const char *p = chunk; p < end && (p = memchr(p, first, (size_t)(end - p))) != NULL; p++)
            n += is_secret(p);
        from += (size_t)got - SECRET_BYTES + 1; /* one may lie across the border */
    }
    return n;
}

/* Whether it is what a sanitizer notes about memory: terabytes, far below all mappings of the program.  No copies are
 * there. */
static bool
is_shadow(uint64_t from)
{
    uint64_t ours = (uintptr_t)masked;

    return SANITIZED && from >> 46 == 0 && from >> 40 != ours >> 40;
}

/* Copies in all memory, in two passes, as the list of mappings must not change; -1 where it cannot be read. */
static int
count_copies(void)
{
    static unsigned long range[4096][2];
    char line[512], perms[5];
    size_t n = 0;
    int copies = 0, mem = open("/proc/self/mem", O_RDONLY);
    FILE *f = fopen("/proc/self/maps", "r");

    while (f != NULL && n < COUNT_OF(range) && fgets(line, sizeof line, f) != NULL) {
        if (sscanf(line, "%lx-%lx %4s", &range[n][0], &range[n][1], perms) == 3 && perms[0] == 'r' &&
            strstr(line, "[vvar") == NULL && strstr(line, "[vsyscall") == NULL && range[n][0] != (uintptr_t)chunk &&
            !is_shadow(range[n][0]))
            n++;
    }
    if (f == NULL || mem < 0 || n == 0)
        copies = -1;
    if (f != NULL)
        fclose(f);
    for (size_t i = 0; mem >= 0 && i < n; i++)
        copies += (int)count_in(mem, range[i][0], range[i][1]);
    if (mem >= 0)
        close(mem);
    return copies;
}

static bool
has_copies(int want, const char *where)
{
    int got = count_copies();

    if (got != want)
        diag("%s: %d copies, not %d", where, got, want);
    return got == want;
}

/* ---- What the kernel is told ---- */

/* Whether the mapping around `p` has the flag; -1 where the kernel does not tell. */
static int
has_flag(const void *p, const char *flag)
{
    FILE *f = fopen("/proc/self/smaps", "r");
    char line[512];
    int inside = 0, found = -1;
    unsigned long from, to;

    while (f != NULL && fgets(line, sizeof line, f) != NULL) {
        if (sscanf(line, "%lx-%lx ", &from, &to) == 2)
            inside = (uintptr_t)p >= from && (uintptr_t)p < to;
        else if (inside && strncmp(line, "VmFlags:", 8) == 0)
            found = strstr(line, flag) != NULL;
    }
    if (f != NULL)
        fclose(f);
    return found;
}

/* All of the block: neither in a core dump nor in children. */
static bool
is_concealed(const char *p, size_t size)
{
    for (size_t at = 0; at < size; at += size > 1 ? size - 1 : 1)
        if (has_flag(p + at, " dd") != 1 || has_flag(p + at, " wf") != 1)
            return false;
    return true;
}

/* ---- Blocks for secrets ---- */

/* In slabs of one slice and of several, in the page heap, and mapped on their own. */
static const size_t sizes[] = { 24, 100, 1000, 5000, 60000, 300000, 3 * MIB };

static char *
secret_block(size_t size)
{
    char *p = jsm_malloc_conceal(size);

    put_secret(p);
    put_secret(p + size - SECRET_BYTES);
    return p;
}

static void
free_by_free(void *p, size_t size)
{
    (void)size;
    jsm_free(p);
}

static void
free_by_realloc(void *p, size_t size)
{
    (void)size;
    (void)!jsm_realloc(p, 0);
}

static void
free_by_size(void *p, size_t size)
{
    jsm_free_sized(p, size);
}

static void
free_by_aligned(void *p, size_t size)
{
    jsm_free_aligned_sized(p, 8, size);
}

static void
free_by_freezero(void *p, size_t size)
{
    (void)size;
    jsm_freezero(p, 1);
}

static void
free_by_heap(void *p, size_t size)
{
    (void)size;
    jsm_heap_free(jsm_heap_of(p), p);
}


static const struct {
    const char *name;
    void (*call)(void *p, size_t size);
} frees[] = { { "free", free_by_free }, { "realloc to 0", free_by_realloc }, { "free_sized", free_by_size },
              { "free_aligned_sized", free_by_aligned }, { "freezero of one byte", free_by_freezero },
              { "jsm_heap_free", free_by_heap } };

static void
test_free(void)
{
    for (size_t f = 0; f < COUNT_OF(frees); f++) {
        bool good = true;
        for (size_t i = 0; i < COUNT_OF(sizes); i++) {
            char *p = secret_block(sizes[i]);
            good = has_copies(sizes[i] > SECRET_BYTES ? 2 : 1, "live") && good;
            frees[f].call(p, sizes[i]);
            good = has_copies(0, "freed") && good;
        }
        ok(good, "nothing is left after %s", frees[f].name);
    }
}

static void
test_realloc(void)
{
    char *p = jsm_malloc_conceal(SECRET_BYTES);
    bool good = true, concealed = true;

    put_secret(p);
    for (size_t i = 1; i < COUNT_OF(sizes); i++) {
        p = jsm_realloc(p, sizes[i]);
        good = has_copies(1, "grown") && is_secret(p) && good;
        concealed = concealed && is_concealed(p, sizes[i]);
    }
    for (size_t i = COUNT_OF(sizes) - 1; i-- > 0;) {
        p = jsm_realloc(p, sizes[i]);
        good = has_copies(1, "shrunk") && is_secret(p) && good;
        concealed = concealed && is_concealed(p, sizes[i]);
    }
    ok(good, "realloc leaves no copy where the block was");
    if (has_flag(p, " dd") < 0)
        skip(1, "no flags in /proc/self/smaps");
    else
        ok(concealed, "and the block stays concealed");
    jsm_free(p);
    p = secret_block(300000);
    p = jsm_realloc(p, 100);
    ok(has_copies(1, "cut off"), "nor what is cut off");
    jsm_free(p);
    p = secret_block(3 * MIB);
    p = jsm_reallocarray(p, 100, 4);
    p = jsm_rezalloc(p, 400, 1000);
    p = jsm_reallocf(p, 20000);
    ok(has_copies(1, "other functions"), "and so do its relatives");
    jsm_free(p);
    ok(has_copies(0, "freed"), "until it is freed");
}

static void
test_flags(void)
{
    char *p = jsm_malloc_conceal(100), *plain = jsm_malloc(100);

    if (has_flag(p, " dd") < 0) {
        skip(3, "no flags in /proc/self/smaps");
    } else {
        bool good = true;
        for (size_t i = 0; i < COUNT_OF(sizes); i++) {
            char *q = jsm_calloc_conceal(1, sizes[i]);
            good = is_concealed(q, sizes[i]) && is_all(q, sizes[i], 0) && good;
            jsm_free(q);
        }
        ok(good, "memory for secrets is left out of core dumps, wiped in children, and zero");
        is_int(has_flag(plain, " dd"), 0, "other memory is not");
        for (size_t i = 0; i < COUNT_OF(sizes); i++)
            jsm_free(jsm_malloc_conceal(sizes[i]));
        (void)jsm_malloc_trim(0);
        bool none = true;
        for (size_t i = 3; i < COUNT_OF(sizes); i++) {
            void *q = jsm_malloc(sizes[i]);
            none = none && has_flag(q, " dd") == 0 && has_flag(q, " wf") == 0;
            jsm_free(q);
        }
        ok(none, "nor what was given back");
    }
    jsm_free(p);
    jsm_free(plain);
}

static void *
make_secret(void *size)
{
    return secret_block(*(const size_t *)size);
}

static void *
free_secret(void *p)
{
    jsm_free(p);
    return NULL;
}

static void *
use_secret(void *size)
{
    jsm_free(make_secret(size));
    return NULL;
}

static void *
in_thread(void *(*what)(void *), void *arg)
{
    pthread_t t;
    void *result;

    pthread_create(&t, NULL, what, arg);
    pthread_join(t, &result);
    return result;
}

static void
test_threads(void)
{
    bool good = true;

    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        size_t size = sizes[i];
        (void)in_thread(use_secret, &size);
        good = has_copies(0, "a thread that ended") && good;
        jsm_free(in_thread(make_secret, &size));
        good = has_copies(0, "of a thread that ended") && good;
        (void)in_thread(free_secret, make_secret(&size));
        good = has_copies(0, "freed by another thread") && good;
    }
    ok(good, "whichever thread has it and frees it, nothing is left");
}

static int
look_in_child(char *const *block)
{
    int bad = !has_copies(0, "child");

    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        bad += !is_all(block[i], sizes[i], 0);
        jsm_free(block[i]);
    }
    char *p = secret_block(500);
    bad += !has_copies(2, "secret of the child");
    jsm_free(p);
    return bad + !has_copies(0, "child, freed") + jsm_check();
}

static void
test_fork(void)
{
    char *block[COUNT_OF(sizes)];

    for (size_t i = 0; i < COUNT_OF(sizes); i++)
        block[i] = secret_block(sizes[i]);
    if (has_flag(block[0], " wf") != 1) {
        skip(1, "the kernel does not wipe memory in children");
    } else {
        pid_t child = fork_timed();
        if (child == 0)
            _exit(look_in_child(block));
        is_int(verdict_of(child), 0, "a child has none of it, reads zeros, and may have secrets of its own");
    }
    bool good = true;
    for (size_t i = 0; i < COUNT_OF(sizes); i++)
        good = good && is_secret(block[i]);
    ok(good, "the parent keeps its own");
    for (size_t i = 0; i < COUNT_OF(sizes); i++)
        jsm_free(block[i]);
    ok(has_copies(0, "parent, freed"), "until it frees it");
}

/* ---- Plain blocks ---- */

static void
test_plain(void)
{
    bool good = true;

    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        char *p = jsm_malloc(sizes[i]);
        put_secret(p);
        put_secret(p + sizes[i] - SECRET_BYTES);
        jsm_freezero(p, sizes[i]);
        good = has_copies(0, "freezero") && good;
    }
    ok(good, "freezero leaves nothing of a plain block");
    good = true;
    char *p = jsm_recallocarray(NULL, 0, 1, SECRET_BYTES);
    put_secret(p);
    for (size_t i = 1; i < COUNT_OF(sizes); i++) {
        p = jsm_recallocarray(p, sizes[i - 1], sizes[i], 1);
        good = has_copies(1, "recallocarray") && is_secret(p) && good;
        good = good && is_all(p + SECRET_BYTES, sizes[i] - SECRET_BYTES, 0);
    }
    for (size_t i = COUNT_OF(sizes) - 1; i-- > 0;) {
        put_secret(p + sizes[i + 1] - SECRET_BYTES);
        p = jsm_recallocarray(p, sizes[i + 1], sizes[i], 1);
        good = has_copies(1, "recallocarray, shorter") && good;
    }
    ok(good, "recallocarray leaves no copy where the block was, nor of what is cut off");
    p = jsm_recallocarray(p, sizes[0], 0, 1);
    ok(has_copies(0, "recallocarray to 0"), "nor when nothing is wanted any more");
    jsm_free(p);
}

/* The heap of secrets is the library's own. */
static void
test_heap(void)
{
    char *p = secret_block(100);
    jsm_heap *heap = jsm_heap_of(p);

    (void)jsm_option_set("check_action", "0");
    jsm_heap_destroy(heap);
    jsm_heap_delete(heap);
    (void)jsm_option_set("check_action", "3");
    ok(is_secret(p) && jsm_heap_of(p) == heap, "the heap of secrets cannot be destroyed or deleted");
    jsm_free(p);
    ok(has_copies(0, "its heap was to be deleted"), "and wipes its blocks as ever");
}

int
main(void)
{
    uint64_t seed = test_seed();

    plan(1 + COUNT_OF(frees) + 5 + 3 + 1 + 3 + 3 + 2 + 1);
    for (size_t i = 0; i < SECRET_BYTES; i++)
        masked[i] = (unsigned char)(random_next(&seed) | 1);
    chunk = mmap(NULL, CHUNK_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (!jsm_option_set("mmap_threshold", "2M"))
        diag("no option mmap_threshold");
    if (is_emulated() || count_copies() < 0) {
        skip(1 + COUNT_OF(frees) + 5 + 3 + 1 + 3 + 3 + 2 + 1, "the memory of the process cannot be looked at here");
        return done();
    }
    char *p = jsm_malloc(100), *freed = hide(p);
    put_secret(p + 32);
    jsm_free(p);
    ok(has_copies(1, "control"), "free() of a plain block leaves what was in it, and the test finds it");
    memset(freed, 0, 100);
    test_free();
    test_realloc();
    test_flags();
    test_threads();
    test_fork();
    test_plain();
    test_heap();
    is_int(jsm_check(), 0, "the heap is sound");
    return done();
}
