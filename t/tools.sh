# t/tools.sh - valgrind and the sanitizers see what they would see without the library, which steps aside where they bring
# an allocator of their own.
# SPDX-License-Identifier: MIT
. "$top_srcdir/t/tap.sh"
[ -n "$JSM_LIB" ] || skip_all "built without override, or without the shared library"
[ "$JSM_CROSS" = no ] || skip_all "programs of this machine cannot be preloaded with it"
[ -z "$JSM_SANITIZER" ] || skip_all "a sanitizer is in the library"
[ -z "${JSM_EMULATOR-}" ] || skip_all "an emulator runs the tests"
scratch
archive=$top_builddir/.libs/libjsmalloc.a

# One fault, or none, as the first argument says; all functions that the tools may know or not.
cat > "$scratch/program.c" << 'END'
#define _GNU_SOURCE
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
extern void *recallocarray(void *, size_t, size_t, size_t) __attribute__((weak));
extern void *reallocf(void *, size_t) __attribute__((weak));
extern void freezero(void *, size_t) __attribute__((weak));
extern void free_sized(void *, size_t) __attribute__((weak));
extern void free_aligned_sized(void *, size_t, size_t) __attribute__((weak));

static void
use_all(void)
{
    char *p = malloc(10), *q = NULL;

    p = reallocarray(p, 10, 20);
    strcpy(p, "text");
    p = realloc(p, 5000);
    if (recallocarray != NULL)
        p = recallocarray(p, 5000, 6000, 1);
    if (reallocf != NULL)
        p = reallocf(p, 7000);
    puts(p);
    free(p);
    p = strdup("more");
    if (freezero != NULL)
        freezero(p, 5);
    else
        free(p);
    p = calloc(3, 100);
    if (free_sized != NULL)
        free_sized(p, 300);
    else
        free(p);
    if (posix_memalign((void **)&q, 64, 100) == 0 && free_aligned_sized != NULL)
        free_aligned_sized(q, 64, 100);
    else
        free(q);
    p = memalign(128, 1000);
    memset(p, 1, malloc_usable_size(p));
    free(p);
    free(aligned_alloc(64, 640));
    free(valloc(100));
    free(malloc(100000000));
}

int
main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";
    volatile int zero = 0;
    char *volatile p;

    use_all();
    if (strcmp(what, "leak") == 0) {
        p = malloc(1234);
        p = NULL;
    } else if (strcmp(what, "overflow") == 0) {
        p = malloc(16);
        p[16 + zero] = 1;
        free(p);
    } else if (strcmp(what, "freed") == 0) {
        p = malloc(16);
        free(p);
        p[zero] = 1;
    } else if (strcmp(what, "twice") == 0) {
        p = malloc(16);
        free(p);
        free(p);
    } else if (strcmp(what, "unset") == 0) {
        p = malloc(16);
        if (p[zero] != 0)
            puts("by chance");
        free(p);
    } else if (strcmp(what, "tell") == 0) {
        char line[100] = "";
        if (fgets(line, sizeof line, stdin) != NULL)
            printf("%s/%s/%s/%s/%s", argv[2], argv[3], getenv("TOLD"), getenv("LD_PRELOAD"), line);
        return 7;
    }
    fflush(stdout);
    return 0;
}
END

# build NAME COMPILER FLAG...: without complaints; false if that cannot be done.
build() {
    name=$1
    shift
    # CC is a command with arguments.
    # shellcheck disable=SC2048,SC2086
    $* -g -O0 -fno-builtin -w "$scratch/program.c" -o "$scratch/$name" > "$scratch/build" 2>&1
}

# try FAULT COMMAND...: its status in $status, what it wrote in $scratch/out and $scratch/err.
try() {
    fault=$1
    shift
    status=0
    "$@" "$fault" > "$scratch/out" 2> "$scratch/err" < /dev/null || status=$?
}

# runs PROGRAM: whether it does, as things are.
runs() {
    try none "$1"
    [ "$status" -eq 0 ]
}

# told WHAT STATUS PATTERN: whether the status is that, and the pattern was written to standard error.
told() {
    if [ "$status" -eq "$2" ] && grep -Eq "$3" "$scratch/err"; then
        pass "$1"
    else
        fail "$1"
        diag "status $status, not $2, or not told: $3"
        diag "$(head -n 30 "$scratch/err")"
    fi
}

# clean WHAT LINES: whether it ended well and wrote what it should, and so many lines to standard error.
clean() {
    if [ "$status" -eq 0 ] && [ "$(cat "$scratch/out")" = text ] && [ "$(wc -l < "$scratch/err")" -eq "$2" ]; then
        pass "$1"
    else
        fail "$1"
        diag "status $status"
        diag "$(head -n 30 "$scratch/out" "$scratch/err")"
    fi
}

# ---- valgrind ----

memcheck() {
    valgrind -q --leak-check=full --error-exitcode=9 "$@"
}

# under_memcheck HOW COMMAND...: leaks and faults are seen, and nothing else.
under_memcheck() {
    how=$1
    shift
    try none memcheck "$@"
    clean "valgrind, $how: all functions run clean" 0
    try leak memcheck "$@"
    told "valgrind, $how: a leak is seen" 9 '1,234 bytes in 1 blocks are definitely lost'
    try overflow memcheck "$@"
    told "valgrind, $how: a write behind a block is seen" 9 'Invalid write of size 1'
    try freed memcheck "$@"
    told "valgrind, $how: a write to a freed block is seen" 9 'Invalid write of size 1'
    try twice memcheck "$@"
    told "valgrind, $how: a double free is seen" 9 'Invalid free'
}

if ! build plain "$CC"; then
    skip_all "no program can be built"
fi
if ! valgrind -q true > /dev/null 2>&1; then
    skip "valgrind" "valgrind is missing, or does not run here"
else
    export LD_PRELOAD="$JSM_LIB"
    under_memcheck "preloaded" "$scratch/plain"
    try none memcheck --soname-synonyms=somalloc=nouserintercepts "$scratch/plain"
    clean "valgrind, told to leave the library's functions: all of them run clean" 0
    try twice memcheck --soname-synonyms=somalloc=nouserintercepts "$scratch/plain"
    told "valgrind, told to leave the library's functions: the library finds a double free" 134 \
        'jsmalloc: free.*double free'
    unset LD_PRELOAD
    build linked "$CC" "$JSM_LIB" "-Wl,-rpath,${JSM_LIB%/*}"
    under_memcheck "linked" "$scratch/linked"
    if [ -e "$archive" ] && build static-library "$CC" -rdynamic "$archive" -pthread; then
        under_memcheck "linked to the static library" "$scratch/static-library"
    else
        skip "valgrind, linked to the static library" "no static library, or it cannot be linked"
    fi
fi

# ---- AddressSanitizer ----

aside='^jsmalloc: .*AddressSanitizer.* steps aside$'

# under_asan COMPILER: the program has that compiler's AddressSanitizer, and the library is preloaded.
under_asan() {
    if ! build asan "$1" -fsanitize=address || ! runs "$scratch/asan"; then
        skip "AddressSanitizer of $1" "it is missing, or does not run here"
        return
    fi
    export LD_PRELOAD="$JSM_LIB"
    try none "$scratch/asan"
    clean "AddressSanitizer of $1, preloaded: the program runs" 1
    told "AddressSanitizer of $1, preloaded: the library says that it steps aside" 0 "$aside"
    try overflow "$scratch/asan"
    told "AddressSanitizer of $1, preloaded: a write behind a block is seen" 1 'heap-buffer-overflow'
    try freed "$scratch/asan"
    told "AddressSanitizer of $1, preloaded: a write to a freed block is seen" 1 'heap-use-after-free'
    unset LD_PRELOAD
    status=0
    echo input | TOLD='a b' LD_PRELOAD="/nowhere/libnothing.so:$JSM_LIB:" "$scratch/asan" tell 'x  y' '' \
        > "$scratch/out" 2> "$scratch/err" || status=$?
    is "$status $(tail -n 1 "$scratch/out" | sed "s|:$JSM_LIB||; s|:/input|/input|")" "7 x  y//a b//nowhere/libnothing.so/input" \
        "AddressSanitizer of $1, preloaded: arguments, environment, input and status are the program's"
    build asan-linked "$1" -fsanitize=address "$JSM_LIB" "-Wl,-rpath,${JSM_LIB%/*}"
    try none "$scratch/asan-linked"
    clean "AddressSanitizer of $1, linked: the program runs" 1
    told "AddressSanitizer of $1, linked: the library says that it steps aside" 0 "$aside"
    try overflow "$scratch/asan-linked"
    told "AddressSanitizer of $1, linked: a write behind a block is seen" 1 'heap-buffer-overflow'
}

under_asan "$CC"
if command -v clang > /dev/null 2>&1; then
    under_asan clang
else
    skip "AddressSanitizer of clang" "clang is missing"
fi

# ---- Sanitizers whose run-time may be a library, or part of the program ----

# under_other NAME COMPILER FLAG FAULT STATUS TOLD: the library steps aside, and the fault is seen as it is without.
under_other() {
    if ! command -v "${2%% *}" > /dev/null 2>&1 || ! build other "$2" "-fsanitize=$3" || ! runs "$scratch/other"; then
        skip "$1 of $2" "it is missing, or does not run here"
        return
    fi
    export LD_PRELOAD="$JSM_LIB"
    try none "$scratch/other"
    clean "$1 of $2, preloaded: the program runs" 1
    told "$1 of $2, preloaded: the library says that it steps aside" 0 "^jsmalloc: .* has $1's allocator: .* steps aside\$"
    try "$4" "$scratch/other"
    told "$1 of $2, preloaded: a fault is seen" "$5" "$6"
    unset LD_PRELOAD
    build other "$2" "-fsanitize=$3" "$JSM_LIB" "-Wl,-rpath,${JSM_LIB%/*}"
    try none "$scratch/other"
    clean "$1 of $2, linked: the program runs" 1
    try "$4" "$scratch/other"
    told "$1 of $2, linked: a fault is seen" "$5" "$6"
}

for compiler in "$CC" clang; do
    under_other ThreadSanitizer "$compiler" thread freed 66 'ThreadSanitizer: heap-use-after-free'
    under_other LeakSanitizer "$compiler" leak leak 23 'SUMMARY: LeakSanitizer: 1234 byte'
done
under_other MemorySanitizer clang memory unset 1 'MemorySanitizer: use-of-uninitialized-value'

# UndefinedBehaviorSanitizer has no allocator: the library stays.
if build undefined "$CC" -fsanitize=undefined && runs "$scratch/undefined"; then
    export LD_PRELOAD="$JSM_LIB"
    try none "$scratch/undefined"
    clean "UndefinedBehaviorSanitizer, preloaded: the program runs" 0
    try twice "$scratch/undefined"
    told "UndefinedBehaviorSanitizer, preloaded: the library finds a double free" 134 'jsmalloc: free.*double free'
    unset LD_PRELOAD
else
    skip "UndefinedBehaviorSanitizer" "it is missing, or does not run here"
fi

# ---- HWAddressSanitizer ----

# What its run-time does at the start, by a library that does no more: few machines have the processor for it.
cat > "$scratch/standin.c" << 'END'
#include <string.h>
__attribute__((weak)) const char *__hwasan_default_options(void) { return ""; }
void __hwasan_init(void);
__attribute__((constructor)) void __hwasan_init(void) { (void)__hwasan_default_options(); }
extern void *__libc_malloc(unsigned long), *__libc_realloc(void *, unsigned long), __libc_free(void *);
void *malloc(unsigned long n) { return __libc_malloc(n); }
void *realloc(void *p, unsigned long n) { return __libc_realloc(p, n); }
void free(void *p) { __libc_free(p); }
END
# shellcheck disable=SC2086
if $CC -w -fPIC -shared -fno-builtin "$scratch/standin.c" -o "$scratch/libstandin.so" > "$scratch/build" 2>&1 &&
    build hwasan-like "$CC" -Wl,--no-as-needed "$scratch/libstandin.so" "-Wl,-rpath,$scratch" && runs "$scratch/hwasan-like"; then
    export LD_PRELOAD="$JSM_LIB"
    try none "$scratch/hwasan-like"
    clean "a stand-in for HWAddressSanitizer's library, preloaded: the program runs" 1
    told "a stand-in for HWAddressSanitizer's library, preloaded: the library says that it steps aside" 0 "$aside"
    unset LD_PRELOAD
    build hwasan-like "$CC" -Wl,--no-as-needed "$scratch/libstandin.so" "$JSM_LIB" "-Wl,-rpath,$scratch:${JSM_LIB%/*}"
    try none "$scratch/hwasan-like"
    # It has not all the functions that the program uses, so no more than this can be seen:
    check "a stand-in for HWAddressSanitizer's library, linked: the library says that it steps aside" \
        grep -q "$aside" "$scratch/err"
else
    skip "a stand-in for HWAddressSanitizer's library" "it cannot be built with this libc"
fi

if command -v clang > /dev/null 2>&1 && build hwasan clang -fsanitize=hwaddress && runs "$scratch/hwasan"; then
    LD_PRELOAD=$JSM_LIB
    export LD_PRELOAD
    try none "$scratch/hwasan"
    clean "HWAddressSanitizer, preloaded: the program runs" 1
    told "HWAddressSanitizer, preloaded: the library says that it steps aside" 0 "$aside"
    unset LD_PRELOAD
else
    skip "HWAddressSanitizer" "no compiler here makes programs with it that run"
fi
tap_done
