/* t/family.c - a program that uses every function of libc's malloc.o, and several that only
 * libc itself calls malloc for.
 *
 * t/static.sh links it with the static library: a name that the library lacks would pull
 * libc's malloc.o in, and the link would fail or the program would have two allocators.
 * Not a test by itself.
 * SPDX-License-Identifier: MIT
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <jsmalloc.h>

static unsigned strangers;

static void *
look(void *p, const char *who)
{
    if (p == NULL || !jsm_is_ours(p)) {
        printf("%s: not ours\n", who);
        strangers++;
    }
    return p;
}

static void *
in_thread(void *arg)
{
    free(look(malloc(100), "malloc in a thread"));
    return arg;
}

static void
blocks(void)
{
    void *p = NULL;

    free(look(malloc(10), "malloc"));
    free(look(calloc(10, 10), "calloc"));
    free(look(realloc(look(realloc(NULL, 10), "realloc"), 10000), "realloc"));
    free(look(reallocarray(NULL, 10, 10), "reallocarray"));
    free(look(aligned_alloc(64, 64), "aligned_alloc"));
    free(look(memalign(128, 100), "memalign"));
    free(look(valloc(100), "valloc"));
#ifdef __GLIBC__
    free(look(pvalloc(100), "pvalloc"));
#endif
    if (posix_memalign(&p, 256, 100) == 0)
        free(look(p, "posix_memalign"));
    p = look(malloc(100), "malloc");
    if (malloc_usable_size(p) < 100)
        strangers++;
    free(p);
}

static void
figures(FILE *out)
{
#ifdef __GLIBC__ /* other libcs have none of these */
    struct mallinfo2 info = mallinfo2();

    if (info.uordblks > (size_t)-1 / 2)
        strangers++;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
    struct mallinfo old = mallinfo();
#pragma GCC diagnostic pop
    if (old.uordblks < 0)
        strangers++;
    if (malloc_info(0, out) != 0)
        strangers++;
    mallopt(M_TRIM_THRESHOLD, 1 << 20);
    malloc_trim(0);
    malloc_stats();
#else
    (void)out;
#endif
}

static void
libc_calls(void)
{
    char *line = NULL;
    size_t bytes = 0;
    char *text = NULL;

    free(look(strdup("text"), "strdup"));
    if (asprintf(&text, "%d", 42) == 2)
        free(look(text, "asprintf"));
    FILE *in = fmemopen((void *)(size_t)"line\n", 5, "r");
    if (in != NULL && getline(&line, &bytes, in) == 5)
        look(line, "getline");
    free(line);
    if (in != NULL)
        fclose(in);
}

int
main(void)
{
    pthread_t thread;
    FILE *out = fopen("/dev/null", "w");
    pid_t child;
    int status = 1;

    blocks();
    if (out != NULL)
        figures(out);
    libc_calls();
    if (pthread_create(&thread, NULL, in_thread, NULL) == 0)
        pthread_join(thread, NULL);
    child = fork();
    if (child == 0) {
        free(look(malloc(100), "malloc in a child"));
        _exit(strangers != 0);
    }
    if (child < 0 || waitpid(child, &status, 0) != child || status != 0)
        strangers++;
    puts(strangers == 0 ? "ours" : "not ours");
    return strangers != 0;
}
