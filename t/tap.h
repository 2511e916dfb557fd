/* t/tap.h - the Test Anything Protocol, for tests of an allocator.
 *
 * A test says plan(n), then n times ok() or one of its relatives, and ends main() with
 * `return done();`.  Nothing here allocates or buffers: a line is on standard output before
 * the next statement of the test runs, also when that one crashes.  Only one thread at a
 * time may report; workers count, and the main thread reports their counts.
 *
 *   plan(7);                                 how many results will follow
 *   ok(p != NULL, "what is promised");       prints place and expression when false
 *   is_int(got, want, "...");                signed comparison; prints both when they differ
 *   is_uint(got, want, "...");               unsigned: sizes and addresses, in hex as well
 *   is_ptr(got, want, "...");
 *   is_str(got, want, "...");
 *   skip(2, "no qemu");                      the next two results do not apply here
 *   skip_all("built without override");      instead of plan(): nothing applies; does not return
 *   diag("seed %u", seed);                   a remark
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef JSM_TAP_H
#define JSM_TAP_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define TAP_PRINTF(fmt, first) __attribute__((unused, format(printf, fmt, first)))

static unsigned tap_planned, tap_done, tap_failed;

/* Writes one formatted line, all of it or the program is of no use as a test. */
TAP_PRINTF(1, 2) static void
tap_say(const char *fmt, ...)
{
    char line[1024];
    size_t done_bytes = 0, bytes;
    va_list ap;

    va_start(ap, fmt);
    int n = vsnprintf(line, sizeof line, fmt, ap);
    va_end(ap);
    if (n < 0)
        _exit(99);
    bytes = (size_t)n < sizeof line ? (size_t)n : sizeof line - 1;
    if (bytes == sizeof line - 1)
        line[bytes - 1] = '\n';
    while (done_bytes < bytes) {
        ssize_t w = write(STDOUT_FILENO, line + done_bytes, bytes - done_bytes);
        if (w <= 0)
            _exit(99);
        done_bytes += (size_t)w;
    }
}

#define diag(...)                  \
    do {                           \
        tap_say("# " __VA_ARGS__); \
        tap_say("\n");             \
    } while (0)

__attribute__((unused)) static void
plan(unsigned n)
{
    tap_planned = n;
    tap_say("1..%u\n", n);
}

__attribute__((unused)) static _Noreturn void
skip_all(const char *why)
{
    tap_say("1..0 # SKIP %s\n", why);
    _exit(0);
}

__attribute__((unused)) static void
skip(unsigned n, const char *why)
{
    while (n-- > 0)
        tap_say("ok %u # SKIP %s\n", ++tap_done, why);
}

/* One result.  `text` is the expression as written; NULL when the caller explains a failure. */
TAP_PRINTF(5, 6) static bool
tap_result(bool pass, const char *text, const char *file, int line, const char *fmt, ...)
{
    char name[256];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(name, sizeof name, fmt, ap);
    va_end(ap);
    /* The protocol gives "#" a meaning in a description. */
    for (char *c = name; *c != '\0'; c++)
        if (*c == '#' || *c == '\n')
            *c = ' ';
    tap_say("%sok %u - %s\n", pass ? "" : "not ", ++tap_done, name);
    if (!pass) {
        tap_failed++;
        tap_say("# %s:%d: %s\n", file, line, text);
    }
    return pass;
}

#define ok(cond, ...) tap_result((cond), #cond, __FILE__, __LINE__, __VA_ARGS__)

#define is_int(got, want, ...)                                                                        \
    do {                                                                                              \
        long long tap_g = (long long)(got), tap_w = (long long)(want);                                \
        if (!tap_result(tap_g == tap_w, #got " == " #want, __FILE__, __LINE__, __VA_ARGS__))          \
            tap_say("#   got: %lld\n#  want: %lld\n", tap_g, tap_w);                                  \
    } while (0)

#define is_uint(got, want, ...)                                                                       \
    do {                                                                                              \
        unsigned long long tap_g = (got), tap_w = (want);                                             \
        if (!tap_result(tap_g == tap_w, #got " == " #want, __FILE__, __LINE__, __VA_ARGS__))          \
            tap_say("#   got: %llu (%#llx)\n#  want: %llu (%#llx)\n", tap_g, tap_g, tap_w, tap_w);    \
    } while (0)

#define is_ptr(got, want, ...)                                                                        \
    do {                                                                                              \
        const volatile void *tap_g = (got), *tap_w = (want);                                          \
        if (!tap_result(tap_g == tap_w, #got " == " #want, __FILE__, __LINE__, __VA_ARGS__))          \
            tap_say("#   got: %#jx\n#  want: %#jx\n", (uintmax_t)(uintptr_t)tap_g,                    \
                    (uintmax_t)(uintptr_t)tap_w);                                                     \
    } while (0)

#define is_str(got, want, ...)                                                                        \
    do {                                                                                              \
        const char *tap_g = (got), *tap_w = (want);                                                   \
        bool tap_same = tap_g != NULL && tap_w != NULL ? strcmp(tap_g, tap_w) == 0 : tap_g == tap_w;  \
        if (!tap_result(tap_same, #got " is " #want, __FILE__, __LINE__, __VA_ARGS__))                \
            tap_say("#   got: %s\n#  want: %s\n", tap_g != NULL ? tap_g : "(null)",                   \
                    tap_w != NULL ? tap_w : "(null)");                                                \
    } while (0)

/* The exit status of main(): 0 when every planned result was given, and all are good. */
__attribute__((unused)) static int
done(void)
{
    if (tap_done != tap_planned)
        tap_say("# planned %u results, gave %u\n", tap_planned, tap_done);
    return tap_failed != 0 || tap_done != tap_planned;
}

#endif
