/* t/harden.h - how a scene of t/harden.c begins: its level, and a kernel that knows no guards.
 * SPDX-License-Identifier: MIT
 */
#ifndef JSM_T_HARDEN_H
#define JSM_T_HARDEN_H

#define FAULTS_ARE_SIGNALS
#include "unit.h"

#include "heap/heap.h"

#include <sys/prctl.h>
#include <sys/syscall.h>

#if __has_include(<linux/seccomp.h>)
#include <linux/filter.h>
#include <linux/seccomp.h>
#define HAVE_FILTERS 1
#else
#define HAVE_FILTERS 0
#endif

static const char *level; /* of the scene */
static bool is_old_kernel; /* and whether it has to do without MADV_GUARD_INSTALL */
enum { UNABLE = 96 }; /* it cannot be made one */

#if HAVE_FILTERS
/* From here on the kernel is one that knows nothing of guards. */
static bool
refuse_guards(void)
{
    enum { INSTALL = 102, LOW = __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ ? 4 : 0 };
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_madvise, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[2]) + LOW),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, INSTALL, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EINVAL),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog filter = { COUNT_OF(code), code };

    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0;
}
#else
static bool
refuse_guards(void)
{
    return false;
}
#endif

static bool
is_level_full(void)
{
    return strcmp(level, "full") == 0;
}

/* Begins a scene. */
static void
begin(const char *check_action)
{
    if (is_old_kernel) {
        size_t page = jsm_os_page_bytes();
        void *p = refuse_guards() ? jsm_os_map(page, page) : NULL;
        if (p == NULL || jsm_os_guard(p, page) == 0)
            _exit(UNABLE);
    }
    if (!set_option("check_action", check_action) || jsm_option(JSM_OPT_HARDEN) != 1 + is_level_full())
        _exit(99);
}

#endif
