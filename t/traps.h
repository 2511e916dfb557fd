/* t/traps.h - system calls of the test's own process, stopped on their way.
 *
 * A seccomp filter sends the calls it is told to a signal handler, which asks `trap_judge` for a result or makes the
 * call itself.  So a fault can come at any call and go again, which a filter alone cannot do.
 *
 *   if (!traps_work()) skip_all(TRAPS_WHY);
 *   trap_judge = f;                           0: the call is made; else what it shall return, -ENOMEM for one
 *   trap_calls(numbers, n, true)              from here on these calls are stopped, in all threads;
 *   trap_calls(numbers, n, false)             or all calls but these.  False if the kernel does not allow it
 *
 * A thread must not end after that: libc has signals blocked there, and a trap then ends the process.
 * SPDX-License-Identifier: MIT
 */
#ifndef JSM_TEST_TRAPS_H
#define JSM_TEST_TRAPS_H

#include "blackbox.h"

#if __has_include(<linux/seccomp.h>)
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#define TRAPS_CAN_BE 1
#else
#define TRAPS_CAN_BE 0 /* a libc without the headers of the kernel */
#endif
#include <signal.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

/* Names that some machines do not have, on which there are no traps. */
#ifndef SYS_mmap
#define SYS_mmap SYS_mmap2
#endif
#ifndef SYS_newfstatat
#define SYS_newfstatat SYS_fstatat64
#endif
#ifndef SYS_futex
#define SYS_futex SYS_futex_time64
#endif
#ifndef SYS_clock_gettime
#define SYS_clock_gettime SYS_clock_gettime64
#endif

#define TRAPS_WHY "system calls cannot be stopped: by this machine, an emulator, the kernel, or without its headers"

#if TRAPS_CAN_BE && defined(__x86_64__) && !defined(__ILP32__)
#define TRAP_ARCH AUDIT_ARCH_X86_64
#define TRAP_RESULT(context) (context)->uc_mcontext.gregs[REG_RAX]
#define TRAP_ARG(context, i) (context)->uc_mcontext.gregs[trap_register[i]]
static const int trap_register[6] = {REG_RDI, REG_RSI, REG_RDX, REG_R10, REG_R8, REG_R9};
__asm__(".text\n"
        ".globl trap_raw, trap_raw_end\n"
        "trap_raw:\n"
        "    mov %rdi, %rax\n    mov %rsi, %rdi\n    mov %rdx, %rsi\n    mov %rcx, %rdx\n"
        "    mov %r8, %r10\n    mov %r9, %r8\n    mov 8(%rsp), %r9\n    syscall\n"
        "trap_raw_end:\n    ret\n");
#elif TRAPS_CAN_BE && defined(__aarch64__)
#define TRAP_ARCH AUDIT_ARCH_AARCH64
#define TRAP_RESULT(context) (context)->uc_mcontext.regs[0]
#define TRAP_ARG(context, i) (context)->uc_mcontext.regs[i]
__asm__(".text\n"
        ".globl trap_raw, trap_raw_end\n"
        "trap_raw:\n"
        "    mov x8, x0\n    mov x0, x1\n    mov x1, x2\n    mov x2, x3\n"
        "    mov x3, x4\n    mov x4, x5\n    mov x5, x6\n    svc 0\n"
        "trap_raw_end:\n    ret\n");
#endif

static long (*trap_judge)(long number, const long arg[6]);

#ifdef TRAP_ARCH
/* The only place from which a stopped call passes the filter; minus an errno value if it fails. */
extern long trap_raw(long number, long a, long b, long c, long d, long e, long f);
extern const char trap_raw_end[];

static void
trap_handle(int sig, siginfo_t *info, void *context)
{
    ucontext_t *u = context;
    long arg[6], number = info->si_syscall;

    (void)sig;
    for (unsigned i = 0; i < 6; i++)
        arg[i] = (long)TRAP_ARG(u, i);
    long result = trap_judge(number, arg);
    if (result == 0)
        result = trap_raw(number, arg[0], arg[1], arg[2], arg[3], arg[4], arg[5]);
    TRAP_RESULT(u) = result;
}

BB_UNUSED static bool
trap_calls(const long *number, unsigned n, bool these)
{
    enum { MAX = 100 };
    static struct sock_filter code[MAX + 12];
    struct sigaction action = {.sa_sigaction = trap_handle, .sa_flags = SA_SIGINFO};
    uint64_t passes_at = (uint64_t)(uintptr_t)trap_raw_end;
    uint32_t at_low = offsetof(struct seccomp_data, instruction_pointer);
    unsigned short i = 0;

    if (n > MAX || sigaction(SIGSYS, &action, NULL) != 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return false;
    code[i++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch));
    code[i++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, TRAP_ARCH, 1, 0);
    code[i++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    code[i++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, at_low);
    code[i++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)passes_at, 0, 3);
    code[i++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, at_low + 4);
    code[i++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)(passes_at >> 32), 0, 1);
    code[i++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    code[i++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
    for (unsigned k = 0; k < n; k++)
        code[i++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)number[k],
                                                 (uint8_t)(n - k), 0);
    code[i++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, these ? SECCOMP_RET_ALLOW : SECCOMP_RET_TRAP);
    code[i++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, these ? SECCOMP_RET_TRAP : SECCOMP_RET_ALLOW);
    struct sock_fprog program = {i, code};
    return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program) == 0;
}

static long
trap_answer(long number, const long arg[6])
{
    (void)number;
    (void)arg;
    return 12345;
}

/* Tried in a child. */
BB_UNUSED static bool
traps_work(void)
{
    const char *emulator = getenv("JSM_EMULATOR");
    long number = SYS_getppid;

    if (SANITIZED || (emulator != NULL && emulator[0] != '\0'))
        return false;
    pid_t child = fork_timed();
    if (child == 0) {
        trap_judge = trap_answer;
        _exit(trap_calls(&number, 1, true) && syscall(SYS_getppid) == 12345 ? 0 : 1);
    }
    return verdict_of(child) == 0;
}
#else
BB_UNUSED static bool
trap_calls(const long *number, unsigned n, bool these)
{
    (void)number;
    (void)n;
    (void)these;
    return false;
}

BB_UNUSED static long
trap_raw(long number, long a, long b, long c, long d, long e, long f)
{
    return syscall(number, a, b, c, d, e, f);
}

BB_UNUSED static bool
traps_work(void)
{
    return false;
}
#endif

#endif
