# t/programs/sort.sh - a large file, sorted with threads, in memory and through files.
# SPDX-License-Identifier: MIT
. "$top_srcdir/t/programs/common.sh"

need sort "${AWK:-awk}"
plan 4

"${AWK:-awk}" -v n="$(amount 400000)" 'BEGIN {
    s = 1
    for (i = 0; i < n; i++) {
        s = (s * 16807) % 2147483647
        printf "%d\t%s%d\t%d\n", s % 100000, substr("abcdefghijklmnopqrstuvwxyz", s % 20 + 1), s, i
    }
}' >"$in/data"

uses sort sort "$in/data" -o /dev/null
same 'in memory with four threads' sh -c 'sort --parallel=4 -S 200M "$1" | cksum' sh "$in/data"
same 'through temporary files' sh -c 'sort --parallel=2 -S 2M -T . "$1" | cksum' sh "$in/data"
same 'by several keys, without repeats' sh -c 'sort --parallel=4 -k1,1n -k2,2r -u "$1" | cksum' sh "$in/data"
