# t/layout.sh - what most programs run and read stands in one piece, so that little of the library becomes resident; see
# doc/design.md, "Where code stands".
# SPDX-License-Identifier: MIT
. "$top_srcdir/t/tap.sh"
[ -z "$JSM_SANITIZER" ] || skip_all "a sanitizer adds code of its own"
scratch
library=$top_builddir/.libs/libjsmalloc.so.1
[ -e "$library" ] || skip_all "there is no shared library"

# marked MARK: names of what has the mark, at the start of a line; a function has its name on the next line.
marked() {
    cat "$top_srcdir"/src/*/*.c | $AWK -v mark="$1" '
        is_next { sub(/\(.*/, ""); print; is_next = 0 }
        $1 == mark && /[{;]$/ { sub(/ *(\[.*|=.*|;.*)/, ""); print $NF; next }
        $1 == mark && !/,$/ { is_next = 1 }'
}

# In decimal, as addresses are: name, type, first byte, byte behind it.
$NM -S -t d --defined-only "$library" | $AWK 'NF == 4 { print $4, $3, $1 + 0, $1 + $2 }' > "$scratch/all"

# Names of which there are two functions say nothing.
cat "$top_srcdir"/src/*/*.c | sed -n 's/^\([a-z_0-9]*\)(.*/\1/p' | sort | uniq -u > "$scratch/once"
marked JSM_CORE | sort | join - "$scratch/once" > "$scratch/core"
$AWK 'NR == FNR { core[$1] = 1; next }
    $1 in core && tolower($2) == "t" { n++; bytes += $4 - $3
        if (first == "" || $3 < first) first = $3
        if ($4 > last) last = $4 }
    END { print n + 0, bytes + 0, last - first }' "$scratch/core" "$scratch/all" > "$scratch/piece"
read -r n bytes extent < "$scratch/piece"
diag "$n functions with $bytes bytes in $extent"
check "functions of the core are there" test "$n" -ge 50
check "they are in one piece" test "$extent" -le $((bytes + bytes / 4))

# Outside of .rodata, that is.
marked JSM_CORE_CONST > "$scratch/constants"
check "constants of the core are there" test "$(wc -l < "$scratch/constants")" -ge 4
check "they are on pages that the loader writes to" \
    $AWK 'NR == FNR { core[$1] = 1; next } $1 in core && $2 !~ /[dD]/ { print $1; bad = 1 } END { exit bad }' \
    "$scratch/constants" "$scratch/all"

if command -v readelf > /dev/null; then
    readelf -dW "$library" > "$scratch/dynamic"
    check "nothing at the end of the code runs at the end of the program" \
        sh -c '! grep -q "(FINI)" "$1"' sh "$scratch/dynamic"
else
    skip "nothing at the end of the code runs at the end of the program" "no readelf"
fi
tap_done
