/* t/unit.h - what the tests of single modules have in common.
 *
 * They are linked to libcore.la, call the functions of one layer, and look into its structures.
 * SPDX-License-Identifier: MIT
 */
#ifndef JSM_UNIT_H
#define JSM_UNIT_H

#include "blackbox.h"

#include "rt/rt.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>

/* Ends a test that hangs, long after any should have ended. */
BB_UNUSED static void
end_if_stuck(void)
{
    alarm(want_extra() ? 3600 : patience(300));
}

/* What became of a child: the status of waitpid(), and what it wrote to standard error. */
struct child {
    int status;
    char text[1 << 17]; /* some tests bring thirty reports */
};

/* Runs `body` in a child that ends with its result, or by SIGALRM when it does not end. */
BB_UNUSED static void
in_child(struct child *child, int (*body)(void))
{
    int ends[2];
    size_t len = 0;
    ssize_t n;

    child->status = -1;
    child->text[0] = '\0';
    if (pipe(ends) != 0)
        return;
    pid_t pid = fork();
    if (pid == 0) {
        dup2(ends[1], STDERR_FILENO);
        alarm(patience(60));
        _exit(body());
    }
    close(ends[1]);
    while ((n = read(ends[0], child->text + len, sizeof child->text - 1 - len)) > 0)
        len += (size_t)n;
    child->text[len] = '\0';
    close(ends[0]);
    if (pid > 0)
        waitpid(pid, &child->status, 0);
}

BB_UNUSED static bool
ended_well(const struct child *child)
{
    return WIFEXITED(child->status) && WEXITSTATUS(child->status) == 0;
}

/* How the child ended, in words, when that was not well. */
BB_UNUSED static void
tell_child(const struct child *child)
{
    if (WIFSIGNALED(child->status))
        diag("the child was ended by signal %d", WTERMSIG(child->status));
    else if (!ended_well(child))
        diag("the child ended with %d", WIFEXITED(child->status) ? WEXITSTATUS(child->status) : -1);
    if (child->text[0] != '\0')
        diag("it said: %.900s", child->text);
}

/* Runs the program once more, with this environment, through qemu-user where that runs it now; returns when it cannot.
 * argv[0] is not handed on. */
BB_UNUSED static void
exec_again(char *const argv[], char *const env[])
{
    static char path[PATH_MAX], words[1000];
    const char *emulator = getenv("JSM_EMULATOR");
    char *args[30], *all_env[10];
    unsigned n = 0, n_env = 0;
    ssize_t len = readlink("/proc/self/exe", path, sizeof path - 1);

    snprintf(words, sizeof words, "JSM_EMULATOR=%s", emulator != NULL ? emulator : "");
    while (env[n_env] != NULL && n_env < COUNT_OF(all_env) - 2) {
        all_env[n_env] = env[n_env];
        n_env++;
    }
    if (emulator != NULL)
        all_env[n_env++] = strdup(words);
    all_env[n_env] = NULL;
    for (char *w = strtok(words + strlen("JSM_EMULATOR="), " "); w != NULL && n < 10; w = strtok(NULL, " "))
        args[n++] = w;
    args[n++] = path;
    for (unsigned i = 1; argv[i] != NULL && n < COUNT_OF(args) - 1; i++)
        args[n++] = argv[i];
    args[n] = NULL;
    if (len > 0)
        execvpe(args[0], args, all_env);
}

/* Sets an option as JSMALLOC_OPTIONS would; whether name and value are good. */
BB_UNUSED static bool
set_option(const char *name, const char *value)
{
    return jsm_option_parse(name, strlen(name), value, strlen(value));
}

/* What /proc says of the mappings, a line for each; "" if there is none. */
BB_UNUSED static const char *
maps_now(void)
{
    static char text[4 << 20];
    int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC); /* not fopen(), which may map memory itself */
    size_t len = 0;
    ssize_t n;

    while (fd >= 0 && (n = read(fd, text + len, sizeof text - 1 - len)) > 0)
        len += (size_t)n;
    text[len] = '\0';
    if (fd >= 0)
        close(fd);
    return text;
}

BB_UNUSED static size_t
mappings_now(void)
{
    size_t n = 0;

    for (const char *text = maps_now(); *text != '\0'; text++)
        n += *text == '\n';
    return n;
}

/* What may be done with the memory at `p`: "rw-p" and the like; "" if there is none, or no /proc. */
BB_UNUSED static const char *
access_of(const void *p)
{
    static char rights[8];

    for (const char *line = maps_now(); *line != '\0'; line += strcspn(line, "\n") + 1) {
        unsigned long long from, to;
        if (sscanf(line, "%llx-%llx %7s", &from, &to, rights) == 3 && (uintptr_t)p >= from && (uintptr_t)p < to)
            return rights;
    }
    return "";
}

/* Whether there are addresses at `p` that cannot be accessed.  For 32-bit machines qemu does not list them. */
BB_UNUSED static bool
is_reserved(const void *p)
{
    const char *rights = access_of(p);

    return strncmp(rights, "---", 3) == 0 || (under_qemu() && sizeof p == 4 && rights[0] == '\0');
}

/* Whether all of it reads as zero. */
BB_UNUSED static bool
is_zero(const void *p, size_t n)
{
    return is_all(p, n, 0);
}

#endif
