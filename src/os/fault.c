/* os/fault.c - accesses that the processor refuses: who hears of them, before the program dies.
 *
 * SPDX-License-Identifier: MIT
 */
#include <config.h>

#include "os/os.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <ucontext.h>

static const int signals[] = { SIGSEGV, SIGBUS };
enum { SIGNALS = sizeof signals / sizeof signals[0] };

static jsm_os_fault_fn *tell_fault;
static struct sigaction before[SIGNALS];

static void
set_back(int signal, const struct sigaction *action)
{
    (void)sigaction(signal, action, NULL);
}

/* What the signal would have done without us.  A fault comes again when its handler returns; a signal that was sent
 * does not. */
static void
pass_on(int signal, siginfo_t *info, void *context, const struct sigaction *old)
{
    bool is_sent = info->si_code <= 0;

    if ((old->sa_flags & (int)SA_RESETHAND) != 0 || (old->sa_handler == SIG_DFL) ||
        (old->sa_handler == SIG_IGN && !is_sent)) {
        struct sigaction none = { .sa_handler = SIG_DFL };
        set_back(signal, &none);
        if (old->sa_handler == SIG_DFL && is_sent)
            (void)raise(signal);
    }
    if (old->sa_handler == SIG_DFL || old->sa_handler == SIG_IGN)
        return;
    if ((old->sa_flags & SA_SIGINFO) != 0)
        old->sa_sigaction(signal, info, context);
    else
        old->sa_handler(signal);
}

static void
on_fault(int signal, siginfo_t *info, void *context)
{
    int saved_errno = errno;
    const struct sigaction *old = &before[signal == signals[1]];

    if (info->si_code > 0 && tell_fault(info->si_addr, context))
        set_back(signal, old); /* the access is made again, and the program ends as it would have */
    else
        pass_on(signal, info, context, old);
    errno = saved_errno;
}

int
jsm_os_on_fault(jsm_os_fault_fn *tell)
{
    int saved_errno = errno, result = 0;

    tell_fault = tell;
    for (unsigned i = 0; i < SIGNALS && result == 0; i++) {
        struct sigaction action;
        result = sigaction(signals[i], NULL, &before[i]) == 0 ? 0 : errno;
        action = before[i];
        action.sa_sigaction = on_fault;
        action.sa_flags = (before[i].sa_flags & (SA_NODEFER | SA_RESTART)) | SA_SIGINFO | SA_ONSTACK;
        if (result == 0 && sigaction(signals[i], &action, NULL) != 0)
            result = errno;
    }
    errno = saved_errno;
    return result;
}

size_t
jsm_os_fault_unit_bytes(void)
{
#if defined(__s390__)
    return jsm_os_page_bytes(); /* the processor keeps no more of it */
#else
    return 1;
#endif
}

int
jsm_os_fault_is_write(const void *context)
{
#if defined(__x86_64__) || defined(__i386__)
    return ((const ucontext_t *)context)->uc_mcontext.gregs[REG_ERR] >> 1 & 1;
#elif defined(__aarch64__)
    /* Records of a magic number, their length and what they are for; this one is of the register ESR. */
    const uint8_t *record = ((const ucontext_t *)context)->uc_mcontext.__reserved;
    uint32_t head[2];
    uint64_t esr;

    for (size_t at = 0; at <= 4096 - sizeof head - sizeof esr; at += head[1]) {
        memcpy(head, record + at, sizeof head);
        if (head[0] == 0 || head[1] < sizeof head)
            break;
        memcpy(&esr, record + at + sizeof head, sizeof esr);
        if (head[0] == 0x45535201)
            return esr >> 6 & 1;
    }
    return -1;
#else
    (void)context;
    return -1;
#endif
}
