/* t/fuzz/stats.c - whatever heaps are called, statistics are well-formed in each format, and say the same in all.
 * SPDX-License-Identifier: MIT
 */
#include "fuzz.h"
#include "formats.h"

enum { HEAPS = 80, BLOCKS = 64, OUTPUT_MAX = 1 << 18 };

static jsm_heap *heap[HEAPS];
static unsigned n_heaps;
static void *block[BLOCKS];
static size_t limit_bytes;
static char output[OUTPUT_MAX];
static size_t output_len;

static void
write_output(void *arg, const char *text)
{
    size_t len = strlen(text);

    (void)arg;
    FUZZ_CHECK(output_len + len < OUTPUT_MAX);
    memcpy(output + output_len, text, len + 1);
    output_len += len;
}

static void
print(const char *format)
{
    output_len = 0;
    FUZZ_CHECK(jsm_stats_print(format, write_output, NULL) == 0);
}

/* The number behind `text`, which is there once. */
static unsigned long long
number_behind(const char *text)
{
    const char *at = strstr(output, text);

    FUZZ_CHECK(at != NULL);
    return strtoull(at + strlen(text), NULL, 10);
}

static void
check_form(const char *(*fault)(const char *text))
{
    const char *at = fault(output);

    if (at != NULL) {
        fprintf(stderr, "fault at: %.80s\n", at);
        fuzz_fail("the output is well-formed", __FILE__, __LINE__);
    }
}

static void
check_text(void)
{
    for (const char *c = output; *c != '\0'; c++)
        FUZZ_CHECK(*c == '\n' || (*c >= ' ' && *c <= '~'));
}

static void
run_print(const struct fuzz_line *l)
{
    unsigned long long live = 0;

    (void)l;
    for (unsigned i = 0; i < BLOCKS; i++)
        live += block[i] != NULL;
    print("json");
    check_form(json_fault);
    FUZZ_CHECK(number_behind("\n  \"live_blocks\": ") == live);
    print("xml");
    check_form(xml_fault);
    FUZZ_CHECK(number_behind("<figure name=\"live_blocks\" value=\"") == live);
    print("openmetrics");
    check_form(openmetrics_fault);
    FUZZ_CHECK(number_behind("\njsmalloc_live_blocks ") == live);
    print("text");
    check_text();
}

/* malloc_info(), by a stream. */
static void
run_info(const struct fuzz_line *l)
{
    FILE *stream = fmemopen(output, sizeof output, "w");

    (void)l;
    FUZZ_CHECK(stream != NULL);
    FUZZ_CHECK(jsm_malloc_info(0, stream) == 0 && fclose(stream) == 0);
    check_form(xml_fault);
}

/* All that is behind the word is its name. */
static void
run_heap(const struct fuzz_line *l)
{
    struct jsm_heap_config config = JSM_HEAP_CONFIG_INIT;

    if (n_heaps == HEAPS)
        return;
    config.name = l->text;
    config.limit_bytes = limit_bytes;
    heap[n_heaps] = jsm_heap_new(&config);
    FUZZ_CHECK(heap[n_heaps] != NULL);
    n_heaps++;
}

/* Of heaps that are made from now on. */
static void
run_limit(const struct fuzz_line *l)
{
    limit_bytes = l->n[0];
}

static void
run_block(const struct fuzz_line *l)
{
    void **b = &block[l->n[1] % BLOCKS];

    if (*b != NULL)
        jsm_free(*b);
    *b = jsm_heap_malloc(n_heaps > 0 ? heap[l->n[0] % n_heaps] : NULL, l->n[2] % 300000);
}

static void
run_delete(const struct fuzz_line *l)
{
    if (n_heaps == 0)
        return;
    unsigned i = (unsigned)(l->n[0] % n_heaps);
    jsm_heap_delete(heap[i]);
    heap[i] = heap[--n_heaps];
}

static void
run_profile(const struct fuzz_line *l)
{
    static const char *const words[] = { "off", "on" };

    FUZZ_CHECK(jsm_option_set("sample_interval", "1000") && jsm_option_set("profile", words[l->n[0] % 2]));
    print("profile");
    FUZZ_CHECK(output_len > 0);
    check_text();
}

static const struct fuzz_op ops[] = {
    { "heap", "t", run_heap },
    { "limit", "n", run_limit },
    { "block", "bbn", run_block },
    { "delete", "b", run_delete },
    { "profile", "c", run_profile },
    { "print", "", run_print },
    { "info", "", run_info },
    { NULL, "", NULL },
};

static const char *const words[] = {
    "\"", "\\", "<", ">", "&", "'", "#", "{", "}", "=", "\x7f", "\xc3\xa9", "\t", "\x1b", "default", "others",
    "conceal", "?", " ", "\n", "%s", "&amp;", "]]>", NULL
};

static void
run(const struct fuzz_op *op, const struct fuzz_line *line)
{
    op->run(line);
}

static void
one(const char *text, size_t size)
{
    fuzz_each_line(text, size, run);
    run_print(NULL);
    for (unsigned i = 0; i < BLOCKS; i++) {
        jsm_free(block[i]);
        block[i] = NULL;
    }
    while (n_heaps > 0)
        jsm_heap_destroy(heap[--n_heaps]);
    limit_bytes = 0;
    FUZZ_CHECK(jsm_option_set("preset", "default"));
}

/* The readers refuse what they are there for. */
static void
start(void)
{
    static const char metrics[] = "# TYPE a gauge\na{x=\"1\"} 5\n# EOF\n";

    FUZZ_CHECK(json_fault("{\"a\": [1, {}], \"b\": \"c\"}") == NULL && xml_fault("<a b=\"1\"><c/></a>\n") == NULL);
    FUZZ_CHECK(openmetrics_fault(metrics) == NULL && openmetrics_fault(metrics + 1) != NULL);
    FUZZ_CHECK(json_fault("{\"a\": 1, \"a\": 2}") != NULL && json_fault("{\"a\": 1,}") != NULL);
    FUZZ_CHECK(json_fault("[\"a\"b\"]") != NULL && json_fault("[\"\\\"]") != NULL && json_fault("[01]") != NULL);
    FUZZ_CHECK(xml_fault("<a>") != NULL && xml_fault("<a></b>") != NULL && xml_fault("<a/><b/>") != NULL);
    FUZZ_CHECK(xml_fault("<a b=\"&\"/>") != NULL && xml_fault("<a b=\"<\"/>") != NULL);
    FUZZ_CHECK(xml_fault("<a b=\"1\" b=\"2\"/>") != NULL && xml_fault("<a b=\"\"\"/>") != NULL);
    FUZZ_CHECK(openmetrics_fault("# TYPE a gauge\na 1\na 1\n# EOF\n") != NULL);
    FUZZ_CHECK(openmetrics_fault("# TYPE a gauge\nb 1\n# EOF\n") != NULL);
    FUZZ_CHECK(openmetrics_fault("# TYPE a counter\na 1\n# EOF\n") != NULL);
    FUZZ_CHECK(openmetrics_fault("# TYPE a gauge\na{x=\"\"\"} 1\n# EOF\n") != NULL);
}

const struct fuzz_target fuzz_target = { "stats", ops, words, start, one, false };
