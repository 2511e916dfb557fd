# t/programs/tar.sh - a tree of many files, packed and unpacked.
# SPDX-License-Identifier: MIT
. "$top_srcdir/t/programs/common.sh"

need tar gzip seq
plan 3

i=0
files=$(amount 800)
while [ $i -lt "$files" ]; do
    i=$((i + 1))
    [ $((i % 40)) != 1 ] || mkdir -p "$in/tree/d$i/sub"
    [ $((i % 40)) != 1 ] || d=$in/tree/d$i
    echo "file $i" >"$d/a-file-with-a-rather-long-name-so-that-headers-grow-$i"
    ln "$d/a-file-with-a-rather-long-name-so-that-headers-grow-$i" "$d/sub/$i"
done

uses tar tar -cf - -C "$in" tree
same 'an archive with many hard links' sh -c 'tar --sort=name --mtime=@0 --format=pax -C "$1" \
    --pax-option=delete=atime,delete=ctime -cf a.tar tree && tar -tvf a.tar | cksum' sh "$in"
same 'packed, compressed, unpacked' sh -c 'tar -C "$1" -czf - tree | tar -xzf - && diff -r "$1/tree" tree && rm -rf tree' sh "$in"
