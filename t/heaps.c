/* t/heaps.c - heaps of the program's own: what jsm_heap_*() promise.
 *
 * SPDX-License-Identifier: MIT
 */
#include "blackbox.h"

#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MANY = 3000, THREADS = 4, ROUNDS = 4000, SLOTS = 200 };

static size_t
mixed_size(uint64_t *state)
{
    uint64_t x = random_next(state);

    return x % 100 < 90 ? x % 1000 : x % 100 < 99 ? x % 40000 : x % 400000;
}

/* ---- Counting with jsm_heap_visit() ---- */

struct count {
    size_t blocks, bytes, strange;
    jsm_heap *heap;
};

static int
count_block(void *arg, void *block, size_t usable_bytes)
{
    struct count *c = arg;

    c->blocks++;
    c->bytes += usable_bytes;
    c->strange += jsm_heap_of(block) != c->heap || jsm_malloc_usable_size(block) != usable_bytes;
    return 0;
}

static struct count
count_blocks(jsm_heap *heap)
{
    struct count c = { 0, 0, 0, heap };

    (void)jsm_heap_visit(heap, count_block, &c);
    return c;
}

static void
test_basics(void)
{
    jsm_heap *heap = jsm_heap_new(NULL);
    static char *p[MANY];
    uint64_t state = 1;
    unsigned wrong = 0, live = 0;

    if (!ok(heap != NULL, "a heap with all defaults"))
        return;
    for (unsigned i = 0; i < MANY; i++) {
        size_t size = mixed_size(&state);
        p[i] = i % 3 == 0 ? jsm_heap_calloc(heap, 1, size) : jsm_heap_malloc(heap, size);
        wrong += p[i] == NULL || jsm_heap_of(p[i]) != heap || (i % 3 == 0 && !is_all((unsigned char *)p[i], size, 0));
        memset(p[i], (int)i, size);
    }
    is_int(wrong, 0, "its blocks are its own, calloc's zero");
    for (unsigned i = 0; i < MANY; i += 2) {
        if (i % 4 == 0)
            jsm_free(p[i]);
        else
            jsm_heap_free(heap, p[i]);
        p[i] = NULL;
    }
    for (unsigned i = 0; i < MANY; i++)
        live += p[i] != NULL;
    struct count c = count_blocks(heap);
    is_int(c.blocks, live, "visit sees the live blocks, each once");
    is_int(c.strange, 0, "and tells them and their sizes right");
    is_int(jsm_check(), 0, "the heaps are sound");
    wrong = 0;
    for (unsigned i = 1; i < MANY; i += 2) {
        p[i] = jsm_realloc(p[i], 70 + i);
        wrong += p[i] == NULL || jsm_heap_of(p[i]) != heap;
    }
    is_int(wrong, 0, "realloc leaves a block in its heap");
    jsm_heap_destroy(heap);
    is_int(jsm_is_ours(p[1]) || jsm_is_ours(p[MANY - 1]), 0, "destroyed: its blocks are gone");
    is_int(jsm_check(), 0, "and the heaps are sound");
}

static void
test_realloc_between(void)
{
    jsm_heap *a = jsm_heap_new(NULL), *b = jsm_heap_new(NULL);
    char *p = jsm_heap_realloc(a, NULL, 100);

    strcpy(p, "hello");
    char *q = jsm_heap_realloc(b, p, 100);
    ok(q != p && jsm_heap_of(q) == b && strcmp(q, "hello") == 0, "jsm_heap_realloc moves a block to its heap");
    q = jsm_heap_realloc(NULL, q, 5000);
    ok(jsm_heap_of(q) == NULL && jsm_is_ours(q) && strcmp(q, "hello") == 0, "also to the default heap");
    is_ptr(jsm_heap_realloc(a, q, 0), NULL, "size 0 frees");
    is_int(count_blocks(a).blocks + count_blocks(b).blocks, 0, "nothing is left in either");
    char *aligned = jsm_heap_aligned_alloc(a, 4096, 100);
    ok(((uintptr_t)aligned & 4095) == 0 && jsm_heap_of(aligned) == a, "aligned blocks");
    errno = 0;
    is_ptr(jsm_heap_aligned_alloc(a, hide_size(48), 100), NULL, "an alignment that is none");
    is_int(errno, EINVAL, "EINVAL");
    jsm_heap_destroy(a);
    jsm_heap_destroy(b);
}

static void
test_bad_configs(void)
{
    struct jsm_heap_config config = JSM_HEAP_CONFIG_INIT;
    static char small[70000];

    config.flags = 1u << 20;
    errno = 0;
    ok(jsm_heap_new(&config) == NULL && errno == EINVAL, "an unknown flag: EINVAL");
    config.flags = 0;
    config.size = 1;
    ok(jsm_heap_new(&config) == NULL && errno == EINVAL, "an impossible size of the structure: EINVAL");
    config.size = sizeof config;
    config.memory = small;
    config.memory_bytes = 60000;
    errno = 0;
    ok(jsm_heap_new(&config) == NULL && errno == EINVAL, "a buffer that is too small: EINVAL");
    jsm_heap_destroy(NULL);
    jsm_heap_delete(NULL);
    errno = 0;
    ok(jsm_heap_visit(NULL, count_block, NULL) == -1 && errno == EINVAL, "visit without a heap: EINVAL");
    is_int(jsm_check(), 0, "the heaps are sound");
}

/* ---- Limits ---- */

static void
test_limit(void)
{
    struct jsm_heap_config config = JSM_HEAP_CONFIG_INIT;
    size_t used = 0;

    config.limit_bytes = 4 * MIB;
    config.name = "limited";
    jsm_heap *heap = jsm_heap_new(&config);
    errno = 0;
    for (void *p; (p = jsm_heap_malloc(heap, 1000)) != NULL;)
        used += jsm_malloc_usable_size(p);
    is_int(errno, ENOMEM, "beyond its limit: ENOMEM");
    ok(used <= 4 * MIB && used > 4 * MIB - 64 * KIB - 4 * MIB / 32, "exact to a span: %zu of 4 MiB used", used);
    ok(jsm_heap_malloc(heap, 100 * KIB) == NULL && jsm_heap_malloc(heap, 200 * MIB) == NULL,
       "neither has it larger blocks");
    void *other = jsm_malloc(1000);
    ok(other != NULL, "the default heap goes on");
    jsm_free(other);
    jsm_heap_destroy(heap);

    heap = jsm_heap_new(&config);
    void *large = jsm_heap_malloc(heap, 4 * MIB);
    ok(large != NULL, "a block of just the limit");
    is_ptr(jsm_heap_malloc(heap, 1), NULL, "leaves nothing");
    jsm_free(large);
    ok(jsm_heap_malloc(heap, 1) != NULL, "until it is freed");
    jsm_heap_destroy(heap);
}

/* Small blocks of all sizes come and go: what the heap keeps for later must not make it fail. */
static void
test_limit_reuse(void)
{
    struct jsm_heap_config config = JSM_HEAP_CONFIG_INIT;
    unsigned failed = 0;

    config.limit_bytes = 640 * KIB;
    jsm_heap *heap = jsm_heap_new(&config);
    for (size_t size = 1; size <= 60000; size += size / 8 + 1) {
        void *p = jsm_heap_malloc(heap, size), *q = jsm_heap_malloc(heap, size);
        failed += p == NULL || q == NULL;
        jsm_free(p);
        jsm_heap_free(heap, q);
    }
    is_int(failed, 0, "two blocks of each size in turn, in 640 KiB");
    jsm_heap_destroy(heap);
}

/* ---- The program's memory ---- */

static unsigned char buffer[4096 + 1024 * 1024 + 4096];

static void
test_buffer(void)
{
    struct jsm_heap_config config = JSM_HEAP_CONFIG_INIT;
    static void *p[20000];
    uint64_t state = 7;

    set_all(buffer, sizeof buffer, 0xa5);
    config.memory = buffer + 4096;
    config.memory_bytes = 1024 * 1024;
    for (unsigned round = 0; round < 3; round++) {
        jsm_heap *heap = jsm_heap_new(&config);
        size_t n = 0, total = 0, outside = 0;
        if (!ok(heap != NULL, "a static buffer of 1 MiB serves a heap"))
            return;
        errno = 0;
        while (n < COUNT_OF(p)) {
            size_t size = round == 0 ? 100 : mixed_size(&state) % 9000;
            unsigned char *q = jsm_heap_malloc(heap, size);
            if (q == NULL)
                break;
            outside += q < buffer + 4096 || q + size > buffer + 4096 + 1024 * 1024;
            set_all(q, size, (unsigned char)n);
            total += size;
            p[n++] = q;
        }
        is_int(errno, ENOMEM, "used up: ENOMEM");
        is_int(outside, 0, "all blocks lie in it");
        ok(total > (round == 0 ? 768 : 256) * KIB, "%zu blocks, %zu bytes in it", n, total);
        is_int(count_blocks(heap).blocks, n, "visit sees them");
        is_int(jsm_check(), 0, "the heaps are sound");
        for (size_t i = 0; i < n; i += 2)
            jsm_free(p[i]);
        ok(jsm_heap_malloc(heap, 100) != NULL, "freed memory is used again");
        jsm_heap_destroy(heap);
        is_int(jsm_is_ours(p[1]), 0, "destroyed: its blocks are gone");
    }
    ok(is_all(buffer, 4096, 0xa5) && is_all(buffer + sizeof buffer - 4096, 4096, 0xa5),
       "the bytes around it are untouched");
}

static void
test_nested(void)
{
    struct jsm_heap_config config = JSM_HEAP_CONFIG_INIT;
    void *outer = jsm_malloc(3 * MIB);

    config.memory = outer;
    config.memory_bytes = 3 * MIB;
    jsm_heap *heap = jsm_heap_new(&config);
    ok(heap != NULL, "a heap in a block of the default heap");
    void *p = jsm_heap_malloc(heap, 5000), *q = jsm_heap_malloc(heap, MIB);
    ok((char *)p > (char *)outer && (char *)q > (char *)outer && (char *)q < (char *)outer + 2 * MIB,
       "its blocks lie there");
    is_int(jsm_check(), 0, "the heaps are sound");
    jsm_free(q);
    is_int(jsm_check(), 0, "and after a large block was freed");
    errno = 0;
    ok(jsm_heap_new(&config) == NULL && errno == EINVAL, "memory that is a heap's cannot be another's: EINVAL");
    ok(jsm_is_ours(outer) && jsm_is_ours(p) && jsm_heap_of(p) == heap && jsm_heap_of(outer) == NULL,
       "each is whose it is");
    jsm_heap_destroy(heap);
    jsm_free(outer);
    is_int(jsm_check(), 0, "and after all is gone");
}

/* ---- The end of heaps ---- */

static void
test_delete(void)
{
    jsm_heap *heap = jsm_heap_new(NULL);
    static unsigned char *p[MANY];
    uint64_t state = 3;
    unsigned wrong = 0;

    for (unsigned i = 0; i < MANY; i++) {
        size_t size = mixed_size(&state) + 1;
        p[i] = jsm_heap_malloc(heap, size);
        set_all(p[i], size, (unsigned char)i);
    }
    void *huge = jsm_heap_malloc(heap, 80 * MIB);
    for (unsigned i = 0; i < MANY; i += 5)
        jsm_free(p[i]);
    jsm_heap_delete(heap);
    for (unsigned i = 0; i < MANY; i++)
        if (i % 5 != 0)
            wrong += !jsm_is_ours(p[i]) || jsm_heap_of(p[i]) != NULL || p[i][0] != (unsigned char)i;
    is_int(wrong, 0, "deleted: its blocks live on in the default heap");
    ok(jsm_is_ours(huge) && jsm_heap_of(huge) == NULL, "a direct mapping, too");
    jsm_free(huge);
    for (unsigned i = 0; i < MANY; i++)
        if (i % 5 != 0)
            jsm_free(p[i]);
    is_int(jsm_check(), 0, "and can be freed");
}

/* Memory around an address whose lower 32 bits are 0: there another part of the pagemap begins. */
static unsigned char *
map_around_window(size_t half)
{
    for (unsigned bits = 46; sizeof(void *) > 4 && bits > 34; bits--) {
        unsigned char *want = (unsigned char *)(uintptr_t)(((uint64_t)1 << bits) - half);
        unsigned char *p = mmap(want, 2 * half, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (p == want)
            return p;
        if (p != MAP_FAILED)
            munmap(p, 2 * half);
    }
    return NULL;
}

static unsigned
fill_heap(jsm_heap *heap, void **last)
{
    unsigned n = 0;

    for (void *p; (p = jsm_heap_malloc(heap, 1000)) != NULL; n++) {
        memset(p, 1, 1000);
        *last = p;
    }
    return n;
}

static void
test_buffer_across_windows(void)
{
    enum { HALF = 1 << 20, BLOCKS_MIN = 2 * HALF / 1024 - 64 };
    struct jsm_heap_config config = JSM_HEAP_CONFIG_INIT;
    unsigned n = 0;
    void *last = NULL;

    config.memory = map_around_window(HALF);
    config.memory_bytes = 2 * (size_t)HALF;
    if (config.memory == NULL) {
        skip(4, "no memory there");
        return;
    }
    jsm_heap *heap = jsm_heap_new(&config);
    if (!ok(heap != NULL && fill_heap(heap, &last) >= BLOCKS_MIN, "a buffer across a window of addresses is used"))
        return;
    is_int(jsm_check(), 0, "and such a heap is sound");
    jsm_heap_destroy(heap);
    heap = jsm_heap_new(&config);
    n = fill_heap(heap, &last);
    jsm_heap_delete(heap);
    ok(n >= BLOCKS_MIN && jsm_heap_new(&config) == NULL && errno == EINVAL, "it is taken while blocks in it live");
    ok(jsm_is_ours(last) && jsm_check() == 0, "on both sides");
}

static void
test_delete_buffer(void)
{
    struct jsm_heap_config config = JSM_HEAP_CONFIG_INIT;
    static unsigned char memory[512 * 1024];
    void *p[64], *q[4096];
    unsigned inside = 0;

    config.memory = memory;
    config.memory_bytes = sizeof memory;
    jsm_heap *heap = jsm_heap_new(&config);
    for (unsigned i = 0; i < COUNT_OF(p); i++)
        p[i] = jsm_heap_malloc(heap, 100);
    jsm_heap_delete(heap);
    ok(jsm_is_ours(p[0]), "deleted: blocks in the program's memory live on");
    for (unsigned i = 0; i < COUNT_OF(p) / 2; i++)
        jsm_free(p[i]);
    for (unsigned i = 0; i < COUNT_OF(q); i++) {
        q[i] = jsm_malloc(100);
        inside += (unsigned char *)q[i] >= memory && (unsigned char *)q[i] < memory + sizeof memory;
    }
    is_int(inside, 0, "but the default heap puts nothing there");
    for (unsigned i = 0; i < COUNT_OF(q); i++)
        jsm_free(q[i]);
    for (unsigned i = COUNT_OF(p) / 2; i < COUNT_OF(p); i++)
        jsm_free(p[i]);
    is_int(jsm_check(), 0, "and they can be freed");
}

/* ---- Push and pop ---- */

static void
test_scopes(void)
{
    jsm_heap *a = jsm_heap_new(NULL), *b = jsm_heap_new(NULL);
    void *before = jsm_malloc(50);
    unsigned wrong = 0;

    is_int(jsm_heap_push(a), 0, "push");
    void *in_a = jsm_malloc(50), *zero = jsm_calloc(3, 1000), *large = jsm_malloc(300000);
    wrong += jsm_heap_of(in_a) != a || jsm_heap_of(zero) != a || jsm_heap_of(large) != a;
    (void)jsm_heap_push(b);
    void *in_b = jsm_aligned_alloc(64, 640);
    wrong += jsm_heap_of(in_b) != b;
    (void)jsm_heap_push(NULL);
    void *plain = jsm_malloc(50);
    wrong += jsm_heap_of(plain) != NULL || !jsm_is_ours(plain);
    is_int(wrong, 0, "plain malloc lands in the innermost heap");
    before = jsm_realloc(before, 5000);
    ok(jsm_heap_of(before) == NULL, "realloc leaves a block in its heap");
    is_ptr(jsm_heap_pop(), NULL, "pop tells what was pushed: the default heap,");
    void *again = jsm_malloc(20);
    ok(jsm_heap_of(again) == b, "which uncovers the one before");
    is_ptr(jsm_heap_pop(), b, "b,");
    jsm_free(plain);
    is_ptr(jsm_heap_pop(), a, "and a");
    is_ptr(jsm_heap_pop(), NULL, "and nothing more");
    void *after = jsm_malloc(50);
    ok(jsm_heap_of(after) == NULL, "all as before");
    jsm_free(after);
    jsm_free(before);
    jsm_free(again);
    jsm_heap_destroy(b);
    jsm_heap_destroy(a);
    is_int(jsm_check(), 0, "the heaps are sound");
}

static void *
leave_pushed(void *heap)
{
    for (int i = 0; i < 100; i++)
        (void)jsm_heap_push(heap);
    return jsm_malloc(10);
}

static void
test_scopes_left(void)
{
    jsm_heap *heap = jsm_heap_new(NULL);
    pthread_t thread;
    void *p = NULL;

    pthread_create(&thread, NULL, leave_pushed, heap);
    pthread_join(thread, &p);
    ok(jsm_heap_of(p) == heap, "a thread ends with a hundred heaps pushed");
    jsm_heap_destroy(heap);
    is_int(jsm_check(), 0, "the heaps are sound");
}

/* ---- Visiting ---- */

static int
free_visited(void *arg, void *block, size_t usable_bytes)
{
    (void)usable_bytes;
    ++*(unsigned *)arg;
    jsm_free(block);
    return 0;
}

static int
stop_at_ten(void *arg, void *block, size_t usable_bytes)
{
    (void)block;
    (void)usable_bytes;
    return ++*(unsigned *)arg == 10 ? 77 : 0;
}

static void
test_visit(void)
{
    jsm_heap *heap = jsm_heap_new(NULL);
    uint64_t state = 11;
    unsigned n = 0;

    for (unsigned i = 0; i < MANY; i++)
        if (jsm_heap_malloc(heap, mixed_size(&state)) == NULL)
            n++;
    is_int(n, 0, "blocks of many sizes");
    is_int(jsm_heap_visit(heap, stop_at_ten, &n), 77, "a visitor that stops is told so");
    is_int(n, 10, "and not called again");
    n = 0;
    is_int(jsm_heap_visit(heap, free_visited, &n), 0, "a visitor may free the block");
    is_int(n, MANY, "and sees every one");
    is_int(count_blocks(heap).blocks, 0, "none is left");
    is_int(jsm_check(), 0, "the heaps are sound");
    jsm_heap_destroy(heap);
}

/* ---- Threads ---- */

struct worker {
    jsm_heap *heap;
    unsigned id, wrong;
};

static int
only_count(void *arg, void *block, size_t usable_bytes)
{
    *(size_t *)arg += block != NULL && usable_bytes > 0;
    return 0;
}

static void *shared_slots[SLOTS * THREADS];

static void *
work(void *arg)
{
    struct worker *w = arg;
    uint64_t state = w->id + 100;
    size_t seen = 0;

    for (unsigned i = 0; i < ROUNDS; i++) {
        size_t size = mixed_size(&state) % 5000 + 16;
        void **slot = &shared_slots[random_below(&state, COUNT_OF(shared_slots))];
        unsigned char *p = jsm_heap_malloc(w->heap, size);
        set_all(p, size, (unsigned char)size);
        *(size_t *)(void *)p = size;
        unsigned char *old = __atomic_exchange_n(slot, p, __ATOMIC_ACQ_REL);
        if (old == NULL)
            continue;
        size_t old_size = *(size_t *)(void *)old;
        w->wrong += !is_all(old + sizeof(size_t), old_size - sizeof(size_t), (unsigned char)old_size);
        jsm_free(old);
        if (i % 1000 == 0) /* others go on meanwhile: no exact answer, but no harm either */
            w->wrong += jsm_heap_visit(w->heap, only_count, &seen) != 0 || seen == 0;
    }
    return NULL;
}

static void
test_threads(void)
{
    struct worker w[THREADS];
    pthread_t thread[THREADS];
    unsigned wrong = 0, live = 0;
    jsm_heap *heap = jsm_heap_new(NULL);

    for (unsigned i = 0; i < THREADS; i++) {
        w[i] = (struct worker){ heap, i, 0 };
        pthread_create(&thread[i], NULL, work, &w[i]);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        pthread_join(thread[i], NULL);
        wrong += w[i].wrong;
    }
    for (unsigned i = 0; i < COUNT_OF(shared_slots); i++)
        live += shared_slots[i] != NULL;
    is_int(wrong, 0, "four threads use one heap and free each other's blocks");
    is_int(count_blocks(heap).blocks, live, "all live blocks are seen afterwards");
    is_int(jsm_check(), 0, "the heaps are sound");
    jsm_heap_destroy(heap);
}

static void *
free_all(void *arg)
{
    void **p = arg;

    for (unsigned i = 0; i < MANY; i++)
        jsm_free(p[i]);
    return NULL;
}

/* Threads free the blocks of a heap while it is deleted. */
static void
test_delete_races(void)
{
    static void *p[THREADS][MANY];

    for (unsigned round = 0; round < 20; round++) {
        jsm_heap *heap = jsm_heap_new(NULL);
        pthread_t thread[THREADS];
        for (unsigned i = 0; i < MANY; i++)
            for (unsigned t = 0; t < THREADS; t++)
                p[t][i] = jsm_heap_malloc(heap, 1 + (i * 37 + round) % 3000);
        for (unsigned t = 0; t < THREADS; t++)
            pthread_create(&thread[t], NULL, free_all, p[t]);
        jsm_heap_delete(heap);
        for (unsigned t = 0; t < THREADS; t++)
            pthread_join(thread[t], NULL);
    }
    struct jsm_mallinfo2 info = jsm_mallinfo2();
    is_int(jsm_check(), 0, "blocks are freed while their heap is deleted");
    ok(info.uordblks < MIB, "and nothing is lost: %zu bytes live", info.uordblks);
}

static void
test_fork(void)
{
    struct jsm_heap_config config = JSM_HEAP_CONFIG_INIT;
    jsm_heap *heap = jsm_heap_new(&config);
    char *p = jsm_heap_malloc(heap, 1000);
    int status;

    strcpy(p, "parent");
    pid_t pid = fork();
    if (pid == 0) {
        char *q = jsm_heap_malloc(heap, 1000);
        int good = q != NULL && jsm_heap_of(q) == heap && strcmp(p, "parent") == 0 && count_blocks(heap).blocks == 2;
        jsm_free(p);
        jsm_heap_destroy(heap);
        _exit(good && jsm_check() == 0 ? 0 : 1);
    }
    waitpid(pid, &status, 0);
    is_int(status, 0, "a child uses and destroys the heap");
    ok(jsm_heap_of(p) == heap && strcmp(p, "parent") == 0, "which is its own copy");
    jsm_heap_destroy(heap);
}

/* ---- Flags and the rest ---- */

static void
test_flags(void)
{
    struct jsm_heap_config config = JSM_HEAP_CONFIG_INIT;

    config.flags = JSM_HEAP_ZERO_NULL | JSM_HEAP_NOLOCK;
    config.prealloc_bytes = MIB;
    config.mmap_threshold_bytes = MIB;
    jsm_heap *heap = jsm_heap_new(&config);
    errno = 0;
    is_ptr(jsm_heap_malloc(heap, 0), NULL, "JSM_HEAP_ZERO_NULL: size 0 gives NULL");
    is_int(errno, 0, "without an error");
    size_t mapped = jsm_mallinfo2().hblks;
    void *p = jsm_heap_malloc(heap, MIB), *q = jsm_heap_malloc(heap, MIB - 1);
    is_int(jsm_mallinfo2().hblks, mapped + 1, "mmap_threshold_bytes: from there on blocks are mapped on their own");
    jsm_free(p);
    jsm_free(q);
    jsm_heap_destroy(heap);
}

/* Inside the data segment, of which somebody else takes a piece in between. */
static void
test_brk(void)
{
    struct jsm_heap_config config = JSM_HEAP_CONFIG_INIT;
    unsigned outside = 0, n = 0;

    config.flags = JSM_HEAP_BRK;
    char *first = sbrk(0);
    jsm_heap *heap = jsm_heap_new(&config);
    char *p = jsm_heap_malloc(heap, 100);
    if (is_emulated() || (p != NULL && p < first)) {
        skip(2, "the break is not the process's own here");
    } else {
        ok(p >= first && p < (char *)sbrk(0), "JSM_HEAP_BRK: memory comes from the break");
        char *foreign = sbrk(4096);
        memset(foreign, 0x5a, 4096);
        for (; n < 30; n++) {
            char *q = jsm_heap_malloc(heap, 10 * MIB);
            outside += q == NULL || q < first || q >= (char *)sbrk(0) || (q < foreign + 4096 && q + 10 * MIB > foreign);
            if (q != NULL)
                memset(q, 1, MIB);
        }
        ok(outside == 0 && is_all((unsigned char *)foreign, 4096, 0x5a), "around what others took there");
    }
    jsm_heap_destroy(heap);
    is_int(jsm_check(), 0, "the heaps are sound");
}

/* Something lies in the way of the break: what it cannot give is mapped. */
static int
use_behind_wall(void)
{
    struct jsm_heap_config config = JSM_HEAP_CONFIG_INIT;
    enum { BLOCKS = 4000, BYTES = 3000, PIECE = 64 * 1024 };
    uintptr_t end = (uintptr_t)sbrk(0);
    void *at = (void *)((end / PIECE + 40) * PIECE);
    static void *p[BLOCKS];
    int bad = 0;

    if (mmap(at, PIECE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) != at)
        return 77;
    config.flags = JSM_HEAP_BRK;
    config.prealloc_bytes = MIB;
    jsm_heap *heap = jsm_heap_new(&config);
    if (heap == NULL)
        return 1;
    for (unsigned i = 0; i < BLOCKS; i++) {
        p[i] = jsm_heap_malloc(heap, BYTES);
        if (p[i] == NULL)
            return 2;
        fill(p[i], BYTES, i);
    }
    for (unsigned i = 0; i < BLOCKS; i++)
        bad |= !is_filled(p[i], BYTES, BYTES, i);
    if (bad || jsm_check() != 0 || jsm_mallinfo2().hblks > 0) /* not each on its own */
        return 3;
    jsm_heap_destroy(heap);
    (void)jsm_malloc_trim(0);
    return jsm_check() == 0 ? 0 : 4;
}

static void
test_brk_refused(void)
{
    pid_t child = is_emulated() ? -1 : fork_timed();

    if (child == 0)
        _exit(use_behind_wall());
    int verdict = is_emulated() ? 77 : verdict_of(child);
    if (verdict == 77)
        skip(1, "nothing can be put in the way of the break here");
    else
        is_int(verdict, 0, "JSM_HEAP_BRK: what the break has no room for is mapped");
}

static void
test_names(void)
{
    struct jsm_heap_config config = JSM_HEAP_CONFIG_INIT;
    jsm_heap *heap[100];
    unsigned made = 0;

    config.name = "a name that is much longer than the thirty-one bytes which are kept of it";
    for (unsigned i = 0; i < COUNT_OF(heap); i++) {
        heap[i] = jsm_heap_new(&config);
        made += heap[i] != NULL && jsm_heap_malloc(heap[i], 10 + i) != NULL;
    }
    is_int(made, COUNT_OF(heap), "a hundred heaps at once");
    for (unsigned i = 0; i < COUNT_OF(heap); i++)
        jsm_heap_destroy(heap[i]);
    is_int(jsm_check(), 0, "the heaps are sound");
}

/* ---- Secrets ---- */

/* Whether the flags of the mapping around `p` have the word. */
static int
has_flag(const void *p, const char *word)
{
    FILE *f = fopen("/proc/self/smaps", "r");
    char line[512];
    int inside = 0, found = -1;
    unsigned long from, to;

    while (f != NULL && fgets(line, sizeof line, f) != NULL) {
        if (sscanf(line, "%lx-%lx ", &from, &to) == 2)
            inside = (uintptr_t)p >= from && (uintptr_t)p < to;
        else if (inside && strncmp(line, "VmFlags:", 8) == 0)
            found = strstr(line, word) != NULL;
    }
    if (f != NULL)
        fclose(f);
    return found;
}

static void
test_secrets(void)
{
    char *p = jsm_malloc_conceal(100), *q = jsm_calloc_conceal(10, 10);
    int status;

    ok(p != NULL && q != NULL && is_all((unsigned char *)q, 100, 0), "blocks for secrets");
    strcpy(p, "secret");
    if (under_qemu() || has_flag(p, " dd") < 0)
        skip(1, "no /proc/self/smaps here");
    else
        is_int(has_flag(p, " dd"), 1, "are left out of core dumps");
    pid_t pid = fork();
    if (pid == 0)
        _exit(p[0] == '\0' ? 0 : strcmp(p, "secret") == 0 ? 1 : 2);
    waitpid(pid, &status, 0);
    if (has_flag(p, " wf") == 1)
        is_int(WEXITSTATUS(status), 0, "read as zeros in children");
    else
        skip(1, "the kernel cannot wipe memory in children");
    ok(strcmp(p, "secret") == 0, "and stay what they are in the parent");
    char *big = jsm_malloc_conceal(300000);
    memset(big, 'x', 300000);
    p = jsm_realloc(p, 5000);
    ok(strcmp(p, "secret") == 0 && (under_qemu() || has_flag(p, " dd") != 0), "realloc keeps them so");
    /* Its slab stays, with another block in it: what was freed can be looked at. */
    char *keep = jsm_malloc_conceal(5000);
    jsm_free(p);
    ok(is_all((unsigned char *)hide(p), 6, 0), "they are wiped when freed");
    jsm_free(keep);
    jsm_free(big);
    jsm_free(q);
    errno = 0;
    ok(jsm_calloc_conceal(hide_size(SIZE_MAX / 2), 3) == NULL && errno == ENOMEM, "overflow: ENOMEM");
    is_int(jsm_check(), 0, "the heaps are sound");
}

int
main(void)
{
    plan(113);
    test_basics();
    test_realloc_between();
    test_bad_configs();
    test_limit();
    test_limit_reuse();
    test_buffer();
    test_nested();
    test_delete();
    test_delete_buffer();
    test_buffer_across_windows();
    test_scopes();
    test_scopes_left();
    test_visit();
    test_threads();
    test_delete_races();
    test_fork();
    test_flags();
    test_brk_refused();
    test_brk();
    test_names();
    test_secrets();
    return done();
}
