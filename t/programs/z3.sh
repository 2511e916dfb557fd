# t/programs/z3.sh - a solver in C++: many small blocks, and an answer that is known.
# SPDX-License-Identifier: MIT
. "$top_srcdir/t/programs/common.sh"

need z3 "${AWK:-awk}"
plan 3

# Queens on a board, by bit vectors: satisfiable, and with a model to print.
"${AWK:-awk}" -v n=9 'BEGIN {
    for (i = 0; i < n; i++) {
        printf "(declare-const q%d (_ BitVec 8))\n(assert (bvult q%d #x%02x))\n", i, i, n
        for (j = 0; j < i; j++) {
            printf "(assert (distinct q%d q%d))\n", i, j
            printf "(assert (distinct q%d (bvadd q%d #x%02x)))\n", i, j, i - j
            printf "(assert (distinct q%d (bvsub q%d #x%02x)))\n", i, j, i - j
        }
    }
    print "(check-sat)\n(get-model)"
}' >"$in/queens.smt2"

# One pigeon more than there are holes, in integers: unsatisfiable.
"${AWK:-awk}" -v n=6 'BEGIN {
    for (i = 0; i <= n; i++) {
        printf "(declare-const p%d Int)\n(assert (and (>= p%d 0) (< p%d %d)))\n", i, i, i, n
        for (j = 0; j < i; j++)
            printf "(assert (not (= p%d p%d)))\n", i, j
    }
    print "(check-sat)\n(get-info :reason-unknown)"
}' >"$in/pigeons.smt2"

uses z3 z3 "$in/queens.smt2"
same 'a satisfiable problem and its model' z3 "$in/queens.smt2"
same 'an unsatisfiable problem' z3 "$in/pigeons.smt2"
