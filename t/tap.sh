# t/tap.sh - the Test Anything Protocol for script tests, and what several of them need.
#
# A script sources this file, gives results and ends with `tap_done`.
#
#   check "what is promised" COMMAND [ARG]...   passes if the command succeeds; shows its output if not
#   is "$got" "$want" "what is promised"        passes if both are the same text
#   pass TEXT; fail TEXT; skip TEXT WHY; diag TEXT
#   skip_all WHY                                before any result: nothing applies; ends the script
#   scratch                                     makes the folder $scratch, removed at the end
#   need_own_programs                           skips all unless programs of ours can run here
#   need_preload                                ... and other programs can be preloaded with the library
#   run PROGRAM [ARG]...                        runs one, through the emulator if there is one
#
# SPDX-License-Identifier: MIT
# shellcheck shell=sh

tap_count=0
LC_ALL=C
export LC_ALL

diag() {
    printf '%s\n' "$*" | sed 's/^/# /'
}

pass() {
    tap_count=$((tap_count + 1))
    echo "ok $tap_count - $*"
}

fail() {
    tap_count=$((tap_count + 1))
    echo "not ok $tap_count - $*"
}

skip() {
    tap_count=$((tap_count + 1))
    echo "ok $tap_count - $1 # SKIP $2"
}

skip_all() {
    echo "1..0 # SKIP $*"
    exit 0
}

check() {
    tap_what=$1
    shift
    if tap_output=$("$@" 2>&1); then
        pass "$tap_what"
    else
        tap_status=$?
        fail "$tap_what"
        diag "status $tap_status of: $*"
        diag "$tap_output" | head -n 40
    fi
}

is() {
    if [ "$1" = "$2" ]; then
        pass "$3"
    else
        fail "$3"
        diag "got:
$1
want:
$2"
    fi
}

tap_done() {
    echo "1..$tap_count"
    exit 0
}

scratch() {
    scratch=$(mktemp -d) || skip_all "no temporary folder"
    trap 'rm -rf "$scratch"' EXIT
    trap 'exit 1' HUP INT TERM
}

# shellcheck disable=SC2154,SC2086
run() {
    ${JSM_EMULATOR-} "$@"
}

need_own_programs() {
    if [ "$JSM_CROSS" = yes ] && [ -z "${JSM_EMULATOR-}" ]; then
        skip_all "built for another machine, and no JSM_EMULATOR"
    fi
}

# And those of this machine take the library in place of their malloc.
need_preload() {
    need_own_programs
    [ -z "$JSM_SANITIZER" ] || skip_all "the library of a sanitizer does not replace malloc"
    [ -n "$JSM_LIB" ] || skip_all "no shared library that replaces malloc"
    [ "$JSM_CROSS" = no ] || skip_all "programs of this machine cannot be preloaded with it"
}

# The paths that configure was given, as the variables libdir, includedir ...
# shellcheck disable=SC2034
installed_paths() {
    eval "$(printf "prefix='@prefix@'\nexec_prefix=\"@exec_prefix@\"\nlibdir=\"@libdir@\"\nincludedir=\"@includedir@\"\nbindir=\"@bindir@\"\ndatarootdir=\"@datarootdir@\"\nmandir=\"@mandir@\"\n" |
        (cd "$top_builddir" && ./config.status --silent --file=-))"
}

# install_tree DIR: the files as they will be on a user's machine, below DIR.
install_tree() {
    (cd "$top_builddir" && MAKEFLAGS='' MFLAGS='' ${MAKE:-make} install DESTDIR="$1") > "$1.log" 2>&1 || {
        fail "make install DESTDIR=..."
        diag "$(tail -n 30 "$1.log")"
        tap_done
    }
}

# pkg_config DIR ARG...: asks about the files installed below DIR.
pkg_config() {
    PKG_CONFIG_SYSROOT_DIR=$1 PKG_CONFIG_LIBDIR=$1$libdir/pkgconfig
    export PKG_CONFIG_SYSROOT_DIR PKG_CONFIG_LIBDIR
    shift
    "$PKG_CONFIG" "$@" jsmalloc
}
