/* heap/report.c - what the program did wrong, told in one piece and without taking memory.
 *
 * SPDX-License-Identifier: MIT
 */
#include <config.h>

#include "heap/heap.h"

#include <stdlib.h>

enum { REPORT = 1, ABORT = 2 }; /* bits of check_action */

static void
tell_block(struct jsm_text *t, const void *p, const struct jsm_block *block)
{
    if (block->span == NULL)
        return;
    jsm_text_str(t, "jsmalloc:   block of ");
    jsm_text_dec(t, block->bytes);
    jsm_text_str(t, " bytes at ");
    jsm_text_hex(t, (uintptr_t)block->start);
    jsm_text_str(t, block->found == JSM_FOUND_FREE ? ", which is free" : ", which is in use");
    if (jsm_kind(block->span) == JSM_KIND_SLAB) {
        jsm_text_str(t, "; class ");
        jsm_text_dec(t, block->span->class_id);
        jsm_text_str(t, ", block ");
        jsm_text_dec(t, block->index);
        jsm_text_str(t, " of ");
        jsm_text_dec(t, block->span->capacity);
    }
    if (p != block->start) {
        jsm_text_str(t, "; the pointer lies ");
        jsm_text_dec(t, (uintptr_t)p - (uintptr_t)block->start);
        jsm_text_str(t, " bytes inside");
    }
    jsm_text_str(t, "\n");
}

static void
conclude(struct jsm_text *t, const void *p, const struct jsm_block *block)
{
    jsm_options_init(); /* this may be the first call into the library */
    int64_t action = jsm_option(JSM_OPT_CHECK_ACTION);

    jsm_text_str(t, "\n");
    tell_block(t, p, block);
    jsm_text_str(t, "jsmalloc:   to learn where: run it in gdb, or under valgrind; "
                    "JSMALLOC_OPTIONS=check_action=1 reports and goes on\n");
    if ((action & REPORT) != 0)
        jsm_text_to_stderr(t);
    if ((action & ABORT) != 0)
        abort();
}

static void
headline(struct jsm_text *t, const char *function, const void *p, const char *kind)
{
    jsm_text_str(t, "jsmalloc: ");
    jsm_text_str(t, function);
    jsm_text_str(t, "(");
    jsm_text_hex(t, (uintptr_t)p);
    jsm_text_str(t, "): ");
    jsm_text_str(t, kind);
}

void
jsm_misuse_kind(const char *function, const void *p, const struct jsm_block *block, const char *kind,
                const char *detail)
{
    char buffer[640];
    struct jsm_text t;

    jsm_text_init(&t, buffer, sizeof buffer);
    headline(&t, function, p, kind);
    if (detail != NULL) {
        jsm_text_str(&t, ": ");
        jsm_text_str(&t, detail);
    }
    conclude(&t, p, block);
}

void
jsm_misuse(const char *function, const void *p, const struct jsm_block *block)
{
    jsm_misuse_kind(function, p, block,
                    block->found == JSM_FOUND_FREE     ? "double free"
                    : block->found == JSM_FOUND_INSIDE ? "invalid pointer (inside a block)"
                                                       : "invalid pointer (not from this allocator)", NULL);
}

void
jsm_misuse_heap(const char *function, const void *p, const struct jsm_block *block)
{
    jsm_misuse_kind(function, p, block, "wrong heap",
                    jsm_heap_is_user(jsm_span_heap(block->span)) ? "the block is of another heap"
                                                                 : "the block is of the default heap");
}

void
jsm_misuse_size(const char *function, const void *p, const struct jsm_block *block, size_t size)
{
    char buffer[64];
    struct jsm_text t;

    jsm_text_init(&t, buffer, sizeof buffer);
    jsm_text_dec(&t, size);
    jsm_text_str(&t, " was said");
    jsm_misuse_kind(function, p, block, "wrong size", buffer);
}
