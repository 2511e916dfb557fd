/* t/stderr.c - what the library says goes to standard error, and never into a file or a connection that the program
 * has opened: not when its descriptor happens to be number 2.
 *
 * Each case is a child.  What has to be so from the start of a program is made so by starting this one again, with
 * the name of the case.
 * SPDX-License-Identifier: MIT
 */
#include "unit.h"

#include "rt/rt.h"

#include <fcntl.h>
#include <jsmalloc/osmem.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>

static char path[] = "/tmp/jsm-stderr-XXXXXX";

/* Everything that the library says of itself. */
static int
provoke(void)
{
    void *p = jsm_malloc(10), *q = os_malloc(10), *taken = NULL;

    if (jsm_option_set("check_action", "1") != 1)
        return 1;
    jsm_free(p);
    jsm_free(hide(p));
    jsm_free(&taken);
    os_free(q);
    os_free(hide(q));
    jsm_message("a message", NULL, NULL);
    return jsm_option_set("stats", "exit") == 1 ? 0 : 1;
}

/* Opens the file as number 2, which must be free, and writes to it as a program does. */
static bool
open_as_2(int flags)
{
    return open(path, flags | O_CREAT | O_TRUNC, 0600) == STDERR_FILENO && write(STDERR_FILENO, "data", 4) == 4;
}

/* ---- Cases ---- */

static int
closed_and_opened(void)
{
    close(STDERR_FILENO);
    return open_as_2(O_RDWR) ? provoke() : 2;
}

static int
closed_and_written(void)
{
    close(STDERR_FILENO);
    return open_as_2(O_WRONLY) ? provoke() : 2;
}

static int
closed_and_appended(void)
{
    close(STDERR_FILENO);
    return open_as_2(O_RDWR | O_APPEND) ? provoke() : 2;
}

/* In these there was no standard error from the start. */
static int
opened(void)
{
    return open_as_2(O_RDWR) ? provoke() : 2;
}

static int
opened_to_append(void)
{
    return open_as_2(O_WRONLY | O_APPEND) ? provoke() : 2;
}

/* Statistics at exit were asked for before the start, and there is still a way to where that was. */
static int
stats_kept(void)
{
    close(STDERR_FILENO);
    return open_as_2(O_RDWR) ? 0 : 2;
}

static int
closed_for_good(void)
{
    close(STDERR_FILENO);
    return provoke();
}

static int
log_by_freopen(void)
{
    return freopen(path, "a", stderr) != NULL ? provoke() : 2;
}

static int
log_by_dup2(void)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND, 0600);

    return fd > STDERR_FILENO && dup2(fd, STDERR_FILENO) == STDERR_FILENO && close(fd) == 0 ? provoke() : 2;
}

static int
stats_asked_for(void)
{
    close(STDERR_FILENO);
    if (!open_as_2(O_RDWR))
        return 2;
    jsm_malloc_stats();
    return jsm_stats_print("json", NULL, NULL);
}

static const struct {
    const char *name;
    int (*body)(void);
} cases[] = {
    {"closed-and-opened", closed_and_opened},
    {"closed-and-written", closed_and_written},
    {"closed-and-appended", closed_and_appended},
    {"opened", opened},
    {"opened-to-append", opened_to_append},
    {"stats-kept", stats_kept},
    {"closed-for-good", closed_for_good},
    {"log-by-freopen", log_by_freopen},
    {"log-by-dup2", log_by_dup2},
    {"stats-asked-for", stats_asked_for},
};

/* ---- The test ---- */

/* Starts this program with the name of a case, and with the descriptor as its standard error, or without one if that
 * is negative; how it ended. */
static int
start(const char *name, int fd, const char *options)
{
    pid_t child = fork_timed();

    if (child == 0) {
        if (fd < 0)
            close(STDERR_FILENO);
        else
            dup2(fd, STDERR_FILENO);
        if (options != NULL)
            setenv("JSMALLOC_OPTIONS", options, 1);
        execl("/proc/self/exe", "stderr", name, path, (char *)NULL);
        _exit(98);
    }
    return verdict_of(child);
}

/* What is in a file, as text. */
static const char *
contents(const char *name)
{
    static char text[20000];
    ptrdiff_t len = jsm_os_read_file(name, text, sizeof text);

    return len >= 0 ? text : "(no file)";
}

static bool
says(const char *text, const char *what)
{
    return strstr(text, what) != NULL;
}

static void
test_untouched(const char *name, int fd, const char *options, const char *what)
{
    int verdict = start(name, fd, options);

    ok(verdict == 0, "%s: the program runs", what);
    is_str(contents(path), "data", "and nothing of the library's is in its file");
    (void)unlink(path);
}

static void
test_log(const char *name, int fd, const char *what)
{
    int verdict = start(name, fd, NULL);
    const char *text = contents(path);

    ok(verdict == 0 && says(text, "double free") && says(text, "not from this allocator") &&
           says(text, "a message") && says(text, "statistics"),
       "%s: reports and statistics are in it", what);
    (void)unlink(path);
}

/* A pipe is how tests and graphical programs read what is said; a connection may be a customer's. */
static int
say_to_socket(void)
{
    int ends[2];
    char text[100];

    if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0 || dup2(ends[1], STDERR_FILENO) < 0 || provoke() != 0)
        return 2;
    jsm_option_set("stats", "off");
    return recv(ends[0], text, sizeof text, MSG_DONTWAIT) < 0 && errno == EAGAIN ? 0 : 1;
}

static int
say_to_terminal(void)
{
    int master = posix_openpt(O_RDWR | O_NOCTTY), slave;
    char text[2000];

    if (master < 0 || grantpt(master) != 0 || unlockpt(master) != 0 ||
        (slave = open(ptsname(master), O_RDWR | O_NOCTTY)) < 0)
        return 77;
    jsm_option_set("stats", "off");
    if (dup2(slave, STDERR_FILENO) < 0)
        return 2;
    jsm_message("over here", NULL, NULL);
    ssize_t n = read(master, text, sizeof text - 1);
    text[n > 0 ? n : 0] = '\0';
    return says(text, "over here") ? 0 : 1;
}

/* What is written to the master of a terminal is as if it had been typed. */
static int
say_to_master(void)
{
    char text[100];
    int slave;

    close(STDERR_FILENO);
    if (posix_openpt(O_RDWR | O_NOCTTY) != STDERR_FILENO || grantpt(STDERR_FILENO) != 0 ||
        unlockpt(STDERR_FILENO) != 0 || (slave = open(ptsname(STDERR_FILENO), O_RDWR | O_NOCTTY | O_NONBLOCK)) < 0)
        return 77;
    if (provoke() != 0)
        return 2;
    jsm_option_set("stats", "off");
    return read(slave, text, sizeof text) < 0 && errno == EAGAIN ? 0 : 1;
}

static void
end_well_if_told(int sig)
{
    const char *text = atomic_load(&jsm_os_abort_text);

    (void)sig;
    _exit(text != NULL && says(text, "double free") && says(text, "block of 16 bytes") ? 0 : 1);
}

static int
abort_silently(void)
{
    void *p = jsm_malloc(10);

    signal(SIGABRT, end_well_if_told);
    close(STDERR_FILENO);
    jsm_free(p);
    jsm_free(hide(p));
    return 2;
}

static int
run_child(int (*body)(void))
{
    pid_t child = fork_timed();

    if (child == 0)
        _exit(body());
    return verdict_of(child);
}

static void
test_all(void)
{
    char said_path[] = "/tmp/jsm-said-XXXXXX";
    int said = mkstemp(said_path), nowhere = open("/dev/null", O_RDWR);

    test_untouched("closed-and-opened", nowhere, NULL, "a file opened where standard error was closed");
    test_untouched("closed-and-written", nowhere, NULL, "one that is only written");
    test_untouched("closed-and-appended", nowhere, NULL, "one that is read and appended to");
    test_untouched("opened", -1, NULL, "a file opened in a program that has no standard error");
    test_untouched("opened-to-append", -1, NULL, "even if it is appended to");
    test_untouched("stats-kept", said, "stats=exit", "with statistics at exit");
    ok(says(contents(said_path), "statistics"), "which are told where standard error was at the start");
    ok(start("closed-for-good", nowhere, NULL) == 0, "without any standard error there is nobody to tell");
    test_log("log-by-freopen", nowhere, "a log opened by freopen(..., \"a\", stderr)");
    test_log("log-by-dup2", nowhere, "a log put there by dup2()");
    ok(start("stats-asked-for", nowhere, NULL) == 0 && says(contents(path), "system bytes") &&
           says(contents(path), "{"),
       "statistics that the program itself calls for go to descriptor 2, whatever it is");
    is_int(run_child(say_to_socket), 0, "no report goes into a connection");
    int to_terminal = run_child(say_to_terminal), to_master = run_child(say_to_master);
    if (to_terminal == 77) {
        skip(2, "no terminals here");
    } else {
        is_int(to_terminal, 0, "one goes to a terminal");
        is_int(to_master, 0, "but none to its other side, where it would be typed");
    }
    is_int(run_child(abort_silently), 0, "the report of an abort is in memory, where a core dump shows it");
    close(said);
    close(nowhere);
    (void)unlink(said_path);
}

int
main(int argc, char **argv)
{
    for (unsigned i = 0; argc > 2 && i < COUNT_OF(cases); i++)
        if (strcmp(argv[1], cases[i].name) == 0) {
            snprintf(path, sizeof path, "%s", argv[2]);
            return cases[i].body();
        }
    if (is_emulated())
        skip_all("an emulator has descriptors of its own, and does not start programs");
    int fd = mkstemp(path);
    close(fd);
    (void)unlink(path);
    plan(6 * 2 + 1 + 1 + 2 + 1 + 4);
    test_all();
    (void)unlink(path);
    return done();
}
