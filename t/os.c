/* t/os.c - the contract with the platform: memory, time, threads, files, injected failures.
 * SPDX-License-Identifier: MIT
 */
#define FAULTS_ARE_SIGNALS
#include "unit.h"

#include "os/os.h"

#include <pthread.h>
#include <sys/resource.h>
#include <sys/stat.h>

static size_t page;

static void
test_page(void)
{
    ok(page == (size_t)sysconf(_SC_PAGESIZE) && jsm_is_pow2(page), "a page is what the system says");
}

/* ---- Memory ---- */

static void
test_reserve(void)
{
    unsigned misaligned = 0;

    for (size_t align = page; align <= 64 * JSM_MIB; align *= 4) {
        uint8_t *p = jsm_os_reserve(3 * page, align);
        misaligned += p == NULL || !is_aligned(p, align);
        misaligned += !is_reserved(p + 3 * page - 1);
        if (p != NULL)
            misaligned += jsm_os_unmap(p, 3 * page) != 0;
    }
    is_uint(misaligned, 0, "addresses are reserved at any alignment, and cannot be accessed");

    uint8_t *p = jsm_os_reserve(8 * page, page);
    ok(jsm_os_commit(p + page, 2 * page) == 0 && is_zero(p + page, 2 * page), "committed, they read as zero");
    memset(p + page, 1, 2 * page);
    ok(is_reserved(p) && is_reserved(p + 3 * page),
       "no more of them than were asked for");
    ok(jsm_os_commit_read(p + 5 * page, page) == 0 && is_zero(p + 5 * page, page) &&
           strncmp(access_of(p + 5 * page), "r--", 3) == 0,
       "they may be made readable alone");
    ok(jsm_os_commit(p + 5 * page, page) == 0, "and writable later");
    p[5 * page] = 1;
    ok(jsm_os_unmap(p, 8 * page) == 0, "addresses can be given back");
    ok(access_of(p + page)[0] == '\0' && access_of(p + 7 * page)[0] == '\0', "all of them");
}

/* Reads it; for a child, which that may kill. */
static uint8_t *touched;

static int
touch(void)
{
    return *(volatile uint8_t *)touched;
}

static bool
is_fatal(uint8_t *p)
{
    struct child child;

    touched = p;
    in_child(&child, touch);
    return WIFSIGNALED(child.status) && WTERMSIG(child.status) == SIGSEGV;
}

static size_t
mappings(void)
{
    size_t lines = 0;
    int c;
    FILE *maps = fopen("/proc/self/maps", "r");

    while (maps != NULL && (c = getc(maps)) != EOF)
        lines += c == '\n';
    if (maps != NULL)
        fclose(maps);
    return lines;
}

static void
test_guard(void)
{
    uint8_t *p = jsm_os_map(8 * page, page);
    (void)mappings(); /* which may map memory for libc, or a sanitizer */
    size_t before = mappings();

    memset(p, 7, 8 * page);
    errno = ERRNO_MARK;
    int answer = jsm_os_guard(p + page, 2 * page), error = errno;
    size_t after = mappings();
    errno = error;
    if (answer != 0) {
        ok(answer == ENOSYS && is_all(p, 8 * page, 7), "a kernel without guards leaves memory as it was");
        skip(2, "no guards here");
    } else if (under_qemu()) {
        skip(3, "qemu says yes to advice that it does not know");
    } else {
        ok(is_fatal(p + page) && is_fatal(p + 3 * page - 1) && p[page - 1] == 7 && p[3 * page] == 7,
           "guarded pages cannot be accessed, nor in a child; others can");
        ok(after == before, "they cost no mapping");
        ok(jsm_os_unguard(p + page, page) == 0 && is_zero(p + page, page) && is_fatal(p + 2 * page),
           "without the guard they read as zero");
    }
    ok(jsm_os_decommit(p + 4 * page, page) == 0 && is_fatal(p + 4 * page) && p[5 * page] == 7,
       "decommitted pages cannot be accessed");
    ok(jsm_os_commit(p + 4 * page, page) == 0 && is_zero(p + 4 * page, page), "committed again, they read as zero");
    is_int(errno, ERRNO_MARK, "guards leave errno alone");
    jsm_os_unmap(p, 8 * page);
}

/* Addresses of the process in bytes; 0 if unknown. */
static size_t
address_bytes(void)
{
    char text[128];

    return jsm_os_read_file("/proc/self/statm", text, sizeof text) > 0 ? strtoul(text, NULL, 10) * page : 0;
}

static void
test_slack(void)
{
    enum { N = 8 };
    size_t before = address_bytes(), align = 32 * JSM_MIB;
    void *p[N];

    for (unsigned i = 0; i < N; i++)
        p[i] = jsm_os_reserve(page, align);
    ok(address_bytes() < before + N * align / 4, "what was in the way of an alignment is not kept");
    for (unsigned i = 0; i < N; i++)
        (void)jsm_os_unmap(p[i], page);
}

static void
test_map(void)
{
    unsigned wrong = 0;

    for (size_t align = page; align <= 64 * JSM_MIB; align *= 4) {
        uint8_t *p = jsm_os_map(2 * page, align);
        wrong += p == NULL || !is_aligned(p, align) || !is_zero(p, 2 * page);
        if (p == NULL)
            continue;
        p[0] = p[2 * page - 1] = 1;
        wrong += jsm_os_unmap(p, 2 * page) != 0;
    }
    is_uint(wrong, 0, "mapped memory is aligned, zero and writable");
    uint8_t *p = jsm_os_map(4 * page, page);
    memset(p, 7, 4 * page);
    ok(jsm_os_purge(p + page, 2 * page) == 0 && is_zero(p + page, 2 * page), "pages that are purged read as zero");
    ok(is_all(p, page, 7) && is_all(p + 3 * page, page, 7), "the others do not");
    memset(p + page, 8, 2 * page);
    ok(is_all(p + page, 2 * page, 8), "and they can be written again");
    ok(jsm_os_map(SIZE_MAX - page + 1, page) == NULL && jsm_os_reserve(SIZE_MAX - page + 1, JSM_MIB) == NULL &&
           jsm_os_reserve(SIZE_MAX - 2 * page + 1, 64 * JSM_MIB) == NULL,
       "there are not more addresses than there are");
    (void)jsm_os_unmap(p, 4 * page);
}

static void
test_move(void)
{
    uint8_t *from = jsm_os_map(4 * page, page), *to = jsm_os_map(4 * page, page);

    memset(from, 3, 4 * page);
    memset(to, 4, 4 * page);
    int error = jsm_os_move(from + page, to, 2 * page);
    if (error == ENOSYS)
        ok(is_all(from, 4 * page, 3) && is_all(to, 4 * page, 4), "where pages cannot be moved nothing changes");
    else
        ok(error == 0 && is_all(to, 2 * page, 3) && is_zero(from + page, 2 * page) && is_all(from, page, 3) &&
               is_all(to + 2 * page, 2 * page, 4),
           "pages are moved, and read as zero where they were");
    (void)jsm_os_unmap(from, 4 * page);
    (void)jsm_os_unmap(to, 4 * page);

    uint8_t *p = jsm_os_map(8 * page, page);
    memset(p, 5, 8 * page);
    ok(jsm_os_resize(p, 8 * page, 3 * page) && access_of(p + 3 * page)[0] == '\0' && is_all(p, 3 * page, 5),
       "a mapping shrinks where it is");
    to = jsm_os_reserve(16 * page, page);
    ok(jsm_os_relocate(p, 3 * page, to, 16 * page) && is_all(to, 3 * page, 5) && is_zero(to + 3 * page, 13 * page) &&
           access_of(p)[0] == '\0',
       "or moves to a longer place, with its contents");
    memset(to, 6, 16 * page);
    (void)jsm_os_unmap(to, 16 * page);
}

static void
test_break(void)
{
    uint8_t *before = jsm_os_break(), *p = jsm_os_break_grow(3 * page);

    ok(p == before && (uint8_t *)jsm_os_break() == p + 3 * page && (uint8_t *)sbrk(0) == p + 3 * page,
       "the program break is moved up, and libc knows it");
    memset(p, 1, 3 * page);
    jsm_os_fail_after = 0;
    ok(jsm_os_break_grow(page) == NULL && jsm_os_break_grow(SIZE_MAX) == NULL &&
           (uint8_t *)jsm_os_break() == p + 3 * page,
       "or it stays where it is");
}

static void
test_errno(void)
{
    unsigned changed = 0;
    char text[16];

    errno = ERRNO_MARK;
    void *p = jsm_os_map(page, page);
    changed += errno != ERRNO_MARK;
    changed += jsm_os_map(SIZE_MAX - page + 1, page) != NULL || errno != ERRNO_MARK;
    changed += jsm_os_reserve(SIZE_MAX - page + 1, page) != NULL || errno != ERRNO_MARK;
    changed += jsm_os_commit((uint8_t *)p + 1, page) == 0 || errno != ERRNO_MARK;
    changed += jsm_os_purge((uint8_t *)p + 1, page) == 0 || errno != ERRNO_MARK;
    changed += jsm_os_unmap((uint8_t *)p + 1, page) == 0 || errno != ERRNO_MARK;
    changed += jsm_os_resize(p, page, SIZE_MAX - page + 1) || errno != ERRNO_MARK;
    changed += jsm_os_move((uint8_t *)p + 1, p, page) == 0 || errno != ERRNO_MARK;
    changed += jsm_os_read_file("/nonexistent", text, sizeof text) != -1 || errno != ERRNO_MARK;
    changed += jsm_os_open_append("/nonexistent/file") != -1 || errno != ERRNO_MARK;
    jsm_os_write_fd(-1, "x", 1);
    changed += errno != ERRNO_MARK;
    jsm_os_close(-1);
    changed += errno != ERRNO_MARK;
    (void)jsm_os_cpus();
    (void)jsm_os_address_limit_bytes();
    (void)jsm_os_unmap(p, page);
    changed += errno != ERRNO_MARK;
    is_uint(changed, 0, "no failure changes errno");
}

static void
test_injection(void)
{
    void *p[4];

    jsm_os_fail_after = 2;
    for (unsigned i = 0; i < 4; i++)
        p[i] = jsm_os_map(page, page);
    ok(p[0] != NULL && p[1] != NULL && p[2] == NULL && p[3] != NULL && jsm_os_fail_after == -1,
       "the one call fails that a test wants to");
    jsm_os_fail_after = 0;
    jsm_os_fail_sticky = true;
    int commit = jsm_os_commit(p[0], page), read = jsm_os_commit_read(p[0], page), move = jsm_os_move(p[0], p[1], page);
    bool resized = jsm_os_resize(p[0], page, page), relocated = jsm_os_relocate(p[0], page, p[1], page);
    ok(jsm_os_map(page, page) == NULL && jsm_os_reserve(page, page) == NULL && commit == ENOMEM && read == ENOMEM &&
           move == ENOMEM && !resized && !relocated,
       "or all from there on, whatever they would do");
    jsm_os_fail_after = -1;
    jsm_os_fail_sticky = false;
    void *q = jsm_os_map(page, page);
    ok(q != NULL, "until that is over");
    (void)jsm_os_unmap(q, page);
    for (unsigned i = 0; i < 4; i++)
        if (p[i] != NULL)
            (void)jsm_os_unmap(p[i], page);
}

static int
with_limit(void)
{
    struct rlimit limit, now;

    if (getrlimit(RLIMIT_AS, &limit) != 0)
        return 77;
    limit.rlim_cur = (rlim_t)3 << 30;
    if (setrlimit(RLIMIT_AS, &limit) != 0 || getrlimit(RLIMIT_AS, &now) != 0 || now.rlim_cur != limit.rlim_cur)
        return 77; /* an emulator may take a limit and forget it */
    return jsm_os_address_limit_bytes() != (size_t)3 << 30;
}

static void
test_limit(void)
{
    struct child child;
    struct rlimit limit;

    in_child(&child, with_limit);
    if (WIFEXITED(child.status) && WEXITSTATUS(child.status) == 77)
        skip(1, "no limit can be set");
    else
        ok(ended_well(&child), "a limit of address space is known");
    if (getrlimit(RLIMIT_AS, &limit) == 0 && limit.rlim_cur == RLIM_INFINITY)
        ok(jsm_os_address_limit_bytes() == SIZE_MAX, "so is that there is none");
    else
        skip(1, "there is one");
}

/* ---- Time, processors, threads ---- */

static uintptr_t other_id;
static bool other_is_main;

static void *
identify(void *arg)
{
    other_id = jsm_os_thread_id();
    other_is_main = jsm_os_is_thread(*(uintptr_t *)arg) || !jsm_os_is_thread(other_id);
    return NULL;
}

static void
test_rest(void)
{
    uint32_t before = jsm_os_now_ms(), now = before;
    pthread_t thread;
    uintptr_t id = jsm_os_thread_id();

    while (now == before) /* until it ticks */
        now = jsm_os_now_ms();
    ok(now - before < UINT32_MAX / 2, "the clock goes on");
    ok(jsm_os_cpus() >= 1 && jsm_os_cpus() <= 65536, "there is a processor");
    ok(jsm_os_entropy() != 0, "there is something that others do not know");
    pthread_create(&thread, NULL, identify, &id);
    pthread_join(thread, NULL);
    ok(id != 0 && other_id != 0 && id != other_id && !other_is_main && jsm_os_is_thread(id) &&
           !jsm_os_is_thread(other_id),
       "each thread has an identity of its own");
    is_int(jsm_os_pid(), getpid(), "the process has its number");
    setenv("JSM_TEST_VARIABLE", "value", 1);
    is_str(jsm_os_getenv("JSM_TEST_VARIABLE"), "value", "the environment can be read");
    is_ptr(jsm_os_getenv("JSM_TEST_NO_VARIABLE"), NULL, "and may lack a variable");

    size_t resident = jsm_os_resident_bytes();
    uint8_t *p = jsm_os_map(32 * JSM_MIB, page);
    memset(p, 1, 32 * JSM_MIB);
    ok(resident == 0 || jsm_os_resident_bytes() > resident + 16 * JSM_MIB,
       "what is resident is known where there is /proc");
    (void)jsm_os_unmap(p, 32 * JSM_MIB);
}

static void
test_files(void)
{
    char name[] = "os-test-XXXXXX", text[32];
    int fd = mkstemp(name);

    if (fd < 0) {
        skip(6, "no file can be written here");
        return;
    }
    close(fd);
    for (unsigned i = 0; i < 2; i++) {
        fd = jsm_os_open_append(name);
        jsm_os_write_fd(fd, "twelve bytes", 12);
        jsm_os_close(fd);
    }
    ok(jsm_os_read_file(name, text, sizeof text) == 24 && strcmp(text, "twelve bytestwelve bytes") == 0,
       "what is appended to a file is there");
    ok(jsm_os_read_file(name, text, 7) == 6 && strcmp(text, "twelve") == 0,
       "as much of it is read as there is room for");
    is_uint(jsm_os_read_number(name), SIZE_MAX, "a word is no number");
    unlink(name);
    fd = jsm_os_open_append(name);
    jsm_os_write_fd(fd, "65530\n", 6);
    jsm_os_close(fd);
    is_uint(jsm_os_read_number(name), 65530, "a number is one");
    unlink(name);
    ok(jsm_os_read_file(name, text, sizeof text) == -1 && jsm_os_read_number(name) == SIZE_MAX,
       "there is no file where there is none");
    if (symlink("elsewhere", name) == 0)
        ok(jsm_os_open_append(name) == -1, "nothing is written through a symbolic link");
    else
        skip(1, "no symbolic link can be made");
    unlink(name);
}

static int
fail_check(void)
{
    JSM_CHECK(page == 0);
    return 0;
}

static void
test_panic(void)
{
    struct child child;

    in_child(&child, fail_check);
    ok(WIFSIGNALED(child.status) && WTERMSIG(child.status) == SIGABRT, "a check that fails stops the process");
    ok(strncmp(child.text, "jsmalloc: ", 10) == 0 && strstr(child.text, "os.c:") != NULL &&
           strstr(child.text, "internal check failed: page == 0\n") != NULL,
       "and says what failed, and where");
}

int
main(void)
{
    plan(1 + 7 + 6 + 1 + 5 + 3 + 2 + 1 + 3 + 2 + 8 + 6 + 2);
    end_if_stuck();
    page = jsm_os_page_bytes();
    test_page();
    test_reserve();
    test_guard();
    test_slack();
    test_map();
    test_move();
    test_break();
    test_errno();
    test_injection();
    test_limit();
    test_rest();
    test_files();
    test_panic();
    return done();
}
