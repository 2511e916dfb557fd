# t/cxx.sh - C++ programs on the shared library, and plug-ins in C++ that a C program loads.
# SPDX-License-Identifier: MIT
. "$top_srcdir/t/tap.sh"
[ -n "$JSM_LIB" ] || skip_all "built without override, or without the shared library"
[ -n "$CXX" ] || skip_all "no C++ compiler"
need_own_programs
scratch

# CXX and CC are commands with arguments.
# shellcheck disable=SC2086
cxx() {
    $CXX -std=c++17 -fsized-deallocation -fno-builtin -Wall -Wextra -I"$top_builddir/include" -I"$top_srcdir/include" \
        "$top_srcdir/t/cxx.cc" "$@"
}
# shellcheck disable=SC2086
cc() {
    $CC -Wall -Wextra "$@"
}

# The program's results become ours, numbered by tap.sh.
report() {
    while read -r line; do
        case $line in
            'ok - '*) pass "$1: ${line#ok - }" ;;
            'not ok - '*) fail "$1: ${line#not ok - }" ;;
            *) diag "$line" ;;
        esac
    done < "$scratch/out"
}

linked="$JSM_LIB -Wl,-rpath,${JSM_LIB%/*}"
# shellcheck disable=SC2086
if cxx -o "$scratch/linked" $linked 2> "$scratch/log"; then
    run "$scratch/linked" > "$scratch/out" 2>&1
    is "$?" 0 "a program that is linked with the library runs to its end"
    report linked
else
    fail "a program that is linked with the library"
    diag "$(cat "$scratch/log")"
fi

is "$($NM -D --undefined-only "$JSM_LIB" | $AWK '$(NF - 1) == "U" && $NF ~ /^_Z|^__cxa_(throw|allocate)/ { print $NF }')" "" \
    "the library needs nothing of the C++ library"

# A host in C, without the C++ library, which comes in with the plug-in.
cat > "$scratch/host.c" << 'END'
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
int
main(int argc, char *argv[])
{
    void *h = dlopen(argv[1], RTLD_NOW | (argc > 2 ? RTLD_GLOBAL : RTLD_LOCAL));
    int (*plug_in)(void);
    if (h == NULL) {
        puts(dlerror());
        return 99;
    }
    *(void **)&plug_in = dlsym(h, "plug_in");
    free(malloc(10));
    return plug_in == NULL ? 98 : plug_in();
}
END
# shellcheck disable=SC2086
if cxx -DPLUG_IN -shared -fPIC -o "$scratch/plug_in.so" 2> "$scratch/log" &&
   cc -fno-builtin -o "$scratch/host_linked" "$scratch/host.c" -Wl,--no-as-needed $linked -ldl 2>> "$scratch/log" &&
   cc -fno-builtin -o "$scratch/host_plain" "$scratch/host.c" -ldl 2>> "$scratch/log"; then
    plug_in() {
        what=$1
        shift
        "$@" > "$scratch/out" 2>&1
        is "$?" 0 "$what"
        diag "$(cat "$scratch/out")"
    }
    plug_in "a failing new throws in a plug-in of a C program that is linked with the library" \
        run "$scratch/host_linked" "$scratch/plug_in.so"
    plug_in "the same with RTLD_GLOBAL" run "$scratch/host_linked" "$scratch/plug_in.so" global
    if [ -z "$JSM_EMULATOR" ]; then
        plug_in "a failing new throws in a plug-in of a C program that has the library preloaded" \
            env LD_PRELOAD="$JSM_LIB" "$scratch/host_plain" "$scratch/plug_in.so"
    else
        skip "a plug-in with the library preloaded" "not through an emulator"
    fi
else
    fail "a host and a plug-in can be built"
    diag "$(cat "$scratch/log")"
fi
tap_done
