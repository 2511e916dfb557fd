# t/command.sh - the command `jsmalloc`: it runs programs on the library as if they were run without it, and
# says why when one cannot be.
# SPDX-License-Identifier: MIT
. "$top_srcdir/t/tap.sh"
scratch
jsmalloc=$top_builddir/jsmalloc

# says STATUS TEXT DESCRIPTION COMMAND...: it ends with this status, and its messages have the text in them.
says() {
    want_status=$1
    want_text=$2
    what=$3
    shift 3
    got_status=0
    "$@" > "$scratch/out" 2> "$scratch/error" || got_status=$?
    if [ "$got_status" -eq "$want_status" ] && grep -qF -- "$want_text" "$scratch/error"; then
        pass "$what: $want_text"
    else
        fail "$what: $want_text"
        diag "status $got_status, wanted $want_status: $(cat "$scratch/error")"
    fi
}

# ---- What needs no library ----
version=$(sed -n 's/^#define PACKAGE_VERSION "\(.*\)"/\1/p' "$top_builddir/config.h")
is "$("$jsmalloc" --version)" "jsmalloc $version" "--version tells it"
check "--help explains" sh -c '"$0" --help | grep -q "^usage: jsmalloc run "' "$jsmalloc"
names=$(sed -n 's/^option  *//p' "$top_srcdir/src/rt/options.tbl")
"$jsmalloc" options > "$scratch/options"
is "$(for name in $names; do grep -q "^$name  *[^ ].*[.]\$" "$scratch/options" || echo "$name"; done)" "" \
    "\`options\` lists every option with its meaning"
is "$(grep -c '^zero_size  *unique  *unique or null ' "$scratch/options")" 1 "with default and values"
says 2 "usage:" "no arguments" "$jsmalloc"
says 2 "unknown argument frobnicate" "an unknown command" "$jsmalloc" frobnicate
says 2 "unknown argument --frob" "an unknown argument" "$jsmalloc" --frob
says 2 "options takes no arguments: all" "an argument too many" "$jsmalloc" options all
says 2 "unknown argument --frob" "an unknown argument of run" "$jsmalloc" run --frob true
says 2 "which program?" "run without a program" "$jsmalloc" run --
says 2 "-o needs NAME=VALUE" "-o at the end" "$jsmalloc" run -o
says 2 "-o purge_delay: an option is set as NAME=VALUE" "-o without a value" "$jsmalloc" run -o purge_delay true
says 2 "there is no option purge_dellay; the nearest is purge_delay" "-o with a misspelt name" "$jsmalloc" run -o purge_dellay=1s true
says 2 "there is no option purge.delay" "a name is no pattern" "$jsmalloc" run -opurge.delay=1s true
says 2 "there is no option tirm_treshold; the nearest is trim_threshold" "letters left out and exchanged" \
    "$jsmalloc" run -o tirm_treshold=1M true
says 2 "there is no option x" "a fault in the second of two" "$jsmalloc" run -o purge_delay=1s,x=1 true
says 2 "--stats=verse: the formats are text json xml openmetrics" "an unknown format" "$jsmalloc" run --stats=verse true
if command -v shellcheck > /dev/null; then
    check "shellcheck finds nothing wrong" shellcheck "$jsmalloc"
else
    skip "shellcheck finds nothing wrong" "no shellcheck"
fi

if [ "$JSM_OVERRIDE" != yes ]; then
    says 125 "built with --disable-override" "a library that replaces nothing" "$jsmalloc" run true
    tap_done
fi
if [ -z "$JSM_LIB" ] || [ "$JSM_CROSS" != no ]; then
    skip "programs on the library" "no shared library for this machine"
    tap_done
fi

# ---- A program, which tells whose its memory is and an option's value ----
cat > "$scratch/victim.c" << 'END'
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
int
main(void)
{
    int (*is_ours)(const void *) = (int (*)(const void *))dlsym(RTLD_DEFAULT, "jsm_is_ours");
    int (*get)(const char *, char *, size_t) = (int (*)(const char *, char *, size_t))dlsym(RTLD_DEFAULT, "jsm_option_get");
    char value[64] = "nothing";
    void *p = malloc(100);
    if (get != NULL)
        get("purge_delay", value, sizeof value);
    printf("%s %s\n", is_ours == NULL ? "no library" : is_ours(p) ? "ours" : "theirs", value);
    free(p);
    return 0;
}
END
# build PROGRAM FLAG...
build() {
    program=$1
    shift
    # shellcheck disable=SC2086
    $CC -fno-builtin "$scratch/victim.c" -o "$program" "$@" -ldl > "$scratch/build.log" 2>&1
}
victim=$scratch/victim
build "$victim" || {
    fail "a program can be built"
    diag "$(cat "$scratch/build.log")"
    tap_done
}

is "$("$victim")" "no library nothing" "without the command the program has libc's memory"
is "$("$jsmalloc" run "$victim" 2>&1)" "ours 1000" "with it, ours"
is "$("$jsmalloc" run -- "$victim" 2>&1)" "ours 1000" "also after --"
is "$(PATH=$scratch:$PATH "$jsmalloc" run victim 2>&1)" "ours 1000" "a program is looked for in PATH"
is "$(cd "$top_builddir" && sh jsmalloc run "$victim" 2>&1)" "ours 1000" "the command itself may be given to a shell"
for shell in dash bash 'busybox sh' mksh yash; do
    # shellcheck disable=SC2086
    if $shell -c : 2> /dev/null; then
        is "$($shell "$jsmalloc" run "$victim" 2>&1)" "ours 1000" "in $shell"
    fi
done

# ---- As without it ----
# What these shells shall do themselves stands in single quotes.
# shellcheck disable=SC2016
{
    status=0
    "$jsmalloc" run sh -c 'exit 7' || status=$?
    is "$status" 7 "the status is the program's"
    status=0
    "$jsmalloc" run sh -c 'kill -TERM $$' || status=$?
    is "$status" 143 "a signal ends it as it would the program"
    "$jsmalloc" run sh -c 'echo $$' > "$scratch/pid" &
    wait "$!"
    is "$(cat "$scratch/pid")" "$!" "the process becomes the program"
    is "$("$jsmalloc" run printf '<%s>' '' 'a  b' '*' -- -x '$y' 'z
')" "$(printf '<%s>' '' 'a  b' '*' -- -x '$y' 'z
')" "arguments arrive as they are"
    is "$(echo text | "$jsmalloc" run cat)" text "so does standard input"
    library=$("$jsmalloc" run sh -c 'echo "$LD_PRELOAD"')
    is "${library##*/}" libjsmalloc.so.1 "LD_PRELOAD names the library"
    is "$(LD_PRELOAD='libm.so.6 libc.so.6' "$jsmalloc" run sh -c 'echo "$LD_PRELOAD"')" \
        "$library:libm.so.6 libc.so.6" "before what was in it"
    is "$("$jsmalloc" run sh -c 'echo "${JSMALLOC_OPTIONS-none}"')" none "without options there is no JSMALLOC_OPTIONS"
    is "$(JSMALLOC_OPTIONS=check_action=1 "$jsmalloc" run -o purge_delay=2s -oarena_max=1,perturb=1 --stats \
        sh -c 'echo "$JSMALLOC_OPTIONS"' 2> /dev/null)" \
        check_action=1,purge_delay=2s,arena_max=1,perturb=1,stats=exit "options come after those of the environment"
}
is "$("$jsmalloc" run -o purge_delay=2s "$victim")" "ours 2000" "an option has its effect"
is "$(JSMALLOC_OPTIONS=purge_delay=2s "$jsmalloc" run "$victim")" "ours 2000" "one of the environment stays"
is "$(JSMALLOC_OPTIONS=purge_delay=2s "$jsmalloc" run -o purge_delay=3s "$victim")" "ours 3000" "-o wins over it"
is "$("$jsmalloc" run -o purge_delay=3s -o purge_delay=4s "$victim")" "ours 4000" "the last of two wins"
"$jsmalloc" run --stats "$victim" > "$scratch/out" 2> "$scratch/error"
is "$(cat "$scratch/out") $(grep -c statistics "$scratch/error")" "ours 1000 1" "--stats brings statistics on standard error"
"$jsmalloc" run --stats=json ls / > "$scratch/out" 2> "$scratch/error"
is "$(cat "$scratch/out") $(head -n 1 "$scratch/error")" "$(ls /) {" "--stats=json brings them as JSON, after ls as well"

# ---- Programs that cannot be preloaded ----
says 127 "nosuchprogram: no such program" "no such program" "$jsmalloc" run nosuchprogram
says 127 "$scratch/nosuch: no such program" "no such path" "$jsmalloc" run "$scratch/nosuch"
says 126 "$scratch is a folder" "a folder" "$jsmalloc" run "$scratch"
says 126 "chmod +x" "a file that is not executable" "$jsmalloc" run "$scratch/victim.c"

for flag in -static -static-pie; do
    if build "$scratch/static" "$flag"; then
        says 126 "$scratch/static is linked statically" "a program linked by $flag" "$jsmalloc" run "$scratch/static"
        check "the remedy is named" grep -qF -e '--static --libs jsmalloc' "$scratch/error"
    else
        skip "a program linked by $flag" "$CC cannot link one"
    fi
done

# with_bytes FILE AT BYTES: a copy of the victim with other bytes there, in octal as printf takes them.
with_bytes() {
    cp "$victim" "$1"
    # shellcheck disable=SC2059
    printf "$3" | dd of="$1" bs=1 seek="$2" conv=notrunc 2> /dev/null
}
foreign=$scratch/foreign
with_bytes "$foreign" 18 '\052\001'
says 126 "$foreign is a program for machine 298" "another machine" "$jsmalloc" run "$foreign"
if [ "$(od -An -tu1 -j 4 -N 1 "$victim" | tr -d ' ')" = 2 ]; then
    with_bytes "$foreign" 4 '\001'
    says 126 ", 32 bits, the library is for " "another word size" "$jsmalloc" run "$foreign"
fi
with_bytes "$foreign" 5 '\003'
says 126 "the library is for" "another order of bytes" "$jsmalloc" run "$foreign"
if build "$scratch/musl" -Wl,--dynamic-linker=/lib/ld-musl-any.so.1; then
    says 126 "uses another C library than libjsmalloc: /lib/ld-musl-any.so.1" "another C library" "$jsmalloc" run "$scratch/musl"
else
    skip "another C library" "$CC cannot link such a program"
fi

cp "$victim" "$scratch/set-id"
chmod u+s "$scratch/set-id"
is "$("$jsmalloc" run "$scratch/set-id")" "ours 1000" "a set-user-ID program of one's own is like any other"
if chown 65534 "$scratch/set-id" 2> /dev/null && chmod u+s "$scratch/set-id"; then
    says 126 "ld.so preloads nothing" "a set-user-ID program" "$jsmalloc" run "$scratch/set-id"
    chown 0:65534 "$scratch/set-id" && chmod 2755 "$scratch/set-id"
    says 126 "ld.so preloads nothing" "a set-group-ID program" "$jsmalloc" run "$scratch/set-id"
else
    skip "set-user-ID and set-group-ID programs of others" "only root can make one"
fi

# ---- Scripts ----
# script LINE...
script() {
    printf '%s\n' "$@" > "$scratch/script"
    chmod +x "$scratch/script"
}
script "#!$victim"
is "$("$jsmalloc" run "$scratch/script")" "ours 1000" "a script whose interpreter can be preloaded"
script "#! /usr/bin/env -S A=b $victim"
is "$("$jsmalloc" run "$scratch/script")" "ours 1000" "by way of env"
script "$victim; echo \$1"
is "$("$jsmalloc" run "$scratch/script" 'a  b' | tr '\n' ' ')" "ours 1000 a b " "a script that names no interpreter"
script "#!$foreign" "#!/bin/sh"
says 126 "the interpreter of $scratch/script: $foreign is a program for" "a script for a foreign interpreter" \
    "$jsmalloc" run "$scratch/script"
script "#!/usr/bin/env $foreign"
says 126 "the interpreter of $scratch/script: $foreign is a program for" "by way of env" "$jsmalloc" run "$scratch/script"
script "#!$scratch/nosuch"
says 127 "the interpreter of $scratch/script: $scratch/nosuch: no such program" "a script without interpreter" \
    "$jsmalloc" run "$scratch/script"

# ---- Where the library is ----
prefix=$scratch/prefix
mkdir -p "$prefix/bin" "$prefix/lib/any-linux-gnu" "$prefix/lib64"
cp "$jsmalloc" "$prefix/bin"
# moved FOLDER DESCRIPTION: with the library there alone, the command that was moved finds it.
moved() {
    rm -f "$prefix"/lib*/libjsmalloc* "$prefix"/lib/*/libjsmalloc*
    cp "$JSM_LIB" "$prefix/$1/libjsmalloc.so.1"
    # shellcheck disable=SC2016
    is "$("$prefix/bin/jsmalloc" run sh -c 'echo "$LD_PRELOAD"')" "$prefix/$1/libjsmalloc.so.1" "$2"
}
moved lib/any-linux-gnu "in another prefix, in lib/TRIPLET"
moved lib64 "in lib64"
moved lib "in lib"
ln -s "$prefix/bin/jsmalloc" "$scratch/link"
# shellcheck disable=SC2016
is "$("$scratch/link" run sh -c 'echo "$LD_PRELOAD"')" "$prefix/lib/libjsmalloc.so.1" "a link to the command is followed"
moved lib64 "in lib64 again"
cp "$foreign" "$prefix/lib/libjsmalloc.so.1"
# shellcheck disable=SC2016
is "$("$prefix/bin/jsmalloc" run sh -c 'echo "$LD_PRELOAD"')" "$prefix/lib64/libjsmalloc.so.1" \
    "of libraries for several machines it takes the program's"
rm -f "$prefix"/lib*/libjsmalloc*
if "$prefix/bin/jsmalloc" run true 2> /dev/null; then
    skip "no library" "there is one in this system"
else
    says 125 "libjsmalloc.so.1 was not found" "no library" "$prefix/bin/jsmalloc" run true
    is "$(grep -c "not in $prefix/lib\$" "$scratch/error")" 1 "it says where it has looked"
fi
mkdir -p "$scratch/a blank/bin" "$scratch/a blank/lib"
cp "$jsmalloc" "$scratch/a blank/bin"
cp "$JSM_LIB" "$scratch/a blank/lib/libjsmalloc.so.1"
says 125 "ld.so takes no preload from a path with a blank" "a path that LD_PRELOAD cannot have" \
    "$scratch/a blank/bin/jsmalloc" run true
tap_done
