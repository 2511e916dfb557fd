/* api/stats.c - statistics: taken once, told in many formats.
 *
 * SPDX-License-Identifier: MIT
 */
#include <config.h>

#include "api/api.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

static _Atomic(size_t) peak_bytes; /* of live memory, as far as statistics were taken */

void
jsm_stats_take(struct jsm_stats *stats)
{
    struct jsm_heap_totals *heap = &stats->heap;

    memset(stats, 0, sizeof *stats);
    struct jsm_theap *th = jsm_theap_peek();
    if (th != NULL)
        jsm_theap_note(th);
    jsm_heap_totals(heap);
    jsm_span_totals(&stats->spans);
    jsm_huge_totals(&stats->spans);
    for (unsigned c = 0; c < JSM_CLASSES; c++) {
        stats->live_blocks += heap->used[c];
        stats->live_bytes += heap->used[c] * jsm_class_bytes[c];
    }
    stats->live_blocks += heap->large_count;
    stats->live_bytes += heap->large_bytes;
    stats->committed_bytes = (stats->spans.used_slices + stats->spans.dirty_slices) << JSM_SLICE_SHIFT;
    stats->reserved_bytes = jsm_arena_reserved_bytes();
    stats->resident_bytes = jsm_os_resident_bytes();
    stats->metadata_bytes = jsm_meta_bytes();
    stats->purgeable_bytes = (stats->spans.dirty_slices << JSM_SLICE_SHIFT) + heap->cached_bytes;
    stats->limit_bytes = jsm_purge_limit_bytes();
    /* ORDER: relaxed, all three; statistics. */
    stats->threads = jsm_load_relaxed(&jsm_theaps_live);
    size_t now = stats->live_bytes + stats->spans.huge_bytes;
    if (now > jsm_load_relaxed(&peak_bytes))
        jsm_store_relaxed(&peak_bytes, now);
}

/* ---- One table of figures for all formats ---- */

struct figure {
    const char *name, *help;
    size_t offset;
};
#define FIGURE(name, help, member) { name, help, offsetof(struct jsm_stats, member) }

static const struct figure figures[] = {
    FIGURE("live_bytes", "memory of live blocks in arenas", live_bytes),
    FIGURE("live_blocks", "live blocks in arenas", live_blocks),
    FIGURE("mapped_bytes", "memory of direct mappings", spans.huge_bytes),
    FIGURE("mapped_blocks", "direct mappings", spans.huge_count),
    FIGURE("committed_bytes", "memory of arenas in use or free and dirty", committed_bytes),
    FIGURE("purgeable_bytes", "free memory that may be resident", purgeable_bytes),
    FIGURE("metadata_bytes", "memory of the allocator's own structures", metadata_bytes),
    FIGURE("reserved_bytes", "addresses reserved by arenas", reserved_bytes),
    FIGURE("resident_bytes", "resident memory of the process", resident_bytes),
    FIGURE("purged_bytes", "memory given back so far", spans.purged_bytes),
    FIGURE("purge_calls", "calls of madvise for it", spans.purge_calls),
    FIGURE("trim_threshold_bytes", "free memory that may stay resident", limit_bytes),
    FIGURE("threads", "threads with a heap", threads),
};
enum { FIGURES = sizeof figures / sizeof figures[0] };

static size_t
figure_value(const struct jsm_stats *stats, const struct figure *f)
{
    size_t value;

    memcpy(&value, (const char *)stats + f->offset, sizeof value);
    return value;
}

/* Where the text goes, a line at a time. */
struct out {
    void (*write)(void *arg, const char *text);
    void *arg;
    char line[256];
    struct jsm_text t;
};

static struct jsm_text *
line(struct out *out)
{
    jsm_text_init(&out->t, out->line, sizeof out->line);
    return &out->t;
}

static void
emit(struct out *out)
{
    out->write(out->arg, out->line);
}

static void
say(struct out *out, const char *text)
{
    out->write(out->arg, text);
}

/* ---- Formats ---- */

static void
print_text(const struct jsm_stats *stats, struct out *out)
{
    say(out, "jsmalloc " JSM_VERSION_STRING " statistics\n");
    for (size_t i = 0; i < FIGURES; i++) {
        struct jsm_text *t = line(out);
        jsm_text_str(t, "jsmalloc ");
        jsm_text_dec_width(t, figure_value(stats, &figures[i]), 16);
        jsm_text_str(t, "  ");
        jsm_text_str(t, figures[i].name);
        jsm_text_str(t, ": ");
        jsm_text_str(t, figures[i].help);
        jsm_text_str(t, "\n");
        emit(out);
    }
    say(out, "jsmalloc  class    bytes    slabs     blocks       live     carved\n");
    for (unsigned c = 0; c < JSM_CLASSES; c++) {
        if (stats->heap.slabs[c] == 0)
            continue;
        struct jsm_text *t = line(out);
        jsm_text_str(t, "jsmalloc ");
        jsm_text_dec_width(t, c, 6);
        jsm_text_dec_width(t, jsm_class_bytes[c], 9);
        jsm_text_dec_width(t, stats->heap.slabs[c], 9);
        jsm_text_dec_width(t, stats->heap.blocks[c], 11);
        jsm_text_dec_width(t, stats->heap.used[c], 11);
        jsm_text_dec_width(t, stats->heap.carved[c], 11);
        jsm_text_str(t, "\n");
        emit(out);
    }
}

static void
add_pair(struct jsm_text *t, const char *before, const char *name, const char *between, size_t value, const char *after)
{
    jsm_text_str(t, before);
    jsm_text_str(t, name);
    jsm_text_str(t, between);
    jsm_text_dec(t, value);
    jsm_text_str(t, after);
}

static void
print_json(const struct jsm_stats *stats, struct out *out)
{
    bool first = true;

    say(out, "{\n");
    for (size_t i = 0; i < FIGURES; i++) {
        add_pair(line(out), "  \"", figures[i].name, "\": ", figure_value(stats, &figures[i]), ",\n");
        emit(out);
    }
    say(out, "  \"classes\": [");
    for (unsigned c = 0; c < JSM_CLASSES; c++) {
        if (stats->heap.slabs[c] == 0)
            continue;
        struct jsm_text *t = line(out);
        jsm_text_str(t, first ? "\n    {" : ",\n    {");
        add_pair(t, "\"", "bytes", "\": ", jsm_class_bytes[c], ", ");
        add_pair(t, "\"", "slabs", "\": ", stats->heap.slabs[c], ", ");
        add_pair(t, "\"", "blocks", "\": ", stats->heap.blocks[c], ", ");
        add_pair(t, "\"", "live", "\": ", stats->heap.used[c], ", ");
        add_pair(t, "\"", "carved", "\": ", stats->heap.carved[c], "}");
        emit(out);
        first = false;
    }
    say(out, first ? "]\n}\n" : "\n  ]\n}\n");
}

static void
print_openmetrics(const struct jsm_stats *stats, struct out *out)
{
    for (size_t i = 0; i < FIGURES; i++) {
        struct jsm_text *t = line(out);
        jsm_text_str(t, "# TYPE jsmalloc_");
        jsm_text_str(t, figures[i].name);
        jsm_text_str(t, " gauge\n# HELP jsmalloc_");
        jsm_text_str(t, figures[i].name);
        jsm_text_str(t, " ");
        jsm_text_str(t, figures[i].help);
        add_pair(t, "\njsmalloc_", figures[i].name, " ", figure_value(stats, &figures[i]), "\n");
        emit(out);
    }
    say(out, "# TYPE jsmalloc_class_live_blocks gauge\n# HELP jsmalloc_class_live_blocks live blocks by size class\n");
    for (unsigned c = 0; c < JSM_CLASSES; c++) {
        if (stats->heap.slabs[c] == 0)
            continue;
        struct jsm_text *t = line(out);
        jsm_text_str(t, "jsmalloc_class_live_blocks{bytes=\"");
        jsm_text_dec(t, jsm_class_bytes[c]);
        add_pair(t, "\"}", "", " ", stats->heap.used[c], "\n");
        emit(out);
    }
    say(out, "# EOF\n");
}

/* What readers of glibc's malloc_info() look for stands first and last. */
static void
print_xml(const struct jsm_stats *stats, struct out *out)
{
    say(out, "<malloc version=\"1\">\n<heap nr=\"0\">\n<sizes>\n");
    for (unsigned c = 0; c < JSM_CLASSES; c++) {
        size_t n_free = stats->heap.carved[c] - jsm_min(stats->heap.used[c], stats->heap.carved[c]);
        if (n_free == 0)
            continue;
        struct jsm_text *t = line(out);
        add_pair(t, "  <size ", "from", "=\"", c > 0 ? jsm_class_bytes[c - 1] + 1 : 1, "\" ");
        add_pair(t, "", "to", "=\"", jsm_class_bytes[c], "\" ");
        add_pair(t, "", "total", "=\"", n_free * jsm_class_bytes[c], "\" ");
        add_pair(t, "", "count", "=\"", n_free, "\"/>\n");
        emit(out);
    }
    say(out, "</sizes>\n</heap>\n");
    size_t rest = stats->committed_bytes - jsm_min(stats->live_bytes, stats->committed_bytes);
    add_pair(line(out), "<total type=\"rest\" count=\"0\" ", "size", "=\"", rest, "\"/>\n");
    emit(out);
    add_pair(line(out), "<total type=\"mmap\" count=\"", "", "", stats->spans.huge_count, "\" ");
    add_pair(&out->t, "", "size", "=\"", stats->spans.huge_bytes, "\"/>\n");
    emit(out);
    add_pair(line(out), "<system type=\"current\" ", "size", "=\"", stats->committed_bytes, "\"/>\n");
    emit(out);
    add_pair(line(out), "<aspace type=\"total\" ", "size", "=\"", stats->reserved_bytes, "\"/>\n");
    emit(out);
    for (size_t i = 0; i < FIGURES; i++) {
        size_t value = figure_value(stats, &figures[i]);
        add_pair(line(out), "<jsmalloc name=\"", figures[i].name, "\" value=\"", value, "\"/>\n");
        emit(out);
    }
    say(out, "</malloc>\n");
}

static const struct {
    const char *name;
    void (*print)(const struct jsm_stats *stats, struct out *out);
} formats[] = {
    { "text", print_text }, { "json", print_json }, { "xml", print_xml }, { "openmetrics", print_openmetrics }
};

static void
write_stderr(void *arg, const char *text)
{
    (void)arg;
    jsm_os_write(text, strlen(text));
}

int
jsm_stats_print(const char *format, void (*write)(void *arg, const char *text), void *arg)
{
    struct jsm_stats stats;
    struct out out = { .write = write != NULL ? write : write_stderr, .arg = arg };

    for (size_t i = 0; i < sizeof formats / sizeof formats[0]; i++) {
        if (format != NULL && strcmp(format, formats[i].name) == 0) {
            jsm_stats_take(&stats);
            formats[i].print(&stats, &out);
            return 0;
        }
    }
    errno = EINVAL;
    return -1;
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

static void
print_glibc_lines(const struct jsm_stats *stats, struct out *out)
{
    const struct { const char *name; size_t value; } rows[] = {
        { "Arena 0:\nsystem bytes     = ", stats->committed_bytes },
        { "in use bytes     = ", stats->live_bytes },
        { "Total (incl. mmap):\nsystem bytes     = ", stats->committed_bytes + stats->spans.huge_bytes },
        { "in use bytes     = ", stats->live_bytes + stats->spans.huge_bytes },
        { "max mmap regions = ", stats->spans.huge_count },
        { "max mmap bytes   = ", stats->spans.huge_peak_bytes },
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct jsm_text *t = line(out);
        jsm_text_str(t, rows[i].name);
        jsm_text_dec_width(t, rows[i].value, 10);
        jsm_text_str(t, "\n");
        emit(out);
    }
}

void
jsm_malloc_stats(void)
{
    struct jsm_stats stats;
    struct out out = { .write = write_stderr };

    jsm_stats_take(&stats);
    print_glibc_lines(&stats, &out);
    print_text(&stats, &out);
}

struct jsm_mallinfo2
jsm_mallinfo2(void)
{
    struct jsm_stats stats;
    struct jsm_mallinfo2 info;
    size_t free_blocks = 0;

    jsm_stats_take(&stats);
    for (unsigned c = 0; c < JSM_CLASSES; c++)
        free_blocks += stats.heap.carved[c] - jsm_min(stats.heap.used[c], stats.heap.carved[c]);
    info.arena = stats.committed_bytes;
    info.ordblks = free_blocks;
    info.smblks = 0;
    info.hblks = stats.spans.huge_count;
    info.hblkhd = stats.spans.huge_bytes;
    /* ORDER: relaxed; a statistic. */
    info.usmblks = jsm_load_relaxed(&peak_bytes);
    info.fsmblks = stats.heap.cached_bytes;
    info.uordblks = stats.live_bytes;
    info.fordblks = info.arena > info.uordblks ? info.arena - info.uordblks : 0;
    info.keepcost = stats.purgeable_bytes;
    return info;
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

/* stats_file with %p replaced by the process id. */
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

__attribute__((destructor)) static void
print_at_exit(void)
{
    char pattern[JSM_OPTION_TEXT_BYTES];

    if (jsm_option(JSM_OPT_STATS) == 0)
        return;
    jsm_option_text(JSM_OPT_STATS_FILE, pattern);
    if (pattern[0] == '\0') {
        jsm_stats_print("text", NULL, NULL);
        return;
    }
    char path[300];
    struct jsm_text t;
    jsm_text_init(&t, path, sizeof path);
    expand_path(pattern, &t);
    int fd = jsm_os_open_append(path);
    if (fd < 0) {
        jsm_message("cannot open stats_file ", path, NULL);
        return;
    }
    jsm_stats_print("text", write_file, &fd);
    jsm_os_close(fd);
}
