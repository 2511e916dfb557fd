/* t/fuzz/api.c - sequences of all functions of <jsmalloc.h> against a model.
 *
 * The model knows the contents, size and heap of each block, what heaps there are, which thread has pushed which of
 * them, and what the options say.  Threads take turns, so that a sequence is always run in the same order.
 *
 * SPDX-License-Identifier: MIT
 */
#include "api.h"

/* ---- The whole ---- */

static void
run_trim(const struct fuzz_line *l)
{
    int result = jsm_malloc_trim(l->n[0]);

    FUZZ_CHECK(result == 0 || result == 1);
}

static void
run_check(const struct fuzz_line *l)
{
    (void)l;
    FUZZ_CHECK(jsm_check() == 0);
    for (unsigned i = 0; i < BLOCKS; i++)
        if (!is_free(&slot[i]))
            model_verify(&model, &slot[i].block);
    check_model();
    check_buffers();
}

static void
ignore(void *arg, const char *text)
{
    *(size_t *)arg += strlen(text);
}

/* Statistics know what lives. */
static void
run_stats(const struct fuzz_line *l)
{
    static const char *const formats[] = { "text", "json", "xml", "openmetrics" };
    size_t usable = 0, printed = 0;

    for (unsigned i = 0; i < BLOCKS; i++)
        if (!is_free(&slot[i]) && slot[i].buffer == NULL)
            usable += jsm_malloc_usable_size(slot[i].block.p);
    struct jsm_mallinfo2 info = jsm_mallinfo2();
    size_t live = info.uordblks + info.hblkhd; /* of which mappings count as whole pages */
    FUZZ_CHECK(live >= usable);
    /* With threads there are blocks on their way back to their owners; with option harden they are longer, and some
     * wait. */
    FUZZ_CHECK(had_threads || jsm_option(JSM_OPT_HARDEN) != 0 || live - usable < info.hblks * jsm_os_page_bytes() + 1);
    FUZZ_CHECK(info.fordblks + info.uordblks == info.arena);
    FUZZ_CHECK(jsm_stats_print(formats[l->n[0] % COUNT_OF(formats)], ignore, &printed) == 0 && printed > 100);
}

static const char *const settings[] = {
    "trim_threshold", "prealloc", "mmap_threshold", "mmap_max", "perturb", "arena_max", "arena_size", "arena_batch",
    "arena_shift_max", "slab_max", "purge_delay", "cache_adapt", "fast_max", "zero_size", "thp", "source",
    "memory_limit", "profile", "sample_interval", "preset"
};

/* name and value; those that say what happens at a fault or at exit stay as they are */
static void
run_option(const struct fuzz_line *l)
{
    char name[40];
    size_t len = strcspn(l->text, " =");

    if (len >= sizeof name || l->text[len] == '\0' || strcmp(l->text + len + 1, "debug") == 0)
        return;
    memcpy(name, l->text, len);
    name[len] = '\0';
    for (size_t i = 0; i < COUNT_OF(settings); i++)
        if (strcmp(name, settings[i]) == 0) {
            mark();
            bool done = jsm_option_set(name, l->text + len + 1);
            FUZZ_CHECK(errno == (done ? ERRNO_MARK : EINVAL));
        }
}

static void
run_mallopt(const struct fuzz_line *l)
{
    int number = (int)l->n[0], value = (int)l->n[1];

    if (number == JSM_M_CHECK_ACTION || number == JSM_M_STATS || number == JSM_M_CONFIRM || number == JSM_M_PRESET)
        return;
    mark();
    bool done = jsm_mallopt(number, value);
    FUZZ_CHECK(errno == (done ? ERRNO_MARK : EINVAL));
}

/* ---- Misuse, with which the library shall go on ---- */

static bool
is_start(const unsigned char *p)
{
    for (unsigned i = 0; i < BLOCKS; i++)
        if (slot[i].block.p == p)
            return true;
    return false;
}

static void
misuse(struct slot *s, unsigned char *p, size_t kind)
{
    size_t usable = is_free(s) ? 0 : jsm_malloc_usable_size(s->block.p);

    mark();
    switch (kind % 8) {
    case 0:
        jsm_free(p);
        break;
    case 1:
        FUZZ_CHECK(jsm_realloc(p, 10) == NULL && errno == EINVAL);
        break;
    case 2:
        FUZZ_CHECK(jsm_malloc_usable_size(p) == 0);
        break;
    case 3:
        FUZZ_CHECK(jsm_expand(p, 10) == NULL);
        break;
    case 4:
        jsm_free_sized(p, 1);
        break;
    case 5:
        FUZZ_CHECK(jsm_is_ours(p) == 0 && jsm_heap_of(p) == NULL);
        break;
    case 6:
        if (!is_free(s))
            jsm_free_sized(s->block.p, usable + 1);
        break;
    default:
        if (!is_free(s) && heap[0].heap != NULL && s->heap != &heap[0])
            jsm_heap_free(heap[0].heap, s->block.p);
    }
}

/* block, function, kind of pointer, offset */
static void
run_misuse(const struct fuzz_line *l)
{
    struct slot *s = slot_of(l->n[0]);
    unsigned char *p = fuzz_wrong_pointer(l, s->last, s->block.p, s->block.size);

    if (!may_use(s->heap))
        return;
    if (p == NULL || is_start(p) || !jsm_mallopt(JSM_M_CHECK_ACTION, 0))
        return;
    misuse(s, hide(p), l->n[1]);
    FUZZ_CHECK(jsm_mallopt(JSM_M_CHECK_ACTION, 3));
    FUZZ_CHECK(is_free(s) || jsm_is_ours(s->block.p));
}

/* ---- Threads ---- */

static const struct fuzz_op *turn_op;
static const struct fuzz_line *turn_line;

static void *
thread_run(void *arg)
{
    struct thread *t = arg;

    for (;;) {
        while (sem_wait(&t->wanted) != 0)
            ;
        if (t->ends)
            break;
        turn_op->run(turn_line);
        sem_post(&t->done);
    }
    return NULL;
}

static void
thread_end(struct thread *t)
{
    if (!t->is_running)
        return;
    t->ends = true;
    sem_post(&t->wanted);
    pthread_join(t->id, NULL);
    t->is_running = false;
    while (t->n_scopes > 0)
        (void)pop_model(t);
}

/* The following operations are run by this thread. */
static void
run_thread(const struct fuzz_line *l)
{
    struct thread *t = &thread[l->n[0] % (THREADS + 1)];

    if (!t->is_running && t != thread) {
        t->ends = false;
        sem_init(&t->wanted, 0, 0);
        sem_init(&t->done, 0, 0);
        t->is_running = pthread_create(&t->id, NULL, thread_run, t) == 0;
        FUZZ_CHECK(t->is_running);
        had_threads = true;
    }
    now = (unsigned)(t - thread);
}

static void
run_exit(const struct fuzz_line *l)
{
    unsigned n = (unsigned)(l->n[0] % (THREADS + 1));

    if (n == now)
        now = 0;
    thread_end(&thread[n]);
}

static void
take_turn(const struct fuzz_op *op, const struct fuzz_line *line)
{
    if (now == 0 || op->run == run_thread || op->run == run_exit) {
        op->run(line);
        return;
    }
    turn_op = op;
    turn_line = line;
    sem_post(&thread[now].wanted);
    while (sem_wait(&thread[now].done) != 0)
        ;
}

/* ---- The target ---- */

static const struct fuzz_op ops[] = {
    { "malloc", "bn", run_malloc },
    { "calloc", "bnc", run_calloc },
    { "at_least", "bn", run_at_least },
    { "conceal", "bnc", run_conceal },
    { "aligned", "banc", run_aligned },
    { "misaligned", "nnh", run_misaligned },
    { "realloc", "bnc", run_realloc },
    { "reallocf", "bn", run_reallocf },
    { "rezalloc", "bnn", run_rezalloc },
    { "recallocarray", "bcn", run_recallocarray },
    { "expand", "bn", run_expand },
    { "free", "bc", run_free },
    { "heap", "hcnn", run_heap },
    { "heap_in", "hnnc", run_heap_in },
    { "destroy", "h", run_destroy },
    { "delete", "h", run_delete },
    { "heap_malloc", "hbnc", run_heap_malloc },
    { "heap_realloc", "hbn", run_heap_realloc },
    { "visit", "hc", run_visit },
    { "push", "h", run_push },
    { "pop", "", run_pop },
    { "trim", "n", run_trim },
    { "check", "", run_check },
    { "stats", "c", run_stats },
    { "option", "o", run_option },
    { "mallopt", "cn", run_mallopt },
    { "misuse", "bccn", run_misuse },
    { "thread", "c", run_thread },
    { "exit", "c", run_exit },
    { NULL, "", NULL },
};

static const char *const words[] = { "on", "off", "auto", "unlimited", "null", "unique", "brk", "mmap", "default",
                                     "speed", "small", "hardened", "1M", "64K", "0", "65536", "-1", "\n", " ", NULL };

static void
one(const char *text, size_t size)
{
    fuzz_each_line(text, size, take_turn);
    run_check(NULL);
    now = 0;
    for (unsigned i = 1; i <= THREADS; i++)
        thread_end(&thread[i]);
    while (thread[0].n_scopes > 0)
        run_pop(NULL);
    for (unsigned i = 0; i < HEAPS; i++)
        if (heap[i].heap != NULL)
            end_heap(&heap[i], i % 2 == 0 && (heap[i].flags & JSM_HEAP_NOLOCK) == 0);
    for (unsigned i = 0; i < BLOCKS; i++) {
        if (!is_free(&slot[i])) {
            jsm_free(leave(&slot[i]));
            left(&slot[i]);
        }
        slot[i] = (struct slot){ .heap = NULL };
    }
    FUZZ_CHECK(jsm_option_set("preset", "default"));
    (void)jsm_malloc_trim(0);
    had_threads = false;
    run_stats(&(struct fuzz_line){ .text = "" });
    FUZZ_CHECK(jsm_check() == 0);
    memset(&model, 0, sizeof model);
}

const struct fuzz_target fuzz_target = { "api", ops, words, NULL, one, false };
