/* api/stats.c - statistics: taken once, told in many formats.
 *
 * SPDX-License-Identifier: MIT
 */
#include <config.h>

#include "api/api.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* What the walk has found, as the terms of T1. */
static void
sum_up(struct jsm_stats *stats)
{
    const struct jsm_heap_totals *heap = &stats->heap;
    size_t large_bytes = heap->large_slices << JSM_SLICE_SHIFT, slab_bytes = 0, used_bytes = 0;

    for (unsigned c = 0; c < JSM_CLASSES; c++) {
        size_t n_free = heap->carved[c] - heap->used[c], n_blocks = heap->slabs[c] * jsm_class_capacity(c);
        slab_bytes += heap->slabs[c] * jsm_class_slab_bytes(c);
        used_bytes += heap->used[c] * jsm_class_bytes[c];
        stats->live_blocks += heap->used[c];
        stats->freed_blocks += n_free;
        stats->freed_bytes += n_free * jsm_class_bytes[c];
        stats->uncarved_bytes += (n_blocks - heap->carved[c]) * jsm_class_bytes[c];
    }
    stats->live_blocks += heap->large_count + stats->spans.huge_count;
    stats->live_bytes = used_bytes + heap->large_bytes + stats->spans.huge_bytes;
    stats->tail_bytes = slab_bytes - used_bytes - stats->freed_bytes - stats->uncarved_bytes +
        large_bytes - heap->large_bytes;
    stats->cached_span_bytes = heap->cached_slices << JSM_SLICE_SHIFT;
    stats->cached_bytes = stats->freed_bytes + stats->cached_span_bytes;
    stats->free_span_bytes = stats->spans.dirty_slices << JSM_SLICE_SHIFT;

    /* The page heap's own count has spans that are neither here nor there at the moment. */
    size_t walked = slab_bytes + large_bytes + stats->cached_span_bytes + stats->free_span_bytes;
    size_t counted = (stats->spans.used_slices + stats->spans.dirty_slices) << JSM_SLICE_SHIFT;
    stats->arena_bytes = jsm_max(walked, counted);
    stats->busy_bytes = stats->arena_bytes - walked;
    stats->free_bytes = stats->free_span_bytes + stats->uncarved_bytes + stats->tail_bytes + stats->busy_bytes;
    stats->committed_bytes = stats->arena_bytes + stats->spans.huge_bytes + stats->metadata_bytes;
}

void
jsm_stats_take(struct jsm_stats *stats, bool resident)
{
    memset(stats, 0, sizeof *stats);
    struct jsm_theap *th = jsm_theap_peek();
    if (th != NULL) {
        jsm_quarantine_drain(th);
        jsm_theap_flush(th); /* what it freed of others' blocks is free */
    }
    jsm_span_totals(&stats->spans);
    jsm_huge_totals(&stats->spans);
    jsm_guard_totals(&stats->spans);
    jsm_heap_totals(&stats->heap);
    size_t descriptors = jsm_arena_ever_slices() + stats->spans.huge_count;
    stats->metadata_bytes = jsm_meta_bytes() + descriptors * sizeof(struct jsm_span);
    stats->unused_metadata_bytes = jsm_meta_free_bytes();
    sum_up(stats);
    stats->trimmable_bytes = jsm_heap_trimmable_bytes(th, &stats->free_spans);
    stats->retained_bytes = stats->spans.clean_slices << JSM_SLICE_SHIFT;
    stats->reserved_bytes = jsm_arena_reserved_bytes();
    stats->peak_bytes = jsm_span_peak_bytes();
    stats->limit_bytes = jsm_purge_limit_bytes();
    stats->arenas = jsm_arena_count();
    /* ORDER: relaxed; a statistic. */
    stats->threads = jsm_load_relaxed(&jsm_theaps_live);
    if (resident) {
        stats->resident_bytes = jsm_heap_resident_bytes();
        stats->process_resident_bytes = jsm_os_resident_bytes();
    }
}

/* Called for by the program, which knows where its standard error goes. */
static void
write_stderr(void *arg, const char *text)
{
    (void)arg;
    jsm_os_write_fd(STDERR_FILENO, text, strlen(text));
}

static void
print(size_t format, void (*write)(void *arg, const char *text), void *arg)
{
    struct jsm_stats stats;

    jsm_stats_take(&stats, true);
    jsm_stats_tell(&stats, format, write, arg);
}

int
jsm_stats_print(const char *format, void (*write)(void *arg, const char *text), void *arg)
{
    int number = jsm_stats_format(format);

    if (format != NULL && strcmp(format, "profile") == 0) {
        jsm_profile_tell(write != NULL ? write : write_stderr, arg);
        return 0;
    }
    if (number < 0) {
        errno = EINVAL;
        return -1;
    }
    print((size_t)number, write != NULL ? write : write_stderr, arg);
    return 0;
}

/* ---- glibc's functions ---- */

static void
write_stream(void *stream, const char *text)
{
    fputs(text, stream);
}

int
jsm_malloc_info(int options, FILE *stream)
{
    if (options != 0) {
        errno = EINVAL;
        return -1;
    }
    return jsm_stats_print("xml", write_stream, stream);
}

void
jsm_malloc_stats(void)
{
    struct jsm_stats stats;

    jsm_stats_take(&stats, true);
    size_t mapped = stats.spans.huge_bytes;
    const struct { const char *name; size_t value; } rows[] = {
        { "Arena 0:\nsystem bytes     = ", stats.arena_bytes },
        { "in use bytes     = ", stats.live_bytes - mapped },
        { "Total (incl. mmap):\nsystem bytes     = ", stats.arena_bytes + mapped },
        { "in use bytes     = ", stats.live_bytes },
        { "max mmap regions = ", stats.spans.max_huge_count },
        { "max mmap bytes   = ", stats.spans.max_huge_bytes },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char line[80];
        struct jsm_text t;
        jsm_text_init(&t, line, sizeof line);
        jsm_text_str(&t, rows[i].name);
        jsm_text_dec_width(&t, rows[i].value, 10);
        jsm_text_str(&t, "\n");
        write_stderr(NULL, t.buffer);
    }
    jsm_stats_tell(&stats, (size_t)jsm_stats_format("text"), write_stderr, NULL);
}

struct jsm_mallinfo2
jsm_mallinfo2(void)
{
    struct jsm_stats stats;

    jsm_stats_take(&stats, false);
    size_t live = stats.live_bytes - stats.spans.huge_bytes;
    return (struct jsm_mallinfo2){
        .arena = stats.arena_bytes,
        .ordblks = stats.freed_blocks + stats.heap.cached_count + stats.free_spans,
        .smblks = stats.freed_blocks,
        .hblks = stats.spans.huge_count,
        .hblkhd = stats.spans.huge_bytes,
        .usmblks = stats.peak_bytes,
        .fsmblks = stats.freed_bytes,
        .uordblks = live,
        .fordblks = stats.arena_bytes - live,
        .keepcost = stats.trimmable_bytes
    };
}

static int
saturated(size_t n)
{
    return n > INT_MAX ? INT_MAX : (int)n;
}

struct jsm_mallinfo
jsm_mallinfo(void)
{
    struct jsm_mallinfo2 all = jsm_mallinfo2();

    return (struct jsm_mallinfo){
        saturated(all.arena), saturated(all.ordblks), saturated(all.smblks), saturated(all.hblks),
        saturated(all.hblkhd), saturated(all.usmblks), saturated(all.fsmblks), saturated(all.uordblks),
        saturated(all.fordblks), saturated(all.keepcost)
    };
}

/* ---- At the end of the program ---- */

static void
write_file(void *arg, const char *text)
{
    jsm_os_write_fd(*(int *)arg, text, strlen(text));
}

/* The name of a file with %p replaced by the process id. */
static void
expand_path(const char *pattern, struct jsm_text *t)
{
    for (; *pattern != '\0'; pattern++) {
        if (pattern[0] == '%' && pattern[1] == 'p') {
            jsm_text_dec(t, (uint64_t)jsm_os_pid());
            pattern++;
        } else {
            jsm_text_chars(t, pattern, 1);
        }
    }
}

static int
open_pattern(const char *pattern, int (*open)(const char *path), const char *complaint)
{
    char path[300];
    struct jsm_text t;

    jsm_text_init(&t, path, sizeof path);
    expand_path(pattern, &t);
    int fd = open(path);
    if (fd < 0)
        jsm_message(complaint, path, NULL);
    return fd;
}

JSM_CORE __attribute__((constructor)) static void
prepare_for_exit(void)
{
    jsm_options_init();
    if (jsm_option(JSM_OPT_STATS) != 0)
        jsm_os_stderr_keep();
}

JSM_CORE __attribute__((destructor)) static void
print_at_exit(void)
{
    char pattern[JSM_OPTION_TEXT_BYTES];

    if (jsm_option(JSM_OPT_STATS) == 0)
        return;
    jsm_option_text(JSM_OPT_STATS_FILE, pattern);
    if (pattern[0] == '\0') {
        int fd = jsm_os_stderr_fd();
        if (fd >= 0)
            print((size_t)jsm_option(JSM_OPT_STATS_FORMAT), write_file, &fd);
        return;
    }
    int fd = open_pattern(pattern, jsm_os_open_append, "cannot open stats_file ");
    if (fd < 0)
        return;
    print((size_t)jsm_option(JSM_OPT_STATS_FORMAT), write_file, &fd);
    jsm_os_close(fd);
}

JSM_CORE __attribute__((destructor)) static void
profile_at_exit(void)
{
    char pattern[JSM_OPTION_TEXT_BYTES];

    if (jsm_option(JSM_OPT_PROFILE) == 0)
        return;
    jsm_option_text(JSM_OPT_PROFILE_FILE, pattern);
    const char *name = pattern[0] != '\0' ? pattern : "jsmalloc.%p.heap";
    int fd = open_pattern(name, jsm_os_open_new, "cannot open profile_file ");
    if (fd < 0)
        return;
    jsm_profile_tell(write_file, &fd);
    jsm_os_close(fd);
}
