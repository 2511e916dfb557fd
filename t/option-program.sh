# t/option-program.sh - options given to programs from outside: by file, by variables; what the kernel sees of
# them; programs that are set-user-ID.
# SPDX-License-Identifier: MIT
. "$top_srcdir/t/tap.sh"
need_preload
scratch
unset JSMALLOC_CONF

# preloaded [NAME=VALUE]... PROGRAM [ARG]...: its standard error.
preloaded() {
    env "$@" LD_PRELOAD="$JSM_LIB" "$cat" /dev/null 2>&1
}
cat=$(command -v cat)

printf 'purge_delay=2s\n[sort, c*t]\nmmap_max=5\n[sort]\nmmap_max=6\n' > "$scratch/conf"
conf=JSMALLOC_CONF=$scratch/conf
said=$(preloaded "$conf" MALLOC_TOP_PAD_=4096 GLIBC_TUNABLES=glibc.malloc.check=1 JSMALLOC_OPTIONS=confirm=on)
for line in "purge_delay=2000 ($scratch/conf:1)" "mmap_max=5 ($scratch/conf:3)" "prealloc=4096 (MALLOC_TOP_PAD_)" \
    "check_action=1 (GLIBC_TUNABLES)" "confirm=on (JSMALLOC_OPTIONS)" "thp=default (default)"; do
    case $said in
        *"jsmalloc: $line"*) pass "a program confirms $line" ;;
        *) fail "a program confirms $line"; diag "$said" ;;
    esac
done
is "$(preloaded "$conf")" "" "and is silent when it is not asked"
is "$(preloaded JSMALLOC_OPTIONS=prealoc=1M; echo "status $?")" \
    "jsmalloc: JSMALLOC_OPTIONS: prealoc=1M: no such option, nearest is prealloc; ignored
status 0" "what is wrong is said once, and the program runs"
chmod 000 "$scratch/conf"
if [ "$(id -u)" -eq 0 ]; then
    skip "a file that may not be read" "root may read all files"
else
    is "$(preloaded "$conf")" "jsmalloc: $scratch/conf: no permission to read it; ignored" "a file that may not be read"
fi

# ---- What the kernel sees ----
cat > "$scratch/p.c" <<'END'
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>
int main(int argc, char **argv)
{
    static char *p[64];
    for (int i = 0; i < 64; i++)
        memset(p[i] = malloc(300000), i, 300000);
    for (int i = 0; i < 64; i++)
        free(p[i]);
    if (argc > 1 && strcmp(argv[1], "secure") == 0)
        printf("%lu\n", getauxval(AT_SECURE));
    if (argc > 1 && strcmp(argv[1], "quickly") == 0)
        _exit(0);
    return 0;
}
END
# CC is a command with arguments.
# shellcheck disable=SC2086
$CC -fno-builtin -o "$scratch/p" "$scratch/p.c" || { fail "the program compiles"; tap_done; }

# at_end OPTION [ARG]: how many statistics or profiles the program writes when it ends.
at_end() {
    rm -f "$scratch"/end.*
    env LD_PRELOAD="$JSM_LIB" JSMALLOC_OPTIONS="$1,stats_file=$scratch/end.stats,profile_file=$scratch/end.heap" "$scratch/p" "${2-}"
    find "$scratch" -name 'end.*' | wc -l
}
is "$(at_end stats=exit) $(at_end stats=exit quickly)" "1 0" "statistics are printed at the end of main(), not by _exit()"
is "$(at_end profile=on) $(at_end profile=on quickly)" "1 0" "so are profiles"

# calls OPTIONS CALL [PATTERN]: how often the program makes a system call.
calls() {
    strace -f -E LD_PRELOAD="$JSM_LIB" -E JSMALLOC_CONF= -E JSMALLOC_OPTIONS="$1" -e trace="$2" -o "$scratch/trace" "$scratch/p" &&
        grep -c "${2#all}(.*${3-}" "$scratch/trace"
}
between() {
    if [ "$1" -ge "$2" ] && [ "$1" -le "$3" ]; then pass "$4"; else fail "$4"; diag "$1, not $2 to $3"; fi
}
if strace -o /dev/null true 2> /dev/null; then
    still=trim_threshold=unlimited,purge_delay=unlimited
    between "$(calls "$still" madvise DONTNEED)" 0 0 "trim_threshold=unlimited: nothing is given back"
    between "$(calls trim_threshold=0 madvise DONTNEED)" 64 999 "trim_threshold=0: each block is, when it is freed"
    less=$(calls "$still,prealloc=16M" mprotect) more=$(calls "$still,prealloc=1M" mprotect)
    between "$((more - less))" 15 25 "prealloc: 19 MiB are made ready in steps of its size"
    none=$(calls "$still" munmap)
    between "$(($(calls "$still,mmap_threshold=300000" munmap) - none))" 64 320 "mmap_threshold: each block is unmapped"
    between "$(($(calls "$still,mmap_threshold=300000,mmap_max=9" munmap) - none))" 9 45 "mmap_max: but nine at a time at most"
    between "$(calls "$still,source=mmap" brk)" 0 1 "source=mmap: the break stays"
    between "$(calls "$still,source=brk,arena_size=8M,arena_shift_max=0" brk)" 4 8 "source=brk: it is moved for each arena"
    between "$(calls "$still,thp=on" madvise MADV_HUGEPAGE)" 1 9 "thp=on: the kernel is asked for huge pages"
    speed=$(calls preset=speed all) small=$(calls preset=small all)
    between "$((small - speed))" 64 9999 "preset=speed spares system calls that preset=small makes"
else
    skip "what the kernel sees" "no strace, or it may not trace"
fi

# ---- Set-user-ID ----
archive=$top_builddir/.libs/libjsmalloc.a
if [ "$(id -u)" -ne 0 ] || ! command -v setpriv > /dev/null; then
    skip "a set-user-ID program" "not root, or no setpriv"
elif [ ! -e "$archive" ]; then
    skip "a set-user-ID program" "no static library"
else
    # shellcheck disable=SC2086
    $CC -fno-builtin -o "$scratch/q" "$scratch/p.c" "$archive" -lpthread -ldl
    chmod 755 "$scratch" "$scratch/q"
    echo confirm=on > "$scratch/conf"
    chmod 644 "$scratch/conf"
    as_nobody() {
        setpriv --reuid 65534 --regid 65534 --clear-groups env "$1" "$scratch/q" secure 2>&1 | sed -n '/confirm=\|^[01]/p'
    }
    is "$(as_nobody JSMALLOC_OPTIONS=confirm=on)" "jsmalloc: confirm=on (JSMALLOC_OPTIONS)
0" "an ordinary program reads its environment"
    is "$(as_nobody "$conf")" "jsmalloc: confirm=on ($scratch/conf:1)
0" "and the file that it names"
    chmod u+s "$scratch/q"
    if [ "$(as_nobody X=)" = 1 ]; then
        is "$(as_nobody JSMALLOC_OPTIONS=confirm=on)" 1 "a set-user-ID program ignores JSMALLOC_OPTIONS"
        is "$(as_nobody "$conf")" 1 "and JSMALLOC_CONF"
    else
        skip "a set-user-ID program ignores its environment" "set-user-ID does not work in $scratch"
    fi
fi
tap_done
