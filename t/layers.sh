# t/layers.sh - the layers of src/README.md: includes and references point down, atomic
# operations go through base/atomic.h and say why their order is enough.
# SPDX-License-Identifier: MIT
. "$top_srcdir/t/tap.sh"
scratch

tools=$top_srcdir/tools

# Each runs one check over the sources below a folder.
layers() {
    (cd "$1" && $AWK -f "$tools/c-lines.awk" -f "$tools/check-layers.awk" README.md ./*/*.[ch])
}
orders() {
    (cd "$1" && $AWK -f "$tools/c-lines.awk" -f "$tools/check-order.awk" ./*/*.[ch])
}

# Object files in the order of preference: for the static library, else for the shared one.
objects() {
    (
        cd "$1" || exit 1
        for layer in */; do
            set -- "$layer"*.o
            [ -e "$1" ] || set -- "$layer".libs/*.o
            for object; do
                [ ! -e "$object" ] || $NM -A -P "$object" | sed 's|/\.libs/|/|'
            done
        done
    )
}
no_hidden_locks() {
    ! grep -nE '^[[:space:]]+static .*struct jsm_lock ' "$1"/*/*.[ch]
}
links() {
    objects "$1" > "$scratch/names" && $AWK -f "$tools/c-lines.awk" -f "$tools/check-links.awk" "$2" "$scratch/names"
}

check "includes point down, to facades, and atomics stay in base/" layers "$top_srcdir/src"
check "each atomic operation has an ORDER comment that fits" orders "$top_srcdir/src"
check "no lock is hidden in a function, where fork() would not find it" no_hidden_locks "$top_srcdir/src"
# The words are put together here, so that this file does not have them.  Of ThreadSanitizer's interface tests may have
# default options, but none that make it see or tell less; the library asks for its first function whether it is there.
hushed='__''tsan_([^di]|default_s|i[^n])|no_''sanitize(_|..)thread|suppressions''[=:]|(report|ignore|detect)_''[a-z_]*=[0-9]'
if grep -rnE "$hushed" "$top_srcdir/src" "$top_srcdir/t" "$top_srcdir/include"; then
    fail "no race that ThreadSanitizer finds is suppressed"
else
    pass "no race that ThreadSanitizer finds is suppressed"
fi
if objects "$top_builddir/src" | grep -q ' T '; then
    check "references between object files point down" links "$top_builddir/src" "$top_srcdir/src/README.md"
else
    skip "references between object files point down" "$NM reads no names in these object files"
fi

# The checks find what they are for: each fault is planted in a tree that is good without it.
plant() {
    rm -rf "$scratch/src"
    mkdir -p "$scratch/src/low" "$scratch/src/high" "$scratch/src/base"
    printf '%s\n' '- `base/` x' '- `low/`  x' '- `high/` x' > "$scratch/src/README.md"
    : > "$scratch/src/base/atomic.h"
    echo '#include "base/base.h"' > "$scratch/src/low/low.h"
    : > "$scratch/src/low/inner.h"
    printf '%s\n' '/* high/high.c' ' *   R1 pop  CAS  acquire  all of it' ' */' '#include <config.h>' \
        '#include "low/low.h" /* #include "low/inner.h" */' 'int f(int *p)' '{' \
        '    /* ORDER R1: acquire, with nobody: two' '     * lines of it. */' \
        '    return jsm_exchange_acquire(p,' '        1);' '}' > "$scratch/src/high/high.c"
}

# finds DESCRIPTION CHECK PATTERN: the check fails on the planted tree and says PATTERN.
finds() {
    if found=$("$2" "$scratch/src" 2>&1); then
        fail "finds $1"
    else
        case $found in
            *"$3"*) pass "finds $1" ;;
            *) fail "finds $1"; diag "$found" ;;
        esac
    fi
}

# change FILE SED-SCRIPT
change() {
    sed "$2" "$scratch/src/$1" > "$scratch/changed"
    if cmp -s "$scratch/changed" "$scratch/src/$1"; then
        fail "the fault could be planted in $1: $2"
    fi
    mv "$scratch/changed" "$scratch/src/$1"
}

plant
check "a good tree has no fault of layers" layers "$scratch/src"
check "a good tree has no fault of order" orders "$scratch/src"

echo '#include "high/high.h"' >> "$scratch/src/low/low.h"
finds "an include that points up" layers 'which is above it'
plant; change high/high.c 's|low/low.h|low/inner.h|'
finds "an include that goes past the facade" layers 'only the facade low/low.h'
plant; change high/high.c 's|low/low.h|low.h|'
finds "an include without a layer" layers 'names layer and file'
plant; change high/high.c '/config.h/d'
finds "a source file without config.h" layers 'must be included first'
plant; mkdir "$scratch/src/stray"; echo '#include <config.h>' > "$scratch/src/stray/x.c"
finds "a folder that is no layer" layers 'not in the list of layers'
plant; change high/high.c 's|jsm_exchange_acquire|__atomic_fetch_add|'
finds "an atomic operation of the compiler's" layers 'only through base/atomic.h'
plant; change high/high.c 's|^int f|extern int jsm_x;|'
finds "a declaration behind the header's back" layers 'declared in a header'

plant; change high/high.c '/ORDER/d'
finds "an operation without a comment" orders 'has no ORDER comment'
plant; change high/high.c 's|R1: acquire|R1: release|'
finds "a comment that names another order" orders 'is acquire, which'
plant; change high/high.c 's|R1: acquire|R2: acquire|'
finds "a name without a row in a table" orders 'ORDER R2 has no row'
plant
{ echo 'int g(int *p)'; echo '{'; echo '    return jsm_load_acquire'; echo '        (p);'; echo '}'; } >> "$scratch/src/high/high.c"
finds "that a comment of another function does not count" orders 'has no ORDER comment'

plant; echo '    static struct jsm_lock lock = { 0 };' >> "$scratch/src/high/high.c"
finds "a lock in a function" no_hidden_locks 'static struct jsm_lock'

plant
mkdir -p "$scratch/objects/low" "$scratch/objects/high"
echo 'int jsm_high(void); int jsm_low(void); int jsm_low(void) { return jsm_high(); }' > "$scratch/low.c"
echo 'int jsm_high(void); int jsm_high(void) { return 0; }' > "$scratch/high.c"
if $CC -c "$scratch/low.c" -o "$scratch/objects/low/low.o" && $CC -c "$scratch/high.c" -o "$scratch/objects/high/high.o"; then
    if found=$(links "$scratch/objects" "$scratch/src/README.md"); then
        fail "finds a reference that points up"
    else
        is "${found##*: }" "low/ refers to jsm_high of high/, which is above it" "finds a reference that points up"
    fi
fi
tap_done
