# t/programs/find.sh - a walk over a tree of the system, with patterns and commands.
# SPDX-License-Identifier: MIT
. "$top_srcdir/t/programs/common.sh"

need find xargs
plan 3

# Of our own making: nothing else may change it between the two runs.
d=$in/tree
mkdir "$d"
(
    cd "$d" || exit
    i=0
    while [ $i -lt "$(amount 60)" ]; do
        i=$((i + 1))
        mkdir -p "a$((i % 7))/b$((i % 11))/c$i/d"
        touch "a$((i % 7))/b$((i % 11))/c$i/x.h" "a$((i % 7))/b$((i % 11))/c$i/d/y.c" "a$((i % 7))/b$((i % 11))/c$i/d/$i"
    done
)

uses find find "$d" -name '*.h'
same 'names, expressions and formats' sh -c 'cd "$1" && find . \( -name "*.h" -o -regex ".*/[0-9]+" \) \
    -printf "%y %d %P %f\n" | sort' sh "$d"
same 'with xargs and grep in parallel' sh -c 'cd "$1" && find . -type f -print0 |
    xargs -0 -n 20 -P 4 sh -c "for f; do echo \"\$f\"; done" sh | sort | cksum' sh "$d"
