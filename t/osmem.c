/* t/osmem.c - the os_ allocator under load: against a model, in threads, across fork, out of memory, with
 * others who move the program break.
 *
 * t/seed-os.c has its rules one by one, t/osmem-misuse.c wrong pointers.
 * SPDX-License-Identifier: MIT
 */
#include "osmem-model.h"

#include <jsmalloc/osmem.h>
#include <pthread.h>
#include <sys/resource.h>

static uint64_t random_state;

static size_t
below(size_t n)
{
    return random_below(&random_state, n);
}

/* ---- The heap as the document describes it ---- */

enum { LIVE = 300 };

/* The first part: nobody else has moved the break yet. */
static void
test_model(void)
{
    static struct {
        unsigned char *p;
        size_t size;
    } live[LIVE];
    unsigned char *heap = sbrk(0);
    unsigned elsewhere = 0, spoilt = 0, unsound = 0, n = rounds(40000, 1000000);

    for (unsigned i = 0; i < n; i++) {
        unsigned s = (unsigned)below(LIVE);
        size_t size = 1 + below(below(20) == 0 ? 20000 : 300);
        size_t at = 0;
        if (live[s].p == NULL) {
            at = paper_take(size);
            live[s].p = below(4) != 0 || size >= 4096 ? os_malloc(size) : os_calloc(size, 1);
        } else if (below(3) != 0) {
            spoilt += !is_filled(live[s].p, live[s].size, live[s].size, s);
            paper_free((size_t)(live[s].p - heap));
            os_free(live[s].p);
            live[s].p = NULL;
            continue;
        } else {
            at = paper_change((size_t)(live[s].p - heap), size);
            live[s].p = os_realloc(live[s].p, size);
            spoilt += !is_filled(live[s].p, jsm_min(size, live[s].size), live[s].size, s);
        }
        elsewhere += live[s].p != heap + at || (unsigned char *)sbrk(0) != heap + paper_end();
        if (elsewhere != 0)
            break;
        live[s].size = size;
        fill(live[s].p, size, s);
        unsound += i % 200 == 0 && jsm_osmem_check() != 0;
    }
    is_uint(elsewhere, 0, "every block, and the program break, is where the document puts it");
    is_uint(spoilt, 0, "what was written is read, also after realloc");
    is_uint(unsound + jsm_osmem_check(), 0, "the heap is sound");
    for (unsigned s = 0; s < LIVE; s++)
        os_free(live[s].p);
}

/* ---- All sizes, with others who move the break ---- */

struct parcel {
    unsigned char *p;
    size_t size;
    uint64_t id;
};

static size_t
some_size(uint64_t *r)
{
    static const size_t most[] = {64, 64, 300, 300, 300, 3000, 3000, 9000, 140000, 400000};

    return random_below(r, most[random_below(r, COUNT_OF(most))]) + 1;
}

static bool
parcel_good(const struct parcel *a)
{
    return a->p == NULL || is_filled(a->p, a->size, a->size, a->id);
}

/* One random operation; number of things that were wrong. */
static unsigned
parcel_step(struct parcel *a, uint64_t *r)
{
    size_t size = some_size(r);
    unsigned wrong = 0;

    if (a->p != NULL && random_below(r, 3) != 0) {
        wrong += !parcel_good(a);
        os_free(a->p);
        a->p = NULL;
        return wrong;
    }
    if (a->p != NULL) {
        a->p = os_realloc(a->p, size);
        wrong += a->p == NULL || !is_filled(a->p, jsm_min(size, a->size), a->size, a->id);
    } else if (random_below(r, 3) == 0) {
        a->p = os_calloc(size, 1);
        wrong += a->p == NULL || !is_all(a->p, size, 0);
    } else {
        a->p = os_malloc(size);
        wrong += a->p == NULL;
    }
    wrong += (uintptr_t)a->p % 8 != 0;
    a->size = size;
    a->id = random_next(r);
    if (a->p != NULL)
        fill(a->p, size, a->id);
    return wrong;
}

static void
test_company(void)
{
    enum { STRANGERS = 80, OURS = 500 };
    static struct parcel own[OURS];
    static struct { unsigned char *p; size_t size; } stranger[STRANGERS];
    unsigned wrong = 0, touched = 0, unsound = 0, n = rounds(20000, 400000), n_strangers = 0;

    for (unsigned i = 0; i < n; i++) {
        wrong += parcel_step(&own[below(OURS)], &random_state);
        if (i % (n / STRANGERS) == 0 && n_strangers < STRANGERS) {
            size_t size = 1 + below(5000);
            stranger[n_strangers].p = sbrk((intptr_t)size);
            stranger[n_strangers].size = size;
            set_all(stranger[n_strangers++].p, size, (unsigned char)i);
        }
        if (i % 100 == 50) /* up and down again, as if nothing had been */
            wrong += sbrk(3001) == (void *)-1 || sbrk(-3001) == (void *)-1;
        unsound += i % 200 == 0 && jsm_osmem_check() != 0;
    }
    for (unsigned i = 0; i < n_strangers; i++)
        touched += !is_all(stranger[i].p, stranger[i].size, stranger[i].p[0]);
    is_uint(wrong, 0, "blocks of all sizes hold what was written, while others move the break");
    is_uint(touched, 0, "whose memory is not touched");
    is_uint(unsound + jsm_osmem_check(), 0, "the heap is sound");
    for (unsigned i = 0; i < OURS; i++)
        os_free(own[i].p);
}

static void
test_many_mapped(void)
{
    enum { MANY = 2000 };
    static unsigned char *p[MANY];
    unsigned wrong = 0;
    size_t page = jsm_os_page_bytes();

    for (unsigned round = 0; round < 3; round++) {
        for (unsigned i = 0; i < MANY; i++) {
            if (p[i] == NULL)
                p[i] = os_calloc(page, 1);
            wrong += p[i] == NULL || p[i][0] != 0;
            p[i][0] = (unsigned char)(i % 251 + 1);
        }
        for (unsigned i = 0; i < MANY; i++) {
            unsigned k = (unsigned)below(MANY);
            os_free(p[k]);
            p[k] = NULL;
        }
        for (unsigned i = 0; i < MANY; i++) {
            wrong += p[i] != NULL && p[i][0] != i % 251 + 1;
            if (p[i] != NULL)
                p[i][0] = 0;
        }
        wrong += jsm_osmem_check();
    }
    for (unsigned i = 0; i < MANY; i++)
        os_free(p[i]);
    is_uint(wrong + jsm_osmem_check(), 0, "thousands of mapped blocks come and go in any order");
}

static void
test_errno(void)
{
    size_t half = hide_size(SIZE_MAX / 2 + 1), all = hide_size(SIZE_MAX);
    /* Of 32 bits, a 64-bit kernel has all for the program. */
    size_t most = hide_size(sizeof(size_t) == 8 ? (size_t)PTRDIFF_MAX : SIZE_MAX - 100);
    unsigned wrong = 0;

    errno = 0;
    wrong += os_malloc(all) != NULL || errno != ENOMEM;
    errno = 0;
    wrong += os_malloc(half) != NULL || errno != ENOMEM;
    errno = 0;
    wrong += os_malloc(most) != NULL || errno != ENOMEM;
    errno = 0;
    wrong += os_calloc(half, 2) != NULL || errno != ENOMEM;
    errno = 0;
    wrong += os_calloc(all, all) != NULL || errno != ENOMEM;
    unsigned char *p = os_malloc(100), *m = os_malloc(200000);
    fill(p, 100, 1);
    fill(m, 200000, 2);
    errno = 0;
    wrong += os_realloc(p, all) != NULL || errno != ENOMEM;
    errno = 0;
    wrong += os_realloc(m, all) != NULL || os_realloc(m, most) != NULL || errno != ENOMEM;
    wrong += !is_filled(p, 100, 100, 1) || !is_filled(m, 200000, 200000, 2);
    is_uint(wrong, 0, "what there cannot be is ENOMEM, and leaves blocks as they were");
    errno = ERRNO_MARK;
    p = os_realloc(p, 300);
    m = os_realloc(m, 100);
    void *q = os_malloc(10), *r = os_calloc(10, 1000), *s = os_malloc(100000);
    ok(p != NULL && m != NULL && q != NULL && r != NULL && s != NULL && errno == ERRNO_MARK,
       "success leaves errno alone");
    os_free(p);
    os_free(m);
    os_free(q);
    os_free(r);
    os_free(s);
}

/* ---- Threads and fork ---- */

enum { THREADS = 4, SHARED = 64 };

static struct parcel shared[SHARED];
static pthread_mutex_t shared_lock = PTHREAD_MUTEX_INITIALIZER;
static bool stop;

static bool
stopped(void)
{
    pthread_mutex_lock(&shared_lock);
    bool s = stop;
    pthread_mutex_unlock(&shared_lock);
    return s;
}

/* Works on blocks of its own, and exchanges them for those of others. */
static unsigned
work(uint64_t seed, unsigned n)
{
    struct parcel own[32] = {{NULL, 0, 0}};
    unsigned wrong = 0;

    for (unsigned i = 0; i < n || (n == 0 && !stopped()); i++) {
        struct parcel *a = &own[random_below(&seed, COUNT_OF(own))];
        wrong += parcel_step(a, &seed);
        if (i % 4 != 0)
            continue;
        pthread_mutex_lock(&shared_lock);
        struct parcel *b = &shared[random_below(&seed, SHARED)], c = *a;
        *a = *b;
        *b = c;
        pthread_mutex_unlock(&shared_lock);
        wrong += !parcel_good(a);
    }
    for (unsigned i = 0; i < COUNT_OF(own); i++)
        os_free(own[i].p);
    return wrong;
}

static void *
work_some(void *seed)
{
    return (void *)(uintptr_t)work((uintptr_t)seed, rounds(4000, 100000));
}

static void *
work_on(void *seed)
{
    return (void *)(uintptr_t)work((uintptr_t)seed, 0);
}

static void
start(pthread_t *t, void *(*body)(void *))
{
    for (unsigned i = 0; i < THREADS; i++)
        if (pthread_create(&t[i], NULL, body, (void *)(uintptr_t)(below(1000000) + 1)) != 0)
            _exit(99);
}

/* Number of things that were wrong in the threads. */
static unsigned
join(pthread_t *t)
{
    unsigned wrong = 0;
    void *result;

    for (unsigned i = 0; i < THREADS; i++) {
        pthread_join(t[i], &result);
        wrong += (unsigned)(uintptr_t)result;
    }
    return wrong;
}

static int
use_in_child(void)
{
    pthread_mutex_unlock(&shared_lock);
    unsigned wrong = jsm_osmem_check() + work(1, 300) + jsm_osmem_check();
    void *p = jsm_malloc(100); /* whose handlers have run as well */

    wrong += p == NULL;
    jsm_free(p);
    return wrong == 0 ? 0 : 1;
}

static void
test_threads(void)
{
    pthread_t t[THREADS];
    unsigned n = rounds(100, 2000);
    struct child child = { .status = 0 };

    start(t, work_some);
    is_uint(join(t), 0, "threads use and free each other's blocks");
    is_uint(jsm_osmem_check(), 0, "the heap is sound");
    if (under_qemu()) {
        skip(2, "an emulator that forks only programs without threads");
        return;
    }
    start(t, work_on);
    for (unsigned i = 0; i < n && ended_well(&child); i++) {
        /* The test's own lock must not be held by a thread that the child does not have. */
        pthread_mutex_lock(&shared_lock);
        in_child(&child, use_in_child);
        pthread_mutex_unlock(&shared_lock);
        sched_yield();
    }
    ok(ended_well(&child), "a child uses the heap while other threads of the parent do");
    tell_child(&child);
    pthread_mutex_lock(&shared_lock);
    stop = true;
    pthread_mutex_unlock(&shared_lock);
    is_uint(join(t) + jsm_osmem_check(), 0, "which is nothing to them");
    for (unsigned i = 0; i < SHARED; i++) {
        os_free(shared[i].p);
        shared[i].p = NULL;
    }
}

/* ---- Beside malloc ---- */

/* Takes arenas from the break all the time; blocks of 2 MiB, many more than an arena holds. */
static void *
work_on_break(void *arg)
{
    enum { BLOCKS = 100 };
    static unsigned char *p[BLOCKS];
    unsigned char *start = arg;
    unsigned wrong = 0, on_break = 0;

    for (unsigned i = 0; i < BLOCKS; i++) {
        p[i] = jsm_malloc(2 * MIB);
        wrong += p[i] == NULL;
        if (p[i] == NULL)
            break;
        on_break += p[i] >= start && p[i] < (unsigned char *)sbrk(0);
        fill(p[i], 2 * MIB, i);
    }
    for (unsigned i = 0; i < BLOCKS && p[i] != NULL; i++) {
        wrong += !is_filled(p[i], 2 * MIB, 2 * MIB, i);
        jsm_free(p[i]);
    }
    return (void *)(uintptr_t)(wrong + (on_break == 0));
}

static int
share_break(void)
{
    void *start = sbrk(0), *wrong = NULL;
    pthread_t t;

    if (!jsm_option_set("source", "brk") || pthread_create(&t, NULL, work_on_break, start) != 0)
        return 9;
    unsigned ours = work(1, 3000);
    pthread_join(t, &wrong);
    return wrong == NULL && ours == 0 && jsm_osmem_check() == 0 && jsm_check() == 0 ? 0 : 1;
}

static void
test_neighbours(void)
{
    unsigned char *a = os_malloc(100), *b = jsm_malloc(100), *c = malloc(100);

    ok(a != NULL && b != NULL && c != NULL && !jsm_is_ours(a) && jsm_is_ours(b),
       "it lives beside malloc, and apart from it");
    os_free(a);
    jsm_free(b);
    free(c);
}

/* In a child that has no arena yet. */
static void
test_shared_break(void)
{
    struct child child;

    if (is_emulated()) {
        skip(1, "the break of an emulated program is short");
        return;
    }
    in_child(&child, share_break);
    ok(ended_well(&child), "the break is shared with the main heap, in another thread, under source=brk");
    tell_child(&child);
}

/* ---- No memory ---- */

/* Fills memory up to a limit with blocks of `size` bytes; number of things that were wrong. */
static unsigned
fill_up(size_t size)
{
    static struct parcel a[40000];
    unsigned n = 0, wrong = 0;

    errno = 0;
    while (n < COUNT_OF(a) && (a[n].p = os_malloc(size)) != NULL) {
        a[n].size = size;
        a[n].id = n;
        fill(a[n].p, size, n);
        n++;
    }
    wrong += n == 0 || n == COUNT_OF(a) || errno != ENOMEM;
    errno = 0;
    wrong += os_realloc(a[0].p, 64 * MIB) != NULL || errno != ENOMEM;
    errno = 0;
    wrong += os_calloc(64 * MIB, 1) != NULL || errno != ENOMEM;
    wrong += jsm_osmem_check();
    for (unsigned i = 0; i < n; i++) {
        wrong += !parcel_good(&a[i]);
        os_free(a[i].p);
    }
    void *p = os_malloc(size), *q = os_malloc(size);
    wrong += p == NULL || q == NULL || jsm_osmem_check() != 0;
    return wrong;
}

static int
limited(int resource)
{
    struct rlimit limit = { 48 * MIB, 48 * MIB };
    char text[128];
    unsigned wrong = 0;

    if (resource == RLIMIT_AS && jsm_os_read_file("/proc/self/statm", text, sizeof text) > 0)
        limit.rlim_cur = limit.rlim_max = strtoul(text, NULL, 10) * jsm_os_page_bytes() + 24 * MIB;
    if (setrlimit(resource, &limit) != 0)
        return 77;
    wrong += fill_up(200000);
    wrong += fill_up(3000); /* last: the heap does not shrink */
    return wrong == 0 ? 0 : 1;
}

static int
limited_data(void)
{
    return limited(RLIMIT_DATA);
}

static int
limited_addresses(void)
{
    return limited(RLIMIT_AS);
}

/* Each of the first calls to the system fails once, or with all that follow. */
static int
injected(void)
{
    unsigned wrong = 0;
    uint64_t r = random_state;

    for (unsigned i = 0; i < 2000; i++) {
        struct parcel a = { os_malloc(3000), 3000, i };
        if (a.p == NULL)
            return 2;
        fill(a.p, a.size, a.id);
        jsm_os_fail_sticky = i % 2 != 0;
        jsm_os_fail_after = (int)random_below(&r, 3);
        void *b = os_malloc(100000), *c = os_calloc(1, 10000), *d = os_realloc(a.p, some_size(&r) + 3000);
        jsm_os_fail_after = -1;
        wrong += !is_filled(d != NULL ? d : a.p, 3000, 3000, i);
        wrong += i % 50 == 0 && jsm_osmem_check() != 0;
        os_free(b);
        os_free(c);
        os_free(d != NULL ? d : a.p);
    }
    return wrong + jsm_osmem_check() == 0 ? 0 : 1;
}

static void
test_limits(void)
{
    struct child child;

    if (SANITIZED || is_emulated()) {
        skip(2, "limits that leave nothing to a sanitizer or an emulator");
    } else {
        in_child(&child, limited_data);
        ok(ended_well(&child), "RLIMIT_DATA: ENOMEM, blocks as they were, and service again");
        tell_child(&child);
        if (IS_GLIBC) {
            in_child(&child, limited_addresses);
            ok(ended_well(&child), "RLIMIT_AS: ENOMEM, blocks as they were, and service again");
            tell_child(&child);
        } else {
            skip(1, "addresses for the heap are reserved beforehand where libc has the break for itself");
        }
    }
    in_child(&child, injected);
    ok(ended_well(&child), "whichever call to the system fails, no block is lost");
    tell_child(&child);
}

int
main(void)
{
    end_if_stuck();
    plan(1 + 3 + 3 + 1 + 1 + 2 + 4 + 3);
    random_state = test_seed();
    test_shared_break();
    test_model();
    test_company();
    test_many_mapped();
    test_neighbours();
    test_errno();
    test_threads();
    test_limits();
    return done();
}
