# t/man-examples.sh - the programs of the manual's EXAMPLES compile without a warning, succeed, and print what the
# manual says.
# SPDX-License-Identifier: MIT
. "$top_srcdir/t/tap.sh"
need_own_programs
scratch
has_own_break=yes
# shellcheck disable=SC2086
if printf '%s\n' '#include <features.h>' '#ifdef __GLIBC__' 'it_is_glibc' '#endif' | $CC -E - | grep -q it_is_glibc; then
    has_own_break=
fi

# build SOURCE PROGRAM: as a reader of the manual would, but with the library of the build tree.
# CC, CXX and LIBTOOL are commands with arguments.
# shellcheck disable=SC2086
build() {
    case $1 in
        *.cc) compiler="$CXX -std=c++11" ;;
        *) compiler="$CC -std=c11" ;;
    esac
    $LIBTOOL --quiet --tag=CC --mode=link $compiler -Wall -Wextra -Wpedantic -Werror $JSM_SANITIZER \
        -I"$top_builddir/include" -I"$top_srcdir/include" -o "$2" -no-install "$1" "$top_builddir/libjsmalloc.la"
}

# try WHAT PREFIX: builds and runs PREFIX.c or PREFIX.cc, and compares with PREFIX.out, if there is one.
try() {
    source=$2.c
    if [ -e "$2.cc" ]; then
        source=$2.cc
        if [ -z "$CXX" ] || [ "$JSM_OVERRIDE" = no ]; then
            skip "$1 compiles and succeeds" "no C++ compiler, or new is not the library's"
            return
        fi
    fi
    if ! problem=$(build "$source" "$2" 2>&1); then
        fail "$1 compiles"
        diag "$problem"
        return
    fi
    run "$2" > "$2.got" 2> "$2.err"
    is "$? $(grep '^jsmalloc: ' "$2.err")" "0 " "$1 compiles and succeeds"
    if [ -n "$has_own_break" ] && grep -q sbrk "$source"; then
        skip "$1 prints what the manual says" "the library has a break of its own where sbrk() moves nothing"
        return
    fi
    [ ! -e "$2.out" ] || is "$(cat "$2.got")" "$(cat "$2.out")" "$1 prints what the manual says"
}

for page in "$top_srcdir"/man/*.3 "$top_srcdir"/man/*.7; do
    name=${page##*/}
    count=$($AWK -v to="$scratch/$name-" -f "$top_srcdir/t/man-example.awk" "$page")
    case $name in
        *.3) [ "$count" -gt 0 ] || fail "$name has a program among its examples" ;;
    esac
    n=0
    while [ "$n" -lt "$count" ]; do
        n=$((n + 1))
        try "$name, program $n," "$scratch/$name-$n"
    done
done

# ---- The recipes of jsmalloc(7): lines name=value, alone or with commas between ----
cat > "$scratch/any.c" << 'END'
#include <jsmalloc.h>
int
main(void)
{
    jsm_free(jsm_malloc(1));
    return 0;
}
END
recipes() {
    sed -n 's/^\(\.Dl \)\{0,1\}\([a-z_]*=[^ ]*\)$/\2/p' "$top_srcdir/man/jsmalloc.7"
}
complaints() {
    while read -r recipe; do
        (cd "$scratch" && JSMALLOC_OPTIONS=$recipe run "$scratch/any") 2>&1 # where a profile may be left
    done
}
if build "$scratch/any.c" "$scratch/any"; then
    is "$(recipes | complaints)" "" "the library takes the $(recipes | wc -l) recipes of jsmalloc.7"
    is "$(echo no_option=1 | complaints | grep -c 'no_option')" 1 "what it does not take is told"
else
    fail "the library takes the recipes of jsmalloc.7"
fi

# ---- The file of jsmalloc.conf(5), as it is read by programs of the names that it has ----
sed -n -e '/^\.Sh EXAMPLES/,/^\.Sh [^E]/{/^\.Bd -literal/,/^\.Ed/{/^\./!p;};}' "$top_srcdir/man/jsmalloc.conf.5.in" |
    sed "s|/tmp|$scratch|" > "$scratch/conf"
options_of() {
    cp "$scratch/any" "$scratch/$1"
    JSMALLOC_CONF=$scratch/conf JSMALLOC_OPTIONS=confirm=on run "$scratch/$1" 2>&1
}
for program in any postgres redis-server python3.11; do
    is "$(options_of "$program" | grep -c 'ignored$')" 0 "$program takes the file of jsmalloc.conf(5)"
done
is "$(options_of python3.11 | sed -n 's/^jsmalloc: \(preset=[a-z]*\).*/\1/p')" "preset=small" "and the section for it counts"
is "$(options_of any | sed -n 's/^jsmalloc: \(preset=[a-z]*\).*/\1/p')" "preset=default" "for others it does not"

# ---- The commands `jsmalloc run FLAG... PROGRAM` of all pages, with another program ----
commands() {
    sed -n 's/^\.Dl \$ jsmalloc run //p' "$top_srcdir"/man/*.[1-9] | sed "s|/tmp|$scratch|"
}
# run_flags WORD...: with the flags, up to the first word that is none.
run_flags() {
    flags=
    while [ $# -gt 0 ]; do
        case $1 in
            -o) flags="$flags $1 $2" && shift ;;
            --stats*) flags="$flags $1" ;;
            *) break ;;
        esac
        shift
    done
    # shellcheck disable=SC2086
    (cd "$scratch" && "$top_builddir/jsmalloc" run $flags "$scratch/any") > "$scratch/said" 2>&1 || cat "$scratch/said"
    grep 'ignored$' "$scratch/said"
}
if [ -n "$JSM_LIB" ] && [ -z "$JSM_SANITIZER$JSM_EMULATOR" ]; then
    is "$(commands | while read -r command; do set -f && eval "run_flags $command"; done)" "" \
        "jsmalloc takes the flags of the $(commands | wc -l) commands in the manual"
    is "$(run_flags -o no_option=1 any | grep -c no_option)" 1 "and would not take others"
else
    skip "jsmalloc takes the flags of the commands in the manual" "the library replaces no malloc, or runs elsewhere"
fi

# ---- The check itself ----
cat > "$scratch/bad.3" << 'END'
.Sh EXAMPLES
.Bd -literal
#include <stdio.h>
int
main(void)
{
    printf("a \en");
    return 3;
}
.Ed
.Pp
It prints:
.Bd -literal
a b
.Ed
END
is "$($AWK -v to="$scratch/bad-" -f "$top_srcdir/t/man-example.awk" "$scratch/bad.3")" 1 "a program is found in a page"
is "$(cat "$scratch/bad-1.c")" "$(printf '%s\n' '#include <stdio.h>' int 'main(void)' '{' '    printf("a \n");' '    return 3;' '}')" \
    "and taken out of it as the reader sees it"
is "$(cat "$scratch/bad-1.out")" "a b" "so is what it shall print"
tap_done
