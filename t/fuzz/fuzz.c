/* t/fuzz/fuzz.c - runs a fuzz target: as a test, on files, under libFuzzer, under AFL++.
 * SPDX-License-Identifier: MIT
 */
#include "fuzz.h"

#include <dirent.h>
#if defined __GLIBC__ && __has_include(<valgrind/memcheck.h>)
#include <valgrind/memcheck.h>

void *__sbrk(intptr_t n); /* what glibc has behind sbrk() */

/* The kernel gives new memory below the break as zeros, and the library counts on that; memcheck holds it to have no
 * value yet.  Here it is told. */
void *
sbrk(intptr_t n)
{
    void *p = __sbrk(n);

    if (n > 0 && p != (void *)-1)
        (void)VALGRIND_MAKE_MEM_DEFINED(p, n);
    return p;
}
#endif

static char input[FUZZ_INPUT_MAX + 1];
static size_t input_size;
static char current[160]; /* the line that is being run */

/* ---- Failure ---- */

static void
tell(const char *text)
{
    (void)!write(STDOUT_FILENO, text, strlen(text));
}

static void
tell_input(void)
{
    tell("# the input was:\n");
    (void)!write(STDOUT_FILENO, input, input_size);
    tell("\n# its end; in a file, it can be given to the program as an argument\n");
}

_Noreturn void
fuzz_fail(const char *what, const char *file, int line)
{
    char place[100];

    snprintf(place, sizeof place, "# %s:%d: not so: ", file, line);
    tell(place);
    tell(what);
    tell("\n# in the operation: ");
    tell(current);
    tell("\n");
    abort();
}

static void
on_signal(int signal_number)
{
    tell("# ended by a signal in the operation: ");
    tell(current);
    tell("\n");
    tell_input();
    signal(signal_number, SIG_DFL);
    raise(signal_number);
}

/* ---- Lines ---- */

static const struct fuzz_op *
op_of(const char *word, size_t len)
{
    for (const struct fuzz_op *op = fuzz_target.ops; op->word != NULL; op++)
        if (strlen(op->word) == len && memcmp(op->word, word, len) == 0)
            return op;
    return NULL;
}

/* A number, which may be negative or end in K, M or G; where it ends. */
static const char *
read_number(const char *at, size_t *n)
{
    bool is_negative = *at == '-';

    *n = 0;
    for (at += is_negative; *at >= '0' && *at <= '9'; at++)
        *n = *n * 10 + (size_t)(*at - '0');
    const char *units = "KMG", *unit = *at != '\0' ? strchr(units, *at) : NULL;
    if (unit != NULL) {
        *n <<= 10 * (unit - units + 1);
        at++;
    }
    if (is_negative)
        *n = -*n;
    return at;
}

static void
read_line(char *text, void (*run)(const struct fuzz_op *op, const struct fuzz_line *line))
{
    size_t len = strcspn(text, " ");
    const struct fuzz_op *op = op_of(text, len);
    struct fuzz_line line = { .text = text + len + (text[len] == ' ') };

    if (op == NULL)
        return;
    const char *at = line.text;
    for (size_t i = 0; i < FUZZ_NUMBERS; i++) {
        at = read_number(at, &line.n[i]);
        at += *at == ' ';
    }
    snprintf(current, sizeof current, "%.*s", (int)sizeof current - 1, text);
    run(op, &line);
}

void
fuzz_each_line(const char *text, size_t size, void (*run)(const struct fuzz_op *op, const struct fuzz_line *line))
{
    static char line[FUZZ_INPUT_MAX + 1];

    for (const char *end = text + size, *next; text < end; text = next + 1) {
        next = memchr(text, '\n', (size_t)(end - text));
        if (next == NULL)
            next = end;
        memcpy(line, text, (size_t)(next - text));
        line[next - text] = '\0';
        read_line(line, run);
    }
    snprintf(current, sizeof current, "the end of the input");
}

unsigned char *
fuzz_wrong_pointer(const struct fuzz_line *line, unsigned char *last, unsigned char *p, size_t size)
{
    enum { AROUND_BYTES = 4 << 20 };
    static unsigned char elsewhere[64];
    size_t offset = line->n[3];

    switch (line->n[2] % 5) {
    case 1:
        return p != NULL ? p + 1 + offset % (size + 1) : last;
    case 2:
        return elsewhere + offset % sizeof elsewhere;
    case 3:
        return (unsigned char *)offset;
    case 4: /* somewhere in the same arena, or near a mapping */
        return last != NULL ? last - (uintptr_t)last % AROUND_BYTES + offset * 977 % AROUND_BYTES : last;
    default:
        return last;
    }
}

/* ---- Random inputs ---- */

static size_t
draw_number(uint64_t *state, char kind)
{
    static const size_t most[] = {2, 17, 65, 65, 257, 513, 2049, 4097, 4097, 20000, 65537, 140000, 300000, 3000000};

    switch (kind) {
    case 'b':
        return random_below(state, random_below(state, 4) == 0 ? 64 : 12);
    case 'h':
        return random_below(state, 5);
    case 'c':
        return random_below(state, 10);
    case 'a':
        return random_below(state, 18);
    default:
        if (random_below(state, 100) == 0)
            return random_next(state);
        return random_below(state, most[random_below(state, COUNT_OF(most))]);
    }
}

static size_t
draw_word(uint64_t *state, char *to)
{
    size_t n = 0;

    while (fuzz_target.words != NULL && fuzz_target.words[n] != NULL)
        n++;
    const char *word = n > 0 ? fuzz_target.words[random_below(state, n)] : "";
    if (fuzz_target.ops == NULL && random_below(state, 3) == 0)
        word = jsm_options[random_below(state, JSM_OPT_COUNT)].name;
    memcpy(to, word, strlen(word));
    return strlen(word);
}

static size_t
draw_setting(uint64_t *state, char *to)
{
    const struct option *o = &jsm_options[random_below(state, JSM_OPT_COUNT)];
    int len = sprintf(to, " %s ", o->name);

    if (random_below(state, 4) == 0)
        return (size_t)len + draw_word(state, to + len);
    return (size_t)(len + sprintf(to + len, "%zu", draw_number(state, 'n')));
}

/* Words and single bytes, but no end of line. */
static size_t
draw_text(uint64_t *state, char *to)
{
    size_t len = 1;

    to[0] = ' ';
    for (size_t n = random_below(state, 20); n > 0; n--)
        if (random_below(state, 2) == 0)
            len += draw_word(state, to + len);
        else
            to[len++] = (char)(random_below(state, 255) + 1);
    for (size_t i = 1; i < len; i++)
        if (to[i] == '\n')
            to[i] = ' ';
    return len;
}

static size_t
draw_argument(uint64_t *state, char kind, char *to)
{
    if (kind == 'o')
        return draw_setting(state, to);
    if (kind == 't')
        return draw_text(state, to);
    return (size_t)sprintf(to, " %zu", draw_number(state, kind));
}

static size_t
draw_line(uint64_t *state, char *to)
{
    size_t n = 0;

    while (fuzz_target.ops[n].word != NULL)
        n++;
    const struct fuzz_op *op = &fuzz_target.ops[random_below(state, n)];
    int len = sprintf(to, "%s", op->word);
    for (const char *kind = op->numbers; *kind != '\0'; kind++)
        len += (int)draw_argument(state, *kind, to + len);
    to[len++] = '\n';
    return (size_t)len;
}

size_t
fuzz_draw(uint64_t *state, char *text)
{
    enum { PIECE_MAX = 300 };
    size_t len = 0, n = random_below(state, random_below(state, 10) == 0 ? 200 : 25);

    for (; n > 0 && len + PIECE_MAX < FUZZ_INPUT_MAX; n--)
        len += fuzz_target.ops != NULL ? draw_line(state, text + len) : draw_word(state, text + len);
    if (fuzz_target.ops == NULL && random_below(state, 100) == 0) { /* a long line */
        memset(text + len, "ax=9,"[random_below(state, 5)], FUZZ_INPUT_MAX - 64 - len);
        len = FUZZ_INPUT_MAX - 64;
    }
    for (n = random_below(state, 4) * (random_below(state, 2) != 0); n > 0 && len > 0; n--)
        text[random_below(state, len)] = (char)random_next(state);
    return len;
}

/* ---- Inputs ---- */

static void
start_once(void)
{
    static bool is_started;

    if (!is_started && fuzz_target.start != NULL)
        fuzz_target.start();
    is_started = true;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > FUZZ_INPUT_MAX)
        return 0;
    start_once();
    if (data != (const uint8_t *)input && size > 0)
        memcpy(input, data, size);
    input[size] = '\0';
    input_size = size;
    fuzz_target.one(input, size);
    return 0;
}

static void
run_input(size_t size)
{
    (void)LLVMFuzzerTestOneInput((const uint8_t *)input, size);
}

#ifdef JSM_LIBFUZZER
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed);

/* Where the line around `at` begins, and where the one behind it does. */
static size_t
line_start(const uint8_t *data, size_t at)
{
    while (at > 0 && data[at - 1] != '\n')
        at--;
    return at;
}

static size_t
line_end(const uint8_t *data, size_t size, size_t at)
{
    while (at < size && data[at] != '\n')
        at++;
    return at < size ? at + 1 : size;
}

/* Every other change is one of lines: one comes, goes, or comes once more elsewhere. */
size_t
LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed)
{
    uint64_t state = seed;
    char line[FUZZ_INPUT_MAX];
    size_t kind = random_below(&state, 6), at = size > 0 ? line_start(data, random_below(&state, size)) : 0;
    size_t len = line_end(data, size, at) - at;

    if (fuzz_target.ops == NULL || kind >= 3)
        return LLVMFuzzerMutate(data, size, max_size);
    if (kind == 0 && size > 0) {
        memmove(data + at, data + at + len, size - at - len);
        return size - len;
    }
    if (kind == 1 && len < sizeof line)
        memcpy(line, data + at, len);
    else
        len = draw_line(&state, line);
    if (size + len > max_size)
        return LLVMFuzzerMutate(data, size, max_size);
    at = size > 0 ? line_start(data, random_below(&state, size)) : 0;
    memmove(data + at + len, data + at, size - at);
    memcpy(data + at, line, len);
    return size + len;
}
#endif

#ifdef __AFL_COMPILER
__AFL_FUZZ_INIT();

int
main(void)
{
    int nowhere = open("/dev/null", O_WRONLY);

    dup2(nowhere, STDERR_FILENO);
    __AFL_INIT();
    const uint8_t *data = __AFL_FUZZ_TESTCASE_BUF;
    while (__AFL_LOOP(fuzz_target.is_fresh ? 1 : 1000))
        (void)LLVMFuzzerTestOneInput(data, (size_t)__AFL_FUZZ_TESTCASE_LEN);
    return 0;
}

#elif !defined JSM_LIBFUZZER

/* The words of the target, one quoted word a line, as libFuzzer and AFL++ want them. */
static void
tell_dictionary(void)
{
    for (const struct fuzz_op *op = fuzz_target.ops; op != NULL && op->word != NULL; op++)
        printf("\"%s \"\n", op->word);
    for (size_t i = 0; i < JSM_OPT_COUNT; i++)
        printf("\"%s\"\n", jsm_options[i].name);
    for (const char *const *word = fuzz_target.words; word != NULL && *word != NULL; word++) {
        putchar('"');
        for (const char *c = *word; *c != '\0'; c++)
            printf(*c < ' ' || *c > '~' || *c == '"' || *c == '\\' ? "\\x%02x" : "%c", (unsigned char)*c);
        printf("\"\n");
    }
}

static bool
read_input(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, input, FUZZ_INPUT_MAX);

    if (fd >= 0)
        close(fd);
    input_size = n > 0 ? (size_t)n : 0;
    return n >= 0;
}

/* Runs inputs in a process of their own.  What the library says to them is not of interest, if `quiet`. */
static bool
in_process(void (*body)(void), bool quiet)
{
    pid_t child = fork_timed();

    if (child == 0) {
        if (quiet)
            dup2(open("/dev/null", O_WRONLY | O_CLOEXEC), STDERR_FILENO);
        body();
        _exit(0);
    }
    int verdict = verdict_of(child);
    if (verdict != 0)
        diag("the process ended with %d", verdict);
    return verdict == 0;
}

static void
replay_one(void)
{
    run_input(input_size);
}

static bool
replay(const char *path, bool quiet)
{
    bool good = read_input(path) && in_process(replay_one, quiet);

    if (!good)
        diag("that was %s", path);
    return good;
}

static void
test_corpus(void)
{
    const char *top = getenv("top_srcdir");
    char folder[1000], path[1300];
    unsigned n = 0, bad = 0;

    snprintf(folder, sizeof folder, "%s/t/fuzz/corpus/%s", top != NULL ? top : ".", fuzz_target.name);
    DIR *dir = opendir(folder);
    for (struct dirent *e; dir != NULL && (e = readdir(dir)) != NULL;) {
        if (e->d_name[0] == '.')
            continue;
        snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
        n++;
        bad += !replay(path, true);
    }
    if (dir != NULL)
        closedir(dir);
    ok(n > 0, "there are inputs in %s", folder);
    is_uint(bad, 0, "each is run without a fault");
}

static unsigned n_random;
static uint64_t random_state;

static void
run_random(void)
{
    for (unsigned i = 0; i < n_random; i++)
        run_input(fuzz_draw(&random_state, input));
}

int
main(int argc, char **argv)
{
    int bad = 0;

    if (argc == 2 && strcmp(argv[1], "--dictionary") == 0) {
        tell_dictionary();
        return 0;
    }
    signal(SIGABRT, on_signal);
    signal(SIGSEGV, on_signal);
    signal(SIGBUS, on_signal);
    signal(SIGALRM, on_signal);
    for (int i = 1; i < argc; i++)
        bad += !replay(argv[i], false);
    if (argc > 1)
        return bad != 0;
    plan(3);
    random_state = test_seed();
    n_random = rounds(SANITIZED ? 500 : 2000, 200000);
    test_corpus();
    ok(in_process(run_random, true), "and so are %u random ones", n_random);
    return done();
}
#endif
