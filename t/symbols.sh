# t/symbols.sh - exactly the right names are defined: in the shared library, each with the
# right version, and in the static one, where half of a family would mix two allocators.
# SPDX-License-Identifier: MIT
. "$top_srcdir/t/tap.sh"
[ -z "$JSM_SANITIZER" ] || skip_all "a sanitizer adds names of its own"
scratch
library=$top_builddir/.libs/libjsmalloc.so.1
archive=$top_builddir/.libs/libjsmalloc.a

fold_cxx() {
    sed -e 's/^\(_Zn[wa]\)[jm]/\1S/' -e 's/^\(_Zd[la]Pv\)[jm]/\1S/' | sort
}
standard() {
    [ "$JSM_OVERRIDE" = yes ] || return 0
    sed -e '/^#/d' -e '/^$/d' "$top_srcdir/t/symbols.list" | sort
}
declared() {
    find "$top_srcdir/include" "$top_builddir/include" -name '*.h' 2>/dev/null | sort -u |
        while read -r header; do
            # CC is a command with arguments.
            # shellcheck disable=SC2086
            $CC -E -I"$top_builddir/include" -I"$top_srcdir/include" "$header" |
                $AWK -v folder="${header%/*}/" -f "$top_srcdir/tools/declared.awk"
        done | sort -u
}
same() {
    if [ "$1" = "$2" ]; then
        pass "$3"
    else
        fail "$3"
        printf '%s\n' "$1" > "$scratch/got"
        printf '%s\n' "$2" > "$scratch/want"
        diag "too many: $(comm -23 "$scratch/got" "$scratch/want" | tr '\n' ' ')"
        diag "missing:  $(comm -13 "$scratch/got" "$scratch/want" | tr '\n' ' ')"
    fi
}

# In how many object files the names in $scratch/family are.
objects_of_family() {
    fold_cxx < "$scratch/defined" |
        $AWK 'NR == FNR { want[$1]; next } $1 in want && !($2 in seen) { seen[$2]; n++ } END { print n + 0 }' "$scratch/family" -
}

# The names of C++ may have an object file of their own, which refers to the C++ library: a
# program in C must not need that.
check_families() {
    same "$(comm -12 "$scratch/names" "$scratch/standard")" "$(cat "$scratch/standard")" \
        "the static library has the standard names, each once"
    grep '^_Z' "$scratch/standard" > "$scratch/family"
    is "$(objects_of_family)" 1 "the names of C++ are all in one object file"
    grep -v '^_Z' "$scratch/standard" > "$scratch/family"
    is "$(objects_of_family)" 1 "the names of C are all in one object file"
}

# The list of the Debian package; not in the tarball.
check_debian() {
    list=$top_srcdir/debian/libjsmalloc1.symbols
    if [ ! -e "$list" ] || [ "$JSM_OVERRIDE" = no ] || ! grep -q '@JSMALLOC_' "$scratch/exported"; then
        skip "the list of the Debian package" "none here, or not for a build like this"
        return
    fi
    same "$(sed 's/@Base$//' "$scratch/exported" | fold_cxx)" \
        "$(sed -n 's/^ \(([^)]*)\)*\([^ ]*\) .*/\2/p' "$list" | sed -e '/^JSMALLOC_/d' -e 's/@Base$//' | fold_cxx | uniq)" \
        "debian/libjsmalloc1.symbols lists them all"
}

declared > "$scratch/declared"
if grep -q '^jsm_malloc$' "$scratch/declared"; then
    pass "the public header declares jsm_malloc and $(($(wc -l < "$scratch/declared") - 1)) more"
else
    fail "the public header declares jsm_malloc"
fi

if [ ! -e "$library" ]; then
    skip "names of the shared library" "no shared library"
elif ! $NM -D --with-symbol-versions "$library" > "$scratch/nm" 2>/dev/null; then
    skip "names of the shared library" "$NM knows no symbol versions"
else
    # "address type name@@version"; the version node itself has type A.
    $AWK '$2 ~ /^[TtWwViuDRB]$/ && $1 ~ /^[0-9a-f]+$/ { sub(/@@/, "@", $3); print $3 }' "$scratch/nm" > "$scratch/exported"
    same "$(grep -v @ "$scratch/exported" | fold_cxx)" "$(standard)" \
        "the standard names, if there is an override, are exported without a version"
    if grep -q '@JSMALLOC_' "$scratch/exported"; then
        same "$(sed -n 's/@JSMALLOC_1\.0$//p' "$scratch/exported" | sort)" "$(cat "$scratch/declared")" \
            "all that the public headers declare is exported as JSMALLOC_1.0, and no more"
    else
        skip "versions of the jsm_ names" "linked without a version script"
    fi
    is "$(grep '@' "$scratch/exported" | grep -v '@JSMALLOC_1\.0$')" "" "there is no other version"
    check_debian
fi

if [ ! -e "$archive" ]; then
    skip "names of the static library" "no static library"
elif ! $NM -A -P "$archive" 2>/dev/null | grep -q ' jsm_malloc T'; then
    skip "names of the static library" "$NM reads no names in it"
else
    # "archive[member.o]: name T 0 0", in lower case if it is local.
    $NM -A -P "$archive" | $AWK '$3 ~ /^[A-TVW]$/ { sub(/^.*\[/, "", $1); sub(/\].*$/, "", $1); print $2, $1 }' > "$scratch/defined"
    standard > "$scratch/standard"
    fold_cxx < "$scratch/defined" | cut -d ' ' -f 1 > "$scratch/names"
    if [ "$JSM_OVERRIDE" = no ]; then
        skip "where the standard names are" "built without override"
    else
        check_families
    fi
    comm -23 "$scratch/names" "$scratch/standard" > "$scratch/others"
    is "$(grep -v -e '^jsm_' -e '^__x86\.' "$scratch/others" | comm -23 - "$scratch/declared")" "" \
        "whatever else it defines begins with jsm_, or is in a public header"
    same "$(comm -12 "$scratch/others" "$scratch/declared")" "$(cat "$scratch/declared")" \
        "it has all that the public headers declare"
fi
tap_done
