/* t/stats.c - the figures: they add up, they are true, and telling them changes nothing.
 * SPDX-License-Identifier: MIT
 */
#include "unit.h"

#include "api/api.h"

#include <pthread.h>

static struct jsm_stats
taken(void)
{
    struct jsm_stats stats;

    jsm_stats_take(&stats, true);
    return stats;
}

/* Whether T1 and T2 of src/api/api.h hold, and nothing is between two uses. */
static bool
adds_up(const char *when)
{
    struct jsm_stats s = taken();
    bool good = s.committed_bytes == s.live_bytes + s.cached_bytes + s.free_bytes + s.metadata_bytes &&
        s.committed_bytes == s.arena_bytes + s.spans.huge_bytes + s.metadata_bytes &&
        s.cached_bytes == s.freed_bytes + s.cached_span_bytes &&
        s.free_bytes == s.free_span_bytes + s.uncarved_bytes + s.tail_bytes && s.busy_bytes == 0 &&
        s.arena_bytes + s.retained_bytes <= s.reserved_bytes;

    if (!good)
        diag("%s: committed %zu, live %zu, cached %zu, free %zu (busy %zu), metadata %zu", when, s.committed_bytes,
             s.live_bytes, s.cached_bytes, s.free_bytes, s.busy_bytes, s.metadata_bytes);
    return good;
}

/* ---- Blocks of all kinds ---- */

enum { BLOCKS = 20000, THREADS = 4 };

static size_t
some_size(uint64_t *random)
{
    switch (random_below(random, 100)) {
    case 0:
        return 65536 + random_below(random, 400000); /* large */
    case 1:
        return 4096 + random_below(random, 60000);
    default:
        return random_below(random, 2000);
    }
}

struct load {
    uint64_t random;
    unsigned char *p[BLOCKS];
    size_t live_bytes, live_blocks;
};

/* A block of any kind; what of it is usable is counted. */
static void
make(struct load *load, size_t i)
{
    size_t size = some_size(&load->random), align = (size_t)16 << random_below(&load->random, 10);

    load->p[i] = random_below(&load->random, 8) == 0 ? jsm_aligned_alloc(align, size) : jsm_malloc(size);
    if (load->p[i] == NULL)
        return;
    load->live_bytes += jsm_malloc_usable_size(load->p[i]);
    load->live_blocks++;
}

static void
drop(struct load *load, size_t i)
{
    if (load->p[i] == NULL)
        return;
    load->live_bytes -= jsm_malloc_usable_size(load->p[i]);
    load->live_blocks--;
    jsm_free(load->p[i]);
    load->p[i] = NULL;
}

static void *
work(void *arg)
{
    struct load *load = arg;
    unsigned steps = rounds(60000, 600000);

    for (size_t i = 0; i < BLOCKS; i++)
        load->p[i] = NULL;
    for (unsigned n = 0; n < steps; n++) {
        size_t i = random_below(&load->random, BLOCKS);
        drop(load, i);
        if (n % 3 != 0)
            make(load, i);
    }
    return NULL;
}

static struct load loads[THREADS];
static pthread_barrier_t parked;

static void *
work_and_wait(void *arg)
{
    (void)work(arg);
    (void)jsm_mallinfo2(); /* hands over what this thread freed in slabs that it has given away */
    pthread_barrier_wait(&parked); /* the figures are taken ... */
    pthread_barrier_wait(&parked);
    return NULL;
}

static bool
are_live(const char *when)
{
    struct jsm_stats s = taken();
    size_t bytes = 0, blocks = 0;

    for (unsigned t = 0; t < THREADS; t++) {
        bytes += loads[t].live_bytes;
        blocks += loads[t].live_blocks;
    }
    if (s.live_bytes == bytes && s.live_blocks == blocks)
        return true;
    diag("%s: %zu bytes and %zu blocks are told, there are %zu and %zu", when, s.live_bytes, s.live_blocks, bytes,
         blocks);
    return false;
}

static void
test_sums(void)
{
    pthread_t thread[THREADS];
    uint64_t seed = test_seed();

    ok(adds_up("before the first call"), "the figures add up before the first call");
    pthread_barrier_init(&parked, NULL, THREADS + 1);
    for (unsigned t = 0; t < THREADS; t++) {
        loads[t].random = seed + t;
        pthread_create(&thread[t], NULL, work_and_wait, &loads[t]);
    }
    pthread_barrier_wait(&parked);
    ok(adds_up("with threads"), "they do while threads hold blocks of all kinds");
    ok(are_live("with threads"), "and live is just what is live, also in threads that wait");
    pthread_barrier_wait(&parked);
    for (unsigned t = 0; t < THREADS; t++)
        pthread_join(thread[t], NULL);
    ok(adds_up("after threads") && are_live("after threads"), "all the same when the threads are gone");

    for (unsigned t = 0; t < THREADS; t++)
        for (size_t i = t; i < BLOCKS; i += 2)
            drop(&loads[t], i);
    ok(adds_up("half freed") && are_live("half freed"), "and when somebody else has freed half of it");
    void *huge = jsm_malloc(100 * MIB), *aligned = jsm_aligned_alloc(4 * MIB, 70 * MIB);
    loads[0].live_bytes += 170 * MIB;
    loads[0].live_blocks += 2;
    ok(huge != NULL && aligned != NULL && adds_up("huge") && are_live("huge"), "with direct mappings, too");
    ok(jsm_malloc_trim(0) == 1 && adds_up("trimmed") && are_live("trimmed"), "and after malloc_trim");
    jsm_free(huge);
    jsm_free(aligned);
    loads[0].live_bytes -= 170 * MIB;
    loads[0].live_blocks -= 2;
    for (unsigned t = 0; t < THREADS; t++)
        for (size_t i = 0; i < BLOCKS; i++)
            drop(&loads[t], i);
    ok(adds_up("all freed") && are_live("all freed"), "and when nothing is live");
}

/* The smallest blocks, of which a slab has the most. */
static void
test_full_slabs(void)
{
    static void *p[3 * 8192];
    size_t before = taken().live_blocks;

    for (size_t i = 0; i < COUNT_OF(p); i++)
        p[i] = jsm_malloc(8);
    is_uint(taken().live_blocks - before, COUNT_OF(p), "full slabs of the smallest blocks are counted in full");
    for (size_t i = 0; i < COUNT_OF(p); i++)
        jsm_free(p[i]);
    is_uint(taken().live_blocks, before, "and down again");
}

/* mallinfo() has no room for large figures. */
static void
test_saturation(void)
{
    void *p = sizeof(size_t) > 4 ? jsm_malloc((size_t)3 << 30) : NULL;

    if (p == NULL)
        skip(1, "no 3 GiB of addresses");
    else
        ok(jsm_mallinfo().hblkhd == INT_MAX && jsm_mallinfo2().hblkhd >= (size_t)3 << 30 &&
           jsm_mallinfo().usmblks == INT_MAX, "mallinfo tells INT_MAX for what is more, mallinfo2 all");
    jsm_free(p);
}

/* ---- Heaps of the program ---- */

static const struct jsm_heap_row *
row_of(const struct jsm_stats *s, const char *name)
{
    for (size_t i = 0; i < s->heap.n_heaps; i++)
        if (strcmp(s->heap.heaps[i].name, name) == 0)
            return &s->heap.heaps[i];
    return NULL;
}

static size_t
live_of_all(const struct jsm_stats *s)
{
    size_t bytes = 0;

    for (size_t i = 0; i < JSM_HEAP_ROWS; i++)
        bytes += s->heap.heaps[i].live_bytes;
    return bytes;
}

static void
test_heaps(void)
{
    static unsigned char buffer[17 * 65536];
    struct jsm_heap_config config = JSM_HEAP_CONFIG_INIT, own = JSM_HEAP_CONFIG_INIT;

    config.name = "limited";
    config.limit_bytes = 4 * MIB;
    own.name = "buffer";
    own.memory = buffer;
    own.memory_bytes = sizeof buffer;
    jsm_heap *limited = jsm_heap_new(&config), *in_buffer = jsm_heap_new(&own);
    size_t live = 0, live_own = 0;
    void *p = NULL;
    for (unsigned i = 0; i < 300; i++) {
        p = jsm_heap_malloc(limited, i * 20);
        live += jsm_malloc_usable_size(p);
        live_own += jsm_malloc_usable_size(jsm_heap_malloc(in_buffer, i));
    }
    live -= jsm_malloc_usable_size(p);
    jsm_heap_free(limited, p);
    live += jsm_malloc_usable_size(jsm_heap_malloc(limited, 200000));
    struct jsm_stats s = taken();
    const struct jsm_heap_row *row = row_of(&s, "limited");
    ok(row != NULL && row->live_bytes == live && row->live_blocks == 300 && row->limit_bytes == 4 * MIB &&
       row->committed_bytes >= live && row->committed_bytes <= 4 * MIB, "a heap of the program has a row of its own");
    row = row_of(&s, "buffer");
    ok(row != NULL && row->live_bytes == live_own && row->committed_bytes <= sizeof buffer, "so has one in a buffer");
    ok(adds_up("heaps") && live_of_all(&s) == s.live_bytes + live_own,
       "the heaps together have all that is live, and the buffer is in no sum");

    jsm_heap *many[2 * JSM_HEAP_ROWS];
    for (unsigned i = 0; i < COUNT_OF(many); i++) {
        many[i] = jsm_heap_new(NULL);
        live_own += i < JSM_HEAP_ROWS ? 0 : jsm_heap_malloc(many[i], 100) == NULL;
    }
    s = taken();
    ok(s.heap.heaps[JSM_HEAP_ROWS - 1].live_blocks >= JSM_HEAP_ROWS - 1 && live_of_all(&s) == s.live_bytes + live_own,
       "heaps that are too many for the table share a row");
    for (unsigned i = 0; i < COUNT_OF(many); i++)
        jsm_heap_destroy(many[i]);
    jsm_heap_destroy(limited);
    jsm_heap_destroy(in_buffer);
    s = taken();
    ok(s.heap.n_heaps == 1 && live_of_all(&s) == s.live_bytes && adds_up("no heaps"), "and nothing of them is left");
}

/* ---- Taken while others work ---- */

static _Atomic(bool) stop;

static void *
work_on(void *arg)
{
    while (!atomic_load_explicit(&stop, memory_order_relaxed)) {
        struct load *load = arg;
        (void)work(arg);
        for (size_t i = 0; i < BLOCKS; i++)
            drop(load, i);
    }
    return NULL;
}

static void
swallow(void *arg, const char *text)
{
    *(size_t *)arg += strlen(text);
}

static void
test_while_working(void)
{
    pthread_t thread[2];
    unsigned wrong = 0, n = rounds(200, 2000);
    size_t said = 0;

    for (unsigned t = 0; t < 2; t++)
        pthread_create(&thread[t], NULL, work_on, &loads[t]);
    for (unsigned i = 0; i < n; i++) {
        static const char *const formats[] = { "text", "json", "xml", "openmetrics" };
        struct jsm_stats s = taken();
        wrong += s.committed_bytes != s.live_bytes + s.cached_bytes + s.free_bytes + s.metadata_bytes;
        wrong += s.live_bytes > s.committed_bytes || s.tail_bytes > s.committed_bytes;
        wrong += jsm_stats_print(formats[i % 4], swallow, &said) != 0;
        struct jsm_mallinfo2 info = jsm_mallinfo2();
        wrong += info.uordblks > info.arena || info.uordblks + info.fordblks != info.arena;
    }
    atomic_store_explicit(&stop, true, memory_order_relaxed);
    for (unsigned t = 0; t < 2; t++)
        pthread_join(thread[t], NULL);
    ok(wrong == 0 && said > 0, "the figures add up while threads allocate");
    ok(adds_up("then"), "and when they are done");
    is_int(jsm_check(), 0, "the heap is sound");
}

/* ---- No memory is taken ---- */

static void
test_no_memory(void)
{
    struct jsm_stats before = taken();
    size_t said = 0;

    for (unsigned i = 0; i < 100; i++)
        (void)jsm_stats_print(i % 2 == 0 ? "json" : "text", swallow, &said);
    struct jsm_stats after = taken();
    ok(after.live_bytes == before.live_bytes && after.live_blocks == before.live_blocks &&
       after.committed_bytes == before.committed_bytes && after.metadata_bytes == before.metadata_bytes,
       "printing takes no memory");

    jsm_os_fail_sticky = true;
    jsm_os_fail_after = 0;
    void *p;
    while ((p = jsm_malloc(MIB)) != NULL) {
        *(void **)p = loads[0].p[0]; /* a chain, to be freed */
        loads[0].p[0] = p;
    }
    said = 0;
    int result = jsm_stats_print("json", swallow, &said);
    bool good = adds_up("no memory");
    jsm_os_fail_sticky = false;
    jsm_os_fail_after = -1;
    ok(result == 0 && said > 500 && good, "they are printed when there is no memory left, and add up");
    while ((p = loads[0].p[0]) != NULL) {
        loads[0].p[0] = *(unsigned char **)p;
        jsm_free(p);
    }
}

/* ---- What trimming gives back ---- */

static void
test_trim(void)
{
    static void *p[3000];
    size_t page = jsm_os_page_bytes();

    (void)jsm_option_set("trim_threshold", "unlimited");
    (void)jsm_option_set("purge_delay", "unlimited");
    (void)jsm_malloc_trim(0);
    is_uint(taken().trimmable_bytes, 0, "after malloc_trim there is nothing to trim");
    for (unsigned i = 0; i < COUNT_OF(p); i++) {
        p[i] = jsm_malloc(i % 100 == 0 ? 300000 : 3000);
        set_all(p[i], i % 100 == 0 ? 300000 : 3000, 1);
    }
    for (unsigned i = 0; i < COUNT_OF(p); i++)
        if (i % 50 != 1)
            jsm_free(p[i]);
    struct jsm_stats before = taken();
    size_t keepcost = jsm_mallinfo2().keepcost;
    (void)jsm_malloc_trim(0);
    struct jsm_stats after = taken();
    size_t gone = before.resident_bytes - after.resident_bytes;
    diag("keepcost %zu, given back %zu", keepcost, gone);
    ok(gone > 10 * MIB && keepcost <= gone + 8 * page && keepcost + 8 * page >= gone,
       "keepcost is what malloc_trim gives back");
    is_uint(after.trimmable_bytes, 0, "and nothing is left to trim");
    for (unsigned i = 1; i < COUNT_OF(p); i += 50)
        jsm_free(p[i]);
}

/* ---- The peak ---- */

static void
test_peak(void)
{
    static void *p[300000];
    size_t before = taken().peak_bytes;

    for (unsigned i = 0; i < COUNT_OF(p); i++)
        p[i] = jsm_malloc(1000);
    for (unsigned i = 0; i < COUNT_OF(p); i++)
        jsm_free(p[i]);
    void *huge = jsm_malloc(80 * MIB);
    jsm_free(huge);
    size_t peak = jsm_mallinfo2().usmblks, most = (size_t)1024 * COUNT_OF(p);
    diag("peak %zu, blocks of %zu were live, before that %zu", peak, most, before);
    ok(before < most && peak >= most && peak < most + most / 20 + 2 * MIB,
       "the peak is known though nobody looked when it was there");
}

/* ---- The process, as the kernel sees it ---- */

static char text[4 * MIB];
static void *kept[40000];

/* Sum of Rss of mappings without a name that are not the end of a file's, which are static variables: they
 * are the heap's, but for what was there before. */
static size_t
unnamed_resident_bytes(void)
{
    size_t len = 0, kib = 0;
    ssize_t n;
    int fd = open("/proc/self/smaps", O_RDONLY);
    bool unnamed = false;
    unsigned long long named_end = 0;

    if (fd < 0)
        return 0;
    while (len < sizeof text - 1 && (n = read(fd, text + len, sizeof text - 1 - len)) > 0)
        len += (size_t)n;
    text[len] = '\0';
    close(fd);
    for (char *line = text; line != NULL && *line != '\0'; line = strchr(line, '\n')) {
        unsigned long long from, to, rss;
        char name[64] = "";
        line += *line == '\n';
        if (sscanf(line, "%llx-%llx %*s %*s %*s %*s%63[^\n]", &from, &to, name) >= 2) {
            bool named = strspn(name, " ") < strlen(name);
            unnamed = !named && from != named_end;
            named_end = named ? to : 0;
        } else if (unnamed && sscanf(line, "Rss: %llu", &rss) == 1) {
            kib += rss;
        }
    }
    return kib * 1024;
}

static size_t unnamed_before;

static bool
agrees(const char *when)
{
    size_t told = taken().resident_bytes, seen = unnamed_resident_bytes() - unnamed_before;
    size_t apart = told > seen ? told - seen : seen - told;

    diag("%s: %zu bytes resident, smaps has %zu", when, told, seen);
    return apart <= seen / 20 + 16384;
}

static void
test_resident(void)
{
    void **p = kept;

    for (unsigned i = 0; i < COUNT_OF(kept); i++) {
        size_t size = i % 200 == 0 ? 100000 : i % 3000;
        p[i] = jsm_malloc(size);
        set_all(p[i], size, 1);
    }
    ok(agrees("full"), "resident_bytes agrees with smaps within 5 %%");
    for (unsigned i = 0; i < COUNT_OF(kept); i++)
        if (i % 20 != 0)
            jsm_free(p[i]);
    ok(agrees("freed"), "also when most is freed");
    (void)jsm_malloc_trim(0);
    ok(agrees("trimmed"), "and given back");
    unsigned char *huge = jsm_malloc(100 * MIB);
    for (size_t i = 0; i < 30 * MIB; i += 4096)
        huge[i] = 1;
    ok(agrees("mapped"), "and with a direct mapping of which a part is used");
    jsm_free(huge);
    for (unsigned i = 0; i < COUNT_OF(kept); i += 20)
        jsm_free(p[i]);
    (void)jsm_malloc_trim(0);
    ok(agrees("empty"), "and when nothing is live");
}

int
main(void)
{
    end_if_stuck();
    set_all(text, sizeof text, 1); /* so that they are resident before */
    set_all(kept, sizeof kept, 0);
    unnamed_before = unnamed_resident_bytes();
    plan(5 + 8 + 2 + 1 + 5 + 3 + 2 + 3 + 1);
    if (unnamed_before == 0 || SANITIZED || is_emulated())
        skip(5, "no smaps of the process alone");
    else
        test_resident();
    test_peak();
    test_sums();
    test_full_slabs();
    test_saturation();
    test_heaps();
    test_while_working();
    test_no_memory();
    test_trim();
    return done();
}
