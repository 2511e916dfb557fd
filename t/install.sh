# t/install.sh - what is installed: exactly the files of t/manifest, and with them programs in C
# and C++ are built through pkg-config that take their memory from this library.
# SPDX-License-Identifier: MIT
. "$top_srcdir/t/tap.sh"
[ -z "$JSM_SANITIZER" ] || skip_all "a sanitizer's build is not for installation"
scratch
dest=$scratch/dest
installed_paths
install_tree "$dest"

want=$(
    while read -r kind path; do
        case $kind in
            '#'*) continue ;;
            shared:) [ -e "$top_builddir/.libs/libjsmalloc.so.1" ] || continue ;;
            static:) [ -e "$top_builddir/.libs/libjsmalloc.a" ] || continue ;;
            *) path=$kind ;;
        esac
        eval "echo \"$path\""
    done < "$top_srcdir/t/manifest" | sort
)
is "$(cd "$dest" && find . ! -type d | sed 's|^\.||' | sort)" "$want" "the files are those of t/manifest"
is "$(find "$dest" ! -type d ! -type l ! -perm -444)" "" "all of them can be read by everybody"

# build COMPILER SOURCE PROGRAM
build() {
    # shellcheck disable=SC2046,SC2086
    $1 -fno-builtin "$2" -o "$3" $(pkg_config "$dest" --cflags --libs) -Wl,-rpath,"$dest$libdir"
}

# try DESCRIPTION SOURCE COMPILER: the program, which says whose its memory is, can be built and run.
try() {
    if [ "$JSM_CROSS" = yes ] && [ -z "$JSM_EMULATOR" ]; then
        check "$1 (built only)" build "$3" "$2" "$scratch/program"
    elif problem=$(build "$3" "$2" "$scratch/program" 2>&1); then
        is "$(run "$scratch/program" 2>&1)" "ours" "$1"
    else
        fail "$1"
        diag "$problem"
    fi
}

if [ -n "$JSM_LIB" ] && [ "$JSM_CROSS" = no ] && [ -z "$(LD_PRELOAD=$JSM_LIB env true 2>&1)" ]; then
    # shellcheck disable=SC2016
    is "$("$dest$bindir/jsmalloc" run sh -c 'echo "$LD_PRELOAD"')" "$dest$libdir/libjsmalloc.so.1" \
        "the command that is installed finds the library that is"
else
    skip "the command that is installed finds the library that is" "no shared library for the programs of this machine"
fi

if [ -z "$PKG_CONFIG" ] || [ -z "$JSM_LIB" ]; then
    skip "programs built through pkg-config" "no pkg-config, or no shared library that replaces malloc"
else
    check "pkg-config finds the package" pkg_config "$dest" --validate
    is "$(pkg_config "$dest" --modversion)" \
        "$(sed -n 's/^#define PACKAGE_VERSION "\(.*\)"/\1/p' "$top_builddir/config.h")" "its version is that of the package"

    try "a C program" "$top_srcdir/t/ours.c" "$CC"

    cat > "$scratch/o.c" << 'END'
#include <jsmalloc/osmem.h>
#include <stdio.h>
int
main(void)
{
    char *p = os_malloc(10), *q = os_calloc(10, 1000);
    p = os_realloc(p, 1000);
    puts(p && q && q[9999] == 0 ? "ours" : "not ours");
    os_free(q);
    os_free(p);
    return 0;
}
END
    try "a C program that uses <jsmalloc/osmem.h>" "$scratch/o.c" "$CC"

    # It names nothing of ours: the library must not be dropped by --as-needed.
    cat > "$scratch/b.c" << 'END'
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>
int
main(void)
{
    int (*is_ours)(const void *) = (int (*)(const void *))dlsym(RTLD_DEFAULT, "jsm_is_ours");
    puts(is_ours && is_ours(strdup("x")) ? "ours" : "not ours");
    return 0;
}
END
    try "a C program that names no function of malloc's family" "$scratch/b.c" "$CC"

    if [ -n "$CXX" ]; then
        try "a C++ program" "$top_srcdir/t/ours.cc" "$CXX -std=c++17"
    else
        skip "a C++ program" "no C++ compiler"
    fi
fi

if (cd "$top_builddir" && MAKEFLAGS='' MFLAGS='' ${MAKE:-make} uninstall DESTDIR="$dest") > "$scratch/uninstall.log" 2>&1; then
    is "$(find "$dest" ! -type d)" "" "make uninstall leaves no file"
else
    fail "make uninstall"
    diag "$(cat "$scratch/uninstall.log")"
fi
tap_done
