/* t/oom.c - every mapping call of a scenario fails once, and then with all that follow it: the caller
 * gets NULL and ENOMEM, nothing that was allocated is harmed, and afterwards all is as usual.
 *
 * Each failure is tried in a child of its own, in which the heap is as new.
 * SPDX-License-Identifier: MIT
 */
#include "scenario.h"

#include <sys/wait.h>

#include "os/os.h"

/* In a child: the scenario with call `n` failing, then once more without. */
static enum verdict
try_failure(unsigned n, bool sticky)
{
    jsm_os_fail_sticky = sticky;
    jsm_os_fail_after = (int)n;
    enum verdict v = work();
    bool reached = sticky || jsm_os_fail_after < 0;
    jsm_os_fail_sticky = false;
    jsm_os_fail_after = -1;
    if (v != GOOD)
        return v;
    if (!reached && n_refused > 0)
        return LIED;
    v = work();
    if (v != GOOD)
        return v;
    if (n_refused > 0)
        return NO_SERVICE;
    return reached ? GOOD : UNTOUCHED;
}

static int
in_child(unsigned n, bool sticky)
{
    pid_t child = fork();
    int status;

    if (child == 0) {
        alarm(patience(300)); /* a child that hangs must not hang the test */
        _exit((int)try_failure(n, sticky));
    }
    if (child < 0 || waitpid(child, &status, 0) != child)
        return -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

/* Lets call 0, 1, 2, ... up to `limit` fail, or until the scenario has no more; judges them in one
 * result.  Returns how many there are. */
static unsigned
test_failures(bool sticky, unsigned limit, const char *what)
{
    unsigned n = 0, bad = 0, step = is_slow() && !want_extra() ? 7 : 1;
    int verdict;

    while (n < limit && bad < 20 && (verdict = in_child(n, sticky)) != UNTOUCHED) {
        if (verdict != GOOD) {
            bad++;
            diag("call %u: %s", n, verdict > 0 && verdict <= UNABLE ? verdict_words[verdict] : "killed, or no child");
        }
        n += step;
    }
    is_int(bad, 0, "%s", what);
    return n;
}

int
main(void)
{
    enum { TOO_MANY = 5000 };
    unsigned n;

    plan(3);
    n = test_failures(false, TOO_MANY, "each mapping call fails once");
    diag("%u mapping calls", n);
    ok(n > 3 && n < TOO_MANY, "the scenario has an end, and some such calls");
    (void)test_failures(true, n, "each mapping call fails, and all after it");
    return done();
}
