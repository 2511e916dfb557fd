/* t/fuzz/stats-formats.c - readers of the formats of statistics.
 * SPDX-License-Identifier: MIT
 */
#include "formats.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { NAMES_MAX = 4096, DEPTH_MAX = 16 };

/* A piece of the text. */
struct piece {
    const char *at;
    size_t len;
};

static bool
is_same(struct piece a, struct piece b)
{
    return a.len == b.len && memcmp(a.at, b.at, a.len) == 0;
}

/* Names that have been seen: a hash table that is filled once. */
static struct piece seen[2 * NAMES_MAX];
static unsigned n_seen;

static void
forget_names(void)
{
    memset(seen, 0, sizeof seen);
    n_seen = 0;
}

/* False if it was there, or there are too many. */
static bool
is_new(struct piece name)
{
    uint32_t hash = 2166136261u;

    for (size_t i = 0; i < name.len; i++)
        hash = (hash ^ (unsigned char)name.at[i]) * 16777619u;
    for (; seen[hash % (2 * NAMES_MAX)].at != NULL; hash++)
        if (is_same(seen[hash % (2 * NAMES_MAX)], name))
            return false;
    seen[hash % (2 * NAMES_MAX)] = name;
    return n_seen++ < NAMES_MAX;
}

/* ---- What all have ---- */

static bool
is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool
is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Moves `*at` behind a name of letters and digits. */
static struct piece
read_name(const char **at)
{
    struct piece name = { *at, 0 };

    while (is_letter(**at) || (name.at != *at && is_digit(**at)))
        ++*at;
    name.len = (size_t)(*at - name.at);
    return name;
}

/* Moves it behind a number, without a zero before it. */
static bool
read_number(const char **at)
{
    const char *from = *at;

    while (is_digit(**at))
        ++*at;
    return *at > from && (*from != '0' || *at == from + 1);
}

/* Moves it behind `text`, if that is there. */
static bool
skip_text(const char **at, const char *text)
{
    size_t len = strlen(text);

    if (strncmp(*at, text, len) != 0)
        return false;
    *at += len;
    return true;
}

/* Moves it behind a quoted string that has none of `refused`, nor a control character, nor a byte above ASCII. */
static bool
read_string(const char **at, const char *refused)
{
    if (!skip_text(at, "\""))
        return false;
    while (**at != '"') {
        if (**at < ' ' || **at > '~' || strchr(refused, **at) != NULL)
            return false;
        ++*at;
    }
    ++*at;
    return true;
}

static void
skip_space(const char **at)
{
    while (**at == ' ' || **at == '\n')
        ++*at;
}

/* ---- JSON ---- */

static bool json_value(const char **at, unsigned depth);

/* Members of an object with a name each, or of an array. */
static bool
json_members(const char **at, unsigned depth, bool is_object)
{
    struct piece name[64];
    const char *end = is_object ? "}" : "]";

    skip_space(at);
    if (skip_text(at, end))
        return true;
    for (unsigned n = 0; n < 64 || !is_object; n++) {
        skip_space(at);
        if (is_object) {
            name[n].at = *at;
            if (!read_string(at, "\\"))
                return false;
            name[n].len = (size_t)(*at - name[n].at);
            for (unsigned i = 0; i < n; i++)
                if (is_same(name[i], name[n]))
                    return false;
            if (!skip_text(at, ":"))
                return false;
        }
        if (!json_value(at, depth))
            return false;
        skip_space(at);
        if (skip_text(at, end))
            return true;
        if (!skip_text(at, ","))
            return false;
    }
    return false;
}

static bool
json_value(const char **at, unsigned depth)
{
    if (depth > DEPTH_MAX)
        return false;
    skip_space(at);
    if (**at == '"')
        return read_string(at, "\\");
    if (skip_text(at, "{"))
        return json_members(at, depth + 1, true);
    if (skip_text(at, "["))
        return json_members(at, depth + 1, false);
    return read_number(at);
}

const char *
json_fault(const char *text)
{
    if (!json_value(&text, 0))
        return text;
    skip_space(&text);
    return *text == '\0' ? NULL : text;
}

/* ---- XML ---- */

static bool
xml_attributes(const char **at)
{
    struct piece name[16];

    for (unsigned n = 0; n < 16; n++) {
        if (**at != ' ')
            return true;
        ++*at;
        name[n] = read_name(at);
        for (unsigned i = 0; i < n; i++)
            if (is_same(name[i], name[n]))
                return false;
        if (name[n].len == 0 || !skip_text(at, "=") || !read_string(at, "<&"))
            return false;
    }
    return false;
}

const char *
xml_fault(const char *text)
{
    struct piece open[DEPTH_MAX];
    unsigned depth = 0, n = 0;

    for (; *text != '\0'; n++) {
        skip_space(&text);
        if (*text == '\0' && depth == 0)
            break;
        if ((depth == 0 && n > 0) || !skip_text(&text, "<"))
            return text;
        if (skip_text(&text, "/")) {
            if (depth == 0 || !is_same(read_name(&text), open[--depth]) || !skip_text(&text, ">"))
                return text;
            continue;
        }
        struct piece name = read_name(&text);
        if (name.len == 0 || !xml_attributes(&text))
            return text;
        if (skip_text(&text, "/>"))
            continue;
        if (depth == DEPTH_MAX || !skip_text(&text, ">"))
            return text;
        open[depth++] = name;
    }
    return n > 0 && depth == 0 ? NULL : text;
}

/* ---- OpenMetrics ---- */

/* A line that describes the family: TYPE begins a new one. */
static bool
metric_comment(const char **at, struct piece *family, bool *counts)
{
    bool is_type = skip_text(at, "TYPE ");

    if (!is_type && !skip_text(at, "UNIT ") && !skip_text(at, "HELP "))
        return false;
    struct piece name = read_name(at);
    if (name.len == 0 || !skip_text(at, " ") || is_type != !is_same(name, *family))
        return false;
    if (is_type) {
        *family = name;
        *counts = skip_text(at, "counter");
        return is_new(name) && (*counts || skip_text(at, "gauge"));
    }
    while (**at >= ' ' && **at <= '~' && **at != '\\')
        ++*at;
    return true;
}

static bool
metric_sample(const char **at, struct piece family, bool counts)
{
    struct piece sample = { *at, 0 }, name = read_name(at);

    if (counts && name.len > 6 && memcmp(name.at + name.len - 6, "_total", 6) == 0)
        name.len -= 6;
    else if (counts)
        return false;
    if (!is_same(name, family))
        return false;
    if (skip_text(at, "{") && (read_name(at).len == 0 || !skip_text(at, "=") || !read_string(at, "\\") ||
                               !skip_text(at, "}")))
        return false;
    sample.len = (size_t)(*at - sample.at) + 1; /* with the blank: a family is not its only sample */
    return is_new(sample) && skip_text(at, " ") && read_number(at);
}

const char *
openmetrics_fault(const char *text)
{
    struct piece family = { "", 0 };
    bool counts = false;

    forget_names();
    while (!skip_text(&text, "# EOF\n")) {
        bool good = skip_text(&text, "# ") ? metric_comment(&text, &family, &counts)
                                            : metric_sample(&text, family, counts);
        if (!good || !skip_text(&text, "\n"))
            return text;
    }
    return *text == '\0' ? NULL : text;
}
