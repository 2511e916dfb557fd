/* t/fuzz/fuzz.h - what the fuzz targets have in common.
 *
 * A target is one source file that defines `fuzz_target`.  With fuzz.c it makes three programs:
 *   - t/fuzz/NAME.t: without arguments, a test that replays the corpus and makes random inputs; with the names of
 *     files, these are replayed, and what is wrong is told;
 *   - with clang -fsanitize=fuzzer, a target of libFuzzer;
 *   - with afl-clang-fast, one of AFL++.
 * t/fuzz/build makes the last two.
 *
 * Inputs are text.  Most targets read a line as an operation: a word and up to four numbers, of which those
 * that are missing are 0.  Lines that are none are passed over, so that any text is an input.
 * SPDX-License-Identifier: MIT
 */
#ifndef JSM_FUZZ_H
#define JSM_FUZZ_H

#include "unit.h"

#include "rt/option.h"

enum { FUZZ_INPUT_MAX = 4096, FUZZ_NUMBERS = 4 };

/* One operation, as it was read. */
struct fuzz_line {
    size_t n[FUZZ_NUMBERS];
    const char *text; /* behind the word and one blank, a string */
};

/* What a line can say.  For each number a letter tells what random inputs put there:
 *   b  a block, one of a few        h  a heap           n  a size         c  a small count
 *   a  the logarithm of an alignment                    o  a setting of an option    t  any text */
struct fuzz_op {
    const char *word, *numbers;
    void (*run)(const struct fuzz_line *line);
};

struct fuzz_target {
    const char *name;
    const struct fuzz_op *ops; /* ends with one without a word; NULL: the input is not lines of these */
    const char *const *words;  /* other words that inputs have, ends with NULL; may be NULL */
    void (*start)(void);       /* once, before the first input; may be NULL */
    void (*one)(const char *text, size_t size); /* `text` is followed by a null character */
    bool is_fresh;             /* each input that AFL++ makes wants a process of its own */
};

extern const struct fuzz_target fuzz_target;

/* Runs the operations of an input; `run` is called for each of them and calls op->run(line) in its time. */
void fuzz_each_line(const char *text, size_t size, void (*run)(const struct fuzz_op *op, const struct fuzz_line *line));

/* A pointer that is no block, unless one has come to be there.  Numbers 2 and 3 of the line choose it: `last`, one
 * into the block `p` of `size` bytes, into other memory, or anywhere.  May be NULL. */
unsigned char *fuzz_wrong_pointer(const struct fuzz_line *line, unsigned char *last, unsigned char *p, size_t size);

/* Ends the program: something is not as it should be.  What it was, and the line that was being run, are told. */
_Noreturn void fuzz_fail(const char *what, const char *file, int line);

#define FUZZ_CHECK(cond)                           \
    do {                                           \
        if (!(cond))                               \
            fuzz_fail(#cond, __FILE__, __LINE__);  \
    } while (0)

/* A random input for the target; its length. */
size_t fuzz_draw(uint64_t *state, char *text);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
