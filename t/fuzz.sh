# t/fuzz.sh - the target api with option harden, and a short run of libFuzzer on each target of t/fuzz/: a fixed number
# of inputs, from a fixed seed.
#
# `make check-fuzz` is the long one.
# SPDX-License-Identifier: MIT
. "$top_srcdir/t/tap.sh"
need_own_programs
[ -z "$JSM_SANITIZER" ] || skip_all "the targets bring sanitizers of their own"
[ "$JSM_CROSS" = no ] || skip_all "the targets are built for this machine"
[ -z "${JSM_EMULATOR-}" ] || skip_all "sanitizers do not run in an emulator"
scratch

hardened() {
    JSMALLOC_OPTIONS=harden=full "$top_builddir/t/fuzz/api.t"
}
check "the model of the functions of <jsmalloc.h> holds with option harden" hardened

echo 'int LLVMFuzzerTestOneInput(const char *p, unsigned long n) { return p == 0 && n == 1; }' > "$scratch/try.c"
clang -fsanitize=fuzzer,address,undefined "$scratch/try.c" -o "$scratch/try" > "$scratch/try.log" 2>&1 ||
    { skip "libFuzzer finds nothing" "no clang with libFuzzer"; tap_done; }

# fuzz TARGET RUNS
fuzz() {
    mkdir -p "$scratch/$1"
    "$top_builddir/t/fuzz/$1.t" --dictionary > "$scratch/$1.dict" &&
        "$scratch/build/$1" -seed=1 -runs="$2" -max_len=2000 -dict="$scratch/$1.dict" -close_fd_mask=2 \
            -artifact_prefix="$top_builddir/t/fuzz/$1-" "$scratch/$1" "$top_srcdir/t/fuzz/corpus/$1"
}

check "the targets can be built by clang" "$top_srcdir/t/fuzz/build" libfuzzer "$scratch/build" api options osmem stats
check "libFuzzer finds nothing in the functions of <jsmalloc.h>" fuzz api 6000
check "libFuzzer finds nothing in the parsers of options" fuzz options 6000
check "libFuzzer finds nothing in the functions of <jsmalloc/osmem.h>" fuzz osmem 4000
check "libFuzzer finds nothing in the formats of statistics" fuzz stats 1500
tap_done
