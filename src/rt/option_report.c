/* rt/option_report.c - options in words: what is wrong with a setting, and what is in force.
 *
 * SPDX-License-Identifier: MIT
 */
#include <config.h>

#include "rt/option.h"

#include <string.h>

const char *jsm_conf_name = JSM_CONF_FILE;

static void
add_origin(struct jsm_text *t, uint32_t origin)
{
    static const char names[][20] = {
        [ORIGIN_DEFAULT] = "default", [ORIGIN_TUNABLES] = "GLIBC_TUNABLES", [ORIGIN_LIST] = "JSMALLOC_OPTIONS",
        [ORIGIN_CALL] = "call"
    };
    uint32_t kind = origin & ORIGIN_KIND_MASK;

    if (kind == ORIGIN_FILE)
        jsm_text_str(t, jsm_conf_name);
    else
        jsm_text_str(t, kind >= ORIGIN_GLIBC ? jsm_glibc_options[kind - ORIGIN_GLIBC].variable : names[kind]);
    if (origin >> ORIGIN_LINE_SHIFT != 0) {
        jsm_text_str(t, ":");
        jsm_text_dec(t, origin >> ORIGIN_LINE_SHIFT);
    }
}

/* Edit distance of two short words, for "did you mean". */
static unsigned
distance(const char *a, size_t a_len, const char *b)
{
    unsigned row[32];
    size_t b_len = strlen(b);

    if (a_len > 31 || b_len > 31)
        return 99;
    for (size_t j = 0; j <= b_len; j++)
        row[j] = (unsigned)j;
    for (size_t i = 1; i <= a_len; i++) {
        unsigned diagonal = row[0];
        row[0] = (unsigned)i;
        for (size_t j = 1; j <= b_len; j++) {
            unsigned cost = diagonal + (a[i - 1] != b[j - 1]);
            diagonal = row[j];
            row[j] = jsm_min(jsm_min(row[j] + 1, row[j - 1] + 1), cost);
        }
    }
    return row[b_len];
}

/* A number as it may be written. */
static void
add_number(struct jsm_text *t, enum jsm_opt_type type, int64_t n)
{
    unsigned unit = 0;

    if (n == JSM_OPT_UNLIMITED) {
        jsm_text_str(t, "unlimited");
        return;
    }
    for (; type == JSM_TYPE_BYTES && unit < 3 && n >= 1024 && n % 1024 == 0; unit++)
        n /= 1024;
    jsm_text_dec(t, (uint64_t)n);
    jsm_text_chars(t, &"KMG"[unit - (unit > 0)], unit > 0);
    jsm_text_str(t, type == JSM_TYPE_MS && n > 0 ? "ms" : "");
}

static void
add_range(struct jsm_text *t, const struct option *o)
{
    if (o->type == JSM_TYPE_CHOICE) {
        jsm_text_str(t, "one of: ");
        jsm_text_str(t, o->choices);
    } else if (o->type == JSM_TYPE_TEXT) {
        jsm_text_str(t, "at most ");
        jsm_text_dec(t, JSM_OPTION_TEXT_BYTES - 1);
        jsm_text_str(t, " bytes");
    } else {
        add_number(t, o->type, o->min);
        jsm_text_str(t, " to ");
        add_number(t, o->type, o->max);
        if (o->unlimited && o->max != JSM_OPT_UNLIMITED)
            jsm_text_str(t, ", or unlimited");
        if (o->automatic)
            jsm_text_str(t, ", or auto");
        if (o->off)
            jsm_text_str(t, ", or off");
    }
}

void
jsm_option_complain_of(uint32_t origin, const char *what)
{
    char buffer[300];
    struct jsm_text t;

    jsm_text_init(&t, buffer, sizeof buffer);
    add_origin(&t, origin);
    jsm_message(buffer, ": ", what);
}

void
jsm_option_complain(uint32_t origin, const char *setting, size_t len, size_t name_len)
{
    char buffer[256];
    struct jsm_text t;
    const struct option *known = jsm_option_find(setting, name_len), *nearest = &jsm_options[0];

    jsm_text_init(&t, buffer, sizeof buffer);
    jsm_text_chars(&t, setting, jsm_min(len, (size_t)64));
    if (known != NULL) {
        jsm_text_str(&t, ": bad value, ");
        add_range(&t, known);
    } else {
        for (size_t i = 1; i < JSM_OPT_COUNT; i++)
            if (distance(setting, name_len, jsm_options[i].name) < distance(setting, name_len, nearest->name))
                nearest = &jsm_options[i];
        jsm_text_str(&t, ": no such option, nearest is ");
        jsm_text_str(&t, nearest->name);
    }
    jsm_text_str(&t, "; ignored");
    jsm_option_complain_of(origin, buffer);
}

void
jsm_options_confirm(void)
{
    for (size_t i = 0; i < JSM_OPT_COUNT; i++) {
        char buffer[400];
        struct jsm_text t;

        jsm_text_init(&t, buffer, sizeof buffer);
        jsm_option_format_locked(&jsm_options[i], &t);
        jsm_text_str(&t, " (");
        add_origin(&t, jsm_option_origins[i]);
        jsm_text_str(&t, (jsm_option_origins[i] & ORIGIN_PRESET) != 0 ? ", preset)" : ")");
        jsm_message(jsm_options[i].name, "=", buffer);
    }
}
