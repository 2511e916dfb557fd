# t/profile-program.sh - option profile for whole programs: the stacks in its file name the program's functions, pprof
# reads it, and programs with threads and children go on as without.
# SPDX-License-Identifier: MIT
. "$top_srcdir/t/tap.sh"
need_preload
scratch
unset JSMALLOC_CONF

cat > "$scratch/p.c" <<'END'
#include <stdlib.h>
#include <string.h>
#define PLACE __attribute__((noinline))
PLACE void *by_malloc(size_t n) { void *p = malloc(n); return memset(p, 1, n); }
PLACE void *by_calloc(size_t n) { char *p = calloc(n, 1); p[0] = 1; return p; }
PLACE void *by_memalign(size_t n) { void *p; return posix_memalign(&p, 256, n) == 0 ? memset(p, 1, n) : NULL; }
PLACE void *by_realloc(void *p, size_t n) { p = realloc(p, n); return memset(p, 1, n); }
void *volatile kept;
int main(void)
{
    for (int i = 0; i < 20000; i++)
        kept = by_malloc(100);
    for (int i = 0; i < 2000; i++) {
        kept = by_calloc(2000);
        free(kept);
    }
    kept = by_memalign(300000);
    kept = by_realloc(by_malloc(400000), 500000);
    return 0;
}
END
# CC is a command with arguments.
# shellcheck disable=SC2086
$CC -g -O1 -fno-builtin -no-pie -o "$scratch/p" "$scratch/p.c" || { fail "the program compiles"; tap_done; }

profiled() {
    env LD_PRELOAD="$JSM_LIB" JSMALLOC_OPTIONS="profile=on,sample_interval=1K,profile_file=$scratch/heap" "$@"
}
check "a program runs while it is profiled" profiled "$scratch/p"

# The function of the innermost caller of each stack, which is the return address, with live and all bytes.
by_function() {
    sed -n 's/^[0-9]*: \([0-9]*\) \[[0-9]*: \([0-9]*\)\] @ \(0x[0-9a-f]*\).*/\1 \2 \3/p' "$scratch/heap" |
        while read -r live all address; do
            echo "$(addr2line -f -e "$scratch/p" "$(printf '0x%x' $((address - 1)))" | head -n 1) $live $all"
        done
}
# of FUNCTION COLUMN: what it has of that.
of() {
    $AWK -v name="$1" -v column="$2" '$1 == name { sum += $column } END { printf "%d\n", sum }' "$scratch/functions"
}
between() {
    if [ "$1" -ge "$2" ] && [ "$1" -le "$3" ]; then pass "$4"; else fail "$4"; diag "$1, not $2 to $3"; fi
}
if command -v addr2line > /dev/null; then
    by_function > "$scratch/functions"
    is "$($AWK '/^by_/ { print $1 }' "$scratch/functions" | sort -u | tr '\n' ' ')" \
        "by_calloc by_malloc by_memalign by_realloc " "the caller of each function comes first in its stack"
    # A block of 100 bytes is a sample in one case of 10.7, one of 2000 in 6 cases of 7.
    between "$(of by_malloc 2)" 150000 235000 "samples of malloc's caller: about 187000 bytes live"
    is "$(of by_calloc 2)" 0 "what calloc's caller had was freed"
    between "$(of by_calloc 3)" 3000000 3900000 "it was about 3400000 bytes"
    is "$(of by_memalign 2) $(of by_realloc 2)" "300000 500000" "blocks far above the interval are samples for certain"
else
    skip "stacks name functions" "no addr2line"
fi

pprof=$(command -v google-pprof || command -v pprof)
if [ -n "$pprof" ]; then
    "$pprof" --text --inuse_space "$scratch/p" "$scratch/heap" > "$scratch/table" 2> "$scratch/said"
    is "$(grep -o 'by_[a-z]*' "$scratch/table" | sort -u | tr '\n' ' ')" "by_malloc by_memalign by_realloc " \
        "pprof names the functions whose blocks live"
else
    skip "pprof reads it" "no google-pprof"
fi

# ---- Threads, children ----
if command -v xz > /dev/null; then
    is "$(head -c 3000000 /dev/zero | profiled xz -T3 --block-size=300000 | xz -d | wc -c | tr -d ' ')" 3000000 \
        "a program with threads does what it does without"
else
    skip "a program with threads" "no xz"
fi
is "$(profiled sh -c 'for i in 1 2 3; do echo "$(echo $i)"; done' | tr '\n' ' ')" "1 2 3 " "so does one that forks"
tap_done
