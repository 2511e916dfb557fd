/* t/option-effect.c - every option does what it says: seen by addresses, residency, statistics and messages.
 *
 * Each is tried in a child of its own, whose heap is new.
 * SPDX-License-Identifier: MIT
 */
#include "unit.h"

#include "span/span.h"

#include <dirent.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>

enum { BLOCKS = 64, NOT_HERE = 77 };

static struct child child;

static void
set(const char *name, const char *value)
{
    if (jsm_option_set(name, value) != 1)
        _exit(120);
}

static bool
in_force(const char *name, const char *want)
{
    char text[300];

    if (jsm_option_get(name, text, sizeof text) == 1 && strcmp(text, want) == 0)
        return true;
    fprintf(stderr, "%s is %s, not %s\n", name, text, want);
    return false;
}

static void
test(int (*body)(void), const char *what)
{
    in_child(&child, body);
    if (!ok(ended_well(&child), "%s", what))
        tell_child(&child);
}

/* The same for what not all systems have. */
static void
test_if_here(int (*body)(void), const char *what, const char *why_not)
{
    in_child(&child, body);
    if (WIFEXITED(child.status) && WEXITSTATUS(child.status) == NOT_HERE)
        skip(1, why_not);
    else if (!ok(ended_well(&child), "%s", what))
        tell_child(&child);
}

static void *
full_block(size_t bytes)
{
    void *p = jsm_malloc(bytes);

    if (p == NULL)
        _exit(121);
    memset(p, 1, bytes);
    return p;
}

/* Bytes of [p, p + n) that are resident. */
static size_t
resident(const void *p, size_t n)
{
    static unsigned char pages[4096];
    size_t page = jsm_os_page_bytes(), count = 0;

    if (n / page > sizeof pages || mincore((void *)(uintptr_t)p, n, pages) != 0)
        return 0;
    for (size_t i = 0; i < n / page; i++)
        count += pages[i] & 1;
    return count * page;
}

/* ---- What stays resident ---- */

static void *blocks[BLOCKS];

/* Takes BLOCKS blocks of 256 KiB, frees the first `n`; what of these is resident. */
static size_t
rest_of(unsigned n)
{
    size_t bytes = 0;

    for (unsigned i = 0; i < BLOCKS; i++)
        blocks[i] = full_block(256 * KIB);
    for (unsigned i = 0; i < n; i++)
        jsm_free(blocks[i]);
    for (unsigned i = 0; i < n; i++)
        bytes += resident(blocks[i], 256 * KIB);
    return bytes;
}

static int
trim_threshold_in_child(void)
{
    set("trim_threshold", "1M");
    set("purge_delay", "unlimited");
    size_t bytes = rest_of(BLOCKS);
    return !(bytes > 0 && bytes <= 1 * MIB);
}

static int
trim_unlimited_in_child(void)
{
    set("trim_threshold", "unlimited");
    set("purge_delay", "unlimited");
    return rest_of(BLOCKS) != BLOCKS * 256 * KIB;
}

static int
purge_delay_in_child(void)
{
    set("trim_threshold", "unlimited");
    set("purge_delay", "0");
    return rest_of(BLOCKS) != 0;
}

static int
preset_small_in_child(void)
{
    set("preset", "small");
    return rest_of(BLOCKS) != 0;
}

static int
memory_limit_in_child(void)
{
    set("trim_threshold", "unlimited");
    set("purge_delay", "unlimited");
    set("memory_limit", "16M"); /* of 16 MiB, 14 count; 13 are in use in the end */
    size_t bytes = rest_of(12);
    if (bytes > 1 * MIB || bytes == 0)
        return 1;
    for (unsigned i = 0; i < 12; i++) /* now they are */
        blocks[i] = full_block(256 * KIB);
    jsm_free(blocks[0]);
    if (resident(blocks[0], 256 * KIB) != 0)
        return 2;
    set("memory_limit", "unlimited");
    jsm_free(blocks[1]);
    return resident(blocks[1], 256 * KIB) != 256 * KIB;
}

static int
mapped_limit_in_child(void)
{
    set("trim_threshold", "unlimited");
    set("purge_delay", "unlimited");
    set("mmap_threshold", "1M");
    set("memory_limit", "40M");
    if (rest_of(12) != 12 * 256 * KIB)
        return 1;
    full_block(30 * MIB); /* a mapping of its own counts, and what lay unused goes at once */
    for (unsigned i = 0; i < 12; i++)
        if (resident(blocks[i], 256 * KIB) != 0)
            return 2;
    return 0;
}

static pthread_barrier_t barrier;

/* Keeps empty slabs, until it is asked for them. */
static void *
keeper(void *arg)
{
    static void *p[2000];

    for (size_t size = 16; size <= 1024; size *= 2) {
        for (unsigned i = 0; i < COUNT_OF(p); i++)
            p[i] = full_block(size);
        for (unsigned i = 0; i < COUNT_OF(p); i++)
            jsm_free(p[i]);
    }
    pthread_barrier_wait(&barrier);
    pthread_barrier_wait(&barrier);
    jsm_free(full_block(5000)); /* a class it has no slab of */
    pthread_barrier_wait(&barrier);
    pthread_barrier_wait(&barrier);
    return arg;
}

static int
thread_limit_in_child(void)
{
    pthread_t thread;

    pthread_barrier_init(&barrier, NULL, 2);
    pthread_create(&thread, NULL, keeper, NULL);
    pthread_barrier_wait(&barrier);
    size_t before = jsm_load_relaxed(&jsm_kept_bytes);
    set("memory_limit", "8M");
    full_block(10 * MIB); /* here all that can be given back is asked for */
    pthread_barrier_wait(&barrier);
    pthread_barrier_wait(&barrier);
    size_t after = jsm_load_relaxed(&jsm_kept_bytes);
    pthread_barrier_wait(&barrier);
    pthread_join(thread, NULL);
    return before < 200 * KIB || after > 64 * KIB;
}

/* A file below a folder, for what looks like control groups. */
static void
put(const char *folder, const char *name, const char *text)
{
    char path[300];

    snprintf(path, sizeof path, "%s/%s", folder, name);
    for (char *slash = path + strlen(folder) + 1; (slash = strchr(slash, '/')) != NULL; slash++) {
        *slash = '\0';
        mkdir(path, 0700);
        *slash = '/';
    }
    FILE *f = fopen(path, "w");
    if (f == NULL || fputs(text, f) == EOF || fclose(f) != 0)
        _exit(122);
}

static size_t
group_limit(const char *folder, const char *groups)
{
    char file[300];

    put(folder, "cgroup", groups);
    snprintf(file, sizeof file, "%s/cgroup", folder);
    return jsm_os_group_limit_bytes(file, folder);
}

static int
group_in_child(void)
{
    char folder[] = "/tmp/jsmalloc-group-XXXXXX";
    int wrong = 0;

    if (mkdtemp(folder) == NULL)
        return 123;
    wrong |= (group_limit(folder, "0::/\n") != SIZE_MAX) << 0;
    put(folder, "a/b/memory.max", "max\n");
    put(folder, "a/memory.max", "5000000\n");
    wrong |= (group_limit(folder, "0::/a/b\n") != 5000000) << 1;
    put(folder, "a/b/memory.max", "4000000\n");
    wrong |= (group_limit(folder, "1:name=systemd:/x\n0::/a/b\n") != 4000000) << 2;
    put(folder, "memory.max", "3000000\n"); /* what a container sees as the root */
    wrong |= (group_limit(folder, "0::/not/there") != 3000000) << 3;
    put(folder, "memory/c/memory.limit_in_bytes", "2000000\n");
    put(folder, "memory/memory.limit_in_bytes", "9223372036854771712\n");
    wrong |= (group_limit(folder, "9:memory:/c\n8:cpu,cpuacct:/c\n") != 2000000) << 4;
    wrong |= (group_limit(folder, "") != SIZE_MAX || group_limit(folder, "0:\n:\n::::\n") != 3000000) << 5;
    wrong |= (jsm_os_group_limit_bytes("/nowhere/cgroup", folder) != SIZE_MAX) << 6;
    char command[100];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command) != 0 ? 124 : wrong;
}

static int
automatic_limit_in_child(void)
{
    size_t limit = jsm_os_group_limit_bytes("/proc/self/cgroup", "/sys/fs/cgroup");
    char want[32] = "unlimited";

    if (limit != SIZE_MAX)
        snprintf(want, sizeof want, "%zu", limit);
    set("memory_limit", "auto");
    jsm_free(full_block(100));
    return !in_force("memory_limit", want);
}

static void
test_resident(void)
{
    test(trim_threshold_in_child, "trim_threshold: what is unused beyond it is not resident");
    test(trim_unlimited_in_child, "unlimited: all is");
    test(purge_delay_in_child, "purge_delay=0: nothing is");
    test(preset_small_in_child, "preset=small: nothing is, either");
    test(memory_limit_in_child, "memory_limit: less and less may stay as it comes near, and nothing at it");
    test(mapped_limit_in_child, "direct mappings count, too");
    test(thread_limit_in_child, "other threads give back what they keep");
    test(group_in_child, "the limit of control groups is the least of version 2 and 1 and of those around them");
    test(automatic_limit_in_child, "memory_limit=auto is that limit");
}

/* ---- Where memory comes from ---- */

static int
prealloc_in_child(void)
{
    set("arena_size", "64M");
    set("prealloc", "0");
    set("thp", "off");
    uint8_t *p = full_block(100 * KIB);
    if (!is_reserved(p + 512 * KIB))
        return 1;
    set("prealloc", "8M");
    p = full_block(100 * KIB);
    return strcmp(access_of(p + 7 * MIB), "rw-p") != 0 || resident(p + MIB, 6 * MIB) != 0;
}

static int
mmap_threshold_in_child(void)
{
    set("mmap_threshold", "200K");
    void *below = full_block(200 * KIB - 1), *from = full_block(200 * KIB);
    struct jsm_mallinfo2 info = jsm_mallinfo2();
    if (info.hblks != 1 || info.hblkhd != 200 * KIB)
        return 1;
    jsm_free(below);
    jsm_free(from);
    return strcmp(access_of(below), "rw-p") != 0 || access_of(from)[0] != '\0';
}

static int
mmap_max_in_child(void)
{
    set("mmap_threshold", "200K");
    set("mmap_max", "2");
    for (unsigned i = 0; i < 4; i++)
        full_block(200 * KIB);
    if (jsm_mallinfo2().hblks != 2)
        return 1;
    set("mmap_max", "0");
    full_block(200 * KIB);
    return jsm_mallinfo2().hblks != 2;
}

static int
arena_growth_in_child(void)
{
    size_t want = 0;

    set("arena_size", "2M");
    set("arena_batch", "2");
    set("arena_shift_max", "1");
    for (unsigned i = 0; i < 6; i++) {
        size_t bytes = 2 * MIB << jsm_min(i / 2, 1u);
        full_block(bytes); /* all of it */
        want += bytes;
        if (jsm_arena_count() != i + 1 || jsm_arena_reserved_bytes() != want)
            return 1;
    }
    return !in_force("arena_size", "2097152");
}

static void *
take_in_thread(void *arg)
{
    return full_block(*(size_t *)arg);
}

static unsigned
shards_of_arenas(void)
{
    unsigned seen = 0;

    for (unsigned i = 0; i < jsm_arena_count(); i++)
        seen |= 1u << jsm_arena_at(i)->shard;
    return seen;
}

/* Eight threads, one after the other, take more than an arena has left. */
static void
take_in_threads(void)
{
    for (unsigned i = 0; i < 8; i++) {
        pthread_t thread;
        size_t bytes = 700 * KIB;
        pthread_create(&thread, NULL, take_in_thread, &bytes);
        pthread_join(thread, NULL);
    }
}

static int
arena_max_in_child(void)
{
    set("arena_size", "1M");
    set("arena_shift_max", "0");
    set("arena_max", "1");
    take_in_threads();
    return shards_of_arenas() != 1 || jsm_arena_count() < 8;
}

/* A processor or two have one shard: the bound is on what there would be. */
static int
arena_max_later_in_child(void)
{
    set("arena_size", "1M");
    set("arena_shift_max", "0");
    set("arena_max", "3");
    jsm_shard_count();
    for (unsigned shard = 0; shard < 3; shard++) {
        bool clean;
        jsm_span_alloc(shard, 12, 1, JSM_WANT_OLDEST, &clean);
    }
    if (shards_of_arenas() != 7 || !in_force("arena_max", "3"))
        return 1;
    set("arena_max", "1");
    unsigned before = jsm_arena_count();
    for (unsigned shard = 0; shard < 9; shard++) {
        bool clean;
        jsm_span_alloc(shard, 15, 1, JSM_WANT_OLDEST, &clean);
    }
    for (unsigned i = before; i < jsm_arena_count(); i++)
        if (jsm_arena_at(i)->shard != 0)
            return 2;
    return jsm_arena_count() != before + 9;
}

/* ---- The program break ---- */

static bool
below_break(const void *p, uintptr_t from)
{
    return (uintptr_t)p >= from && (uintptr_t)p < (uintptr_t)sbrk(0);
}

static int
brk_in_child(void)
{
    uintptr_t from = (uintptr_t)sbrk(0);
    uint8_t *foreign[5], *ours[5];

    set("source", "brk");
    set("arena_size", "1M");
    set("arena_shift_max", "0");
    for (unsigned i = 0; i < 5; i++) { /* somebody else moves the break, by odd amounts, between our arenas */
        ours[i] = full_block(600 * KIB);
        memset(ours[i], (int)i, 600 * KIB);
        foreign[i] = sbrk(1000 + (intptr_t)i);
        memset(foreign[i], 0x80 + (int)i, 1000 + i);
        if (!below_break(ours[i], from) || !below_break(full_block(100), from))
            return 1;
    }
    for (unsigned i = 0; i < 5; i++)
        if (!is_all(ours[i], 600 * KIB, (uint8_t)i) || !is_all(foreign[i], 1000 + i, (uint8_t)(0x80 + i)))
            return 2;
    for (unsigned i = 0; i < 5; i++)
        jsm_free(ours[i]);
    jsm_malloc_trim(0);
    for (unsigned i = 0; i < 5; i++)
        if (!is_all(foreign[i], 1000 + i, (uint8_t)(0x80 + i)))
            return 3;
    return jsm_check() != 0 || jsm_arena_count() < 5;
}

/* Where the break cannot be moved, because something lies behind it. */
static int
brk_refused_in_child(void)
{
    uintptr_t from = (uintptr_t)sbrk(0);
    void *wall = mmap((void *)jsm_round_up(from + 3 * MIB, (uintptr_t)(64 * KIB)), 64 * KIB, PROT_NONE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

    if (wall == MAP_FAILED) /* under valgrind */
        return NOT_HERE;
    set("source", "brk");
    set("arena_size", "1M");
    set("arena_shift_max", "0");
    unsigned below = 0, above = 0;
    for (unsigned i = 0; i < 8; i++) {
        uint8_t *p = full_block(600 * KIB);
        below += below_break(p, from);
        above += !below_break(p, from);
    }
    return below < 1 || below > 3 || above < 5 || jsm_check() != 0;
}

static int
mmap_in_child(void)
{
    uintptr_t from = (uintptr_t)sbrk(0);

    set("source", "mmap");
    full_block(100);
    full_block(100 * KIB);
    return (uintptr_t)sbrk(0) != from;
}

/* The flags that the kernel has for the memory at `p`. */
static bool
has_flag(const void *p, const char *flag)
{
    char line[512];
    FILE *maps = fopen("/proc/self/smaps", "r");
    bool here = false, found = false;

    while (maps != NULL && fgets(line, sizeof line, maps) != NULL) {
        unsigned long long from, to;
        if (sscanf(line, "%llx-%llx ", &from, &to) == 2)
            here = (uintptr_t)p >= from && (uintptr_t)p < to;
        else if (here && strncmp(line, "VmFlags:", 8) == 0)
            found = strstr(line, flag) != NULL;
    }
    if (maps != NULL)
        fclose(maps);
    return found;
}

static const char *thp;

static int
thp_in_child(void)
{
    set("thp", thp);
    void *p = full_block(100);
    bool on = has_flag(p, " hg"), off = has_flag(p, " nh");
    if (under_qemu() && !has_flag(p, " wr"))
        return NOT_HERE; /* its smaps are the emulator's, whose addresses are others for 32 bits */
    if (!has_flag(p, " wr") || (strcmp(thp, "default") == 0 ? on || off : strcmp(thp, "on") == 0 ? off : on))
        return 1;
    return strcmp(thp, "default") != 0 && !on && !off ? NOT_HERE : 0; /* a kernel without */
}

static void
test_source(void)
{
    test(prealloc_in_child, "prealloc: so much is made ready at once");
    test(mmap_threshold_in_child, "mmap_threshold: from there on blocks are mappings, gone when freed");
    test(mmap_max_in_child, "mmap_max: not more of them");
    test(arena_growth_in_child, "arena_size, arena_batch, arena_shift_max: how arenas grow");
    test(arena_max_in_child, "arena_max=1: all threads have one shard");
    test(arena_max_later_in_child, "made less later, it holds for new arenas");
    test(mmap_in_child, "source=mmap leaves the break alone");
    test(brk_in_child, "source=brk: arenas come from the break, which others may move meanwhile");
    test_if_here(brk_refused_in_child, "and are mapped where it cannot be moved", "no place for what is in its way");
    static const char *const words[] = {"default", "on", "off"};
    for (unsigned i = 0; i < COUNT_OF(words); i++) {
        thp = words[i];
        char what[64];
        snprintf(what, sizeof what, "thp=%s: the kernel is told so", words[i]);
        test_if_here(thp_in_child, what, "no transparent huge pages, or no smaps of the process alone");
    }
}

/* ---- Blocks ---- */

static int
slab_max_in_child(void)
{
    set("slab_max", "2K");
    if (jsm_malloc_usable_size(full_block(2048)) != 2048 || jsm_malloc_usable_size(full_block(2049)) != 4096)
        return 1;
    return (uintptr_t)full_block(3000) % JSM_SLICE_BYTES != 0 || jsm_malloc_good_size(3000) != 4096;
}

/* A block is freed as what it was allocated as. */
static int
slab_max_later_in_child(void)
{
    void *p = full_block(50000), *q = jsm_aligned_alloc(256, 9000);

    set("slab_max", "1K");
    void *r = full_block(50000);
    jsm_free_sized(p, 50000);
    jsm_free_aligned_sized(q, 256, 9000);
    set("slab_max", "64K");
    jsm_free_sized(r, 50000);
    return jsm_check();
}

static int
zero_size_in_child(void)
{
    void *p = jsm_malloc(0), *q = jsm_malloc(0);

    if (p == NULL || q == NULL || p == q)
        return 1;
    set("zero_size", "null");
    errno = ERRNO_MARK;
    return jsm_malloc(0) != NULL || jsm_calloc(3, 0) != NULL || errno != ERRNO_MARK;
}

/* Gives its slab back after the setting has changed, and before it has followed that. */
static void *
zero_size_thread(void *arg)
{
    void *p = jsm_malloc(8);

    pthread_barrier_wait(&barrier);
    pthread_barrier_wait(&barrier);
    jsm_free(p);
    jsm_malloc_trim(0);
    bool sound = jsm_check() == 0;
    jsm_free(jsm_malloc(0)); /* of either setting */
    *(bool *)arg = sound && jsm_check() == 0;
    return NULL;
}

static int
zero_size_of_others_in_child(void)
{
    pthread_t thread;
    bool good = false;

    pthread_barrier_init(&barrier, NULL, 2);
    pthread_create(&thread, NULL, zero_size_thread, &good);
    jsm_free(jsm_malloc(8));
    pthread_barrier_wait(&barrier);
    set("zero_size", "null");
    pthread_barrier_wait(&barrier);
    pthread_join(thread, NULL);
    return !good || jsm_check() != 0;
}

static bool
perturbed(size_t bytes)
{
    uint8_t *p = jsm_malloc(bytes);

    if (!is_all(p, bytes, 0x5a))
        return false;
    jsm_free(p);
    return *(volatile uint8_t *)hide(p + bytes / 2) == 0xa5;
}

static void *
perturbed_thread(void *arg)
{
    jsm_free(full_block(40)); /* it has its heap already */
    pthread_barrier_wait(&barrier);
    pthread_barrier_wait(&barrier);
    jsm_free(full_block(777)); /* needs a slab */
    *(bool *)arg = perturbed(40) && perturbed(777);
    return NULL;
}

static int
perturb_in_child(void)
{
    pthread_t thread;
    bool good = false;

    pthread_barrier_init(&barrier, NULL, 2);
    pthread_create(&thread, NULL, perturbed_thread, &good);
    jsm_free(full_block(40));
    pthread_barrier_wait(&barrier);
    set("perturb", "0xa5");
    pthread_barrier_wait(&barrier);
    pthread_join(thread, NULL);
    if (!perturbed(40) || !perturbed(2000) || !perturbed(100 * KIB) || !good)
        return 1;
    set("perturb", "0");
    uint8_t *p = full_block(40);
    jsm_free(p);
    return *(volatile uint8_t *)hide(p + 20) != 1;
}

static void *
perturb_from_thread(void *arg)
{
    set("perturb", "0xa5");
    return arg;
}

static int
perturb_by_newcomer_in_child(void)
{
    pthread_t thread;

    jsm_free(jsm_malloc(40));
    pthread_create(&thread, NULL, perturb_from_thread, NULL);
    pthread_join(thread, NULL);
    for (unsigned i = 0; i < 100000; i++) /* some of which are the first of a slab */
        if (jsm_malloc(8) == NULL)
            return 1;
    return !perturbed(40);
}

static const char *action;

static int
misuse_in_child(void)
{
    struct rlimit none = {0, 0};

    setrlimit(RLIMIT_CORE, &none);
    set("check_action", action);
    void *p = full_block(40);
    jsm_free(p);
    jsm_free(hide(p));
    return 0;
}

static void
test_check_action(void)
{
    for (unsigned i = 0; i < 4; i++) {
        action = (const char *const[]){"0", "1", "2", "3"}[i];
        in_child(&child, misuse_in_child);
        bool aborted = WIFSIGNALED(child.status) && WTERMSIG(child.status) == SIGABRT;
        bool reported = strstr(child.text, "double free") != NULL;
        ok(aborted == (i >= 2) && reported == (i % 2 == 1) && (aborted || ended_well(&child)),
           "check_action=%s: %s, %s", action, reported ? "reports" : "is silent", aborted ? "aborts" : "goes on");
    }
}

static void
test_blocks(void)
{
    test(slab_max_in_child, "slab_max: what is larger has pages of its own");
    test(slab_max_later_in_child, "blocks from before it was changed can be freed with their size");
    test(zero_size_in_child, "zero_size: malloc(0) is a block, or NULL without an error");
    test(zero_size_of_others_in_child, "a thread that follows later has no slab meanwhile that it gave back");
    test(perturb_in_child, "perturb: new and freed blocks have the pattern, in all threads");
    test(perturb_by_newcomer_in_child, "all threads follow one that never allocated");
    test_check_action();
}

/* ---- At exit ---- */

static const char *at_exit[3];

static int
exit_in_child(void)
{
    for (unsigned i = 0; i < 3 && at_exit[i] != NULL; i++) {
        char name[32];
        size_t len = strcspn(at_exit[i], "=");
        snprintf(name, sizeof name, "%.*s", (int)len, at_exit[i]);
        set(name, at_exit[i] + len + 1);
    }
    exit(0);
}

static void
test_exit(void)
{
    in_child(&child, exit_in_child);
    is_str(child.text, "", "stats=off: nothing is said at exit");
    at_exit[0] = "stats=exit";
    in_child(&child, exit_in_child);
    ok(strstr(child.text, "jsmalloc") != NULL && strstr(child.text, "live_bytes") != NULL,
       "stats=exit: statistics are");
    char folder[] = "/tmp/jsmalloc-stats-XXXXXX", value[100], command[100], name[256] = "";
    if (mkdtemp(folder) == NULL)
        _exit(99);
    snprintf(value, sizeof value, "stats_file=%s/x.%%p.y", folder);
    at_exit[1] = value;
    in_child(&child, exit_in_child);
    DIR *d = opendir(folder);
    for (struct dirent *e; d != NULL && (e = readdir(d)) != NULL;)
        if (e->d_name[0] != '.')
            snprintf(name, sizeof name, "%s", e->d_name);
    if (d != NULL)
        closedir(d);
    long pid = 0;
    char tail = 0;
    ok(child.text[0] == '\0' && sscanf(name, "x.%ld.%c", &pid, &tail) == 2 && pid > 1 && tail == 'y',
       "stats_file: they are in the file of that name, with the process id in it");
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    ok(system(command) == 0, "which can be removed");
    at_exit[1] = "stats_format=json";
    in_child(&child, exit_in_child);
    ok(child.text[0] == '{', "stats_format=json: in this format");
    at_exit[1] = "stats_format=openmetrics";
    in_child(&child, exit_in_child);
    ok(strncmp(child.text, "# TYPE jsmalloc_", 16) == 0, "openmetrics");
    at_exit[1] = "stats_format=xml";
    in_child(&child, exit_in_child);
    ok(strncmp(child.text, "<malloc version=\"1\">", 20) == 0, "xml");
}

int
main(void)
{
    plan(9 + 12 + 10 + 7);
    test_resident();
    test_source();
    test_blocks();
    test_exit();
    return done();
}
