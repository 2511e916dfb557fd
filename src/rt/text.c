/* rt/text.c - text in the caller's buffer, messages on standard error.
 *
 * SPDX-License-Identifier: MIT
 */
#include <config.h>

#include "rt/rt.h"

#include <string.h>

void
jsm_text_init(struct jsm_text *t, char *buffer, size_t size)
{
    t->buffer = buffer;
    t->size = size;
    t->len = 0;
    buffer[0] = '\0';
}

void
jsm_text_chars(struct jsm_text *t, const char *s, size_t len)
{
    size_t room = t->size - 1 - t->len;

    len = jsm_min(len, room);
    memcpy(t->buffer + t->len, s, len);
    t->len += len;
    t->buffer[t->len] = '\0';
}

void
jsm_text_str(struct jsm_text *t, const char *s)
{
    jsm_text_chars(t, s, strlen(s));
}

static void
number(struct jsm_text *t, uint64_t n, unsigned base, unsigned width)
{
    char digits[24], *d = digits + sizeof digits;

    do
        *--d = "0123456789abcdef"[n % base];
    while ((n /= base) != 0);

    size_t len = (size_t)(digits + sizeof digits - d);
    for (; width > len; width--)
        jsm_text_chars(t, " ", 1);
    jsm_text_chars(t, d, len);
}

void
jsm_text_dec(struct jsm_text *t, uint64_t n)
{
    number(t, n, 10, 0);
}

void
jsm_text_dec_width(struct jsm_text *t, uint64_t n, unsigned width)
{
    number(t, n, 10, width);
}

void
jsm_text_hex(struct jsm_text *t, uint64_t n)
{
    jsm_text_str(t, "0x");
    number(t, n, 16, 0);
}

void
jsm_text_str_width(struct jsm_text *t, const char *s, unsigned width)
{
    for (size_t len = strlen(s); width > len; width--)
        jsm_text_chars(t, " ", 1);
    jsm_text_str(t, s);
}

void
jsm_text_to_stderr(const struct jsm_text *t)
{
    jsm_os_write(t->buffer, t->len);
}

void
jsm_message(const char *a, const char *b, const char *c)
{
    char buffer[512];
    struct jsm_text t;

    jsm_text_init(&t, buffer, sizeof buffer - 1);
    jsm_text_str(&t, "jsmalloc: ");
    if (a != NULL)
        jsm_text_str(&t, a);
    if (b != NULL)
        jsm_text_str(&t, b);
    if (c != NULL)
        jsm_text_str(&t, c);
    t.size++; /* the line end fits whatever was cut off */
    jsm_text_str(&t, "\n");
    jsm_text_to_stderr(&t);
}
