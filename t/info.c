/* t/info.c - what the library tells about itself, in glibc's forms and in its own; options at run time.
 * SPDX-License-Identifier: MIT
 */
#include "blackbox.h"

#include <fcntl.h>
#include <sys/mman.h>

static char text[MIB];

/* Runs `say` with standard error going to a file of its own; what it said is in `text` then. */
static void
catch_stderr(void (*say)(void))
{
    char path[] = "/tmp/jsm-info-XXXXXX";
    int fd = mkstemp(path), saved = dup(STDERR_FILENO);
    ssize_t n = -1;

    if (fd >= 0 && saved >= 0) {
        unlink(path);
        dup2(fd, STDERR_FILENO);
        say();
        dup2(saved, STDERR_FILENO);
        n = pread(fd, text, sizeof text - 1, 0);
        close(saved);
        close(fd);
    }
    text[n > 0 ? n : 0] = '\0';
}

static void
say_stats(void)
{
    jsm_malloc_stats();
}

static void
say_text(void)
{
    (void)jsm_stats_print("text", NULL, NULL);
}

static void
test_mallinfo(void)
{
    enum { MANY = 2000, SIZE = 1000 };
    static void *p[MANY];
    struct jsm_mallinfo2 before = jsm_mallinfo2();

    for (unsigned i = 0; i < MANY; i++)
        p[i] = jsm_malloc(SIZE);
    struct jsm_mallinfo2 with = jsm_mallinfo2();
    ok(with.uordblks >= before.uordblks + (size_t)MANY * SIZE, "mallinfo2: live blocks are in use");
    ok(with.uordblks <= before.uordblks + (size_t)MANY * SIZE * 3 / 2, "and not much more than they");
    is_uint(with.fordblks, with.arena - with.uordblks, "what is not in use is free");
    ok(with.usmblks >= with.uordblks, "the peak is not below what is in use");
    struct jsm_mallinfo little = jsm_mallinfo();
    is_int(little.uordblks, with.uordblks, "mallinfo says the same where an int can");

    for (unsigned i = 0; i < MANY; i++)
        jsm_free(p[i]);
    struct jsm_mallinfo2 after = jsm_mallinfo2();
    ok(after.uordblks <= before.uordblks + (size_t)MANY * SIZE / 10, "mallinfo2: freed blocks are not");

    void *huge = jsm_malloc(200 * MIB);
    struct jsm_mallinfo2 mapped = jsm_mallinfo2();
    ok(mapped.hblks == after.hblks + 1 && mapped.hblkhd >= after.hblkhd + 200 * MIB,
       "mallinfo2: a huge block is a mapping");
    jsm_free(huge);
    mapped = jsm_mallinfo2();
    ok(mapped.hblks == after.hblks && mapped.hblkhd == after.hblkhd, "which ends when it is freed");
}

static void
test_malloc_info(void)
{
    FILE *file = fmemopen(text, sizeof text, "w");

    errno = 0;
    is_int(jsm_malloc_info(1, file), -1, "malloc_info knows no options");
    is_int(errno, EINVAL, "they are EINVAL");
    is_int(jsm_malloc_info(0, file), 0, "malloc_info writes to a stream");
    fclose(file);
    ok(strncmp(text, "<malloc version=\"1\">", 20) == 0, "it is glibc's element");
    ok(strstr(text, "</malloc>") != NULL, "from start to end");
    ok(strstr(text, "<system type=\"current\" size=\"") != NULL, "with glibc's parts");
    catch_stderr(say_stats);
    ok(strstr(text, "system bytes     =") != NULL && strstr(text, "in use bytes     =") != NULL,
       "malloc_stats writes glibc's lines to standard error");
}

static size_t n_pieces, n_bytes;
static char first;

static void
collect(void *arg, const char *piece)
{
    if (arg == &n_pieces) {
        if (n_pieces++ == 0)
            first = piece[0];
        n_bytes += strlen(piece);
    }
}

static void
test_stats_print(void)
{
    static const char *const formats[] = {"text", "json", "xml", "openmetrics"};
    unsigned wrong = 0;

    for (unsigned i = 0; i < COUNT_OF(formats); i++) {
        n_pieces = n_bytes = 0;
        wrong += jsm_stats_print(formats[i], collect, &n_pieces) != 0 || n_pieces == 0 || n_bytes < 100;
        wrong += i == 1 && first != '{';
        wrong += i == 2 && first != '<';
    }
    is_int(wrong, 0, "stats_print has four formats");
    n_pieces = 0;
    errno = 0;
    is_int(jsm_stats_print("verse", collect, &n_pieces), -1, "and no other");
    ok(errno == EINVAL && n_pieces == 0, "that is EINVAL, and nothing is said");
    catch_stderr(say_text);
    ok(text[0] != '\0', "without a function it writes to standard error");
}

static void
test_options(void)
{
    char value[64] = "";

    is_int(jsm_mallopt(M_TRIM_THRESHOLD, 1 << 20), 1, "mallopt takes glibc's numbers");
    errno = 0;
    is_int(jsm_mallopt(12345678, 1), 0, "and no unknown ones");
    is_int(errno, EINVAL, "these are EINVAL");
    is_int(jsm_option_set("purge_delay", "2s"), 1, "an option is set by name");
    is_int(jsm_option_get("purge_delay", value, sizeof value), 1, "and asked for");
    ok(strncmp(value, "2000", 4) == 0 || strcmp(value, "2s") == 0, "the value is the one set: %s", value);
    is_int(jsm_option_set("purge_delay", value), 1, "a value that was told can be set");
    errno = 0;
    is_int(jsm_option_set("purge_delai", "2s"), 0, "an unknown name is refused");
    is_int(errno, EINVAL, "that is EINVAL");
    errno = 0;
    is_int(jsm_option_set("purge_delay", "soon"), 0, "a bad value is refused");
    is_int(errno, EINVAL, "that is EINVAL");
    errno = 0;
    is_int(jsm_option_get("purge_delai", value, sizeof value), 0, "an unknown name has no value");
    is_int(errno, EINVAL, "that is EINVAL");
    errno = 0;
    is_int(jsm_option_get("purge_delay", value, 1), 0, "a value needs room");
    is_int(errno, ERANGE, "without it, that is ERANGE");

    is_int(jsm_option_set("zero_size", "null"), 1, "malloc(0) can be made NULL");
    errno = ERRNO_MARK;
    ok(jsm_malloc(hide_size(0)) == NULL && errno == ERRNO_MARK, "it is, and no error");
    is_int(jsm_option_set("zero_size", "unique"), 1, "and be made a pointer again");
    void *p = jsm_malloc(hide_size(0));
    ok(p != NULL, "it is");
    jsm_free(p);
}

/* Freed memory leaves the process, and malloc_trim tells so. */
static void
test_trim(void)
{
    enum { MANY = 3000, SIZE = 5000 };
    static void *p[MANY];
    static unsigned char resident[MANY];
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    unsigned before = 0, after = 0, live_lost = 0;

    (void)jsm_option_set("trim_threshold", "unlimited");
    (void)jsm_option_set("purge_delay", "unlimited");
    for (unsigned i = 0; i < MANY; i++) {
        p[i] = jsm_malloc(SIZE);
        fill(p[i], SIZE, i);
    }
    for (unsigned i = 0; i < MANY; i++)
        if (i % 100 != 0)
            jsm_free(p[i]);
    for (unsigned round = 0; round < 2; round++) {
        unsigned n = 0;
        for (unsigned i = 0; i < MANY; i++) {
            void *at = (void *)((uintptr_t)p[i] / page * page);
            n += mincore(at, page, &resident[i]) == 0 && (resident[i] & 1) != 0;
        }
        if (round == 0) {
            before = n;
            is_int(jsm_malloc_trim(0), 1, "malloc_trim gives something back");
        } else {
            after = n;
        }
    }
    for (unsigned i = 0; i < MANY; i += 100) {
        live_lost += !is_filled(p[i], SIZE, SIZE, i);
        jsm_free(p[i]);
    }
    diag("%u of %u pages resident before, %u after", before, (unsigned)MANY, after);
    ok(after < before / 4, "most pages are gone, also those between live blocks");
    is_int(live_lost, 0, "the live blocks are not");
}

int
main(void)
{
    plan(8 + 7 + 4 + 19 + 3 + 1);
    test_mallinfo();
    test_malloc_info();
    test_stats_print();
    test_options();
    test_trim();
    is_int(jsm_check(), 0, "the heap is sound");
    return done();
}
