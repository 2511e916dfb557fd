# t/preload.sh - programs that know nothing of the library run with it preloaded, in whatever
# environment, and do what they do without it.
# SPDX-License-Identifier: MIT
. "$top_srcdir/t/tap.sh"
[ -n "$JSM_LIB" ] || skip_all "built without override, or without the shared library"
[ "$JSM_CROSS" = no ] || skip_all "programs of this machine cannot be preloaded with it"
scratch

# A program of our own comes first: those of the system may be of another architecture.
cat > "$scratch/victim.c" << 'END'
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
int
main(void)
{
    int (*is_ours)(const void *);
    char *s = strdup("text"), *t = malloc(100);
    *(void **)&is_ours = dlsym(RTLD_DEFAULT, "jsm_is_ours");
    if (is_ours == NULL)
        puts("not loaded");
    else
        printf("%s %s\n", is_ours(s) ? "ours" : "theirs", is_ours(t) ? "ours" : "theirs");
    free(s);
    free(t);
    return 0;
}
END
# CC is a command with arguments.
# shellcheck disable=SC2086
$CC -fno-builtin "$scratch/victim.c" -o "$scratch/victim" -ldl || {
    fail "a program can be built"
    tap_done
}

# Functions that not every allocator has, by name, and all of them freed by free().
cat > "$scratch/second.c" << 'END'
#define _GNU_SOURCE
#include <dlfcn.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
static void *named(const char *name) { return dlsym(RTLD_DEFAULT, name); }
int
main(void)
{
    void *(*f2)(void *, size_t), *(*f4)(void *, size_t, size_t, size_t);
    void (*s2)(void *, size_t), (*s3)(void *, size_t, size_t), *(*f1)(size_t);
    char *p = reallocarray(NULL, 10, 10);
    strcpy(p, "contents");
    p = reallocarray(p, 100, 10);
    *(void **)&f1 = named("pvalloc");
    if (f1 != NULL)
        free(f1(10));
    *(void **)&f2 = named("reallocf");
    if (f2 != NULL)
        p = f2(p, 5000);
    *(void **)&f4 = named("recallocarray");
    if (f4 != NULL) {
        p = f4(p, 100, 300, 10);
        if (p[2999] != 0)
            puts("not zero");
    }
    if (strcmp(p, "contents") != 0)
        puts("contents lost");
    free(p);
    *(void **)&s2 = named("freezero");
    if (s2 != NULL)
        s2(memset(malloc(100), 1, 100), 100);
    *(void **)&s2 = named("free_sized");
    if (s2 != NULL)
        s2(malloc(100), 100);
    *(void **)&s3 = named("free_aligned_sized");
    if (s3 != NULL)
        s3(aligned_alloc(64, 640), 64, 640);
    puts("works");
    return 0;
}
END
$CC -fno-builtin "$scratch/second.c" -o "$scratch/second" -ldl || fail "a second program can be built"

# preloaded [NAME=VALUE]... COMMAND [ARG]...
preloaded() {
    env LD_PRELOAD="$JSM_LIB" "$@"
}

is "$("$scratch/victim")" "not loaded" "without the preload there is nothing of ours"
is "$(preloaded "$scratch/victim" 2>&1)" "ours ours" "with it, the program's blocks and libc's are ours"
is "$(env -i LD_PRELOAD="$JSM_LIB" "$scratch/victim" 2>&1)" "ours ours" "in an empty environment too"
is "$(preloaded LD_BIND_NOW=1 "$scratch/victim" 2>&1)" "ours ours" "and with immediate binding"

# --- Options that are wrong: one message each, and the program starts.
# with_options VALUE: what the program and the library say.
with_options() {
    preloaded JSMALLOC_OPTIONS="$1" "$scratch/victim" 2> "$scratch/stderr"
}

# complains VALUE WORD DESCRIPTION: the program runs, and the one message has WORD in it.
complains() {
    is "$(with_options "$1")" "ours ours" "$3: the program runs"
    if [ "$(wc -l < "$scratch/stderr")" -eq 1 ] && grep -qF -- "$2" "$scratch/stderr"; then
        pass "$3: one message, which names $2"
    else
        fail "$3: one message, which names $2"
        diag "$(cat "$scratch/stderr")"
    fi
}

is "$(with_options purge_delay=500ms,trim_threshold=40K)$(cat "$scratch/stderr")" "ours ours" "good options bring no message"
is "$(with_options '')$(cat "$scratch/stderr")" "ours ours" "nor does an empty value"
complains purge_dellay=500 purge_delay "a misspelt name"
complains trim_treshold=1M trim_threshold "another misspelt name"
complains zero_size=nul zero_size "a bad word"
complains purge_delay=fast purge_delay "a bad number"
complains purge_delay purge_delay "a name without a value"
complains trim_threshold=1M,purge_delay=99999999999999999999999 purge_delay "a number that is too large"
is "$(with_options "x=$(printf '%065536d' 0)")" "ours ours" "a value of 64 KiB: the program runs"
is "$(with_options "$(printf '\377\001=%%s%%n,=,==,,,=5')")" "ours ours" "bytes that are no text: the program runs"

# --- Statistics at the end.
preloaded JSMALLOC_OPTIONS=stats=exit "$scratch/victim" > "$scratch/out" 2> "$scratch/stderr"
is "$(cat "$scratch/out")" "ours ours" "stats=exit leaves standard output alone"
if [ -s "$scratch/stderr" ]; then pass "and prints to standard error"; else fail "and prints to standard error"; fi
preloaded JSMALLOC_OPTIONS="stats=exit,stats_file=$scratch/stats.%p" "$scratch/victim" > "$scratch/out" 2> "$scratch/stderr"
is "$(cat "$scratch/stderr")" "" "stats_file leaves standard error alone"
set -- "$scratch"/stats.[0-9]*
if [ -s "$1" ]; then pass "and has them in the file, with the process's number"; else fail "and has them in the file"; fi

# --- Programs of the system.
if [ -n "$(preloaded true 2>&1)" ]; then
    diag "$(preloaded true 2>&1)"
    skip "programs of the system" "they are for another machine or another C library"
    tap_done
fi

# Those of coreutils close standard error before the library's turn comes.
preloaded JSMALLOC_OPTIONS=stats=exit ls / > "$scratch/out" 2> "$scratch/stderr"
is "$(cat "$scratch/out") $(grep -c statistics "$scratch/stderr")" "$(ls /) 1" "statistics of ls, too"
# The shells that close it expand this.
# shellcheck disable=SC2016
is "$(preloaded JSMALLOC_OPTIONS=stats=exit bash -c 'exec 2>&-
    for fd in /proc/$$/fd/*; do eval "exec ${fd##*/}>&-"; done
    exec 3> "$1" 100> "$1"; eval "exec 2>&-"; : ; exit 0' - "$scratch/own" 2>&1; cat "$scratch/own")" "" \
    "a program that closes everything has nothing written into files of its own"

# same DESCRIPTION COMMAND ARG...: output and status are those of the same command without us.
same() {
    what=$1
    shift
    if ! command -v "$1" > /dev/null; then
        skip "$what" "no $1"
        return
    fi
    "$@" > "$scratch/want" 2> "$scratch/want_error"
    want=$?
    preloaded "$@" > "$scratch/got" 2> "$scratch/got_error"
    got=$?
    if [ "$want" = "$got" ] && cmp -s "$scratch/want" "$scratch/got" && cmp -s "$scratch/want_error" "$scratch/got_error"; then
        pass "$what"
    else
        fail "$what"
        diag "status $got, without the library $want
$(diff "$scratch/want" "$scratch/got" | head -n 10)
$(diff "$scratch/want_error" "$scratch/got_error" | head -n 10)"
    fi
}

if preloaded cat /proc/self/maps | grep -qF "${JSM_LIB%/*}/"; then
    pass "cat has the library among its mappings"
else
    fail "cat has the library among its mappings"
fi

$AWK 'BEGIN { x = 1; for (i = 0; i < 100000; i++) { x = (x * 16807) % 2147483647; print x, i } }' > "$scratch/numbers"
# Of the sources: in the build folder other tests are at work.
same "ls" ls -lR "$top_srcdir/src"
same "sort" sort -n "$scratch/numbers"
same "sort, in several threads with little memory" sort --parallel=4 -S 1M "$scratch/numbers"
same "awk" "$AWK" '{ a[$1 % 5000] = a[$1 % 5000] " " $2 } END { for (i in a) n += length(a[i]); print n }' "$scratch/numbers"
same "sed" sed -e 's/\([0-9]\)\([0-9]\)/\2\1/g' "$scratch/numbers"
# The shell expands these itself.
# shellcheck disable=SC2016
same "sh with children" sh -c 'for i in 1 2 3 4 5 6 7 8 9; do (echo $i; echo $((i * i)) | cat) & wait; done; exit 7'
same "tar and gzip" sh -c 'tar cf - "$0" 2> /dev/null | gzip -n | gzip -dc | cksum' "$top_srcdir/src"
same "grep" grep -c '7.*7.*7' "$scratch/numbers"
same "a program that fails" ls /nonexistent
same "perl" perl -e 'my %h = map { $_ => "x" x ($_ % 300) } 1 .. 50000; my $n = 0; $n += length for values %h; print "$n\n"'
same "python3" python3 -c '
import collections, re, threading
out = []
def work(seed):
    d = {}
    for i in range(30000):
        d[(i * seed) % 7919] = [i] * (i % 37)
    out.append((seed, sum(map(len, d.values()))))
threads = [threading.Thread(target=work, args=(s,)) for s in (3, 5, 7, 11)]
[t.start() for t in threads]
[t.join() for t in threads]
print(sorted(out), len(re.sub("a+", "b", "xaay" * 10000)))'
same "git" git --version

# --- Unusual surroundings.
is "$(preloaded sh -c 'exec ls / <&- 2>&-')" "$(ls /)" "closed standard input and error"
preloaded sh -c 'exec ls / >&- 2>&-' > /dev/null 2>&1
got=$?
sh -c 'exec ls / >&- 2>&-' > /dev/null 2>&1
is "$got" "$?" "closed standard output: the same status as without"
is "$( (ulimit -v 1000000 && preloaded sort -n "$scratch/numbers" | cksum) 2>&1)" "$(sort -n "$scratch/numbers" | cksum)" \
    "an address space of 1000000 KiB"
is "$( (ulimit -s 256 && preloaded "$scratch/victim") 2>&1)" "ours ours" "a stack of 256 KiB"

# --- Two allocators: the first one has the program, and neither minds the other.
for other in libmimalloc.so.2.0 libjemalloc.so.2 libtcmalloc_minimal.so.4; do
    if [ -n "$(LD_PRELOAD=$other env true 2>&1)" ]; then
        skip "with $other preloaded as well" "it is not installed"
        continue
    fi
    is "$(LD_PRELOAD="$JSM_LIB $other" "$scratch/victim" 2>&1)" "ours ours" "before $other we have the blocks"
    is "$(LD_PRELOAD="$other $JSM_LIB" "$scratch/victim" 2>&1)" "theirs theirs" "after $other we know that they are not ours"
    is "$(LD_PRELOAD="$other $JSM_LIB" sort -n "$scratch/numbers" | cksum)" "$(sort -n "$scratch/numbers" | cksum)" \
        "and programs work"
    is "$(LD_PRELOAD="$other $JSM_LIB" "$scratch/second" 2>&1)" "works" "what $other lacks comes down to its malloc"
done
tap_done
