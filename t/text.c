/* t/text.c - text in the caller's buffer, messages in one piece.
 * SPDX-License-Identifier: MIT
 */
#include "unit.h"

static char buffer[64];
static struct jsm_text text;

static void
start(size_t size)
{
    memset(buffer, '?', sizeof buffer);
    jsm_text_init(&text, buffer, size);
}

static void
test_pieces(void)
{
    start(sizeof buffer);
    is_str(buffer, "", "a text is empty at first");
    jsm_text_str(&text, "one ");
    jsm_text_chars(&text, "two three", 3);
    is_str(buffer, "one two", "what is added comes last");
    is_uint(text.len, 7, "and counts");
    jsm_text_str(&text, "");
    jsm_text_chars(&text, "three", 0);
    is_str(buffer, "one two", "nothing adds nothing");
}

static void
test_numbers(void)
{
    static const uint64_t numbers[] = { 0, 1, 9, 10, 99, 100, 65535, 65536, 4294967295u, 4294967296u,
                                        UINT64_C(9999999999999999999), UINT64_MAX };
    unsigned wrong_dec = 0, wrong_hex = 0, wrong_width = 0;

    for (unsigned i = 0; i < COUNT_OF(numbers); i++) {
        char want[64];
        snprintf(want, sizeof want, "%llu", (unsigned long long)numbers[i]);
        start(sizeof buffer);
        jsm_text_dec(&text, numbers[i]);
        wrong_dec += strcmp(buffer, want) != 0;
        snprintf(want, sizeof want, "0x%llx", (unsigned long long)numbers[i]);
        start(sizeof buffer);
        jsm_text_hex(&text, numbers[i]);
        wrong_hex += strcmp(buffer, want) != 0;
        for (unsigned width = 0; width < 30; width++) {
            snprintf(want, sizeof want, "%*llu|", (int)width, (unsigned long long)numbers[i]);
            start(sizeof buffer);
            jsm_text_dec_width(&text, numbers[i], width);
            jsm_text_str(&text, "|");
            wrong_width += strcmp(buffer, want) != 0;
        }
    }
    is_uint(wrong_dec, 0, "numbers are decimal");
    is_uint(wrong_hex, 0, "addresses hexadecimal");
    is_uint(wrong_width, 0, "in columns they end at the right, longer ones are not cut");
    start(sizeof buffer);
    jsm_text_str_width(&text, "abc", 6);
    jsm_text_str_width(&text, "abcdefg", 3);
    is_str(buffer, "   abcabcdefg", "so do words");
}

static void
test_cut(void)
{
    unsigned wrong = 0;

    for (size_t size = 1; size < 40; size++) {
        start(size);
        jsm_text_str(&text, "0123456789");
        jsm_text_dec_width(&text, 12345, 9);
        jsm_text_hex(&text, 0xabcdef);
        jsm_text_str_width(&text, "end", 5);
        wrong += strncmp(buffer, "0123456789    123450xabcdef  end", size - 1) != 0;
        wrong += buffer[text.len] != '\0' || text.len != strlen(buffer) || text.len > size - 1 || buffer[size] != '?';
    }
    is_uint(wrong, 0, "what does not fit is cut off, and nothing is written beyond");
}

static int
say(void)
{
    static char longest[2000];

    memset(longest, 'x', sizeof longest - 1);
    jsm_message("one ", "two ", "three");
    jsm_message(NULL, "alone", NULL);
    jsm_message(NULL, NULL, NULL);
    jsm_message("long ", longest, "end");
    start(sizeof buffer);
    jsm_text_str(&text, "no line end");
    jsm_text_to_stderr(&text);
    return 0;
}

static void
test_messages(void)
{
    struct child child;
    const char *line = child.text;

    in_child(&child, say);
    ok(strncmp(line, "jsmalloc: one two three\n", 24) == 0, "a message is one line that says who speaks");
    line += strcspn(line, "\n") + 1;
    ok(strncmp(line, "jsmalloc: alone\njsmalloc: \n", 27) == 0, "parts may be missing");
    line += 27;
    ok(strncmp(line, "jsmalloc: long xxx", 18) == 0 && strcspn(line, "\n") > 400, "what is too long is cut off");
    line += strcspn(line, "\n");
    is_str(line, "\nno line end", "but for its end");
}

int
main(void)
{
    plan(4 + 4 + 1 + 4);
    test_pieces();
    test_numbers();
    test_cut();
    test_messages();
    return done();
}
