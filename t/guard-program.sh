# t/guard-program.sh - option guard_sample for whole programs: the report names the lines of the bug, in a program that
# keeps no frame pointers, and real programs do what they do without.
# SPDX-License-Identifier: MIT
. "$top_srcdir/t/tap.sh"
need_own_programs
[ -z "$JSM_SANITIZER" ] || skip_all "the library of a sanitizer does not replace malloc"
[ -n "$JSM_LIB" ] || skip_all "no shared library that replaces malloc"
[ "$JSM_CROSS" = no ] || skip_all "programs of this machine cannot be preloaded with it"
scratch
unset JSMALLOC_CONF
ulimit -c 0

cat > "$scratch/bug.c" <<'END'
#include <stdlib.h>
#include <string.h>
#define PLACE __attribute__((noinline))
struct node { struct node *next; char name[88]; };
PLACE struct node *make(void) {
    return calloc(1, sizeof(struct node)); /* made here */
}
PLACE void drop(struct node *n) {
    free(n); /* freed here */
}
PLACE void drop_again(struct node *n) { /* of its own, as compilers join what cases end with */
    drop(n); /* once */
    drop(n); /* twice */
}
PLACE int look(volatile struct node *n) {
    return n->name[9]; /* read here */
}
PLACE void mark(volatile char *p, int i) {
    p[i] = 1; /* written here */
}
int main(int argc, char **argv)
{
    struct node *n = make();
    char *page = malloc(4096); /* a page */
    (void)argc;
    switch (argv[1][0]) {
    case 'u': drop(n); return look(n); /* use of what was freed */
    case 'o': mark(page, 4096); break; /* one too far */
    case 'f': mark(page, -1); break; /* one too early */
    case 'd': drop_again(n); break;
    case 's': mark((char *)n, sizeof *n + 3); mark((char *)n, -1); drop(n); break; /* beside */
    }
    free(page);
    return 0;
}
END
# CC is a command with arguments.
# shellcheck disable=SC2086
$CC -g -O2 -fno-builtin -fomit-frame-pointer -fno-optimize-sibling-calls -o "$scratch/bug" "$scratch/bug.c" ||
    { fail "the program compiles"; tap_done; }

# What jsmalloc(7) says.
named() {
    sed -E 's|^jsmalloc: +(/.*)\+(0x[0-9a-f]+)$|addr2line -Cfpie "\1" \2|e'
}
can_name=
if command -v addr2line > /dev/null && [ "$(echo 'echo yes' | sed 's/\(echo yes\)/\1/e' 2> /dev/null)" = yes ]; then
    can_name=yes
fi
if [ -n "$can_name" ]; then
    check "the command is the one of the manual" grep -qF \
        "sed -E 's|^jsmalloc: +(/.*)\\e+(0x[0-9a-f]+)\$|addr2line -Cfpie \"\\e1\" \\e2|e'" "$top_srcdir/man/jsmalloc.7"
else
    skip "the command is the one of the manual" "no addr2line, or a sed that runs no commands"
fi

guarded() {
    env LD_PRELOAD="$JSM_LIB" JSMALLOC_OPTIONS="guard_sample=$sample" "$@"
}

# line WORDS: where in the source the comment with these words stands.
line() {
    grep -n "/\* $1 \*/" "$scratch/bug.c" | cut -d : -f 1
}

# bug KIND STATUS WORDS: runs it; the report is in $scratch/said.
bug() {
    sample=1 status=0
    guarded "$scratch/bug" "$1" 2> "$scratch/said" > "$scratch/out" || status=$?
    if [ "$status" -eq "$2" ] && [ ! -s "$scratch/out" ] && head -n 1 "$scratch/said" | grep -Eq "$3"; then
        pass "$3"
    else
        fail "$3"
        diag "status $status"
        diag "$(cat "$scratch/said")"
    fi
}

# lines TITLE WORDS...: whether the stack of this title has the lines of these comments, in this order.
lines() {
    title=$1
    shift
    what="$title: $*"
    if [ -z "$can_name" ]; then
        skip "$what" "no addr2line, or a sed that runs no commands"
        return
    fi
    want=
    for words; do
        want="$want$(line "$words") "
    done
    is "$(named < "$scratch/said" | sed -n "/^jsmalloc:   $title\$/,/^jsmalloc:   [a-z]/s/.*bug\\.c:\\([0-9]*\\).*/\\1/p" |
        head -n $# | tr '\n' ' ')" "$want" "$what"
}

# 128 + SIGSEGV, SIGABRT
bug u 139 '^jsmalloc: (read|access)\(0x[0-9a-f]*\): use after free: at byte 17, of the block that was freed$'
lines 'accessed by' 'read here' 'use of what was freed'
lines 'allocated by' 'made here'
lines 'freed by' 'freed here' 'use of what was freed'
bug o 139 '^jsmalloc: (write|access)\(0x[0-9a-f]*\): heap overflow: 1 byte beyond its end$'
lines 'accessed by' 'written here' 'one too far'
lines 'allocated by' 'a page'
bug f 139 '^jsmalloc: (write|access)\(0x[0-9a-f]*\): heap underflow: 1 byte before its start$'
lines 'accessed by' 'written here' 'one too early'
bug d 134 '^jsmalloc: free\(0x[0-9a-f]*\): double free$'
lines 'called by' 'freed here' 'twice'
lines 'freed by' 'freed here' 'once'
# The block is 96 bytes long, which all alignments allow to lie at the end of its page: one of the two writes fails.
bug s 139 '^jsmalloc: (write|access)\(0x[0-9a-f]*\): heap (over|under)flow: [14] bytes? (beyond its end|before its start)$'
lines 'allocated by' 'made here'
status=0
guarded "$scratch/bug" n > "$scratch/said" 2>&1 || status=$?
is "$status $(cat "$scratch/said")" "0 " "what is right is left alone"

# ---- Real programs ----

# same WHAT COMMAND...: prints the same, and ends in the same way, without and with guards.
same() {
    what=$1
    shift
    "$@" > "$scratch/plain" 2>&1 < /dev/null || echo "status $?" >> "$scratch/plain"
    for sample in 1 100; do
        guarded "$@" > "$scratch/guarded" 2>&1 < /dev/null || echo "status $?" >> "$scratch/guarded"
        check "$what: guard_sample=$sample changes nothing" diff "$scratch/plain" "$scratch/guarded"
    done
}
cat > "$scratch/work.py" << 'END'
import json, threading
out = []
def work(n):
    rows = [{"id": i, "name": "x" * (i % 700), "list": list(range(i % 50))} for i in range(n)]
    out.append(len(json.dumps(json.loads(json.dumps(rows)))))
threads = [threading.Thread(target=work, args=(3000 + 100 * i,)) for i in range(4)]
for t in threads: t.start()
for t in threads: t.join()
print(sorted(out))
END
cat > "$scratch/work.pl" << 'END'
my %h; my @a;
for my $i (1 .. 100000) { $h{"key" . $i % 5000} .= "$i,"; push @a, "x" x ($i % 300); splice @a, 0, 500 if @a > 1000; }
print join(" ", map { length $h{$_} } sort keys %h), scalar @a, "\n";
END
cat > "$scratch/work.sql" << 'END'
CREATE TABLE t(a INTEGER PRIMARY KEY, b TEXT);
WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 20000)
    INSERT INTO t SELECT i, 'name ' || ((i * 31) % 997) FROM c;
CREATE INDEX t_b ON t(b);
SELECT b, count(*), group_concat(a) FROM t GROUP BY b ORDER BY 2 DESC, 1 LIMIT 30;
END
if command -v python3 > /dev/null; then same python3 python3 "$scratch/work.py"; else skip python3 "not installed"; fi
if command -v perl > /dev/null; then same perl perl "$scratch/work.pl"; else skip perl "not installed"; fi
if command -v sqlite3 > /dev/null; then
    same sqlite3 sqlite3 :memory: ".read $scratch/work.sql"
else
    skip sqlite3 "not installed"
fi
# shellcheck disable=SC2086
same "the compiler" $CC -O2 -S -o - "$scratch/bug.c"
# shellcheck disable=SC2016
same "a shell and what it starts" sh -c 'for i in 1 2 3 4 5; do echo "$(seq 1 $((i * 1000)) | sort -r | awk "{ s += \$1 } END { print s }")"; done'
tap_done
