/* rt/option.c - the options: parsing, setting, printing.  Takes no memory.
 *
 * What an option is called, may be and starts as stands in options.tbl alone.
 * SPDX-License-Identifier: MIT
 */
#include <config.h>

#include "rt/rt.h"

#include <string.h>
#include <unistd.h>

struct option {
    const char *name;
    enum jsm_opt_type type;
    int number; /* of mallopt(); 0: none */
    int64_t min, max;         /* of numbers; the special values are valid beside them */
    bool automatic, unlimited;
    const char *choices; /* words with blanks between */
};

#define JSM_OPTION(id, name, type, def, min, max, automatic, unlimited, number, choices) \
    { name, type, number, min, max, automatic, unlimited, choices },
static const struct option options[JSM_OPT_COUNT] = {
#include "rt/option_table.inc"
};
#undef JSM_OPTION

#define JSM_OPTION(id, name, type, def, min, max, automatic, unlimited, number, choices) [JSM_OPT_##id] = def,
_Atomic(int64_t) jsm_option_values[JSM_OPT_COUNT] = {
#include "rt/option_table.inc"
};
#undef JSM_OPTION

#define JSM_OPTION(id, name, type, def, min, max, automatic, unlimited, number, choices) \
    _Static_assert((def) == JSM_OPT_AUTO ? (automatic) : (min) <= (def) && (def) <= (max), \
                   "default of " name " lies outside its range");
#include "rt/option_table.inc"
#undef JSM_OPTION

/* The value of a text option is the index of its text. */
#define JSM_OPTION(id, name, type, def, min, max, automatic, unlimited, number, choices) +(type == JSM_TYPE_TEXT)
enum {
    TEXTS = 0
#include "rt/option_table.inc"
};
#undef JSM_OPTION
static char texts[TEXTS][JSM_OPTION_TEXT_BYTES]; /* [lock options] */

struct jsm_lock jsm_options_lock = { .rank = JSM_RANK_OPTIONS };

void
jsm_option_text(enum jsm_opt opt, char text[JSM_OPTION_TEXT_BYTES])
{
    text[0] = '\0';
    if (options[opt].type != JSM_TYPE_TEXT)
        return;
    jsm_lock(&jsm_options_lock);
    strcpy(text, texts[jsm_option(opt)]);
    jsm_unlock(&jsm_options_lock);
}

static const struct option *
find(const char *name, size_t len)
{
    for (size_t i = 0; i < JSM_OPT_COUNT; i++)
        if (strlen(options[i].name) == len && memcmp(options[i].name, name, len) == 0)
            return &options[i];
    return NULL;
}

static void
store(const struct option *o, int64_t value)
{
    /* ORDER: relaxed; see jsm_option(). */
    jsm_store_relaxed(&jsm_option_values[o - options], value);
}

static bool
in_range(const struct option *o, int64_t value)
{
    if (value == JSM_OPT_AUTO)
        return o->automatic;
    if (value == JSM_OPT_UNLIMITED)
        return o->unlimited;
    return value >= o->min && value <= o->max;
}

static bool
is_word(const char *text, size_t len, const char *word)
{
    return strlen(word) == len && memcmp(text, word, len) == 0;
}

/* Decimal or 0x hexadecimal digits; how many bytes they take, 0 for none or too many. */
static size_t
parse_digits(const char *s, size_t len, uint64_t *n)
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
    if (is_word(s, len, "unlimited")) {
        *value = JSM_OPT_UNLIMITED;
        return true;
    }
    size_t used = parse_digits(s, len, &n);
    uint64_t factor = used == 0 ? 0 : unit_factor(o->type, s + used, len - used);
    if (factor == 0 || __builtin_mul_overflow(n, factor, &n) || n > INT64_MAX)
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

static bool
set_text(const struct option *o, const char *value, size_t len)
{
    char *text = texts[jsm_option((enum jsm_opt)(o - options))];

    if (len >= JSM_OPTION_TEXT_BYTES)
        return false;
    memcpy(text, value, len);
    text[len] = '\0';
    return true;
}

static bool
parse_locked(const char *name, size_t name_len, const char *value, size_t value_len)
{
    const struct option *o = find(name, name_len);
    int64_t n = 0;

    if (o == NULL)
        return false;
    if (o->type == JSM_TYPE_TEXT)
        return set_text(o, value, value_len);
    bool good = o->type == JSM_TYPE_CHOICE ? parse_choice(o, value, value_len, &n)
                                           : parse_number(o, value, value_len, &n);
    if (!good || !in_range(o, n))
        return false;
    store(o, n);
    return true;
}

bool
jsm_option_parse(const char *name, size_t name_len, const char *value, size_t value_len)
{
    jsm_lock(&jsm_options_lock);
    bool good = parse_locked(name, name_len, value, value_len);
    jsm_unlock(&jsm_options_lock);
    return good;
}

bool
jsm_option_set_number(int number, int64_t value)
{
    for (size_t i = 0; i < JSM_OPT_COUNT; i++) {
        const struct option *o = &options[i];
        if (o->number != number || o->number == 0)
            continue;
        /* glibc takes any int for sizes; what it calls "never" is -1. */
        if (value == -1 && o->unlimited)
            value = JSM_OPT_UNLIMITED;
        if (value == JSM_OPT_AUTO || !in_range(o, value))
            return false;
        store(o, value);
        return true;
    }
    return false;
}

bool
jsm_option_format(const char *name, struct jsm_text *t)
{
    const struct option *o = find(name, strlen(name));

    if (o == NULL)
        return false;
    int64_t value = jsm_option((enum jsm_opt)(o - options));
    if (o->type == JSM_TYPE_TEXT) {
        jsm_lock(&jsm_options_lock);
        jsm_text_str(t, texts[value]);
        jsm_unlock(&jsm_options_lock);
    } else if (o->type == JSM_TYPE_CHOICE) {
        const char *word = o->choices;
        for (int64_t i = 0; i < value; i++)
            word += strcspn(word, " ") + 1;
        jsm_text_chars(t, word, strcspn(word, " "));
    } else if (value == JSM_OPT_UNLIMITED) {
        jsm_text_str(t, "unlimited");
    } else if (value == JSM_OPT_AUTO) {
        jsm_text_str(t, "auto");
    } else {
        jsm_text_dec(t, (uint64_t)value);
    }
    return true;
}

/* Edit distance of two short words, for "did you mean". */
static unsigned
distance(const char *a, size_t a_len, const char *b, size_t b_len)
{
    unsigned row[32];

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

static void
complain(const char *source, const char *item, size_t len, size_t name_len)
{
    char buffer[256];
    struct jsm_text t;
    const struct option *known = find(item, name_len), *nearest = &options[0];

    jsm_text_init(&t, buffer, sizeof buffer);
    jsm_text_chars(&t, item, jsm_min(len, (size_t)64));
    if (known != NULL) {
        jsm_text_str(&t, ": bad value");
        if (known->type == JSM_TYPE_CHOICE) {
            jsm_text_str(&t, ", one of: ");
            jsm_text_str(&t, known->choices);
        }
    } else {
        for (size_t i = 1; i < JSM_OPT_COUNT; i++)
            if (distance(item, name_len, options[i].name, strlen(options[i].name)) <
                distance(item, name_len, nearest->name, strlen(nearest->name)))
                nearest = &options[i];
        jsm_text_str(&t, ": no such option, nearest is ");
        jsm_text_str(&t, nearest->name);
    }
    jsm_text_str(&t, "; ignored");
    jsm_message(source, ": ", buffer);
}

/* "name=value,name=value" */
static void
parse_list(const char *source, const char *s)
{
    while (*s != '\0') {
        size_t len = strcspn(s, ",");
        const char *equals = memchr(s, '=', len);
        size_t name_len = equals != NULL ? (size_t)(equals - s) : len;
        if (len > 0 && (equals == NULL || !parse_locked(s, name_len, equals + 1, len - name_len - 1)))
            complain(source, s, len, name_len);
        s += len + (s[len] == ',');
    }
}

void
jsm_options_init(void)
{
    static bool done; /* [lock options] */
    extern char **environ;

    jsm_lock(&jsm_options_lock);
    /* The loader may call malloc before libc knows the environment: come back later. */
    if (!done && environ != NULL) {
        done = true;
        const char *list = jsm_os_getenv("JSMALLOC_OPTIONS");
        if (list != NULL)
            parse_list("JSMALLOC_OPTIONS", list);
    }
    jsm_unlock(&jsm_options_lock);
}
