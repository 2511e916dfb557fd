# t/abi.sh - the ABI is the recorded one: names, signatures, and types of the public headers.
# SPDX-License-Identifier: MIT
. "$top_srcdir/t/tap.sh"
records=$top_srcdir/doc/abi
abi=$top_srcdir/tools/abi
machine=$($CC -dumpmachine 2> /dev/null)
machine=${machine%%-*}

[ "$JSM_OVERRIDE" = yes ] || skip_all "built without override"
library=$top_builddir/.libs/libjsmalloc.so.1
[ -e "$library" ] || skip_all "no shared library"
command -v abidw > /dev/null && command -v abidiff > /dev/null || skip_all "no abidw and abidiff"
ls "$records"/*-"$machine".abi > /dev/null 2>&1 || skip_all "there are no records for $machine"
readelf -d "$library" | grep -q 'NEEDED.*\[libc\.so\.6\]' || skip_all "the records are of a library on glibc"
readelf -S "$library" | grep -q '\.debug_info' || skip_all "built without debugging information"
readelf -V "$library" | grep -q 'JSMALLOC_1\.0' || skip_all "linked without a version script"
scratch

# The records of this soname, the newest first.
newest=
for record in $(cd "$records" && printf "%s\n" *-"$machine".abi | sort -t . -k 1,1nr -k 2,2nr -k 3,3nr); do
    grep -q "soname='libjsmalloc\.so\.1'" "$records/$record" || continue
    if [ -z "$newest" ]; then
        newest=$records/$record
        check "the ABI is that of doc/abi/$record; if it may change, see HACKING.md, section 10" \
            "$abi" same "$newest" "$library" "$top_srcdir/include"
    else
        check "programs linked with ${record%-*} go on to work" \
            "$abi" compatible "$records/$record" "$library" "$top_srcdir/include"
    fi
done

# ---- The comparison finds what it is for: this library is linked anew, with a change in it -------
# Its sources are compiled as the library's, as far as the ABI goes.
compile() {
    # CC is a command with arguments.
    # shellcheck disable=SC2086
    $CC -std=gnu11 -g -O1 -fPIC -fvisibility=hidden -fno-builtin-malloc -I"$top_builddir" -I"$scratch/include" \
        -I"$top_builddir/src" -I"$top_srcdir/src" -c "$1" -o "$2"
}

# alter FILE EXPRESSION...: the copy of a file, with what sed makes of it; it must be something else.
alter() {
    altered=$1
    shift
    sed "$@" "$scratch/$altered" > "$scratch/altered" && ! cmp -s "$scratch/altered" "$scratch/$altered" &&
        mv "$scratch/altered" "$scratch/$altered"
}

begin() {
    rm -rf "$scratch/include" "$scratch/src"
    cp -R "$top_srcdir/include" "$scratch/include" && mkdir "$scratch/src" &&
        cp "$top_srcdir/src/jsmalloc.map" "$top_srcdir/src/api/stats.c" "$top_srcdir/src/api/tune.c" "$scratch/src"
}

# relink: libjsmalloc of this build, but api/stats.c, api/tune.c and the list of names are the copies.
relink() {
    compile "$scratch/src/stats.c" "$scratch/stats.o" && compile "$scratch/src/tune.c" "$scratch/tune.o" || return
    # CC is a command with arguments, and no folder of a build has blanks in its name.
    # shellcheck disable=SC2046,SC2086
    $CC -shared -o "$scratch/altered.so" -Wl,-soname,libjsmalloc.so.1 -Wl,--version-script="$scratch/src/jsmalloc.map" \
        "$scratch/stats.o" "$scratch/tune.o" \
        $(find "$top_builddir/src" -path '*/.libs/*.o' ! -path '*/api/.libs/stats.o' ! -path '*/api/.libs/tune.o')
}

# finds WHAT KIND PATTERN FILE EXPRESSION [FILE EXPRESSION]: the altered library is refused, in these words.
finds() {
    what=$1
    kind=$2
    pattern=$3
    shift 3
    begin
    while [ $# -gt 0 ]; do
        if ! alter "$1" -e "$2"; then
            fail "finds $what"
            diag "there is nothing to be changed in $1"
            return
        fi
        shift 2
    done
    if ! problem=$(relink 2>&1); then
        fail "finds $what"
        diag "$problem"
    elif problem=$("$abi" "$kind" "$newest" "$scratch/altered.so" "$scratch/include" 2>&1); then
        fail "finds $what"
        diag "it was taken"
    elif echo "$problem" | grep -q "$pattern"; then
        pass "finds $what"
    else
        fail "finds $what"
        diag "$problem"
    fi
}

begin
[ -n "$newest" ] || {
    fail "there is a record of libjsmalloc.so.1"
    tap_done
}
check "the library can be linked anew" relink
check "without a change it is the same" "$abi" same "$newest" "$scratch/altered.so" "$scratch/include"

export='/^#include <string\.h>/a __attribute__((visibility("default"))) int jsm_leak(void); int jsm_leak(void) { return 1; }'
finds "a name that is exported by accident" same "jsm_leak" src/tune.c "$export"
check "one name more is compatible" "$abi" compatible "$newest" "$scratch/altered.so" "$scratch/include"
for kind in same compatible; do
    finds "a name that is gone ($kind)" "$kind" "1 Removed function" src/jsmalloc.map 's/jsm_version;//;/^local:/a jsm_version;'
    finds "another type of a parameter ($kind)" "$kind" "jsm_malloc_trim.*has some" \
        include/jsmalloc.h 's/\(int jsm_malloc_trim(\)[a-z_]*/\1unsigned char/' \
        src/tune.c 's/^\(jsm_malloc_trim(\)[a-z_]*/\1unsigned char/'
    finds "another type of the result ($kind)" "$kind" "return type changed" \
        include/jsmalloc.h 's/^\(JSM_API \)int\( jsm_malloc_trim\)/\1long\2/' \
        src/tune.c '/^int$/{N;s/^int\(\njsm_malloc_trim\)/long\1/;}'
    finds "a new member in a public struct ($kind)" "$kind" "type size changed" \
        include/jsmalloc.h '/^struct jsm_mallinfo2 {/a size_t new_member;'
    finds "another type of a member of a public struct ($kind)" "$kind" "type of .*changed" \
        include/jsmalloc.h '/^struct jsm_mallinfo2 {/,/^}/s/size_t arena;/double arena;/'
done
tap_done
