# t/headers.sh - every header compiles alone, the public ones in every dialect.
# SPDX-License-Identifier: MIT
. "$top_srcdir/t/tap.sh"
scratch

ours="-I$top_builddir/include -I$top_srcdir/include"
inner="-I$top_builddir -I$top_builddir/src -I$top_srcdir/src"
warnings="-Wall -Wextra -Werror"

# compile COMPILER FLAGS LINE...: a source file of these lines, without making anything of it.
compile() {
    compiler=$1
    flags=$2
    suffix=$3
    shift 3
    printf '%s\n' "$@" > "$scratch/x.$suffix"
    # shellcheck disable=SC2086
    $compiler $flags $ours $warnings -fsyntax-only "$scratch/x.$suffix"
}

for header in $(cd "$top_srcdir/src" && echo */*.h); do
    check "$header" compile "$CC" "-std=gnu11 $inner" c '#include <config.h>' "#include \"$header\"" "#include \"$header\"" \
        'extern int nothing_else;'
done

# dialects COMPILER SUFFIX DIALECT...: the public headers under each dialect the compiler knows.
dialects() {
    compiler=$1
    suffix=$2
    shift 2
    for dialect; do
        for header in $(cd "$top_srcdir/include" && find . -name '*.h' | sed 's|^\./||' | sort); do
            if compile "$compiler" "-std=$dialect" "$suffix" 'extern int x;' 2>/dev/null; then
                check "<$header> as $dialect" compile "$compiler" "-std=$dialect -Wpedantic -Wundef" "$suffix" \
                    "#include <$header>" "#include <$header>" 'extern int nothing_else;'
            else
                skip "<$header> as $dialect" "$compiler does not know it"
            fi
        done
    done
}
dialects "$CC" c c99 c11 c17 c2x gnu11
if [ -n "$CXX" ]; then
    dialects "$CXX" cc c++98 c++11 c++17 c++20
else
    skip "public headers as C++" "no C++ compiler"
fi

# The check itself: a header that needs another one before it is refused.
mkdir -p "$scratch/include"
echo 'size_t needs_stddef(void);' > "$scratch/include/bad.h"
if compile "$CC" "-std=c11 -I$scratch/include" c '#include <bad.h>' 2>/dev/null; then
    fail "a header that does not stand alone is refused"
else
    pass "a header that does not stand alone is refused"
fi
tap_done
