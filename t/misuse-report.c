/* t/misuse-report.c - what a report tells, and that it is whole whoever makes it when.
 * SPDX-License-Identifier: MIT
 */
#include "blackbox.h"

#include <fcntl.h>
#include <link.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>

enum { TEXT_BYTES = 1 << 18 };

static char text[TEXT_BYTES];
static int saved_stderr, report_fd[2];

static void
watch(void)
{
    fflush(stderr);
    saved_stderr = dup(2);
    if (pipe(report_fd) != 0 || dup2(report_fd[1], 2) != 2)
        _exit(98);
    fcntl(report_fd[0], F_SETFL, O_NONBLOCK);
    (void)fcntl(report_fd[1], F_SETPIPE_SZ, 1 << 20);
}

/* What was written to standard error since watch(). */
static void
unwatch(void)
{
    size_t len = 0;
    ssize_t n;

    while (len < sizeof text - 1 && (n = read(report_fd[0], text + len, sizeof text - 1 - len)) > 0)
        len += (size_t)n;
    text[len] = '\0';
    dup2(saved_stderr, 2);
    close(saved_stderr);
    close(report_fd[0]);
    close(report_fd[1]);
}

static void
show_free(const void *p)
{
    watch();
    jsm_free(hide(p));
    unwatch();
}

static bool
tells(const char *what)
{
    if (strstr(text, what) != NULL)
        return true;
    diag("not told: %s", what);
    diag("told: %s", text);
    return false;
}

/* ---- The block ---- */

static void *
free_it(void *p)
{
    jsm_free(p);
    return NULL;
}

static void
in_thread(void *(*what)(void *), void *arg)
{
    pthread_t t;

    pthread_create(&t, NULL, what, arg);
    pthread_join(t, NULL);
}

static void *
free_and_show(void *p)
{
    jsm_free(p);
    show_free(p);
    return NULL;
}

static void *
make_and_leave(void *keep)
{
    *(void **)keep = jsm_malloc(100);
    return NULL;
}

static void
test_block(void)
{
    char *around[20], *p, want[100];
    void *left;

    for (size_t i = 0; i < COUNT_OF(around); i++)
        around[i] = jsm_malloc(100);
    p = around[10];
    snprintf(want, sizeof want, "jsmalloc: free(%p): invalid pointer (inside a block)\n", (void *)(p + 7));
    show_free(p + 7);
    ok(tells(want), "the first line has function, address and kind");
    snprintf(want, sizeof want, "block of 112 bytes at %p, which is in use; class ", (void *)p);
    ok(tells(want), "the block has a size, an address, a state and a class");
    ok(tells("the pointer lies 7 bytes inside\n"), "and the distance to it");
    ok(tells("heap \"default\", owned by this thread\n"), "heap and owner");
    ok(tells("or again with JSMALLOC_OPTIONS=") && tells("profile=on,sample_interval=1") && tells("perturb=165"),
       "and the settings to run next");
    in_thread(free_and_show, around[11]);
    ok(tells("freed by a thread that is not its owner, in whose outbox it waits") && tells("owned by another thread"),
       "a block that another thread has freed and keeps for its owner");
    in_thread(free_it, around[12]);
    show_free(around[12]);
    ok(tells("freed by a thread that is not its owner, and not yet taken back") && tells("owned by this thread"),
       "one that its owner has not taken back");
    jsm_free(around[13]);
    show_free(around[13]);
    ok(tells(", which is free; class"), "one that its owner has freed");
    in_thread(make_and_leave, &left);
    show_free((char *)left + 1);
    ok(tells("owned by no thread"), "one of a thread that has ended");
}

static void
test_heap_and_large(void)
{
    struct jsm_heap_config config = JSM_HEAP_CONFIG_INIT;
    config.name = "pictures";
    jsm_heap *heap = jsm_heap_new(&config);
    char *p = jsm_heap_malloc(heap, 500), *large = jsm_malloc(300000);

    show_free(p + 16);
    ok(tells("heap \"pictures\"\n"), "a heap of the program's has its name");
    show_free(large + 100000);
    ok(tells("of the page heap; the pointer lies 100000 bytes inside"), "a large block");
    jsm_heap_destroy(heap);
    show_free(p);
    ok(tells("double free") && tells("free memory of the page heap"), "a block of a heap that was destroyed");
    jsm_free(large);
}

/* ---- Pointers from elsewhere ---- */

static char filled[64] = "x", empty[70000];
static const char constant[64] = "text";

struct object {
    const void *p;
    char want[4200];
    bool is_mixed; /* the constants are beside the code, and cannot be told from it */
};

static int
find_object(struct dl_phdr_info *info, size_t size, void *arg)
{
    struct object *o = arg;
    uintptr_t offset = (uintptr_t)o->p - info->dlpi_addr;
    char path[4096] = "";

    (void)size;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *ph = &info->dlpi_phdr[i];
        if (ph->p_type != PT_LOAD || offset - ph->p_vaddr >= ph->p_memsz)
            continue;
        o->is_mixed = ph->p_offset == 0 && (ph->p_flags & PF_X) != 0;
        if (realpath(info->dlpi_name[0] != '\0' ? info->dlpi_name : "/proc/self/exe", path) != NULL)
            snprintf(o->want, sizeof o->want, "%s+%#lx\n", path, (unsigned long)offset);
        return 1;
    }
    return 0;
}

static void
test_object(const void *p, const char *what, const char *description)
{
    struct object o = { .p = hide(p) };

    dl_iterate_phdr(find_object, &o);
    if (o.is_mixed)
        what = "to code or constants of ";
    show_free(p);
    ok(tells("invalid pointer (not from this allocator)\n") && tells(what) && o.want[0] != '\0' && tells(o.want),
       "%s: file and offset", description);
}

static void
test_elsewhere(void)
{
    char on_stack[32], path[] = "/tmp/misuse-report-XXXXXX";
    int fd = mkstemp(path);
    /* No memory that follows an object at once, which would look like part of it. */
    char *mapped = mmap(NULL, 3 * MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    test_object(filled + 8, "to static data of ", "data of the program");
    test_object(empty + 60000, "to static data of ", "its zeroed data");
    test_object(constant + 1, "to static data of ", "its constants");
    test_object((void *)(uintptr_t)test_object, "to code of ", "its code");
    test_object(stdout, "to static data of ", "data of a library");
    show_free(on_stack);
    ok(tells("into the stack of this thread\n"), "the stack");
    show_free((char *)sbrk(4096) + 16);
    if (is_emulated() || !IS_GLIBC)
        skip(1, "the break is a mapping of ours with this libc, or the emulator's /proc/self/maps has no name for it");
    else
        ok(tells("into [heap], the program break"), "the program break");
    show_free(mapped + MIB);
    ok(tells("into anonymous memory of "), "a mapping");
    show_free((void *)(uintptr_t)64);
    ok(tells("to where nothing is mapped\n"), "nothing");
    char *file = fd >= 0 && ftruncate(fd, 8192) == 0 ? mmap(NULL, 8192, PROT_READ, MAP_SHARED, fd, 0) : NULL;
    show_free(file + 4096);
    ok(tells("a file that is mapped\n") && tells(path), "a file");
    unlink(path);
    close(fd);
    munmap(mapped, 3 * MIB);
}

static void
test_no_proc(void)
{
    struct rlimit old, none;

    getrlimit(RLIMIT_NOFILE, &old);
    watch();
    none = (struct rlimit){ 0, old.rlim_max };
    setrlimit(RLIMIT_NOFILE, &none);
    jsm_free(hide(filled));
    setrlimit(RLIMIT_NOFILE, &old);
    unwatch();
    ok(tells("/proc/self/maps cannot be read\n"), "where it cannot be told that is said");
}

/* ---- Stacks ---- */

__attribute__((noinline)) static void *
make_block(void)
{
    void *p = jsm_malloc(200);

    __asm__ volatile("" : : : "memory"); /* no tail call */
    return p;
}

__attribute__((noinline)) static void
drop_block(void *p)
{
    jsm_free(hide(p));
    __asm__ volatile("" : : : "memory");
}

/* Whether under the title there is a line of the program's file with an offset in the function. */
static bool
has_frame(const char *title, void *function)
{
    struct object o = { .p = function };
    const char *line = strstr(text, title);
    unsigned long from, at;

    dl_iterate_phdr(find_object, &o);
    char *plus = strrchr(o.want, '+');
    if (line == NULL || plus == NULL)
        return false;
    from = strtoul(plus + 1, NULL, 16);
    *plus = '\0';
    for (line = strchr(line, '\n') + 1; strncmp(line, "jsmalloc:     ", 14) == 0; line = strchr(line, '\n') + 1)
        if (strncmp(line + 14, o.want, strlen(o.want)) == 0 && sscanf(line + 14 + strlen(o.want), "+%lx", &at) == 1 &&
            at >= from && at < from + 200)
            return true;
    return false;
}

static void
test_stacks(void)
{
    void *p, *live;

    if (!jsm_option_set("sample_interval", "1") || !jsm_option_set("profile", "on"))
        diag("no profile");
    p = make_block();
    live = make_block();
    drop_block(p);
    watch();
    drop_block(p);
    unwatch();
    ok(tells("double free"), "with a profile a double free is found as well");
#ifdef __OPTIMIZE__
    ok(has_frame("called by\n", (void *)(uintptr_t)drop_block), "who called");
#else
    skip(1, "without optimisation the library calls itself as deep as a report tells, and here it is the program's");
#endif
    ok(has_frame("allocated by\n", (void *)(uintptr_t)make_block), "who allocated the block");
    ok(has_frame("freed by\n", (void *)(uintptr_t)drop_block), "who freed it");
    ok(tells("perturb=165") && strstr(text, "profile=on") == NULL && strstr(text, "sample_interval=1") == NULL,
       "settings in force are not told");
    show_free((char *)live + 8);
    ok(has_frame("allocated by\n", (void *)(uintptr_t)make_block) && strstr(text, "freed by") == NULL,
       "of a live block, who allocated it");
    (void)jsm_option_set("profile", "off");
    jsm_free(live);
}

/* ---- Whole ---- */

enum { THREADS = 8, EACH = 4 };
static pthread_barrier_t barrier;

static void *
report_many(void *p)
{
    pthread_barrier_wait(&barrier);
    for (int i = 0; i < EACH; i++)
        jsm_free((char *)p + 16);
    return NULL;
}

/* Reports in the text; -1 if something is not as a report is. */
static int
count_reports(void)
{
    int n = 0;
    bool ended = true;

    for (const char *line = text; *line != '\0'; line = strchr(line, '\n') + 1) {
        bool first = strncmp(line, "jsmalloc: free(0x", 17) == 0;
        if (strchr(line, '\n') == NULL || strncmp(line, "jsmalloc: ", 10) != 0 || first != ended)
            return -1;
        n += first;
        ended = strncmp(line, "jsmalloc:   to go on", 20) == 0;
    }
    return ended ? n : -1;
}

static void
test_threads(void)
{
    pthread_t t[THREADS];
    char *p = jsm_malloc(64);

    pthread_barrier_init(&barrier, NULL, THREADS);
    watch();
    for (int i = 0; i < THREADS; i++)
        pthread_create(&t[i], NULL, report_many, i % 2 == 0 ? p : filled);
    for (int i = 0; i < THREADS; i++)
        pthread_join(t[i], NULL);
    unwatch();
    is_int(count_reports(), THREADS * EACH, "reports of several threads are whole, and not mixed");
    jsm_free(p);
}

static volatile sig_atomic_t handled;

static void
handler(int number)
{
    (void)number;
    jsm_free(hide(filled + 16));
    handled++;
}

static void
test_signal(void)
{
    static char small_stack[16384];
    stack_t alternate = { .ss_sp = small_stack, .ss_size = sizeof small_stack };
    struct sigaction action = { .sa_handler = handler, .sa_flags = SA_ONSTACK };

    sigaltstack(&alternate, NULL);
    sigaction(SIGUSR1, &action, NULL);
    watch();
    raise(SIGUSR1);
    unwatch();
    ok(handled == 1 && count_reports() == 1, "a report is made in a signal handler, on a small stack");
}

static size_t
in_use(void)
{
#ifdef __GLIBC__
    return jsm_mallinfo2().uordblks + mallinfo2().uordblks;
#else
    return jsm_mallinfo2().uordblks; /* nobody else can tell */
#endif
}

static void
test_no_memory(void)
{
    size_t before = in_use();

    watch();
    jsm_free(hide(filled));
    size_t after = in_use();
    unwatch();
    is_uint(after, before, "a report takes no memory, of ours or of libc's");
}

/* Two threads free a block at the same moment, as near as can be. */
static struct {
    void *_Atomic block;
    _Atomic(int) ready;
} together;

static void
meet(void)
{
    together.ready++;
    for (unsigned spins = 0; together.ready < 2; spins++)
        if (spins % 1024 == 1023)
            sched_yield();
}

static void *
free_together(void *unused)
{
    void *p;

    for (;;) {
        while ((p = together.block) == NULL)
            sched_yield();
        if (p == &together)
            return unused;
        meet();
        jsm_free(p);
        together.block = NULL;
    }
}

static void
test_together(size_t size, jsm_heap *heap, const char *what)
{
    enum { ROUNDS = 2000, BATCH = 20 };
    pthread_t t;
    unsigned wrong = 0;

    together.block = NULL;
    pthread_create(&t, NULL, free_together, NULL);
    for (unsigned i = 0; i < rounds(SANITIZED ? ROUNDS / 4 : ROUNDS, 10 * ROUNDS) / BATCH; i++) {
        watch();
        for (int j = 0; j < BATCH; j++) {
            void *p = jsm_heap_malloc(heap, size);
            together.ready = 0;
            together.block = p;
            meet();
            jsm_free(hide(p));
            while (together.block != NULL)
                sched_yield();
        }
        unwatch();
        wrong += count_reports() != BATCH;
    }
    together.block = &together;
    pthread_join(t, NULL);
    is_uint(wrong, 0, "of two threads that free %s at the same moment, one is reported", what);
    is_int(jsm_check(), 0, "and the heap is sound");
}

int
main(void)
{
    plan(3 + 9 + 10 + 1 + 6 + 3 + 6);
    (void)jsm_option_set("check_action", "1");
    test_block();
    test_heap_and_large();
    test_elsewhere();
    test_no_proc();
    test_no_memory();
    test_signal();
    test_stacks();
    test_threads();
    test_together(300000, NULL, "a block of the page heap");
    test_together(100 * MIB, NULL, "a mapping");
    test_together(300000, jsm_heap_new(NULL), "a large block of a heap");
    return done();
}
