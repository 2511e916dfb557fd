# t/harden-programs.sh - option harden: what holds without it holds with it, for our tests and for real programs; who allocated
# has to be who frees.
# SPDX-License-Identifier: MIT
. "$top_srcdir/t/tap.sh"
need_own_programs
[ -z "$JSM_SANITIZER" ] || skip_all "the sanitizers' malloc is the program's"
scratch
ulimit -c 0

# ---- Our own tests, but for those of how blocks come back and sizes are rounded ----

# hardened LEVEL PROGRAM: runs a test.
hardened() {
    JSMALLOC_OPTIONS=harden=$1 "${SHELL:-sh}" "$top_srcdir/t/run" "$2" > "$scratch/out" 2>&1 &&
        ! grep '^not ok' "$scratch/out"
}
tests='api errno aligned calloc usable threads exit fork heaps-end'
[ "$JSM_OVERRIDE" = yes ] && tests="$tests api-std usable-std exit-std fork-std"
for level in on full; do
    for t in $tests; do
        if hardened "$level" "$top_builddir/t/$t.t"; then
            pass "$level: $t.t passes"
        else
            fail "$level: $t.t passes"
            diag "$(grep -A 3 '^not ok\|^jsmalloc' "$scratch/out" | head -n 12)"
        fi
    done
done

if [ -z "$JSM_LIB" ]; then
    tap_done
fi

# ---- Origins ----

# ends HOW HOW: what a program says that allocates and frees so.
ends() {
    JSMALLOC_OPTIONS=harden=on,check_action=1 run env LD_PRELOAD="$JSM_LIB" "$scratch/origins" "$1" "$2" 2>&1 |
        sed -n '1s/^jsmalloc: \([^(]*\)(0x[0-9a-f]*): /\1: /p'
}
# shellcheck disable=SC2086
if [ "$JSM_CROSS" = no ] && [ -n "$CXX" ] &&
    $CXX -std=c++17 -fno-builtin -w -o "$scratch/origins" "$top_srcdir/t/harden/origins.cc" 2> "$scratch/log"; then
    for pair in malloc:free malloc:realloc new:delete new:sized nothrow:delete 'new[]:delete[]' aligned:aligned \
        large:delete; do
        is "$(ends "${pair%:*}" "${pair#*:}")" "" "$pair go together"
    done
    wrong='wrong deallocation function: it was allocated by'
    is "$(ends new free)" "free: $wrong operator new" "what new gave is not for free"
    is "$(ends new realloc)" "realloc: $wrong operator new" "nor for realloc"
    is "$(ends large free)" "free: $wrong operator new" "nor is a large one"
    is "$(ends 'new[]' free)" "free: $wrong operator new[]" "nor an array"
    is "$(ends malloc delete)" "operator delete: $wrong malloc" "what malloc gave is not for delete"
    is "$(ends malloc 'delete[]')" "operator delete[]: $wrong malloc" "nor for delete of an array"
    is "$(ends new 'delete[]')" "operator delete[]: $wrong operator new" "delete of an array is not for one object"
    is "$(ends 'new[]' delete)" "operator delete: $wrong operator new[]" "nor is delete of one for an array"
    is "$(ends new sized-wrong)" "operator delete: wrong size: 41 was said" "sized delete has to know the size"
else
    skip "who allocated has to be who frees" "no C++ compiler for this machine"
fi

# ---- Real programs ----

# same NAME COMMAND...: at both levels it does what it does without the library.
same() {
    name=$1
    shift
    command -v "$1" > /dev/null || { skip "$name" "not installed"; return; }
    "$@" > "$scratch/plain" 2>&1 < /dev/null || echo "status $?" >> "$scratch/plain"
    for level in on full; do
        env LD_PRELOAD="$JSM_LIB" JSMALLOC_OPTIONS=harden=$level "$@" > "$scratch/hard" 2>&1 < /dev/null ||
            echo "status $?" >> "$scratch/hard"
        if cmp -s "$scratch/plain" "$scratch/hard"; then
            pass "$level: $name"
        else
            fail "$level: $name"
            diag "$(diff "$scratch/plain" "$scratch/hard" | head -n 10)"
        fi
    done
}
if [ "$JSM_CROSS" = no ]; then
    awk 'BEGIN { for (i = 0; i < 60000; i++) print (i * 7919) % 100003, "line " i }' > "$scratch/lines"
    printf '#include <stdio.h>\n#include <stdlib.h>\nint main(void) { return printf("%%d\\n", abs(-5)) < 0; }\n' \
        > "$scratch/p.c"
    same sort sort -n "$scratch/lines"
    same perl perl -e 'my %h; $h{$_ % 3000} .= "x" x ($_ % 90) for 1 .. 60000; print length($h{$_}), "\n" for sort keys %h'
    same python3 env PYTHONMALLOC=malloc python3 -c 'import json, re
d = json.loads(json.dumps([{str(i): list(range(i % 30))} for i in range(20000)]))
print(len(d), sum(len(re.findall("[0-9]+", str(x))) for x in d))'
    same sqlite3 sqlite3 :memory: 'WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 40000)
        SELECT i % 97, count(*), group_concat(i % 7) FROM c GROUP BY 1 ORDER BY 2, 1;'
    # shellcheck disable=SC2086
    same "the C compiler" $CC -O2 -S -o - "$scratch/p.c"
fi
tap_done
