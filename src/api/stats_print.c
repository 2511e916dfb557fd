/* api/stats_print.c - statistics told in four formats, from one list of figures and one of tables.
 *
 * SPDX-License-Identifier: MIT
 */
#include <config.h>

#include "api/api.h"

#include <stddef.h>
#include <string.h>

/* ---- Figures ---- */

/* Text, not pointers to it: those would be written to when the library is loaded. */
struct figure {
    char name[24], help[60];
    uint16_t offset;
    bool counts; /* only grows */
};
#define GAUGE(name, help, member)   { name, help, offsetof(struct jsm_stats, member), false }
#define COUNTER(name, help, member) { name, help, offsetof(struct jsm_stats, member), true }

static const struct figure figures[] = {
    GAUGE("committed_bytes", "all memory of the heap; the sum of the next four", committed_bytes),
    GAUGE("live_bytes", "usable memory of live blocks", live_bytes),
    GAUGE("cached_bytes", "freed memory kept for reuse", cached_bytes),
    GAUGE("free_bytes", "other memory that holds no block", free_bytes),
    GAUGE("metadata_bytes", "memory of the allocator's own structures", metadata_bytes),
    GAUGE("live_blocks", "live blocks", live_blocks),
    GAUGE("mapped_blocks", "live blocks that are direct mappings", spans.huge_count),
    GAUGE("mapped_bytes", "live memory of direct mappings", spans.huge_bytes),
    GAUGE("arena_bytes", "committed memory of arenas", arena_bytes),
    GAUGE("freed_blocks", "cached blocks in slabs", freed_blocks),
    GAUGE("freed_bytes", "cached memory of such blocks", freed_bytes),
    GAUGE("cached_span_bytes", "cached memory of spans that threads keep", cached_span_bytes),
    GAUGE("free_span_bytes", "free memory of spans in the page heap", free_span_bytes),
    GAUGE("uncarved_bytes", "free memory of slabs that was never in a block", uncarved_bytes),
    GAUGE("tail_bytes", "free memory behind the last block of slabs and spans", tail_bytes),
    GAUGE("busy_bytes", "free memory on its way from one use to another", busy_bytes),
    GAUGE("unused_metadata_bytes", "metadata that waits to be used again", unused_metadata_bytes),
    GAUGE("retained_bytes", "memory given back, whose addresses are kept for reuse", retained_bytes),
    GAUGE("reserved_bytes", "addresses that arenas reserve", reserved_bytes),
    GAUGE("resident_bytes", "memory of the heap that is resident", resident_bytes),
    GAUGE("process_resident_bytes", "memory of the process that is resident", process_resident_bytes),
    GAUGE("trimmable_bytes", "memory that malloc_trim would give back now", trimmable_bytes),
    GAUGE("trim_threshold_bytes", "free memory that may stay resident", limit_bytes),
    GAUGE("peak_bytes", "most memory that was ever in use", peak_bytes),
    GAUGE("threads", "threads with a heap of their own", threads),
    GAUGE("arenas", "arenas", arenas),
    COUNTER("purged_bytes", "memory of free spans given back so far", spans.purged_bytes),
    COUNTER("purge_calls", "system calls that gave it back", spans.purge_calls),
};
enum { FIGURES = sizeof figures / sizeof figures[0] };

static size_t
figure_value(const struct jsm_stats *stats, const struct figure *f)
{
    size_t value;

    memcpy(&value, (const char *)stats + f->offset, sizeof value);
    return value;
}

/* ---- Tables ---- */

enum { COLUMNS_MAX = 5, NAME_BYTES = JSM_HEAP_NAME_BYTES + 4 };

struct row {
    char name[NAME_BYTES]; /* in tables of names, else the number counts */
    size_t number;
    size_t value[COLUMNS_MAX];
};

struct table {
    const char *key, *singular, *label, *help;
    bool is_named;
    const char *column[COLUMNS_MAX];
    size_t n_rows;
    /* Fills in row `i`, with all values 0 before; false: there is nothing to say in it. */
    bool (*row)(const struct jsm_stats *stats, size_t i, struct row *row);
};

/* A name as it can stand in all formats: what would need escapes becomes a question mark. */
static void
set_name(struct row *row, const char *name)
{
    size_t i;

    for (i = 0; i < JSM_HEAP_NAME_BYTES - 1 && name[i] != '\0'; i++)
        row->name[i] = name[i] < ' ' || name[i] > '~' || strchr("\"#&'<>\\", name[i]) != NULL ? '?' : name[i];
    row->name[i] = '\0';
}

static bool
class_row(const struct jsm_stats *stats, size_t c, struct row *row)
{
    const struct jsm_heap_totals *heap = &stats->heap;

    row->number = jsm_class_bytes[c];
    row->value[0] = heap->slabs[c];
    row->value[1] = heap->slabs[c] * jsm_class_capacity((unsigned)c);
    row->value[2] = heap->used[c];
    row->value[3] = heap->used[c] * jsm_class_bytes[c];
    row->value[4] = heap->carved[c] - heap->used[c];
    return heap->slabs[c] > 0;
}

/* The categories that users of glibc-like allocators think in; `huge` is all above. */
static const struct {
    const char *name;
    size_t most_bytes;
} categories[] = { { "tiny", 64 }, { "small", 512 }, { "large", 4096 }, { "huge", SIZE_MAX } };
enum { CATEGORIES = sizeof categories / sizeof categories[0] };

static bool
category_row(const struct jsm_stats *stats, size_t i, struct row *row)
{
    const struct jsm_heap_totals *heap = &stats->heap;

    set_name(row, categories[i].name);
    for (unsigned c = 0; c < JSM_CLASSES; c++) {
        size_t bytes = jsm_class_bytes[c];
        if (bytes > categories[i].most_bytes || (i > 0 && bytes <= categories[i - 1].most_bytes))
            continue;
        row->value[0] += heap->used[c];
        row->value[1] += heap->used[c] * bytes;
        row->value[2] += heap->carved[c] - heap->used[c];
        row->value[3] += (heap->carved[c] - heap->used[c]) * bytes;
    }
    if (i == CATEGORIES - 1) {
        row->value[0] += heap->large_count + stats->spans.huge_count;
        row->value[1] += heap->large_bytes + stats->spans.huge_bytes;
    }
    return true;
}

static bool
span_row(const struct jsm_stats *stats, size_t i, struct row *row)
{
    static const char *const names[] = { "slab", "large", "mapped", "cached", "free" };
    const struct jsm_heap_totals *heap = &stats->heap;
    const size_t counts[] = { 0, heap->large_count, stats->spans.huge_count, heap->cached_count, stats->free_spans };
    const size_t bytes[] = { 0, heap->large_slices << JSM_SLICE_SHIFT, stats->spans.huge_bytes,
                             heap->cached_slices << JSM_SLICE_SHIFT, stats->free_span_bytes };

    set_name(row, names[i]);
    row->value[0] = counts[i];
    row->value[1] = bytes[i];
    for (unsigned c = 0; i == 0 && c < JSM_CLASSES; c++) {
        row->value[0] += heap->slabs[c];
        row->value[1] += heap->slabs[c] * jsm_class_slab_bytes(c);
    }
    return true;
}

/* The names of heaps are the program's; a number makes those different that are not. */
static void
set_heap_name(const struct jsm_heap_totals *totals, size_t i, struct row *row)
{
    bool is_unique;

    set_name(row, totals->heaps[i].name);
    is_unique = row->name[0] != '\0';
    for (size_t k = 0; k < JSM_HEAP_ROWS && is_unique; k++) {
        struct row other;
        set_name(&other, totals->heaps[k].name);
        is_unique = k == i || strcmp(other.name, row->name) != 0;
    }
    if (!is_unique && i > 0 && i < JSM_HEAP_ROWS - 1) {
        struct jsm_text t = { row->name, sizeof row->name, strlen(row->name) };
        jsm_text_str(&t, "#");
        jsm_text_dec(&t, i);
    }
}

static bool
heap_row(const struct jsm_stats *stats, size_t i, struct row *row)
{
    const struct jsm_heap_totals *totals = &stats->heap;
    const struct jsm_heap_row *heap = &totals->heaps[i];

    if (i >= totals->n_heaps && heap->committed_bytes == 0)
        return false;
    set_heap_name(totals, i, row);
    row->value[0] = heap->live_blocks;
    row->value[1] = heap->live_bytes;
    row->value[2] = heap->committed_bytes;
    row->value[3] = heap->limit_bytes;
    return true;
}

static const struct table tables[] = {
    { "classes", "class", "block_bytes", "size class", false,
      { "slabs", "blocks", "live_blocks", "live_bytes", "freed_blocks" }, JSM_CLASSES, class_row },
    { "categories", "category", "name", "category of sizes", true,
      { "live_blocks", "live_bytes", "freed_blocks", "freed_bytes" }, CATEGORIES, category_row },
    { "heaps", "heap", "name", "heap", true,
      { "live_blocks", "live_bytes", "committed_bytes", "limit_bytes" }, JSM_HEAP_ROWS, heap_row },
    { "spans", "span", "kind", "kind of span", true, { "count", "bytes" }, 5, span_row },
};
enum { TABLES = sizeof tables / sizeof tables[0] };

/* ---- Output, a line at a time ---- */

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

/* before NAME between VALUE after */
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
add_label(struct jsm_text *t, const struct table *table, const struct row *row)
{
    if (table->is_named)
        jsm_text_str(t, row->name);
    else
        jsm_text_dec(t, row->number);
}

static void
say_key(struct out *out, const char *before, const struct table *table, const char *after)
{
    struct jsm_text *t = line(out);

    jsm_text_str(t, before);
    jsm_text_str(t, table->key);
    jsm_text_str(t, after);
    emit(out);
}

#define EACH_COLUMN(table, i) (size_t i = 0; i < COLUMNS_MAX && (table)->column[i] != NULL; i++)

/* ---- Text ---- */

static void
text_head(const struct jsm_stats *stats, struct out *out)
{
    (void)stats;
    say(out, "jsmalloc " JSM_VERSION_STRING " statistics\n");
}

static void
text_figure(struct out *out, const struct figure *f, size_t value)
{
    struct jsm_text *t = line(out);

    jsm_text_dec_width(t, value, 20);
    jsm_text_str(t, "  ");
    jsm_text_str(t, f->name);
    jsm_text_str(t, ": ");
    jsm_text_str(t, f->help);
    jsm_text_str(t, "\n");
    emit(out);
}

enum { TEXT_COLUMN = 16 };

static void
text_open(struct out *out, const struct table *table, size_t k)
{
    struct jsm_text *t = line(out);

    (void)k;
    jsm_text_str(t, "By ");
    jsm_text_str(t, table->help);
    jsm_text_str(t, ":\n");
    jsm_text_str_width(t, table->label, TEXT_COLUMN);
    for EACH_COLUMN(table, i)
        jsm_text_str_width(t, table->column[i], TEXT_COLUMN);
    jsm_text_str(t, "\n");
    emit(out);
}

static void
text_row(struct out *out, const struct table *table, const struct row *row, size_t k, bool first)
{
    struct jsm_text *t = line(out);

    (void)k;
    (void)first;
    if (table->is_named)
        jsm_text_str_width(t, row->name, TEXT_COLUMN);
    else
        jsm_text_dec_width(t, row->number, TEXT_COLUMN);
    for EACH_COLUMN(table, i)
        jsm_text_dec_width(t, row->value[i], TEXT_COLUMN);
    jsm_text_str(t, "\n");
    emit(out);
}

/* ---- JSON ---- */

static void
json_head(const struct jsm_stats *stats, struct out *out)
{
    (void)stats;
    say(out, "{\n  \"version\": \"" JSM_VERSION_STRING "\",\n");
}

static void
json_figure(struct out *out, const struct figure *f, size_t value)
{
    add_pair(line(out), "  \"", f->name, "\": ", value, ",\n");
    emit(out);
}

static void
json_open(struct out *out, const struct table *table, size_t k)
{
    (void)k;
    say_key(out, table != tables ? ",\n  \"" : "  \"", table, "\": [");
}

static void
json_row(struct out *out, const struct table *table, const struct row *row, size_t k, bool first)
{
    struct jsm_text *t = line(out);
    const char *quote = table->is_named ? "\"" : "";

    (void)k;
    jsm_text_str(t, first ? "\n    {\"" : ",\n    {\"");
    jsm_text_str(t, table->label);
    jsm_text_str(t, "\": ");
    jsm_text_str(t, quote);
    add_label(t, table, row);
    jsm_text_str(t, quote);
    for EACH_COLUMN(table, i)
        add_pair(t, ", \"", table->column[i], "\": ", row->value[i], "");
    jsm_text_str(t, "}");
    emit(out);
}

/* ---- XML: what readers of glibc's malloc_info() look for comes first ---- */

static void
xml_pair(struct out *out, const char *element, size_t count, size_t bytes)
{
    struct jsm_text *t = line(out);

    jsm_text_str(t, element);
    if (count != SIZE_MAX)
        add_pair(t, " count=\"", "", "", count, "\"");
    add_pair(t, " size=\"", "", "", bytes, "\"/>\n");
    emit(out);
}

static void
xml_amounts(const struct jsm_stats *stats, struct out *out, bool total)
{
    xml_pair(out, "<total type=\"fast\"", stats->freed_blocks, stats->freed_bytes);
    xml_pair(out, "<total type=\"rest\"", stats->heap.cached_count + stats->free_spans,
             stats->cached_span_bytes + stats->free_bytes);
    if (total)
        xml_pair(out, "<total type=\"mmap\"", stats->spans.huge_count, stats->spans.huge_bytes);
    xml_pair(out, "<system type=\"current\"", SIZE_MAX, stats->arena_bytes);
    xml_pair(out, "<system type=\"max\"", SIZE_MAX, jsm_max(stats->arena_bytes, stats->peak_bytes));
    xml_pair(out, "<aspace type=\"total\"", SIZE_MAX, stats->reserved_bytes);
    xml_pair(out, "<aspace type=\"mprotect\"", SIZE_MAX, stats->arena_bytes + stats->retained_bytes);
}

static void
xml_head(const struct jsm_stats *stats, struct out *out)
{
    say(out, "<malloc version=\"1\">\n<heap nr=\"0\">\n<sizes>\n");
    for (unsigned c = 0; c < JSM_CLASSES; c++) {
        size_t n = stats->heap.carved[c] - stats->heap.used[c];
        if (n == 0)
            continue;
        struct jsm_text *t = line(out);
        add_pair(t, "  <size from=\"", "", "", c > 0 ? jsm_class_bytes[c - 1] + 1 : 1, "\" ");
        add_pair(t, "to=\"", "", "", jsm_class_bytes[c], "\" ");
        add_pair(t, "total=\"", "", "", n * jsm_class_bytes[c], "\" ");
        add_pair(t, "count=\"", "", "", n, "\"/>\n");
        emit(out);
    }
    say(out, "</sizes>\n");
    xml_amounts(stats, out, false);
    say(out, "</heap>\n");
    xml_amounts(stats, out, true);
    say(out, "<jsmalloc version=\"" JSM_VERSION_STRING "\">\n");
}

static void
xml_figure(struct out *out, const struct figure *f, size_t value)
{
    add_pair(line(out), "<figure name=\"", f->name, "\" value=\"", value, "\"/>\n");
    emit(out);
}

static void
xml_open(struct out *out, const struct table *table, size_t k)
{
    (void)k;
    say_key(out, "<table name=\"", table, "\">\n");
}

static void
xml_row(struct out *out, const struct table *table, const struct row *row, size_t k, bool first)
{
    struct jsm_text *t = line(out);

    (void)k;
    (void)first;
    jsm_text_str(t, "  <");
    jsm_text_str(t, table->singular);
    jsm_text_str(t, " ");
    jsm_text_str(t, table->label);
    jsm_text_str(t, "=\"");
    add_label(t, table, row);
    for EACH_COLUMN(table, i)
        add_pair(t, "\" ", table->column[i], "=\"", row->value[i], "");
    jsm_text_str(t, "\"/>\n");
    emit(out);
}

/* ---- OpenMetrics: a family at a time, so tables go by columns ---- */

static void
add_metric(struct jsm_text *t, const char *before, const char *prefix, const char *name)
{
    jsm_text_str(t, before);
    jsm_text_str(t, "jsmalloc_");
    jsm_text_str(t, prefix);
    jsm_text_str(t, prefix[0] != '\0' ? "_" : "");
    jsm_text_str(t, name);
}

/* TYPE, UNIT where the name ends in one, HELP. */
static void
metric_head(struct out *out, const char *prefix, const char *name, bool counts, const char *help)
{
    size_t len = strlen(name);
    struct jsm_text *t = line(out);

    add_metric(t, "# TYPE ", prefix, name);
    jsm_text_str(t, counts ? " counter\n" : " gauge\n");
    if (len >= 5 && strcmp(name + len - 5, "bytes") == 0) {
        add_metric(t, "# UNIT ", prefix, name);
        jsm_text_str(t, " bytes\n");
    }
    emit(out);
    t = line(out);
    add_metric(t, "# HELP ", prefix, name);
    jsm_text_str(t, prefix[0] != '\0' ? " by " : " ");
    jsm_text_str(t, help);
    jsm_text_str(t, "\n");
    emit(out);
}

static void
metric_figure(struct out *out, const struct figure *f, size_t value)
{
    metric_head(out, "", f->name, f->counts, f->help);
    add_metric(line(out), "", "", f->name);
    add_pair(&out->t, f->counts ? "_total" : "", "", " ", value, "\n");
    emit(out);
}

static void
metric_open(struct out *out, const struct table *table, size_t k)
{
    metric_head(out, table->singular, table->column[k], false, table->help);
}

static void
metric_row(struct out *out, const struct table *table, const struct row *row, size_t k, bool first)
{
    struct jsm_text *t = line(out);

    (void)first;
    add_metric(t, "", table->singular, table->column[k]);
    jsm_text_str(t, "{");
    jsm_text_str(t, table->label);
    jsm_text_str(t, "=\"");
    add_label(t, table, row);
    add_pair(t, "\"}", "", " ", row->value[k], "\n");
    emit(out);
}

/* ---- Formats, in the order of the option stats_format ---- */

static const struct format {
    const char *name;
    void (*head)(const struct jsm_stats *stats, struct out *out);
    void (*figure)(struct out *out, const struct figure *f, size_t value);
    void (*open)(struct out *out, const struct table *table, size_t k);
    void (*row)(struct out *out, const struct table *table, const struct row *row, size_t k, bool first);
    const char *close, *end; /* of a table, of all */
    bool by_columns;         /* a table is told a column, number `k`, at a time */
} formats[] = {
    { "text", text_head, text_figure, text_open, text_row, "", "", false },
    { "json", json_head, json_figure, json_open, json_row, "]", "\n}\n", false },
    { "xml", xml_head, xml_figure, xml_open, xml_row, "</table>\n", "</jsmalloc>\n</malloc>\n", false },
    { "openmetrics", NULL, metric_figure, metric_open, metric_row, "", "# EOF\n", true },
};

static void
print_table(const struct jsm_stats *stats, const struct format *f, const struct table *table, size_t k, struct out *out)
{
    bool first = true;

    f->open(out, table, k);
    for (size_t i = 0; i < table->n_rows; i++) {
        struct row row = { .number = 0 };
        if (!table->row(stats, i, &row))
            continue;
        f->row(out, table, &row, k, first);
        first = false;
    }
    say(out, f->close);
}

void
jsm_stats_tell(const struct jsm_stats *stats, size_t format, void (*write)(void *arg, const char *text), void *arg)
{
    const struct format *f = &formats[format];
    struct out out = { .write = write, .arg = arg };

    if (f->head != NULL)
        f->head(stats, &out);
    for (size_t i = 0; i < FIGURES; i++)
        f->figure(&out, &figures[i], figure_value(stats, &figures[i]));
    for (size_t i = 0; i < TABLES; i++)
        for (size_t k = 0; k < (f->by_columns ? COLUMNS_MAX : 1) && tables[i].column[k] != NULL; k++)
            print_table(stats, f, &tables[i], k, &out);
    say(&out, f->end);
}

int
jsm_stats_format(const char *name)
{
    for (size_t i = 0; name != NULL && i < sizeof formats / sizeof formats[0]; i++)
        if (strcmp(name, formats[i].name) == 0)
            return (int)i;
    return -1;
}
