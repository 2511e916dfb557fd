# t/programs/xz.sh - compression with two threads and back again.
# SPDX-License-Identifier: MIT
. "$top_srcdir/t/programs/common.sh"

need xz seq
plan 3

seq 1 "$(amount 800000)" >"$in/data"

uses xz xz -0 -c "$in/data"
same 'two threads: the compressed file' sh -c 'xz -3 -T2 --block-size=1MiB -c "$1" >f.xz && xz -t -T2 f.xz' sh "$in/data"
same 'and back, byte for byte' sh -c 'xz -1 -T2 --block-size=512KiB -c "$1" | xz -d -T2 | cmp - "$1"' sh "$in/data"
