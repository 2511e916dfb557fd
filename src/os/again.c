/* os/again.c - starts the program once more, without a library that was preloaded.
 *
 * It may be called while AddressSanitizer is being set up, whose functions stand in for those of libc and do not work
 * yet: hence system calls, and no function of <string.h> but memcpy().
 * SPDX-License-Identifier: MIT
 */
#include <config.h>

#include "os/os.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { MEMORY_BYTES = 16 << 20, PATH_BYTES = 4096 }; /* more than the kernel takes as arguments; most is not touched */

struct memory {
    char *next, *end;
};

static const char variable[] = "LD_PRELOAD=";

/* volatile: or compilers make strlen() of it. */
static size_t
length(const volatile char *s)
{
    size_t n = 0;

    while (s[n] != '\0')
        n++;
    return n;
}

static bool
begins_with(const char *s, size_t len, const char *with)
{
    size_t i = 0;

    while (i < len && with[i] != '\0' && s[i] == with[i])
        i++;
    return with[i] == '\0';
}

/* Whether the entry of the list is a file whose name begins with `name`. */
static bool
is_file(const char *entry, size_t len, const char *name)
{
    size_t folder = len;

    while (folder > 0 && entry[folder - 1] != '/')
        folder--;
    return begins_with(entry + folder, len - folder, name);
}

static bool
is_separator(char c)
{
    return c == ':' || c == ' ';
}

/* The variable without such files, in the memory; NULL if there are none. */
static char *
without(const char *text, const char *name, struct memory *m)
{
    const char *entry = text + sizeof variable - 1;
    char *copy = m->next, *to = copy + sizeof variable - 1;
    bool found = false;

    if (length(text) >= (size_t)(m->end - m->next))
        return NULL;
    memcpy(copy, text, sizeof variable - 1);
    while (*entry != '\0') {
        size_t len = 0, whole;
        while (entry[len] != '\0' && !is_separator(entry[len]))
            len++;
        for (whole = len; is_separator(entry[whole]);)
            whole++;
        if (is_file(entry, len, name)) {
            found = true;
        } else {
            memcpy(to, entry, whole);
            to += whole;
        }
        entry += whole;
    }
    *to++ = '\0';
    m->next = to;
    return found ? copy : NULL;
}

/* Room for `n` pointers. */
static char **
pointers(struct memory *m, size_t n)
{
    char *start = (char *)jsm_round_up((uintptr_t)m->next, (uintptr_t)_Alignof(char *));

    m->next = start + n * sizeof(char *);
    return (char **)(void *)start;
}

/* Arguments or environment, as the kernel has them: libc's own may not be there yet.  NULL if they cannot be read. */
static char **
strings_of(const char *file, struct memory *m)
{
    char *text = m->next;
    size_t n = 0;
    long got;
    int fd = (int)syscall(SYS_openat, AT_FDCWD, file, O_RDONLY | O_CLOEXEC, 0);

    while (fd >= 0 && (got = syscall(SYS_read, fd, m->next, (size_t)(m->end - m->next) / 4)) > 0)
        m->next += got;
    if (fd >= 0)
        (void)syscall(SYS_close, fd);
    if (m->next == text || m->next[-1] != '\0')
        return NULL;
    for (const char *p = text; p < m->next; p++)
        n += *p == '\0';
    char **to = pointers(m, n + 1);
    for (size_t i = 0; i < n; i++, text += length(text) + 1)
        to[i] = text;
    to[n] = NULL;
    return to;
}

/* Whether there was something to change. */
static bool
change(char **env, const char *name, struct memory *m)
{
    bool changed = false;

    for (; *env != NULL; env++) {
        char *copy = begins_with(*env, SIZE_MAX, variable) ? without(*env, name, m) : NULL;
        if (copy != NULL) {
            *env = copy;
            changed = true;
        }
    }
    return changed;
}

/* "jsmalloc: PATH WHY", in one piece. */
static void
tell(const char *path, const char *why, struct memory *m)
{
    const char *const parts[] = { "jsmalloc: ", path, why, "\n" };
    char *to = m->next;

    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        size_t len = length(parts[i]);
        memcpy(to, parts[i], len);
        to += len;
    }
    (void)syscall(SYS_write, STDERR_FILENO, m->next, (size_t)(to - m->next));
}

bool
jsm_os_again_without(const char *name, const char *why)
{
    char path[PATH_BYTES];
    int saved_errno = errno;
    char *start = jsm_os_map(MEMORY_BYTES, jsm_os_page_bytes());

    if (start == NULL)
        return false;
    struct memory m = { start, start + MEMORY_BYTES };
    char **args = strings_of("/proc/self/cmdline", &m), **env = strings_of("/proc/self/environ", &m);
    long len = syscall(SYS_readlinkat, AT_FDCWD, "/proc/self/exe", path, sizeof path - 1);
    bool can = args != NULL && env != NULL && len > 0 && change(env, name, &m);
    if (can) {
        path[len] = '\0';
        tell(path, why, &m);
        (void)syscall(SYS_execve, path, args, env);
    }
    (void)jsm_os_unmap(start, MEMORY_BYTES);
    errno = saved_errno;
    return can;
}
