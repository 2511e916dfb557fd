# t/programs/common.sh - what the tests of real programs share; every one of them reads it first.
#
# A test runs a program on libc's malloc and again with the library preloaded, and demands
# that both runs write the same bytes and end in the same way.  It also proves that the
# second run was what it claims to be: ld.so's own trace has to show that the program's
# malloc was bound to the library.
#
# Work is bounded by counts, never by seconds.  JSM_TEST_EXTRA=1 asks for ten times as much;
# a build that walks the heap on every call (--enable-debug=3) gets a twentieth.
#
# For the scripts:
#   need PROGRAM...          skip the whole test when one of them is not installed
#   plan COUNT               how many results follow
#   result STATUS DESC       one result; STATUS 0 is a success
#   skip DESC REASON         one result that cannot be had here
#   note < TEXT              diagnostics, as TAP comments
#   amount COUNT             COUNT scaled to the size of this run, on stdout
#   preloaded COMMAND...     run it on the library, within the limit of time
#   plain COMMAND...         run it on libc's malloc, likewise
#   same DESC COMMAND...     result: both ways give the same output, errors, status and files
#   uses NAME COMMAND...     result: the program NAME, started by COMMAND, takes its memory from the library
#   uses_pid PID DESC        result: the running process has the library mapped
#   daemon PID               have PID ended with the test
#   await COMMAND...         repeat a check until it holds; fails when it never does
# and the variables tmp (a directory of the test's own), in ($tmp/in, for input files).
#
# SPDX-License-Identifier: MIT

set -eu

skip_all() {
    echo "1..0 # SKIP $*"
    exit 0
}

[ "${JSM_CROSS:-no}" = no ] || skip_all 'built for another machine'
[ -n "${JSM_LIB:-}" ] || skip_all 'no library with the standard names was built'
[ -r "$JSM_LIB" ] || { echo "Bail out! $JSM_LIB cannot be read"; exit 1; }

LC_ALL=C TZ=UTC0
export LC_ALL TZ
unset LD_PRELOAD LD_DEBUG LD_DEBUG_OUTPUT JSMALLOC_OPTIONS

jsm_name=${JSM_LIB##*/}

# ld.so refuses a library of another word size or C library and says so; a library that is
# broken gives other messages, and those have to fail the tests, not skip them.
case $(LD_PRELOAD=$JSM_LIB /bin/true 2>&1 || :) in
*'wrong ELF class'* | *'invalid ELF header'*) skip_all 'the programs of this system are of another kind' ;;
esac

# Far above what any test takes: a guard against deadlocks, nothing that is measured.
limit_s=900
percent=100
if [ "${JSM_TEST_EXTRA:-0}" = 1 ]; then
    percent=1000
    limit_s=7200
elif grep -q '^#define JSM_DEBUG 3' "${top_builddir:-.}/config.h" 2>/dev/null; then
    percent=5
fi
[ "${JSM_TEST_SECONDS:-0}" -le "$limit_s" ] || limit_s=$JSM_TEST_SECONDS

# A directory that another user may enter, with a name short enough for sockets in it.
tmp=$(mktemp -d "${TMPDIR:-/tmp}/jsm-XXXXXX")
[ ${#tmp} -le 60 ] || { rmdir "$tmp"; tmp=$(mktemp -d /tmp/jsm-XXXXXX); }
chmod 755 "$tmp"
in=$tmp/in
mkdir "$in"
daemons=

clean_up() {
    for pid in $daemons; do
        kill -9 "$pid" 2>/dev/null || :
    done
    # And what a program that was ended left behind: only ours have the directory as an argument.
    for file in $(grep -lF "$tmp/" /proc/[0-9]*/cmdline 2>/dev/null); do
        pid=${file#/proc/}
        kill -9 "${pid%/cmdline}" 2>/dev/null || :
    done
    cd /
    # A daemon that has just been ended may still be writing: once more if files appeared.
    rm -rf "$tmp" 2>/dev/null || { sleep 1; rm -rf "$tmp"; }
}
trap clean_up EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

need() {
    for program in "$@"; do
        command -v "$program" >/dev/null || skip_all "$program is not installed"
    done
}

count=0

plan() {
    echo "1..$1"
}

result() {
    count=$((count + 1))
    if [ "$1" -eq 0 ]; then
        echo "ok $count - $2"
    else
        echo "not ok $count - $2"
    fi
}

skip() {
    count=$((count + 1))
    echo "ok $count - $1 # SKIP $2"
}

# No more than a screenful: what failed is seen at the start, and logs stay readable.
note() {
    sed -e 's/^/# /' -e 40q
}

amount() {
    echo $(($1 * percent / 100 > 0 ? $1 * percent / 100 : 1))
}

preloaded() {
    timeout -k 5 "$limit_s" env LD_PRELOAD="$JSM_LIB" "$@"
}

plain() {
    timeout -k 5 "$limit_s" env "$@"
}

# run_in NAME COMMAND...: in an empty directory, so that the files a program writes are compared
# as well.  It has the same path in every run, for programs that write it down, and gets
# its name afterwards.
run_in() {
    run_name=$1
    shift
    rm -rf "$tmp/run" "${tmp:?}/$run_name"
    mkdir "$tmp/run"
    (
        cd "$tmp/run" || exit
        status=0
        "$@" >stdout 2>stderr </dev/null || status=$?
        echo "$status" >status
    )
    mv "$tmp/run" "$tmp/$run_name"
}

same() {
    what=$1
    shift
    run_in plain plain "$@"
    run_in preloaded preloaded "$@"
    if [ "$(cat "$tmp/plain/status")" != 0 ]; then
        result 1 "$what"
        echo "# status $(cat "$tmp/plain/status") without the library: the test itself is at fault"
        note <"$tmp/plain/stderr"
    elif diff -r "$tmp/plain" "$tmp/preloaded" >"$tmp/differences" 2>&1; then
        result 0 "$what"
    else
        result 1 "$what"
        note <"$tmp/differences"
    fi
    rm -rf "$tmp/plain" "$tmp/preloaded"
}

# Of the processes that COMMAND starts, only one that runs NAME counts.
uses() {
    what=$1
    shift
    mkdir "$tmp/trace"
    run_in preloaded preloaded LD_DEBUG=bindings LD_DEBUG_OUTPUT="$tmp/trace/ld" "$@"
    found=1
    for trace in $(grep -l "binding file [^ ]*$what \[0\] to" "$tmp"/trace/ld.* 2>/dev/null); do
        if grep -E "to [^ ]*$jsm_name \[0\]: normal symbol .(malloc|calloc|realloc|_Znwm|_Znwj)'" "$trace" >/dev/null
        then
            found=0
        fi
    done
    result $found "$what takes its memory from the library"
    if [ $found -ne 0 ]; then
        echo "# status $(cat "$tmp/preloaded/status")"
        note <"$tmp/preloaded/stderr"
    fi
    rm -rf "$tmp/trace" "$tmp/preloaded"
}

uses_pid() {
    if grep -q "/$jsm_name" "/proc/$1/maps"; then
        result 0 "$2"
    else
        result 1 "$2"
    fi
}

daemon() {
    daemons="$daemons $1"
}

await() {
    tries=0
    until "$@" >/dev/null 2>&1; do
        tries=$((tries + 1))
        [ $tries -lt 600 ] || return 1
        sleep 0.1
    done
}
