# t/man.sh - the manual: mandoc finds nothing wrong, each function and option is in it as the header and the table
# have it, and `man` finds each page by each of its names.
# SPDX-License-Identifier: MIT
. "$top_srcdir/t/tap.sh"
scratch

pages=$(ls "$top_srcdir"/man/*.[1-9] "$top_builddir"/man/*.[1-9] | sort -u)
groups=$(ls "$top_srcdir"/man/*.3 | grep -v '/jsmalloc\.3$')
functions=$(sed -e '1,/^global:/d' -e '/^local:/,$d' "$top_srcdir/src/jsmalloc.map" | tr -cs 'a-z0-9_' '\n' | sed '/^$/d' | sort)

# Lists are of words without blanks.
# shellcheck disable=SC2086
{
names() {
    for page in $pages; do basename "$page" | sed 's/\.\([1-9]\)$/ \1/'; done
    $AWK -f "$top_srcdir/tools/man-names.awk" $groups | sed 's/.* \(.*\)/\1 3/'
}
prototypes() {
    $AWK -v form=prototypes -f "$top_srcdir/tools/man-names.awk" "$@" | sort
}
declared() {
    for header in $(find "$top_srcdir/include" -name '*.h'); do
        $CC -E -I"$top_builddir/include" -I"$top_srcdir/include" "$header" |
            $AWK -v folder="${header%/*}/" -v form=prototypes -f "$top_srcdir/tools/declared.awk"
    done | sort -u
}

# ---- Each page ----
# All but the customs of BSD base systems, who leave .Os to groff, which puts "BSD" there; and but for
# references that mandoc looks up on this machine.
lint() {
    "$MANDOC" -T lint -W style "$1" 2> /dev/null | grep -v 'STYLE: referenced manual not found: '
}
# What man-db's users see: warnings of groff.
render() {
    MANROFFSEQ='' MANWIDTH=80 man --warnings -E UTF-8 -l -Tutf8 -Z "$1" 2>&1 > /dev/null
}
for page in $pages; do
    if [ -n "$MANDOC" ]; then
        is "$(lint "$page")" "" "${page##*/}: mandoc finds nothing wrong"
    else
        skip "${page##*/}: mandoc finds nothing wrong" "no mandoc"
    fi
    if man --version > /dev/null 2>&1 && command -v groff > /dev/null; then
        is "$(render "$page")" "" "${page##*/}: groff warns of nothing"
    else
        skip "${page##*/}: groff warns of nothing" "no man-db with groff"
    fi
done
if man --version > /dev/null 2>&1 && command -v groff > /dev/null; then
    path=/home/somebody/with-a-long-name/some-version-of-jsmalloc/etc/jsmalloc.conf
    $AWK -v options=/dev/null -v presets=/dev/null -v conf="$path" -f "$top_srcdir/tools/man-include.awk" \
        "$top_srcdir/man/jsmalloc.conf.5.in" > "$scratch/long.5"
    is "$(render "$scratch/long.5")" "" "jsmalloc.conf.5: nor if it was installed in a folder with a long name"
else
    skip "jsmalloc.conf.5: nor if it was installed in a folder with a long name" "no man-db with groff"
fi
if [ -n "$MANDOC" ]; then
    sed '/^\.Ed/d' "$top_srcdir/man/jsm_malloc.3" > "$scratch/bad.3"
    check "a page with a fault is refused" test -n "$(lint "$scratch/bad.3")"
fi

names | sort > "$scratch/names"
is "$(uniq -d "$scratch/names")" "" "no name has two pages"
is "$(sed -n 's/^\.\(It \)\{0,1\}Xr \([^ ]*\) \([1-9]\).*/\2 \3/p' $pages | grep -E '^(jsm|os_)' | sort -u |
    comm -23 - "$scratch/names")" "" "all references to pages of ours lead to one"

# every DESCRIPTION WORDS PATTERN FILE: each of the words, of which there are some, put in place of @ makes a pattern
# that the file has.
every() {
    is "$([ -n "$2" ] || echo "no words"
        for word in $2; do grep -q "$(echo "$3" | sed "s/@/$word/")" "$4" || echo "$word"; done)" "" "$1"
}

# ---- Functions ----
prototypes $groups > "$scratch/groups"
prototypes "$top_srcdir/man/jsmalloc.3" > "$scratch/overview"
declared > "$scratch/declared"
every "each function has a page or a link to one" "$functions" '^@ 3$' "$scratch/names"
every "each is in a SYNOPSIS" "$functions" '[ *]@(' "$scratch/groups"
is "$(comm -23 "$scratch/groups" "$scratch/declared")" "" "as the header declares it"
is "$(cat "$scratch/overview")" "$(cat "$scratch/groups")" "jsmalloc(3) has the same ones"

# ---- Options and figures ----
conf=$top_builddir/man/jsmalloc.conf.5
table=$top_srcdir/src/rt/options.tbl
options=$(sed -n 's/^option  *//p' "$table")
every "each option is in jsmalloc.conf(5)" "$options" '^[.]It Cm @ Ns = ' "$conf"
every "so is each preset" "$(sed -n 's/^preset  *//p' "$table")" '^[.]It Cm preset Ns = Ns Cm @$' "$conf"
every "and each of glibc's variables" "$(sed -n 's/.*{ "\(MALLOC_[A-Z_]*\)", .*/\1/p' "$top_srcdir"/src/rt/*.c)" '^[.]It Ev @ ' "$conf"
every "and tunables" "$(sed -n 's/.*{ "[A-Z_]*", "\([a-z_]*\)", JSM_OPT_.*/\1/p' "$top_srcdir"/src/rt/*.c)" ' Ta glibc.malloc.@ Ta Cm ' "$conf"
is "$(sed -n 's/^\.\(.* \)\{0,1\}Cm \([a-z]*_[a-z_]*\).*/\2/p' $pages | sort -u | grep -v -x -F "$options")" "" \
    "no page has options that there are not"
every "each figure of the statistics is in jsm_malloc_stats(3)" \
    "$(sed -n 's/^ *\(GAUGE\|COUNTER\)("\([a-z_]*\)".*/\2/p' "$top_srcdir/src/api/stats_print.c")" \
    '^[.].*Va.* @\( \|$\)' "$top_srcdir/man/jsm_malloc_stats.3"
}

# Of what messages begin with, up to what depends on the call.
is "$(sed -n '/^\.Sh DIAGNOSTICS/,/^\.Sh [^D]/s/^\.It "\([^":%]*\).*/\1/p' "$top_srcdir/man/jsmalloc.3" |
    while read -r message; do
        grep -q -r -F -e "\"$message" "$top_srcdir/src" || echo "$message"
    done)" "" "the library has the messages that jsmalloc(3) explains"

# ---- As installed ----
if [ -n "$JSM_SANITIZER" ] || ! command -v man > /dev/null; then
    skip "man finds the pages" "no man, or a sanitizer's build"
    tap_done
fi
dest=$scratch/dest
installed_paths
install_tree "$dest"
MANPATH=$dest$mandir
export MANPATH

# not_found: the pages that `man` does not find below $dest, or that have nothing in them.
not_found() {
    while read -r name section; do
        file=$(man -w "$section" "$name" 2> /dev/null)
        case $file in
            "$dest$mandir/man$section"/*) [ -s "$file" ] || echo "$name($section): $file" ;;
            *) echo "$name($section): $file" ;;
        esac
    done
}
is "$(not_found < "$scratch/names")" "" "man finds each page by each of its names"
if command -v lexgrog > /dev/null; then
    is "$(lexgrog "$dest$mandir"/man?/*.? | sed -n 's/.*\.\([1-9]\): "\([^ ]*\) - .*/\2 \1/p' | sort -u |
        comm -13 - "$scratch/names")" "" "whatis will find all of them, too"
else
    skip "whatis will find all of them, too" "no lexgrog"
fi
is "$(man -w 3 jsm_no_such_function 2> /dev/null)" "" "and no others"
if man 3 jsm_calloc 2> /dev/null | grep -q 'jsm_recallocarray'; then
    pass "a link shows the page"
else
    fail "a link shows the page"
fi
tap_done
