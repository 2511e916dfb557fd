/* t/seed.h - how the tests of the documents that the library grew from are written.
 *
 * A chapter of a document is a function that runs in a process of its own, whose heap is empty.
 * Each sentence that promises something is a claim:
 *
 *   CLAIM(p != NULL, "what the document says");
 *   CANNOT_CLAIM(2, "why the next two claims do not apply here");
 *
 * main() calls chapter("title", function) for each, which reports its claims.
 * SPDX-License-Identifier: MIT
 */
#ifndef JSM_SEED_H
#define JSM_SEED_H

#include "unit.h"

#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

enum { CLAIMS_MAX = 64 };

struct claim {
    bool holds, skipped;
    int line;
    char says[160], code[96];
    const char *why, *file;
};

static struct claims {
    unsigned n;
    struct claim of[CLAIMS_MAX];
} * claims;

__attribute__((unused, format(printf, 5, 6))) static void
claim(bool holds, const char *code, const char *file, int line, const char *format, ...)
{
    struct claim *c = &claims->of[claims->n];
    va_list ap;

    if (claims->n >= CLAIMS_MAX)
        _exit(102);
    c->holds = holds;
    c->file = file;
    c->line = line;
    snprintf(c->code, sizeof c->code, "%s", code);
    va_start(ap, format);
    vsnprintf(c->says, sizeof c->says, format, ap);
    va_end(ap);
    claims->n++;
}

#define CLAIM(holds, ...) claim((holds), #holds, __FILE__, __LINE__, __VA_ARGS__)

BB_UNUSED static void
CANNOT_CLAIM(unsigned n, const char *why)
{
    while (n-- > 0 && claims->n < CLAIMS_MAX) {
        struct claim *c = &claims->of[claims->n++];
        c->skipped = true;
        c->why = why;
    }
}

/* Reads the chapter: its claims are the next results. */
BB_UNUSED static void
chapter(const char *title, void (*body)(void))
{
    int status = -1;

    claims = mmap(NULL, sizeof *claims, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (claims == MAP_FAILED)
        _exit(99);
    diag("%s", title);
    pid_t pid = fork();
    if (pid == 0) {
        alarm(want_extra() ? 3600 : patience(300));
        body();
        _exit(0);
    }
    waitpid(pid, &status, 0);
    for (unsigned i = 0; i < claims->n; i++) {
        const struct claim *c = &claims->of[i];
        if (c->skipped)
            skip(1, c->why);
        else
            tap_result(c->holds, c->code, c->file, c->line, "%s", c->says);
    }
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        ok(false, "the chapter \"%s\" came to its end (status %#x)", title, (unsigned)status);
    munmap(claims, sizeof *claims);
}

BB_UNUSED static void
must_set(const char *name, const char *value)
{
    if (!set_option(name, value))
        _exit(101);
}

BB_UNUSED static void *
must_have(void *p)
{
    if (p == NULL)
        _exit(103);
    return p;
}

BB_UNUSED static size_t
page_bytes(void)
{
    return (size_t)sysconf(_SC_PAGESIZE);
}

/* How many pages of [p, p + bytes) are resident; those that are not mapped are not. */
BB_UNUSED static size_t
resident_pages(const void *p, size_t bytes)
{
    size_t page = page_bytes(), n = 0;
    uintptr_t at = (uintptr_t)p / page * page;
    unsigned char resident;

    for (; at < (uintptr_t)p + bytes; at += page)
        n += mincore((void *)at, page, &resident) == 0 && (resident & 1) != 0;
    return n;
}

/* Whether anything is mapped at `p`.  This asks without stdio, which could map something there itself. */
BB_UNUSED static bool
is_mapped(const void *p)
{
    unsigned char resident;

    return mincore((void *)((uintptr_t)p / page_bytes() * page_bytes()), 1, &resident) == 0 || errno != ENOMEM;
}

/* Whether a process that may make no system call lives through `body`; -1: that cannot be tried here. */
BB_UNUSED static int
needs_no_system_call(void (*body)(void))
{
    const char *sanitizer = getenv("JSM_SANITIZER");
    int status = -1;

    if (is_emulated() || (sanitizer != NULL && sanitizer[0] != '\0'))
        return -1;
    pid_t pid = fork();
    if (pid == 0) {
        if (prctl(PR_SET_SECCOMP, 1 /* strict */) != 0)
            _exit(77);
        body();
        syscall(SYS_exit, 0);
    }
    waitpid(pid, &status, 0);
    return WIFEXITED(status) && WEXITSTATUS(status) == 77 ? -1 : status == 0;
}

/* How far apart two blocks are. */
BB_UNUSED static size_t
distance_of(const void *a, const void *b)
{
    return (uintptr_t)a < (uintptr_t)b ? (uintptr_t)b - (uintptr_t)a : (uintptr_t)a - (uintptr_t)b;
}

#endif
