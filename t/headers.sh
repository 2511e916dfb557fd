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

# dialects SUFFIX COMPILER DIALECT...: the public headers alone, and used, under each dialect that the compiler
# knows, with the warnings that a program may have on.
public_headers=$(cd "$top_srcdir/include" && find . -name '*.h' | sed 's|^\./||' | sort)
use='int use(void);
int use(void)
{
    struct jsm_heap_config config = JSM_HEAP_CONFIG_INIT;
    void *p = jsm_malloc(10);
    config.name = JSM_VERSION_STRING;
    jsm_free(p);
    return jsm_heap_new(&config) != NULL && jsm_mallinfo2().arena > 0;
}'
dialects() {
    suffix=$1
    compiler=$2
    shift 2
    for dialect; do
        what="as $dialect with ${compiler%% *}"
        flags="-std=$dialect -Wpedantic -pedantic-errors -Wundef -Wshadow"
        if ! compile "$compiler" "-std=$dialect" "$suffix" 'extern int x;' 2> /dev/null; then
            skip "public headers $what" "it does not know that"
            continue
        fi
        for header in $public_headers; do
            check "<$header> $what" compile "$compiler" "$flags" "$suffix" \
                "#include <$header>" "#include <$header>" 'extern int nothing_else;'
        done
        check "<jsmalloc.h> used $what" compile "$compiler" "$flags" "$suffix" '#include <jsmalloc.h>' "$use"
    done
}

# Each compiler once: those of the build, and others that there are.
seen=
# is_new COMPILER
is_new() {
    version=$($1 --version 2> /dev/null | head -n 1)
    case $version,$seen in
        ,* | *"$version"*,*"$version"*) return 1 ;;
    esac
    seen="$seen $version"
}
for compiler in "$CC" gcc clang; do
    ! is_new "$compiler" || dialects c "$compiler" c99 c11 c17 c2x gnu99 gnu11 gnu17
done
for compiler in "$CXX" g++ clang++; do
    ! is_new "$compiler" || dialects cc "$compiler" c++98 c++11 c++14 c++17 c++20 c++2b
done
case $seen in
    *clang*) ;;
    *) skip "public headers with clang" "it is not installed" ;;
esac

# All of them in one program, in each order.
all=$(for header in $public_headers; do echo "#include <$header>"; done)
reverse=$(for header in $public_headers; do echo "#include <$header>"; done | sort -r)
check "all of them together" compile "$CC" -std=c99 c "$all" "$reverse" 'extern int nothing_else;'
check "and in reverse" compile "$CC" -std=c99 c "$reverse" "$all" 'extern int nothing_else;'

# The check itself: a header that needs another one before it is refused.
mkdir -p "$scratch/include"
echo 'size_t needs_stddef(void);' > "$scratch/include/bad.h"
if compile "$CC" "-std=c11 -I$scratch/include" c '#include <bad.h>' 2>/dev/null; then
    fail "a header that does not stand alone is refused"
else
    pass "a header that does not stand alone is refused"
fi
tap_done
