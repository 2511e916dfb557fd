# t/static.sh - static programs take all their memory from the static library, and link with it
# whatever functions of malloc's family they use.
# SPDX-License-Identifier: MIT
. "$top_srcdir/t/tap.sh"
[ "$JSM_OVERRIDE" = yes ] || skip_all "built without override"
[ -e "$top_builddir/.libs/libjsmalloc.a" ] || skip_all "no static library"
[ -n "$PKG_CONFIG" ] || skip_all "no pkg-config"
need_own_programs
scratch
dest=$scratch/dest
installed_paths
install_tree "$dest"

# The pointer is right only if somebody relocates the program.
printf '%s\n' '#include <stdio.h>' 'static int zero, *volatile p = &zero; int main(void) { return *p + (puts("") < 0); }' \
    > "$scratch/empty.c"
printf '%s\n' '#include <string>' 'int main() { return (int)std::string(100, 0).size() - 100; }' > "$scratch/empty.cc"

# can_link COMPILER SOURCE FLAG...: whether the compiler has what a static program needs, and does not, as musl-gcc,
# make another kind without a word.
can_link() {
    # shellcheck disable=SC2068
    $@ -o "$scratch/empty" 2> /dev/null && run "$scratch/empty" > "$scratch/empty.out" &&
        ! readelf -l "$scratch/empty" 2> /dev/null | grep -q INTERP
}

# try DESCRIPTION COMPILER SOURCE FLAG...: builds and runs a program that says whose its memory is.
# A warning of the linker's counts as a failure: users would see it with every program.
try() {
    what=$1
    compiler=$2
    source=$3
    shift 3
    # shellcheck disable=SC2046
    if problem=$($compiler -fno-builtin "$@" "$source" -o "$scratch/program" -Wl,--fatal-warnings \
            $(pkg_config "$dest" --static --cflags --libs) 2>&1); then
        is "$(run "$scratch/program" 2> "$scratch/stderr")" "ours" "$what"
    else
        fail "$what"
        diag "$problem"
    fi
}

cat > "$scratch/plain.c" << 'END'
#include <stdio.h>
#include <string.h>
extern int jsm_is_ours(const void *) __attribute__((weak));
int
main(void)
{
    puts(jsm_is_ours && jsm_is_ours(strdup("x")) ? "ours" : "not ours");
    return 0;
}
END
cat > "$scratch/replaced.cc" << 'END'
#include <jsmalloc.h>
#include <cstdio>
#include <cstdlib>
#include <new>
static int calls;
void *operator new(std::size_t n) { calls++; return std::malloc(n); }
void operator delete(void *p) noexcept { calls++; std::free(p); }
void operator delete(void *p, std::size_t) noexcept { calls++; std::free(p); }
int
main()
{
    int *volatile p = new int(1);
    bool ours = jsm_is_ours(p);
    delete p;
    std::puts(ours && calls == 2 ? "ours" : "not ours");
    return 0;
}
END

for kind in -static -static-pie; do
    # shellcheck disable=SC2086
    if ! can_link $CC "$scratch/empty.c" $kind; then
        skip "C programs with $kind" "$CC cannot link them"
        continue
    fi
    try "a program that does not name malloc, $kind" "$CC" "$scratch/plain.c" $kind
    try "a program with every function of libc's malloc.o, $kind" "$CC" "$top_srcdir/t/family.c" $kind -pthread -w
    # shellcheck disable=SC2086
    if [ -z "$CXX" ] || ! can_link $CXX "$scratch/empty.cc" $kind; then
        skip "C++ programs with $kind" "no C++ compiler that can link them"
        continue
    fi
    try "a C++ program, $kind" "$CXX" "$top_srcdir/t/ours.cc" -std=c++17 $kind
    try "a C++ program with operators new and delete of its own, $kind" "$CXX" "$scratch/replaced.cc" -std=c++17 $kind
done

# A dynamic program that has the static library inside.
# shellcheck disable=SC2046
if problem=$($CC -fno-builtin -w "$top_srcdir/t/family.c" -o "$scratch/program" -pthread $(pkg_config "$dest" --cflags) \
        -Wl,-u,malloc "$dest$libdir/libjsmalloc.a" 2>&1); then
    is "$(run "$scratch/program" 2> "$scratch/stderr")" "ours" "a dynamic program with the static library inside"
else
    fail "a dynamic program with the static library inside"
    diag "$problem"
fi
tap_done
