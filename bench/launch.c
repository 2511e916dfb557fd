/* bench/launch.c - runs one program and writes down what it used.
 *
 *   launch FD PRELOAD PROGRAM [ARGUMENT...]
 *
 * writes "wall_s user_s sys_s maxrss_kib minflt majflt status" to the file descriptor FD.  PRELOAD is the value of
 * LD_PRELOAD for the program alone, or empty.
 *
 * Why this is a program of its own: ru_maxrss of a child is the largest of what its process ever had, and that
 * includes the moment between fork and exec, when it is a copy of its parent; with vfork it *is* its parent.  Started
 * from Python every program would seem to need Python's memory.  This one is small, and it uses fork, whose copy
 * leaves the pages of mapped files behind.
 *
 * SPDX-License-Identifier: MIT
 */
#include "bench.h"

#include <sys/resource.h>
#include <sys/wait.h>

static double
seconds(struct timeval t)
{
    return (double)t.tv_sec + (double)t.tv_usec * 1e-6;
}

int
main(int argc, char **argv)
{
    struct rusage used;
    int status = 0;

    if (argc < 4)
        bench_usage("launch FD PRELOAD PROGRAM [ARGUMENT...]");

    int fd = (int)bench_number(argv[1]);

    if (argv[2][0] != '\0')
        setenv("LD_PRELOAD", argv[2], 1);
    else
        unsetenv("LD_PRELOAD");

    double start = bench_seconds();
    pid_t pid = fork();

    if (pid == 0) {
        close(fd);
        execvp(argv[3], argv + 3);
        _exit(127);
    }
    if (pid < 0 || wait4(pid, &status, 0, &used) != pid)
        bench_die("fork or wait");

    double wall = bench_seconds() - start;

    dprintf(fd, "%.6f %.6f %.6f %ld %ld %ld %d\n", wall, seconds(used.ru_utime), seconds(used.ru_stime),
            used.ru_maxrss, used.ru_minflt, used.ru_majflt,
            WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status));
    return 0;
}
