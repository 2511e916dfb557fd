/* osmem/report.c - what the program did wrong with a block of the os_ allocator.
 *
 * In the words of heap/report.c, of whose blocks this layer knows nothing.
 * SPDX-License-Identifier: MIT
 */
#include <config.h>

#include "osmem/block.h"

enum { REPORT = 1, ABORT = 2 }; /* bits of check_action */

static const char *const kinds[] = {
    [JSM_OSMEM_GONE] = "double free",
    [JSM_OSMEM_INSIDE] = "invalid pointer (inside a block)",
    [JSM_OSMEM_DAMAGED] = "damaged block (its header was overwritten)",
    [JSM_OSMEM_UNKNOWN] = "invalid pointer (not from this allocator)"
};

struct jsm_osmem_report
jsm_osmem_note(const struct jsm_osmem_found *found)
{
    struct jsm_osmem_report report = { .kind = found->kind };

    if (found->block != NULL) {
        report.at = (uintptr_t)jsm_osmem_payload(found->block);
        report.bytes = found->block->size;
        report.is_in_use = found->block->status != JSM_OSMEM_FREE;
    }
    return report;
}

static void
tell_block(struct jsm_text *t, uintptr_t p, const struct jsm_osmem_report *report)
{
    if (report->kind == JSM_OSMEM_DAMAGED) {
        jsm_text_str(t, "jsmalloc:   block at ");
        jsm_text_hex(t, report->at);
        jsm_text_str(t, "; the block before it was most likely written to beyond its end");
    } else {
        jsm_text_str(t, "jsmalloc:   block of ");
        jsm_text_dec(t, report->bytes);
        jsm_text_str(t, " bytes at ");
        jsm_text_hex(t, report->at);
        jsm_text_str(t, report->is_in_use ? ", which is in use" : ", which is free");
        if (p > report->at) {
            jsm_text_str(t, "; the pointer lies ");
            jsm_text_dec(t, p - report->at);
            jsm_text_str(t, " bytes inside");
        } else if (p < report->at) {
            jsm_text_str(t, "; the pointer lies in its header");
        }
    }
    jsm_text_str(t, "\n");
}

void
jsm_osmem_misuse(const char *function, const void *p, const struct jsm_osmem_report *report)
{
    char buffer[640];
    struct jsm_text t;

    jsm_options_init(); /* this may be the first call into the library */
    int64_t action = jsm_option(JSM_OPT_CHECK_ACTION);

    jsm_text_init(&t, buffer, sizeof buffer);
    jsm_text_str(&t, "jsmalloc: ");
    jsm_text_str(&t, function);
    if (p != NULL) {
        jsm_text_str(&t, "(");
        jsm_text_hex(&t, (uintptr_t)p);
        jsm_text_str(&t, ")");
    }
    jsm_text_str(&t, ": ");
    jsm_text_str(&t, kinds[report->kind]);
    jsm_text_str(&t, "\n");
    if (report->at != 0)
        tell_block(&t, (uintptr_t)p, report);
    jsm_text_str(&t, "jsmalloc:   to learn where: run it in gdb, or under valgrind; "
                     "JSMALLOC_OPTIONS=check_action=1 reports and goes on\n");
    if ((action & REPORT) != 0)
        jsm_text_to_stderr(&t);
    if ((action & ABORT) != 0)
        jsm_os_abort(t.buffer);
}
