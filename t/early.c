/* t/early.c - the heap before main() and after it: the first functions of a program, constructors of
 * every priority, of a library that is set up before ours and taken down after it, exit handlers,
 * destructors.
 *
 * The functions at the end run in a child, which reports through shared memory.
 * SPDX-License-Identifier: MIT
 */
#include "blackbox.h"

#include <sys/mman.h>
#include <sys/wait.h>

#include "early.h"

/* What was allocated before main(), freed in it and after it. */
static struct {
    void *p;
    size_t size;
} made[EARLY_PLACES];

static struct early_report *report;

/* Allocates at one place of the start and keeps it; also a few blocks that come and go. */
static void
make(unsigned place)
{
    made[place].size = 100 + place * 1000;
    made[place].p = malloc(made[place].size);
    if (made[place].p != NULL)
        fill(made[place].p, made[place].size, place);
    for (size_t n = 1; n < 100000; n = n * 2 + 1)
        free(realloc(calloc(1, n), n * 2));
}

static bool
is_made(unsigned place)
{
    return made[place].p != NULL && is_filled(made[place].p, made[place].size, made[place].size, place);
}

static void
first_of_all(int argc, char **argv, char **envp)
{
    (void)argc;
    (void)argv;
    (void)envp;
    make(EARLY_PREINIT);
}

__attribute__((section(".preinit_array"), used)) static void (*const preinit)(int, char **, char **) = first_of_all;

__attribute__((constructor(101))) static void
construct_first(void)
{
    make(EARLY_CONSTRUCTOR_101);
}

__attribute__((constructor(30000))) static void
construct_later(void)
{
    make(EARLY_CONSTRUCTOR_30000);
}

__attribute__((constructor)) static void
construct_last(void)
{
    make(EARLY_CONSTRUCTOR);
}

/* Uses the heap late: frees one early block, allocates, and tells of it. */
static void
use(unsigned late, unsigned place)
{
    if (report == NULL)
        return;
    bool good = is_made(place);
    free(made[place].p);
    for (size_t n = 1; n < 100000; n = n * 2 + 1) {
        unsigned char *p = calloc(1, n);
        good = good && p != NULL && is_all(p, n, 0);
        if (p != NULL)
            set_all(p, n, 0xa5);
        free(p);
    }
    report->good[late] = good ? 1 : 2;
}

static void
at_exit_handler(void)
{
    use(LATE_ATEXIT, EARLY_PREINIT);
}

__attribute__((destructor)) static void
destruct_first(void)
{
    use(LATE_DESTRUCTOR, EARLY_CONSTRUCTOR);
}

__attribute__((destructor(101))) static void
destruct_last(void)
{
    use(LATE_DESTRUCTOR_101, EARLY_CONSTRUCTOR_101);
}

int
main(void)
{
    static const char *const late[] = {"an exit handler", "a destructor", "the last destructor",
        "a destructor of a library that is older than ours"};
    int status = -1;
    pid_t child;

    plan(6 + LATE_PLACES + 2);
    if (IS_GLIBC || made[EARLY_PREINIT].p != NULL) {
        ok(is_made(EARLY_PREINIT), "allocated before the first constructor");
    } else {
        skip(1, "this libc runs no functions of .preinit_array");
        make(EARLY_PREINIT);
    }
    ok(is_made(EARLY_CONSTRUCTOR_101), "allocated in a constructor of priority 101");
    ok(is_made(EARLY_CONSTRUCTOR_30000), "allocated in a constructor of priority 30000");
    ok(is_made(EARLY_CONSTRUCTOR), "allocated in a constructor");
    ok(early_library.p != NULL && is_all(early_library.p, EARLY_LIBRARY_BYTES, 0x77),
       "allocated in a constructor of a library that is older than ours");
    ok(jsm_is_ours(made[EARLY_PREINIT].p) && jsm_is_ours(early_library.p), "all that with this library");

    struct early_report *shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED)
        return 1;
    child = fork();
    if (child == 0) {
        report = early_library.report = shared;
        atexit(at_exit_handler);
        exit(0);
    }
    waitpid(child, &status, 0);
    for (unsigned i = 0; i < LATE_PLACES; i++)
        is_int(shared->good[i], 1, "allocated and freed in %s", late[i]);
    is_int(status, 0, "and the program ends well");
    free(made[EARLY_CONSTRUCTOR_30000].p);
    is_int(jsm_check(), 0, "the heap is sound");
    return done();
}
