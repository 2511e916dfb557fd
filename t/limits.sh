# t/limits.sh - the library where there is little: limits of addresses and of memory, no /proc, no
# standard error.
# SPDX-License-Identifier: MIT
. "$top_srcdir/t/tap.sh"
need_own_programs
[ -z "${JSM_EMULATOR-}" ] || skip_all "an emulator needs more than these limits itself"
[ -z "${JSM_SANITIZER-}" ] || skip_all "a sanitizer needs more than these limits itself"
scratch
ulimit -c 0
hungry=$top_builddir/t/limits/hungry

# limited LETTER KIB PROGRAM ARG...: runs a program under `ulimit -LETTER KIB`.
limited() (
    ulimit "-$1" "$2"
    shift 2
    "$@"
)

# 3 says that all went well and no limit was met.
without_limit() {
    status=0
    "$@" || status=$?
    [ "$status" -eq 3 ]
}

check "64 MiB of small blocks without a limit" without_limit "$hungry" 200 64
for kib in 1000000 100000 40000; do
    most=$((kib / 1000 + 200)) # more than there can be
    for size in 40 3000 50000 1000000; do
        check "addresses limited to $kib KiB, blocks of about $size bytes: ENOMEM, and service again" \
            limited v "$kib" "$hungry" "$size" "$most"
    done
    check "addresses limited to $kib KiB, 64 KiB each in two threads, which find no less" \
        limited v "$kib" "$hungry" 65536 "$most" 2
done
check "addresses limited to 1000000 KiB, eight threads" limited v 1000000 "$hungry" 5000 1200 8

# RLIMIT_DATA counts for a process what vm.overcommit_memory=2 counts for all: memory that is private and writable,
# used or not, MAP_NORESERVE or not; and refuses it in the same calls, mmap and mprotect.
for kib in 8000 60000 200000; do
    for size in 40 3000 400000; do
        check "data limited to $kib KiB, blocks of about $size bytes: ENOMEM, and service again" \
            limited d "$kib" "$hungry" "$size" "$((kib / 1000 + 100))"
    done
done
check "data limited to 200000 KiB, three threads" limited d 200000 "$hungry" 5000 300 3
overcommit=$(cat /proc/sys/vm/overcommit_memory 2> /dev/null) || overcommit=unknown
if [ "$overcommit" = 2 ]; then
    check "with vm.overcommit_memory=2" without_limit "$hungry" 200 64
else
    skip "with vm.overcommit_memory=2" "it is $overcommit here, and all of the machine's; see data limits above"
fi
check "64 MiB in a process limited to 1000000 KiB of addresses" \
    without_limit limited v 1000000 "$hungry" 200 64

if unshare -m sh -c 'mount -t tmpfs none /proc' 2> /dev/null; then
    check "without /proc" without_limit unshare -m sh -c 'mount -t tmpfs none /proc && "$@"' - "$hungry" 200 64
    check "without /proc, in threads" \
        without_limit unshare -m sh -c 'mount -t tmpfs none /proc && "$@"' - "$hungry" 200 64 4
else
    skip "without /proc" "no permission to mount"
fi

without_stderr() (
    "$@" 2>&-
)
check "with standard error closed" without_limit without_stderr "$hungry" 200 64

without_standard() (
    "$@" 0<&- 1>&- 2>&-
)
check "with standard input, output and error closed" without_limit without_standard "$hungry" 200 64
unlimited_stack() (
    ulimit -s unlimited 2> /dev/null || return 77
    "$@"
)
if unlimited_stack true; then
    check "with an unlimited stack" without_limit unlimited_stack "$hungry" 200 64 # in one thread: each takes one
else
    skip "with an unlimited stack" "the limit may not be raised"
fi

# The oldest layout has mappings grow upwards from a third of the addresses, above the break and below the stack.
for layout in --addr-compat-layout --addr-no-randomize "--addr-compat-layout --3gb"; do
    # shellcheck disable=SC2086
    if setarch "$(uname -m)" $layout true 2> /dev/null; then
        check "with setarch $layout" without_limit setarch "$(uname -m)" $layout "$hungry" 200 64 4
        check "and little of it" limited v 300000 setarch "$(uname -m)" $layout "$hungry" 3000 500
        check "and memory from the break" without_limit env JSMALLOC_OPTIONS=source=brk \
            setarch "$(uname -m)" $layout "$hungry" 200 64
    else
        skip "with setarch $layout" "the system does not have it"
    fi
done
if unshare -m sh -c 'mount -t tmpfs none /proc && mount -t tmpfs none /sys' 2> /dev/null; then
    check "without /proc and /sys, and asked for the limit of the control group" \
        without_limit env JSMALLOC_OPTIONS=memory_limit=auto,stats=exit \
        unshare -m sh -c 'mount -t tmpfs none /proc && mount -t tmpfs none /sys && "$@"' - "$hungry" 200 64 2
else
    skip "without /proc and /sys" "no permission to mount"
fi

# A process in a control group is killed for more memory than the limit of that, which memory_limit=auto keeps away from.
# JSM_TEST_CGROUP=/sys/fs/cgroup/mine names a group that may be limited; who may make one needs none.
group=${JSM_TEST_CGROUP-}
if [ -z "$group" ]; then
    for root in /sys/fs/cgroup/memory /sys/fs/cgroup; do
        made=$root/jsmalloc-test-$$
        if [ -z "$group" ] && mkdir "$made" 2> /dev/null; then
            group=$made
            # shellcheck disable=SC2154
            trap 'rmdir "$group"; rm -rf "$scratch"' EXIT
        fi
    done
fi
in_group() {
    sh -c 'echo $$ > "$1/cgroup.procs" && shift && exec "$@"' - "$group" "$@"
}
group_limit=
for name in memory.max memory.limit_in_bytes; do
    [ -z "$group" ] || [ ! -w "$group/$name" ] || group_limit=$group/$name
done
if [ -n "$group_limit" ] && echo 67108864 > "$group_limit"; then
    check "in a control group of 64 MiB, whose limit the library asks for" \
        without_limit in_group env JSMALLOC_OPTIONS=memory_limit=auto "$hungry" 3000 40
    check "and in threads" without_limit in_group env JSMALLOC_OPTIONS=memory_limit=auto "$hungry" 3000 40 4
else
    skip "in a control group with a limit" "none can be made, and JSM_TEST_CGROUP names none that may be changed"
fi

# What there is of calls and mappings, with options that make more of both.
for options in harden=on harden=full guard_sample=1; do
    check "no system calls but those of doc/syscalls.md, with $options" \
        env JSMALLOC_OPTIONS="$options" "$top_builddir/t/syscalls.t"
    check "mappings and locked memory are used up, with $options" \
        env JSMALLOC_OPTIONS="$options" "$top_builddir/t/exhaustion.t"
    if [ -n "${JSM_TEST_EXTRA-}" ]; then
        check "each mapping call fails, with $options" env JSM_TEST_EXTRA= JSMALLOC_OPTIONS="$options" "$top_builddir/t/oom.t"
    fi
done
if [ -n "${JSM_TEST_EXTRA-}" ]; then
    for options in harden=on harden=full; do
        check "each system call fails, with $options" \
            env JSM_TEST_EXTRA= JSMALLOC_OPTIONS="$options" "$top_builddir/t/faults.t"
    done
fi

if [ -n "$JSM_LIB" ] && [ "$JSM_CROSS" = no ]; then
    # A shell, a child of it, and a library that is preloaded into both.
    preloaded() {
        env LD_PRELOAD="$JSM_LIB" sh -c 'x=$(ls "$1") && [ -n "$x" ]' - "$top_srcdir"
    }
    check "system programs, preloaded, with addresses limited to 1000000 KiB" limited v 1000000 preloaded
    check "and to 100000 KiB" limited v 100000 preloaded
fi
tap_done
