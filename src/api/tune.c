/* api/tune.c - options and trimming.
 *
 * SPDX-License-Identifier: MIT
 */
#include <config.h>

#include "api/api.h"

#include <string.h>

/* Options that the thread's own structures know of. */
JSM_CORE static int64_t
fast_path_options(void)
{
    return (int64_t)jsm_theap_wants_slow(true) * 2 + jsm_option(JSM_OPT_ZERO_SIZE);
}

/* And those that a profile begins anew with; 0: there is none. */
JSM_CORE static int64_t
profile_options(void)
{
    return jsm_option(JSM_OPT_PROFILE) != 0 ? jsm_option(JSM_OPT_SAMPLE_INTERVAL) : 0;
}

struct options {
    int64_t fast_path, profile, guard;
};

static struct options
options_now(void)
{
    return (struct options){ fast_path_options(), profile_options(), jsm_option(JSM_OPT_GUARD_SAMPLE) };
}

JSM_CORE static int
apply(bool changed, struct options before)
{
    struct jsm_theap *th = jsm_theap_peek();

    if (!changed) {
        errno = EINVAL;
        return 0;
    }
    if (fast_path_options() != before.fast_path) {
        if (th != NULL)
            jsm_theap_adapt(th);
        jsm_theaps_ask_to_trim(); /* other threads follow when they need a slab */
    }
    if (profile_options() != 0 && profile_options() != before.profile)
        jsm_profile_start();
    if (jsm_option(JSM_OPT_GUARD_SAMPLE) != 0 && before.guard == 0)
        jsm_guard_start();
    return 1;
}

/* Programs that take no memory before main() have their options confirmed, too; and those in which
 * the loader took some before there was an environment have them at all. */
JSM_CORE __attribute__((constructor)) static void
set_up(void)
{
    struct options before = { fast_path_options(), 0, 0 }; /* profile and guards cannot begin earlier than here */

    jsm_options_init();
    if (jsm_harden_start() && jsm_theap_peek() != NULL)
        jsm_harden_theap(jsm_theap_peek());
    (void)apply(true, before);
}

int
jsm_mallopt(int number, int value)
{
    jsm_options_init();
    struct options before = options_now();
    return apply(jsm_option_set_number(number, value), before);
}

int
jsm_option_set(const char *name, const char *value)
{
    jsm_options_init();
    struct options before = options_now();
    return apply(name != NULL && value != NULL && jsm_option_parse(name, strlen(name), value, strlen(value)), before);
}

static size_t
shard_count(void)
{
    return jsm_shard_count();
}

/* What `auto` comes to now. */
static void
format_automatic(const char *name, struct jsm_text *t)
{
    static const struct {
        char name[16];
        size_t (*value)(void);
    } automatic[] = { { "trim_threshold", jsm_purge_limit_bytes }, { "memory_limit", jsm_memory_limit_bytes },
                      { "arena_max", shard_count }, { "arena_size", jsm_arena_first_bytes } };

    for (size_t i = 0; i < sizeof automatic / sizeof automatic[0]; i++) {
        if (strcmp(name, automatic[i].name) != 0)
            continue;
        size_t value = automatic[i].value();
        t->len = 0;
        if (value == SIZE_MAX)
            jsm_text_str(t, "unlimited");
        else
            jsm_text_dec(t, value);
    }
}

int
jsm_option_get(const char *name, char *text, size_t size)
{
    char buffer[300];
    struct jsm_text t;

    jsm_options_init();
    jsm_text_init(&t, buffer, sizeof buffer);
    if (name == NULL || !jsm_option_format(name, &t)) {
        errno = EINVAL;
        return 0;
    }
    if (strcmp(buffer, "auto") == 0)
        format_automatic(name, &t);
    if (t.len >= size) {
        errno = ERANGE;
        return 0;
    }
    memcpy(text, buffer, t.len + 1);
    return 1;
}

int
jsm_malloc_trim(size_t pad)
{
    struct jsm_theap *th = jsm_theap_peek();
    size_t bytes = th != NULL ? jsm_theap_trim(th, true) : 0;

    bytes += jsm_heap_trim_shared(&jsm_heap_default);
    bytes += jsm_user_heaps_trim();
    jsm_threads_trim();
    bytes += jsm_purge_all(pad);
    return bytes > 0;
}

const char *
jsm_version(void)
{
    return JSM_VERSION_STRING;
}
