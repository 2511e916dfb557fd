/* t/misuse-matrix.c - kind of misuse x size of block x who did it x function: everything is found that doc/misuse.md
 * says is found. Each cell of the table that is printed counts functions that found it, and those that were asked.
 *
 * With check_action=1 a call that finds a misuse reports it and does nothing, so that one block is shown to one
 * function after the other. Each scene has a process of its own.
 * SPDX-License-Identifier: MIT
 */
#include "blackbox.h"

#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <sys/mman.h>

#ifdef JSM_TEST_STANDARD
#undef sbrk /* the library's own break, where libc has none, is not to be reached from here */
#endif

#ifdef JSM_TEST_OPERATORS
/* The operators delete of C++, by the names that compilers give them. */
#ifdef __LP64__
#define Z "m"
#else
#define Z "j"
#endif
void op_delete(void *p) __asm__("_ZdlPv");
void op_delete_array(void *p) __asm__("_ZdaPv");
void op_delete_aligned(void *p, size_t align) __asm__("_ZdlPvSt11align_val_t");
void op_delete_sized(void *p, size_t size) __asm__("_ZdlPv" Z);
void op_delete_sized_aligned(void *p, size_t size, size_t align) __asm__("_ZdlPv" Z "St11align_val_t");
#endif

/* ---- Blocks ---- */

enum heap { DEFAULT, USER, CONCEALED };

static const struct range {
    const char *name;
    size_t size, align;
    enum heap heap;
} ranges[] = {
    { "tiny", 8, 0, DEFAULT },
    { "small", 48, 0, DEFAULT },
    { "direct", 1000, 0, DEFAULT },
    { "medium", 4000, 0, DEFAULT },
    { "several slices", 20000, 0, DEFAULT },
    { "largest in slabs", 65000, 0, DEFAULT },
    { "page heap", 300000, 0, DEFAULT },
    { "own mapping", 100 * MIB, 0, DEFAULT },
    { "aligned small", 100, 64, DEFAULT },
    { "aligned to pages", 5000, 4096, DEFAULT },
    { "aligned large", 300000, 1 << 20, DEFAULT },
    { "aligned mapping", 100 * MIB, 1 << 21, DEFAULT },
    { "of a heap", 48, 0, USER },
    { "of a heap, medium", 20000, 0, USER },
    { "of a heap, large", 300000, 0, USER },
    { "of a heap, mapping", 100 * MIB, 0, USER },
    { "secret", 48, 0, CONCEALED },
    { "secret, large", 300000, 0, CONCEALED },
};

static jsm_heap *user_heap;

static void *
allocate(const struct range *r)
{
    if (r->heap == USER)
        return jsm_heap_malloc(user_heap, r->size);
    if (r->heap == CONCEALED)
        return jsm_malloc_conceal(r->size);
    return r->align != 0 ? jsm_aligned_alloc(r->align, r->size) : jsm_malloc(r->size);
}

/* ---- What is written to standard error ---- */

static int report_fd[2];

static bool
watch_stderr(void)
{
    return pipe(report_fd) == 0 && fcntl(report_fd[0], F_SETFL, O_NONBLOCK) == 0 && dup2(report_fd[1], 2) == 2;
}

static const char *
reported(void)
{
    static char text[8192];
    ssize_t n = read(report_fd[0], text, sizeof text - 1);

    text[n > 0 ? n : 0] = '\0';
    return text;
}

/* Whether that is one report on `p` that begins as it has to. */
static bool
is_report(const char *text, const void *p, const char *kind)
{
    char want[64];
    const char *first_end = strchr(text, '\n'), *at;

    snprintf(want, sizeof want, "(%#llx): ", (unsigned long long)(uintptr_t)p);
    at = strstr(text, want);
    if (strncmp(text, "jsmalloc: ", 10) != 0 || first_end == NULL || at == NULL || at > first_end)
        return false;
    for (const char *line = first_end + 1; *line != '\0'; line = strchr(line, '\n') + 1)
        if (strncmp(line, "jsmalloc:   ", 12) != 0 || strchr(line, '\n') == NULL)
            return false;
    return strncmp(at + strlen(want), kind, strlen(kind)) == 0;
}

/* ---- Functions; true: they answered as they have to ---- */

static bool
refused(const void *result)
{
    bool is = result == NULL && errno == EINVAL;
    errno = ERRNO_MARK;
    return is;
}

#define CALL(name, answer)                \
    static bool                           \
    call_##name(void *p, size_t size)     \
    {                                     \
        (void)size;                       \
        answer;                           \
    }

CALL(free, jsm_free(p); return true)
CALL(cfree, jsm_cfree(p); return true)
CALL(realloc, return refused(jsm_realloc(p, size + 1)))
CALL(realloc_same, return refused(jsm_realloc(p, size)))
CALL(realloc_0, return refused(jsm_realloc(p, 0)))
CALL(reallocarray, return refused(jsm_reallocarray(p, size + 1, 2)))
CALL(reallocf, return refused(jsm_reallocf(p, size * 2)))
CALL(recallocarray, return refused(jsm_recallocarray(p, 1, size, 2)))
CALL(usable, return jsm_malloc_usable_size(p) == 0)
CALL(size, return jsm_malloc_size(p) == 0)
CALL(free_sized, jsm_free_sized(p, size); return true)
CALL(free_aligned_sized, jsm_free_aligned_sized(p, 16, size); return true)
CALL(freezero, jsm_freezero(p, size); return true)
CALL(expand, return refused(jsm_expand(p, size + 1)))
CALL(rezalloc, return refused(jsm_rezalloc(p, size, size)))
CALL(heap_free, jsm_heap_free(user_heap, p); return true)
CALL(heap_realloc, return refused(jsm_heap_realloc(user_heap, p, size)))

#ifdef JSM_TEST_OPERATORS
CALL(delete, op_delete(p); return true)
CALL(delete_array, op_delete_array(p); return true)
CALL(delete_aligned, op_delete_aligned(p, 16); return true)
CALL(delete_sized, op_delete_sized(p, size); return true)
CALL(delete_sized_aligned, op_delete_sized_aligned(p, size, 16); return true)
#endif

static const struct function {
    const char *name;
    bool (*call)(void *p, size_t size);
} functions[] = {
    { "free", call_free }, { "cfree", call_cfree }, { "realloc", call_realloc },
    { "realloc to the same", call_realloc_same },
    { "realloc to 0", call_realloc_0 }, { "reallocarray", call_reallocarray }, { "reallocf", call_reallocf },
    { "recallocarray", call_recallocarray }, { "malloc_usable_size", call_usable }, { "malloc_size", call_size },
    { "free_sized", call_free_sized }, { "free_aligned_sized", call_free_aligned_sized }, { "freezero", call_freezero },
    { "jsm_expand", call_expand }, { "jsm_rezalloc", call_rezalloc }, { "jsm_heap_free", call_heap_free },
    { "jsm_heap_realloc", call_heap_realloc },
#ifdef JSM_TEST_OPERATORS
    { "delete", call_delete }, { "delete[]", call_delete_array }, { "aligned delete", call_delete_aligned },
    { "sized delete", call_delete_sized }, { "sized and aligned delete", call_delete_sized_aligned },
#endif
};

enum { FUNCTIONS = COUNT_OF(functions) };

/* ---- What became of it ---- */

/* In memory that children share with the test. */
static struct outcome {
    unsigned asked, caught;
    bool done, sound;
    char missed[FUNCTIONS];
    char first[200]; /* report, of the first that was missed */
} *outcome;

/* Shows the pointer to all functions. */
static void
show(void *p, size_t size, const char *kind)
{
    for (unsigned f = 0; f < FUNCTIONS; f++) {
        errno = ERRNO_MARK;
        bool answered = functions[f].call(hide(p), hide_size(size));
        const char *text = reported();
        bool is_caught = answered && errno == ERRNO_MARK && is_report(text, p, kind);
        outcome->asked++;
        outcome->caught += is_caught;
        if (!is_caught && outcome->asked == outcome->caught + 1)
            snprintf(outcome->first, sizeof outcome->first, "%s%.150s", answered ? "" : "(wrong answer) ", text);
        outcome->missed[f] = !is_caught;
    }
    /* These may be asked about any pointer. */
    outcome->asked++;
    outcome->caught += !jsm_is_ours(p) && jsm_heap_of(p) == NULL && reported()[0] == '\0';
}

/* Whether the heap is as good as ever, and says nothing. */
static bool
is_sound(void)
{
    enum { MANY = 300 };
    static unsigned char *p[MANY];
    bool good = true;

    for (unsigned i = 0; i < MANY; i++) {
        size_t size = i < 100 ? 48 : i * 97;
        p[i] = jsm_malloc(size);
        good = good && p[i] != NULL;
        fill(p[i], size, i);
    }
    for (unsigned i = 0; i < MANY; i++) {
        size_t size = i < 100 ? 48 : i * 97;
        good = good && is_filled(p[i], size, size, i);
        jsm_free(p[i]);
    }
    return good && jsm_check() == 0 && reported()[0] == '\0';
}

/* ---- Who: threads that are there before the scene begins ---- */

struct actor {
    pthread_t thread;
    sem_t begin, end;
    void (*what)(void); /* NULL: end the thread */
};

static struct scene {
    const struct range *range;
    const char *kind;
    void *p, *wrong;
} scene;
static struct actor actors[2];

static void *
act(void *arg)
{
    struct actor *a = arg;

    while (sem_wait(&a->begin) == 0 && a->what != NULL) {
        a->what();
        sem_post(&a->end);
    }
    return NULL;
}

static bool
actor_start(struct actor *a)
{
    return sem_init(&a->begin, 0, 0) == 0 && sem_init(&a->end, 0, 0) == 0 &&
           pthread_create(&a->thread, NULL, act, a) == 0;
}

static void
let(struct actor *a, void (*what)(void))
{
    a->what = what;
    sem_post(&a->begin);
    sem_wait(&a->end);
}

static void
let_end(struct actor *a)
{
    a->what = NULL;
    sem_post(&a->begin);
    pthread_join(a->thread, NULL);
}

static void
scene_make(void)
{
    scene.p = allocate(scene.range);
    if (scene.p != NULL)
        memset(scene.p, 1, scene.range->size < 100 ? scene.range->size : 100);
}

static void
scene_free(void)
{
    jsm_free(hide(scene.p));
}

static void
scene_show(void)
{
    show(scene.wrong != NULL ? scene.wrong : scene.p, scene.range->size, scene.kind);
}

/* In a child, which tells what it found by the shared memory. */
static void
in_child(void (*what)(void))
{
    pid_t child = fork();

    if (child == 0) {
        alarm(patience(60));
        what();
        outcome->done = is_sound();
        _exit(0);
    }
    outcome->sound = outcome->sound && verdict_of(child) == 0 && outcome->done;
}

static void
free_and_show(void)
{
    if (scene.wrong == NULL)
        scene_free();
    scene_show();
}

static void
in_destructor(void *unused)
{
    (void)unused;
    free_and_show();
}

static pthread_key_t key;

/* Its destructor comes after that of the allocator, whose key is older. */
static void
set_key(void)
{
    scene_make();
    pthread_setspecific(key, &key);
}

/* What happens between allocation and misuse; with a pointer inside the block nothing is freed before. */
enum who {
    OWNER, FREED_BY_OTHER, OTHER_TWICE, THIRD, FREER_ENDED, OWNER_ENDED, MAKER_ENDED, IN_CHILD, CHILD_AFTER_PARENT,
    CHILD_OF_THREADS, IN_DESTRUCTOR, WHO
};
static const char *const who_name[WHO] = {
    [OWNER] = "owner", [FREED_BY_OTHER] = "other,owner", [OTHER_TWICE] = "other x2", [THIRD] = "other,third",
    [FREER_ENDED] = "other ended", [OWNER_ENDED] = "owner ended", [MAKER_ENDED] = "maker ended",
    [IN_CHILD] = "child x2", [CHILD_AFTER_PARENT] = "parent,child",
    [CHILD_OF_THREADS] = "child:thread's", [IN_DESTRUCTOR] = "destructor"
};

static void
free_once(void)
{
    if (scene.wrong == NULL)
        scene_free();
}

static void
play(enum who who)
{
    switch (who) {
    case FREED_BY_OTHER:
        let(&actors[0], free_once);
        scene_show();
        break;
    case OTHER_TWICE:
        let(&actors[0], free_and_show);
        break;
    case THIRD:
        let(&actors[0], free_once);
        let(&actors[1], scene_show);
        break;
    case FREER_ENDED:
        let(&actors[0], free_once);
        let_end(&actors[0]);
        scene_show();
        break;
    case OWNER_ENDED: /* made by actor 0 */
        let(&actors[0], free_once);
        let_end(&actors[0]);
        scene_show();
        break;
    case MAKER_ENDED: /* made by actor 0 */
        let_end(&actors[0]);
        free_and_show();
        break;
    case IN_CHILD:
    case CHILD_OF_THREADS: /* made by actor 0 */
        in_child(free_and_show);
        break;
    case CHILD_AFTER_PARENT:
        free_once();
        in_child(scene_show);
        break;
    default:
        free_and_show();
        break;
    }
}

/* Sets the scene, in a process of its own; `offset` leads to the wrong pointer, 0: the block is freed first. */
static int
run_scene(enum who who, size_t offset)
{
    bool by_actor = who == OWNER_ENDED || who == MAKER_ENDED || who == CHILD_OF_THREADS || who == IN_DESTRUCTOR;

    if (!watch_stderr() || !jsm_option_set("check_action", "1") || (user_heap = jsm_heap_new(NULL)) == NULL)
        return 99;
    jsm_free(jsm_malloc(1)); /* the allocator's key comes first */
    if (pthread_key_create(&key, in_destructor) != 0)
        return 99;
    for (size_t i = 0; i < COUNT_OF(actors); i++)
        if (!actor_start(&actors[i]))
            return 99;
    outcome->sound = true;
    if (by_actor)
        let(&actors[0], who == IN_DESTRUCTOR ? set_key : scene_make);
    else
        scene_make();
    if (scene.p == NULL)
        return 99;
    scene.wrong = offset != 0 ? (char *)scene.p + offset : NULL;
    if (who == IN_DESTRUCTOR)
        let_end(&actors[0]);
    else
        play(who);
    outcome->sound = outcome->sound && is_sound();
    return 0;
}

/* ---- Tables ---- */

/* Adds a cell to the line; whether all is well in it. */
static bool
note_cell(char *line, size_t line_size, const char *who, int verdict)
{
    size_t len = strlen(line);
    bool good = verdict == 0 && outcome->sound && outcome->asked > 0 && outcome->asked == outcome->caught;

    snprintf(line + len, line_size - len, " %6u/%-6u", outcome->caught, outcome->asked);
    if (good)
        return true;
    diag("%s: %s%s, missed:", who, verdict == 0 ? "" : "the process failed, ",
         outcome->sound ? "the heap is sound" : "the heap is not sound");
    for (unsigned f = 0; f < FUNCTIONS; f++)
        if (outcome->missed[f])
            diag("    %s", functions[f].name);
    diag("    first: %s", outcome->first);
    return false;
}

static int
scene_in_process(const struct range *range, const char *kind, enum who who, size_t offset)
{
    memset(outcome, 0, sizeof *outcome);
    scene = (struct scene){ .range = range, .kind = kind };
    pid_t child = fork_timed();
    if (child == 0)
        _exit(run_scene(who, offset));
    return verdict_of(child);
}

static void
head_line(const char *title)
{
    char line[400] = "";

    for (int who = 0; who < WHO; who++) {
        size_t len = strlen(line);
        snprintf(line + len, sizeof line - len, " %-13s", who_name[who]);
    }
    diag("%-19s %s", title, line);
}

/* One line of the table for each size; the pointer is `divisor`-th into the block. */
static void
test_table(const char *title, const char *kind, size_t divisor)
{
    /* Where it is slow a part of the cells, of all lines and columns. */
    const size_t apart = want_extra() || !is_slow() ? 1 : under_valgrind() ? WHO : 3;

    head_line(title);
    for (size_t i = 0; i < COUNT_OF(ranges); i++) {
        char line[400] = "";
        size_t offset = divisor == 0 ? 0 : divisor == 1 ? 1 : ranges[i].size / divisor;
        bool good = true;
        for (int who = 0; who < WHO; who++) {
            if ((size_t)who % apart != i % apart) {
                size_t len = strlen(line);
                snprintf(line + len, sizeof line - len, " %-13s", "");
                continue;
            }
            int verdict = scene_in_process(&ranges[i], kind, (enum who)who, offset);
            good = note_cell(line, sizeof line, who_name[who], verdict) && good;
        }
        diag("%-19s %s", ranges[i].name, line);
        ok(good, "%s: %s", title, ranges[i].name);
    }
}

/* ---- Pointers from elsewhere ---- */

static char static_data[64];

static const char *const foreign_name[] = {
    "static data", "constant data", "code", "a mapping", "the program break", "the first byte", "a wild pointer",
    "the last bytes", "a heap", "the stack"
};

static void *
foreign(unsigned i, char *on_stack)
{
    switch (i) {
    case 0:
        return static_data + 8;
    case 1:
        return hide(foreign_name[0]);
    case 2:
        return (void *)(uintptr_t)abort;
    case 3:
        return mmap(NULL, MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    case 4:
        return sbrk(4096) != (void *)-1 ? (char *)sbrk(0) - 4096 : sbrk(0);
    case 5:
        return (void *)(uintptr_t)1;
    case 6:
        return (void *)(UINTPTR_MAX / 3 * 2);
    case 7:
        return (void *)(UINTPTR_MAX - 15);
    case 8:
        return user_heap;
    default:
        return on_stack;
    }
}

static int
show_foreign(unsigned i)
{
    char on_stack[64];

    if (!watch_stderr() || !jsm_option_set("check_action", "1") || (user_heap = jsm_heap_new(NULL)) == NULL)
        return 99;
    show(foreign(i, hide(on_stack)), 48, "invalid pointer (not from this allocator)");
    outcome->sound = is_sound();
    return 0;
}

static void
test_foreign(void)
{
    for (unsigned i = 0; i < COUNT_OF(foreign_name); i++) {
        char line[40] = "";
        memset(outcome, 0, sizeof *outcome);
        pid_t child = fork_timed();
        if (child == 0)
            _exit(show_foreign(i));
        bool good = note_cell(line, sizeof line, foreign_name[i], verdict_of(child));
        diag("%-21s %s", foreign_name[i], line);
        ok(good, "not from this allocator: %s", foreign_name[i]);
    }
}

/* ---- Wrong sizes and heaps ---- */

static void
expect(void *p, const char *kind)
{
    const char *text = reported();
    bool is_caught = kind != NULL ? is_report(text, p, kind) : text[0] == '\0';

    outcome->asked++;
    outcome->caught += is_caught;
    if (!is_caught && outcome->first[0] == '\0')
        snprintf(outcome->first, sizeof outcome->first, "%u: %.150s", outcome->asked, text);
}

/* Wrong and right sizes for one block; a wrong one does nothing. */
static void
show_sizes(void)
{
    size_t size = scene.range->size, align = scene.range->align != 0 ? scene.range->align : 1;
    const size_t wrong[] = { size * 2 + 64, size < 16 ? SIZE_MAX : size / 2, SIZE_MAX, PTRDIFF_MAX };
    void *p = scene.p;

    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        jsm_free_sized(hide(p), hide_size(wrong[i]));
        expect(p, "wrong size");
        jsm_free_aligned_sized(hide(p), align, hide_size(wrong[i]));
        expect(p, "wrong size");
    }
    jsm_free_aligned_sized(hide(p), 2 * ((uintptr_t)p & -(uintptr_t)p), size); /* whatever that is aligned to */
    expect(p, "wrong size");
    jsm_free_aligned_sized(hide(p), 48, size);
    expect(p, "wrong size");
    jsm_freezero(hide(p), hide_size(wrong[0] + size + MIB));
    expect(p, "wrong size");
    if (scene.range->heap == DEFAULT) {
        jsm_heap_free(user_heap, hide(p));
        expect(p, "wrong heap");
    } else {
        jsm_heap_free(NULL, hide(p));
        expect(p, "wrong heap");
    }
    if (align == 1)
        jsm_free_sized(hide(p), size);
    else
        jsm_free_aligned_sized(hide(p), align, size);
    expect(p, NULL);
    jsm_free_sized(hide(p), size);
    expect(p, "double free");
}

static int
run_sizes(bool elsewhere)
{
    if (!watch_stderr() || !jsm_option_set("check_action", "1") || (user_heap = jsm_heap_new(NULL)) == NULL ||
        !actor_start(&actors[0]))
        return 99;
    scene_make();
    if (scene.p == NULL)
        return 99;
    if (elsewhere)
        let(&actors[0], show_sizes);
    else
        show_sizes();
    outcome->sound = is_sound();
    return 0;
}

static void
test_sizes(void)
{
    for (size_t i = 0; i < COUNT_OF(ranges); i++) {
        char line[80] = "";
        bool good = true;
        for (int elsewhere = 0; elsewhere < 2; elsewhere++) {
            memset(outcome, 0, sizeof *outcome);
            scene = (struct scene){ .range = &ranges[i] };
            pid_t child = fork_timed();
            if (child == 0)
                _exit(run_sizes(elsewhere));
            good = note_cell(line, sizeof line, elsewhere ? "another thread" : "owner", verdict_of(child)) && good;
        }
        diag("%-19s %s", ranges[i].name, line);
        ok(good, "wrong size, alignment or heap: %s", ranges[i].name);
    }
}

int
main(void)
{
    outcome = mmap(NULL, sizeof *outcome, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    plan(4 * COUNT_OF(ranges) + COUNT_OF(foreign_name));
    test_table("double free", "double free", 0);
    test_table("1 byte inside", "invalid pointer (inside a block)", 1);
    test_table("in the middle", "invalid pointer (inside a block)", 2);
    test_foreign();
    test_sizes();
    return done();
}
