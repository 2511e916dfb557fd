/* rt/option_source.c - where options come from before the program runs: the configuration file,
 * glibc's variables and tunables, our own variable.  Takes no memory.
 *
 * SPDX-License-Identifier: MIT
 */
#include <config.h>

#include "rt/option.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

/* ---- Lists: JSMALLOC_OPTIONS, presets ---- */

static void
read_setting(uint32_t origin, const char *s, size_t name_len, size_t value_at, size_t len)
{
    if (value_at > len || !jsm_option_parse_locked(origin, s, name_len, s + value_at, len - value_at))
        jsm_option_complain(origin, s, len, name_len);
}

void
jsm_options_read_list(uint32_t origin, const char *s)
{
    while (*s != '\0') {
        size_t len = strcspn(s, ",");
        const char *equals = memchr(s, '=', len);
        size_t name_len = equals != NULL ? (size_t)(equals - s) : len;
        if (len > 0)
            read_setting(origin, s, name_len, name_len + 1, len);
        s += len + (s[len] == ',');
    }
}

/* ---- glibc's ---- */

JSM_CORE_CONST const struct glibc_option jsm_glibc_options[GLIBC_OPTIONS] = {
    { "MALLOC_ARENA_MAX", "arena_max", JSM_OPT_ARENA_MAX },
    { "MALLOC_TRIM_THRESHOLD_", "trim_threshold", JSM_OPT_TRIM_THRESHOLD },
    { "MALLOC_MMAP_THRESHOLD_", "mmap_threshold", JSM_OPT_MMAP_THRESHOLD },
    { "MALLOC_MMAP_MAX_", "mmap_max", JSM_OPT_MMAP_MAX },
    { "MALLOC_TOP_PAD_", "top_pad", JSM_OPT_PREALLOC },
    { "MALLOC_PERTURB_", "perturb", JSM_OPT_PERTURB },
    { "MALLOC_CHECK_", "check", JSM_OPT_CHECK_ACTION },
    { "", "mxfast", JSM_OPT_FAST_MAX },
    { "", "hugetlb", JSM_OPT_THP }
};

/* A number as glibc takes it: beyond what is valid here is as much as is, below 0 is without limit. */
static void
read_glibc(uint32_t origin, const char *setting, size_t name_len, size_t len, enum jsm_opt opt)
{
    const struct option *o = &jsm_options[opt];
    const char *s = setting + name_len + 1;
    size_t value_len = len - name_len - 1;
    bool negative = value_len > 1 && s[0] == '-';
    uint64_t n;
    int64_t value;

    if (jsm_option_digits(s + negative, value_len - negative, &n) != value_len - negative || value_len == 0) {
        char buffer[128];
        struct jsm_text t;
        jsm_text_init(&t, buffer, sizeof buffer);
        jsm_text_chars(&t, setting, jsm_min(len, (size_t)64));
        jsm_text_str(&t, ": not a number; ignored");
        jsm_option_complain_of(origin, buffer);
        return;
    }
    if (opt == JSM_OPT_ARENA_MAX && n == 0) /* glibc's word for auto */
        value = JSM_OPT_AUTO;
    else if (negative || n > (uint64_t)o->max)
        value = o->unlimited ? JSM_OPT_UNLIMITED : o->max;
    else
        value = jsm_max((int64_t)n, o->min);
    if (opt == JSM_OPT_THP && value != 1)
        return; /* pages of the hugetlb file system have no counterpart */
    jsm_option_store_locked(origin, o, value);
}

void
jsm_options_read_tunables(const char *s)
{
    static const char prefix[] = "glibc.malloc.";
    enum { PREFIX_LEN = sizeof prefix - 1 };

    for (size_t len; *s != '\0'; s += len + (s[len] == ':')) {
        len = strcspn(s, ":");
        const char *equals = memchr(s, '=', len);
        if (equals == NULL || len < PREFIX_LEN || memcmp(s, prefix, PREFIX_LEN) != 0 || equals < s + PREFIX_LEN)
            continue;
        for (size_t i = 0; i < GLIBC_OPTIONS; i++) {
            const char *name = jsm_glibc_options[i].tunable;
            size_t name_len = (size_t)(equals - s) - PREFIX_LEN;
            if (strlen(name) == name_len && memcmp(name, s + PREFIX_LEN, name_len) == 0)
                read_glibc(ORIGIN_TUNABLES, s + PREFIX_LEN, name_len, len - PREFIX_LEN, jsm_glibc_options[i].opt);
        }
    }
}

static void
read_glibc_variables(void)
{
    for (uint32_t i = 0; i < GLIBC_OPTIONS; i++) {
        const struct glibc_option *g = &jsm_glibc_options[i];
        const char *value = g->variable[0] != '\0' ? jsm_os_getenv(g->variable) : NULL;
        /* What stands before the value is the name and '='. */
        size_t name_len = strlen(g->variable);
        if (value != NULL && *value != '\0')
            read_glibc(ORIGIN_GLIBC + i, value - name_len - 1, name_len, name_len + 1 + strlen(value), g->opt);
    }
}

/* ---- The configuration file ---- */

enum { FILE_BYTES_MAX = 64 << 10, LINE_BYTES = 1024 };

struct conf {
    const char *program;
    uint32_t line;
    bool applies; /* the section is for this program */
};

static bool
is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

/* Whether `s` is what `pattern` describes, in which * stands for anything. */
static bool
matches(const char *pattern, size_t len, const char *s)
{
    const char *star = NULL, *again = NULL, *end = pattern + len;

    while (*s != '\0') {
        if (pattern < end && *pattern == '*') {
            star = ++pattern;
            again = s;
        } else if (pattern < end && *pattern == *s) {
            pattern++;
            s++;
        } else if (star != NULL) {
            pattern = star;
            s = ++again;
        } else {
            return false;
        }
    }
    while (pattern < end && *pattern == '*')
        pattern++;
    return pattern == end;
}

/* What stands between [ and ]: names with blanks or commas between. */
static bool
section_applies(const char *s, size_t len, const char *program)
{
    for (size_t i = 0; i < len;) {
        size_t n = 0;
        while (i + n < len && !is_blank(s[i + n]) && s[i + n] != ',')
            n++;
        if (n > 0 && matches(s + i, n, program))
            return true;
        i += n + 1;
    }
    return false;
}

static void
read_line(struct conf *conf, const char *s, size_t len)
{
    uint32_t origin = ORIGIN_FILE | ++conf->line << ORIGIN_LINE_SHIFT;

    for (size_t i = 0; i < len; i++) /* a comment: # at the start, or behind a blank */
        if (s[i] == '#' && (i == 0 || is_blank(s[i - 1])))
            len = i;
    for (; len > 0 && is_blank(s[0]); len--)
        s++;
    while (len > 0 && is_blank(s[len - 1]))
        len--;
    if (len == 0)
        return;
    if (s[0] == '[') {
        conf->applies = s[len - 1] == ']' && section_applies(s + 1, len - 2, conf->program);
        if (s[len - 1] != ']')
            jsm_option_complain_of(origin, "a section without ]; ignored up to the next section");
        return;
    }
    if (!conf->applies)
        return;
    const char *equals = memchr(s, '=', len);
    size_t name_len = equals != NULL ? (size_t)(equals - s) : len, value_at = name_len + 1;
    while (name_len > 0 && is_blank(s[name_len - 1]))
        name_len--;
    while (value_at < len && is_blank(s[value_at]))
        value_at++;
    read_setting(origin, s, name_len, value_at, len);
}

/* Feeds the lines of the file to read_line().  A line has to fit into the buffer. */
static void
read_lines(struct conf *conf, int fd)
{
    char buffer[LINE_BYTES];
    size_t have = 0, total = 0;
    bool skipping = false; /* the rest of a line that was too long */
    ptrdiff_t n;

    while ((n = jsm_os_read(fd, buffer + have, sizeof buffer - have)) > 0) {
        const char *s = buffer, *end = buffer + have + n, *line_end;
        total += (size_t)n;
        for (; (line_end = memchr(s, '\n', (size_t)(end - s))) != NULL; s = line_end + 1) {
            if (!skipping)
                read_line(conf, s, (size_t)(line_end - s));
            skipping = false;
        }
        have = (size_t)(end - s);
        memmove(buffer, s, have);
        if (have == sizeof buffer) {
            if (!skipping)
                jsm_option_complain_of(ORIGIN_FILE | ++conf->line << ORIGIN_LINE_SHIFT, "a line too long; ignored");
            skipping = true;
            have = 0;
        }
        if (total > FILE_BYTES_MAX) {
            jsm_option_complain_of(ORIGIN_FILE, "longer than 64 KiB; the rest is ignored");
            return;
        }
    }
    if (n < 0)
        jsm_option_complain_of(ORIGIN_FILE, "cannot be read; ignored");
    else if (have > 0 && !skipping)
        read_line(conf, buffer, have);
}

JSM_CORE void
jsm_options_read_file(const char *path, const char *program)
{
    struct conf conf = { .program = program, .applies = true };
    int fd = jsm_os_open_read(path);

    jsm_conf_name = path;
    if (fd >= 0) {
        read_lines(&conf, fd);
        jsm_os_close(fd);
    } else if (fd != -ENOENT && fd != -ENOTDIR) {
        jsm_option_complain_of(ORIGIN_FILE, fd == -EACCES ? "no permission to read it; ignored"
                                                          : "cannot be opened; ignored");
    }
}

/* ---- All of them ---- */

/* The name that the program was started by, without folders. */
static const char *
program_name(void)
{
    const char *path = jsm_os_program_path();
    const char *slash = strrchr(path, '/');

    return slash != NULL ? slash + 1 : path;
}

static void
read_all(void)
{
    JSM_CORE_CONST static const char path_variable[] = "JSMALLOC_CONF", list_variable[] = "JSMALLOC_OPTIONS",
                                     tunables_variable[] = "GLIBC_TUNABLES", conf_file[] = JSM_CONF_FILE;
    const char *path = jsm_os_getenv(path_variable), *list;

    jsm_options_read_file(path != NULL ? path : conf_file, program_name());
    read_glibc_variables();
    list = jsm_os_getenv(tunables_variable);
    if (list != NULL)
        jsm_options_read_tunables(list);
    list = jsm_os_getenv(list_variable);
    if (list != NULL)
        jsm_options_read_list(ORIGIN_LIST, list);
    if (jsm_option(JSM_OPT_CONFIRM) != 0)
        jsm_options_confirm();
    if (path != NULL)
        jsm_conf_name = path_variable; /* the environment may change later */
}

static bool all_read; /* [lock options] */

JSM_CORE void
jsm_options_init(void)
{
    extern char **environ;

    jsm_lock(&jsm_options_lock);
    /* The loader may call malloc before libc knows the environment: come back later. */
    if (!all_read && environ != NULL) {
        all_read = true;
        jsm_os_stderr_note();
        read_all();
    }
    jsm_unlock(&jsm_options_lock);
}

JSM_CORE bool
jsm_options_fix(void)
{
    jsm_lock(&jsm_options_lock);
    bool fixed = jsm_options_fixed = all_read;
    jsm_unlock(&jsm_options_lock);
    return fixed;
}
