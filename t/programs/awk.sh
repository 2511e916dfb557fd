# t/programs/awk.sh - associative arrays and strings of awk.
# SPDX-License-Identifier: MIT
. "$top_srcdir/t/programs/common.sh"

awk=${AWK:-awk}
need "$awk"
name=$(readlink -f "$(command -v "$awk")")
plan 2

cat >"$in/work.awk" <<'END'
BEGIN {
    for (i = 0; i < n; i++) {
        k = "k" (i * 7919) % 20011
        t[k] = t[k] i ","
        c[length(t[k])]++
        if (i % 7 == 0)
            delete t["k" (i * 31) % 20011]
        m = split(t[k], part, ",")
        s += m
        if (i % 100 == 0)
            long = long sprintf("%*d|", i % 50 + 1, i)
    }
    for (k in c)
        l += c[k] * k
    gsub(/[0-9]+/, "<&>", long)
    print s, l, length(long), toupper(substr(long, 1, 80))
}
END

uses "${name##*/}" "$name" 'BEGIN { for (i = 0; i < 1000; i++) a[i] = i "x"; print length(a[999]) }'
same 'associative arrays, split, gsub' "$name" -v n="$(amount 300000)" -f "$in/work.awk"
