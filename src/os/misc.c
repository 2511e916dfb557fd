/* os/misc.c - clock, processors, randomness, futex, environment, files, standard error.
 *
 * SPDX-License-Identifier: MIT
 */
#include <config.h>

#include "os/os.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#ifndef SYS_futex
#define SYS_futex SYS_futex_time64 /* 32-bit systems that are younger than 2038 is near */
#endif

/* <linux/futex.h> has these, but not each libc comes with the headers of the kernel. */
enum { FUTEX_WAIT_PRIVATE = 128, FUTEX_WAKE_PRIVATE = 129 };

JSM_CORE uint32_t
jsm_os_now_ms(void)
{
    struct timespec now;

    if (clock_gettime(CLOCK_MONOTONIC_COARSE, &now) != 0)
        return 0;
    return (uint32_t)((uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000);
}

/* Here and for the address limit: the system call, not the function of libc, which lies in a part
 * of libc that programs seldom touch.  64 KiB of it become resident at the first use, see JSM_CORE. */
JSM_CORE unsigned
jsm_os_cpus(void)
{
    int saved_errno = errno;
    unsigned long mask[8192 / (8 * sizeof(unsigned long))]; /* more than Linux supports */
    unsigned n = 0;

    long len = syscall(SYS_sched_getaffinity, 0, sizeof mask, mask);
    for (size_t i = 0; len > 0 && i < (size_t)len / sizeof mask[0]; i++)
        for (unsigned long rest = mask[i]; rest != 0; rest &= rest - 1)
            n++;
    errno = saved_errno;
    return n > 0 ? n : 1;
}

JSM_CORE uint64_t
jsm_os_entropy(void)
{
    uint64_t bits = 0;
    const void *from_kernel = (const void *)getauxval(AT_RANDOM); /* 16 bytes, fresh for each exec */

    if (from_kernel != NULL)
        memcpy(&bits, from_kernel, sizeof bits);
    bits ^= (uint64_t)(uintptr_t)&bits * UINT64_C(0x9e3779b97f4a7c15);
    return bits;
}

size_t
jsm_os_resident_bytes(void)
{
    char text[128];
    char *end;

    if (jsm_os_read_file("/proc/self/statm", text, sizeof text) <= 0)
        return 0;
    (void)strtoul(text, &end, 10);
    return (size_t)strtoul(end, NULL, 10) * jsm_os_page_bytes();
}

void
jsm_os_yield(void)
{
    sched_yield();
}

void
jsm_os_futex_wait(_Atomic(uint32_t) *word, uint32_t value)
{
    int saved_errno = errno;

    (void)syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, NULL, NULL, 0);
    errno = saved_errno;
}

void
jsm_os_futex_wake(_Atomic(uint32_t) *word)
{
    int saved_errno = errno;

    (void)syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
    errno = saved_errno;
}

void
jsm_os_write_fd(int fd, const char *text, size_t len)
{
    int saved_errno = errno;

    while (len > 0) {
        ssize_t n = write(fd, text, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        text += n;
        len -= (size_t)n;
    }
    errno = saved_errno;
}

void
jsm_os_write(const char *text, size_t len)
{
    int fd = jsm_os_stderr_fd();

    if (fd >= 0)
        jsm_os_write_fd(fd, text, len);
}

JSM_CORE const char *
jsm_os_program_path(void)
{
    const char *path = (const char *)getauxval(AT_EXECFN);

    return path != NULL ? path : "";
}

/* What glibc's pthread_atfork() calls, by a few instructions that are linked into the library: behind all else, on a
 * page that is not touched otherwise.  See JSM_CORE. */
int __register_atfork(void (*before)(void), void (*in_parent)(void), void (*in_child)(void), void *object)
    __attribute__((weak));
extern void *__dso_handle __attribute__((visibility("hidden")));

JSM_CORE int
jsm_os_at_fork(void (*before)(void), void (*in_parent)(void), void (*in_child)(void))
{
    return __register_atfork != NULL ? __register_atfork(before, in_parent, in_child, __dso_handle)
                                     : pthread_atfork(before, in_parent, in_child);
}

JSM_CORE const char *
jsm_os_getenv(const char *name)
{
    return getauxval(AT_SECURE) != 0 ? NULL : getenv(name); /* secure_getenv() lies apart from both */
}

JSM_CORE int
jsm_os_open_read(const char *path)
{
    int saved_errno = errno;
    int fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK, 0);

    if (fd < 0)
        fd = -errno;
    errno = saved_errno;
    return fd;
}

ptrdiff_t
jsm_os_read(int fd, char *buffer, size_t size)
{
    int saved_errno = errno;
    ptrdiff_t len;

    do
        len = (ptrdiff_t)syscall(SYS_read, fd, buffer, size);
    while (len < 0 && errno == EINTR);
    errno = saved_errno;
    return len;
}

ptrdiff_t
jsm_os_read_file(const char *path, char *text, size_t size)
{
    ptrdiff_t len = -1;
    int fd = jsm_os_open_read(path);

    if (fd >= 0) {
        len = jsm_os_read(fd, text, size - 1);
        jsm_os_close(fd);
        if (len >= 0)
            text[len] = '\0';
    }
    return len;
}

size_t
jsm_os_read_number(const char *path)
{
    char text[32];
    size_t n = 0;

    if (jsm_os_read_file(path, text, sizeof text) <= 0 || text[0] < '0' || text[0] > '9')
        return SIZE_MAX;
    for (const char *s = text; *s >= '0' && *s <= '9'; s++)
        if (__builtin_mul_overflow(n, 10u, &n) || __builtin_add_overflow(n, (unsigned)(*s - '0'), &n))
            return SIZE_MAX;
    return n;
}

static int
open_write(const char *path, int flag)
{
    int saved_errno = errno;
    int fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | flag | O_CLOEXEC | O_NOFOLLOW, 0666);

    errno = saved_errno;
    return fd;
}

int
jsm_os_open_append(const char *path)
{
    return open_write(path, O_APPEND);
}

int
jsm_os_open_new(const char *path)
{
    return open_write(path, O_TRUNC);
}

void
jsm_os_close(int fd)
{
    int saved_errno = errno;

    (void)close(fd);
    errno = saved_errno;
}

/* What descriptor 2 was when the program started.  Written before main(), or by the first call into the library. */
static struct {
    bool noted, closed;
    dev_t device;
    ino_t file;
    int kept_fd; /* 0: none */
} first_stderr;

static bool
is_first_stderr(const struct stat *now)
{
    return now->st_dev == first_stderr.device && now->st_ino == first_stderr.file;
}

JSM_CORE void
jsm_os_stderr_note(void)
{
    int saved_errno = errno;
    struct stat what;

    if (fstat(STDERR_FILENO, &what) == 0) {
        first_stderr.device = what.st_dev;
        first_stderr.file = what.st_ino;
        first_stderr.noted = true;
    } else if (errno == EBADF) {
        first_stderr.closed = first_stderr.noted = true;
    } /* else the system does not tell, and any descriptor 2 is good */
    errno = saved_errno;
}

void
jsm_os_stderr_keep(void)
{
    enum { HIGH = 100 }; /* programs count on getting low numbers themselves */
    int saved_errno = errno;
    int fd = first_stderr.closed ? -1 : fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, HIGH);

    first_stderr.kept_fd = fd > 0 ? fd : 0;
    errno = saved_errno;
}

/* By the numbers that Linux gives them; to ask would be a system call more. */
static bool
is_terminal_or_null(dev_t device)
{
    unsigned type = major(device), which = minor(device);

    return (type >= 136 && type <= 143) ||  /* pseudo-terminals, not their masters */
        (type == 4 && which < 64) ||        /* virtual consoles */
        (type == 5 && which < 2) ||         /* /dev/tty, /dev/console */
        (type == 1 && which == 3);          /* /dev/null */
}

/* Whether an open descriptor 2 is there for messages.  What the program had from its start is; and what it has put
 * there itself, unless it may just have got the number by chance for a file or a connection of its own. */
static bool
is_for_messages(const struct stat *now)
{
    if (is_first_stderr(now))
        return true;
    if (first_stderr.closed)
        return false;
    if (S_ISREG(now->st_mode))
        return (fcntl(STDERR_FILENO, F_GETFL) & (O_ACCMODE | O_APPEND)) == (O_WRONLY | O_APPEND);
    return S_ISFIFO(now->st_mode) || (S_ISCHR(now->st_mode) && is_terminal_or_null(now->st_rdev));
}

/* The descriptor that was kept, if the program has not put something else there. */
static int
kept_stderr(void)
{
    struct stat what;

    return first_stderr.kept_fd != 0 && fstat(first_stderr.kept_fd, &what) == 0 && is_first_stderr(&what)
        ? first_stderr.kept_fd : -1;
}

int
jsm_os_stderr_fd(void)
{
    int saved_errno = errno, fd = STDERR_FILENO;
    struct stat now;

    if (first_stderr.noted && (fstat(STDERR_FILENO, &now) == 0 ? !is_for_messages(&now) : errno == EBADF))
        fd = kept_stderr();
    errno = saved_errno;
    return fd;
}

long
jsm_os_pid(void)
{
    return (long)getpid();
}

_Atomic(const char *) jsm_os_abort_text;

_Noreturn void
jsm_os_abort(const char *text)
{
    /* ORDER: relaxed; read when the process has stopped. */
    jsm_store_relaxed(&jsm_os_abort_text, text);
    abort();
}

_Noreturn void
jsm_panic(const char *what, const char *file, int line)
{
    char digits[12], *d = digits + sizeof digits;

    jsm_os_write("jsmalloc: ", 10);
    jsm_os_write(file, strlen(file));
    *--d = '\0';
    for (unsigned n = (unsigned)line; n != 0; n /= 10)
        *--d = (char)('0' + n % 10);
    jsm_os_write(":", 1);
    jsm_os_write(d, strlen(d));
    jsm_os_write(": internal check failed: ", 25);
    jsm_os_write(what, strlen(what));
    jsm_os_write("\n", 1);
    jsm_os_abort(what);
}
