/* rt/option.c - the options: their values, parsing and printing of one.  Takes no memory.
 *
 * What an option is called, may be and starts as stands in options.tbl alone.
 * SPDX-License-Identifier: MIT
 */
#include <config.h>

#include "rt/option.h"

#include <string.h>

#define JSM_OPTION(id, name, type, def, min, max, automatic, unlimited, off, number, choices) \
    { name, type, number, min, max, automatic, unlimited, off, choices },
const struct option jsm_options[JSM_OPT_COUNT] = {
#include "rt/option_table.inc"
};
#undef JSM_OPTION

#define JSM_OPTION(id, name, type, def, min, max, automatic, unlimited, off, number, choices) [JSM_OPT_##id] = def,
_Atomic(int64_t) jsm_option_values[JSM_OPT_COUNT] = {
#include "rt/option_table.inc"
};
static const int64_t defaults[JSM_OPT_COUNT] = {
#include "rt/option_table.inc"
};
#undef JSM_OPTION

#define JSM_OPTION(id, name, type, def, min, max, automatic, unlimited, off, number, choices) \
    _Static_assert((def) == JSM_OPT_AUTO ? (automatic) : ((off) && (def) == 0) || ((min) <= (def) && (def) <= (max)), \
                   "default of " name " lies outside its range");
#include "rt/option_table.inc"
#undef JSM_OPTION

/* The value of a text option is the index of its text. */
#define JSM_OPTION(id, name, type, def, min, max, automatic, unlimited, off, number, choices) +(type == JSM_TYPE_TEXT)
enum {
    TEXTS = 0
#include "rt/option_table.inc"
};
#undef JSM_OPTION
static char texts[TEXTS][JSM_OPTION_TEXT_BYTES]; /* [lock options] */

/* What the choices of option preset set. */
#define JSM_OPTION(id, name, type, def, min, max, automatic, unlimited, off, number, choices)
#define JSM_PRESET(list) list,
static const char *const presets[] = {
#include "rt/option_table.inc"
};
#undef JSM_PRESET
#undef JSM_OPTION

uint32_t jsm_option_origins[JSM_OPT_COUNT];
bool jsm_options_fixed;

struct jsm_lock jsm_options_lock = { .rank = JSM_RANK_OPTIONS };

void
jsm_option_text(enum jsm_opt opt, char text[JSM_OPTION_TEXT_BYTES])
{
    text[0] = '\0';
    if (jsm_options[opt].type != JSM_TYPE_TEXT)
        return;
    jsm_lock(&jsm_options_lock);
    strcpy(text, texts[jsm_option(opt)]);
    jsm_unlock(&jsm_options_lock);
}

const struct option *
jsm_option_find(const char *name, size_t len)
{
    for (size_t i = 0; i < JSM_OPT_COUNT; i++)
        if (strlen(jsm_options[i].name) == len && memcmp(jsm_options[i].name, name, len) == 0)
            return &jsm_options[i];
    return NULL;
}

/* ---- Setting ---- */

/* Whether it is too late for the option. */
static bool
is_fixed(size_t i)
{
    return jsm_options_fixed && i == JSM_OPT_HARDEN;
}

/* The first preset is how the library was built. */
static void
apply_preset(uint32_t origin, int64_t preset)
{
    if (preset > 0) {
        jsm_options_read_list(origin | ORIGIN_PRESET, presets[preset]);
        return;
    }
    for (size_t i = 0; i < JSM_OPT_COUNT; i++) {
        if (i == JSM_OPT_CONFIRM || is_fixed(i))
            continue;
        if (jsm_options[i].type == JSM_TYPE_TEXT)
            texts[defaults[i]][0] = '\0';
        /* ORDER: relaxed; see jsm_option(). */
        jsm_store_relaxed(&jsm_option_values[i], defaults[i]);
        jsm_option_origins[i] = origin | ORIGIN_PRESET;
    }
}

void
jsm_option_store_locked(uint32_t origin, const struct option *o, int64_t value)
{
    size_t i = (size_t)(o - jsm_options);

    if (is_fixed(i)) /* a preset, of which the rest holds; or it is the value that it has */
        return;
    if (i == JSM_OPT_PRESET)
        apply_preset(origin, value);
    /* ORDER: relaxed; see jsm_option(). */
    jsm_store_relaxed(&jsm_option_values[i], value);
    jsm_option_origins[i] = origin;
}

static bool
in_range(const struct option *o, int64_t value)
{
    if (value == JSM_OPT_AUTO)
        return o->automatic;
    if (value == JSM_OPT_UNLIMITED)
        return o->unlimited;
    return (value == 0 && o->off) || (value >= o->min && value <= o->max);
}

static bool
may_be_set(const struct option *o, int64_t value, uint32_t origin)
{
    enum jsm_opt opt = (enum jsm_opt)(o - jsm_options);

    return in_range(o, value) && (!is_fixed(opt) || (origin & ORIGIN_PRESET) != 0 || value == jsm_option(opt));
}

static bool
set_text(const struct option *o, const char *value, size_t len)
{
    char *text = texts[jsm_option((enum jsm_opt)(o - jsm_options))];

    if (len >= JSM_OPTION_TEXT_BYTES)
        return false;
    memcpy(text, value, len);
    text[len] = '\0';
    return true;
}

/* ---- Parsing ---- */

static bool
is_word(const char *text, size_t len, const char *word)
{
    return strlen(word) == len && memcmp(text, word, len) == 0;
}

size_t
jsm_option_digits(const char *s, size_t len, uint64_t *n)
{
    unsigned base = 10;
    size_t i = 0;

    *n = 0;
    if (len > 2 && s[0] == '0' && (s[1] == 'x' || s[1] == 'X')) {
        base = 16;
        i = 2;
    }
    size_t first = i;
    for (; i < len; i++) {
        unsigned digit = s[i] >= '0' && s[i] <= '9'   ? (unsigned)(s[i] - '0')
                         : s[i] >= 'a' && s[i] <= 'f' ? (unsigned)(s[i] - 'a' + 10)
                         : s[i] >= 'A' && s[i] <= 'F' ? (unsigned)(s[i] - 'A' + 10)
                                                      : 99;
        if (digit >= base)
            break;
        if (__builtin_mul_overflow(*n, base, n) || __builtin_add_overflow(*n, digit, n))
            return 0;
    }
    return i == first ? 0 : i;
}

/* What a unit multiplies by; 0 for one that does not go with the type. */
static uint64_t
unit_factor(enum jsm_opt_type type, const char *s, size_t len)
{
    if (len == 0)
        return 1;
    if (type == JSM_TYPE_MS)
        return is_word(s, len, "ms") ? 1 : is_word(s, len, "s") ? 1000 : is_word(s, len, "m") ? 60000 : 0;
    if (type != JSM_TYPE_BYTES)
        return 0;
    if (len > 1 && !is_word(s + 1, len - 1, "iB") && !is_word(s + 1, len - 1, "B"))
        return 0;
    switch (s[0]) {
    case 'k':
    case 'K':
        return UINT64_C(1) << 10;
    case 'm':
    case 'M':
        return UINT64_C(1) << 20;
    case 'g':
    case 'G':
        return UINT64_C(1) << 30;
    default:
        return 0;
    }
}

static bool
parse_number(const struct option *o, const char *s, size_t len, int64_t *value)
{
    uint64_t n;

    if (is_word(s, len, "auto")) {
        *value = JSM_OPT_AUTO;
        return true;
    }
    if (is_word(s, len, "unlimited")) { /* or as much as there may be */
        *value = o->unlimited ? JSM_OPT_UNLIMITED : o->max;
        return true;
    }
    if (is_word(s, len, "off")) {
        *value = 0;
        return o->off;
    }
    size_t used = jsm_option_digits(s, len, &n);
    uint64_t factor = used == 0 ? 0 : unit_factor(o->type, s + used, len - used);
    if (factor == 0 || __builtin_mul_overflow(n, factor, &n) || n >= INT64_MAX)
        return false;
    *value = (int64_t)n;
    return true;
}

static bool
parse_choice(const struct option *o, const char *s, size_t len, int64_t *value)
{
    const char *word = o->choices;

    for (int64_t i = 0; *word != '\0'; i++) {
        size_t word_len = strcspn(word, " ");
        if (word_len == len && memcmp(word, s, len) == 0) {
            *value = i;
            return true;
        }
        word += word_len + (word[word_len] == ' ');
    }
    return false;
}

bool
jsm_option_parse_locked(uint32_t origin, const char *name, size_t name_len, const char *value, size_t value_len)
{
    const struct option *o = jsm_option_find(name, name_len);
    int64_t n = 0;

    if (o == NULL)
        return false;
    if (o->type == JSM_TYPE_TEXT) {
        if (!set_text(o, value, value_len))
            return false;
        n = defaults[o - jsm_options];
    } else {
        bool good = o->type == JSM_TYPE_CHOICE ? parse_choice(o, value, value_len, &n)
                                               : parse_number(o, value, value_len, &n);
        if (!good || !may_be_set(o, n, origin))
            return false;
    }
    jsm_option_store_locked(origin, o, n);
    return true;
}

/* At start, options are confirmed when all are read; later, when this is asked for. */
static void
confirm_if_asked(const struct option *o)
{
    if (o == &jsm_options[JSM_OPT_CONFIRM] && jsm_option(JSM_OPT_CONFIRM) != 0)
        jsm_options_confirm();
}

bool
jsm_option_parse(const char *name, size_t name_len, const char *value, size_t value_len)
{
    jsm_lock(&jsm_options_lock);
    bool good = jsm_option_parse_locked(ORIGIN_CALL, name, name_len, value, value_len);
    if (good)
        confirm_if_asked(jsm_option_find(name, name_len));
    jsm_unlock(&jsm_options_lock);
    return good;
}

bool
jsm_option_set_number(int number, int64_t value)
{
    const struct option *o = jsm_options;

    while (o < jsm_options + JSM_OPT_COUNT && (o->number != number || number == 0))
        o++;
    if (o == jsm_options + JSM_OPT_COUNT)
        return false;
    /* glibc takes any int for sizes; what it calls "never" is -1. */
    if (value == -1 && o->unlimited)
        value = JSM_OPT_UNLIMITED;
    jsm_lock(&jsm_options_lock);
    bool good = value != JSM_OPT_AUTO && may_be_set(o, value, ORIGIN_CALL);
    if (good) {
        jsm_option_store_locked(ORIGIN_CALL, o, value);
        confirm_if_asked(o);
    }
    jsm_unlock(&jsm_options_lock);
    return good;
}

/* ---- Printing ---- */

void
jsm_option_format_locked(const struct option *o, struct jsm_text *t)
{
    int64_t value = jsm_option((enum jsm_opt)(o - jsm_options));

    if (o->type == JSM_TYPE_TEXT) {
        jsm_text_str(t, texts[value]);
    } else if (o->type == JSM_TYPE_CHOICE) {
        const char *word = o->choices;
        for (int64_t i = 0; i < value; i++)
            word += strcspn(word, " ") + 1;
        jsm_text_chars(t, word, strcspn(word, " "));
    } else if (value == JSM_OPT_UNLIMITED) {
        jsm_text_str(t, "unlimited");
    } else if (value == JSM_OPT_AUTO) {
        jsm_text_str(t, "auto");
    } else if (value == 0 && o->off) {
        jsm_text_str(t, "off");
    } else {
        jsm_text_dec(t, (uint64_t)value);
    }
}

bool
jsm_option_format(const char *name, struct jsm_text *t)
{
    const struct option *o = jsm_option_find(name, strlen(name));

    if (o == NULL)
        return false;
    jsm_lock(&jsm_options_lock);
    jsm_option_format_locked(o, t);
    jsm_unlock(&jsm_options_lock);
    return true;
}
