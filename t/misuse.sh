# t/misuse.sh - every misuse is found: one report on standard error, then what check_action says.
#
# Each line of the list below is a program t/misuse/NAME, the kinds of fault (regular expression) that its
# report may name, and the function that must be said to have been called.
# SPDX-License-Identifier: MIT
. "$top_srcdir/t/tap.sh"
need_own_programs
scratch
ulimit -c 0

list='
double-small              double free                                     free
double-medium             double free                                     free
double-large              double free|invalid pointer .*                  free
double-huge               double free|invalid pointer .*                  free
double-lone               double free|invalid pointer .*                  free
double-trimmed            double free|invalid pointer .*                  free
double-distant            double free                                     free
double-realloc            double free                                     free
double-elsewhere          double free                                     .*
double-then-elsewhere     double free                                     .*
double-both-elsewhere     double free                                     .*
interior-small            invalid pointer \(inside a block\)              free
interior-medium           invalid pointer \(inside a block\)              free
interior-large            invalid pointer \(inside a block\)              free
interior-large-near       invalid pointer \(inside a block\)              free
interior-huge             invalid pointer \(inside a block\)              free
interior-huge-far         invalid pointer \(inside a block\)              free
misaligned                invalid pointer \(inside a block\)              free
beyond                    double free|invalid pointer .*                  free
foreign-stack             invalid pointer \(not from this allocator\)     free
foreign-static            invalid pointer \(not from this allocator\)     free
foreign-code              invalid pointer \(not from this allocator\)     free
foreign-mapping           invalid pointer \(not from this allocator\)     free
foreign-malloc            invalid pointer \(not from this allocator\)     free
foreign-wild              invalid pointer \(not from this allocator\)     free
foreign-noncanonical      invalid pointer \(not from this allocator\)     free
foreign-low               invalid pointer \(not from this allocator\)     free
foreign-last              invalid pointer \(not from this allocator\)     free
sized-less                wrong size                                      free_sized
sized-more                wrong size                                      free_sized
sized-large               wrong size                                      free_sized
sized-over                wrong size                                      free_sized
sized-aligned             wrong size                                      free_aligned_sized
sized-freed               double free                                     free_sized
realloc-freed             double free                                     realloc
realloc-freed-large       double free|invalid pointer .*                  realloc
realloc-same              double free                                     realloc
realloc-nothing           double free                                     realloc|free
realloc-interior          invalid pointer \(inside a block\)              realloc
realloc-foreign           invalid pointer \(not from this allocator\)     realloc
reallocarray-freed        double free                                     realloc(array)?
reallocf-freed            double free                                     reallocf?
recallocarray-freed       double free                                     recallocarray
rezalloc-freed            double free                                     rezalloc|realloc
expand-freed              double free                                     expand
freezero-freed            double free                                     freezero
usable-freed              double free                                     malloc_usable_size
usable-interior           invalid pointer \(inside a block\)              malloc_usable_size
usable-foreign            invalid pointer \(not from this allocator\)     malloc_usable_size
reused                    invalid pointer \(inside a block\)|double free  free
'
if [ "$JSM_OVERRIDE" = yes ]; then
    list="$list
standard                  double free                                     free"
fi

# fault NAME OPTIONS: runs a program; its status in $status, what it wrote in files.
fault() {
    status=0
    (
        cd "$scratch" || exit 99
        JSMALLOC_OPTIONS=$2 "${SHELL:-sh}" "$top_srcdir/t/run" "$top_builddir/t/misuse/$1" \
            > stdout 2> stderr 3> address
    ) 2> /dev/null || status=$?
}

# complain WHAT: a failure, with all that is known about it.
complain() {
    fail "$1"
    diag "status $status, address $(cat "$scratch/address")"
    diag "$(head -n 20 "$scratch/stderr")"
}

# reported KINDS FUNCTION: whether the first line on standard error is the report, and nothing is on standard output.
reported() {
    [ ! -s "$scratch/stdout" ] &&
        head -n 1 "$scratch/stderr" | grep -Eq "^jsmalloc: (jsm_)?($2)\\($(cat "$scratch/address")\\): ($1)"
}

# 128 + SIGABRT; the simulator of another processor may say it in another way.
aborted() {
    [ "$status" -eq 134 ]
}

echo "$list" | sed -n 's/  *$//; s/^\([a-z-]*\)  *\(.*[^ ]\)   *\([^ ][^ ]*\)$/\1:\2:\3/p' > "$scratch/list"
while IFS=: read -r name kinds function; do
    fault "$name" ''
    if [ "$status" -eq 77 ]; then
        skip "$name" "the scene could not be set here"
        continue
    fi
    if aborted && reported "$kinds" "$function"; then
        pass "$name: is reported, and the program aborted"
    else
        complain "$name: is reported, and the program aborted"
    fi
    fault "$name" check_action=1
    if [ "$status" -eq 0 ] && reported "$kinds" "$function"; then
        pass "$name: with check_action=1 is reported, and the heap stays sound"
    else
        complain "$name: with check_action=1 is reported, and the heap stays sound"
    fi
    fault "$name" check_action=0
    if [ "$status" -eq 0 ] && [ ! -s "$scratch/stderr" ] && [ ! -s "$scratch/stdout" ]; then
        pass "$name: with check_action=0 is ignored in silence, and the heap stays sound"
    else
        complain "$name: with check_action=0 is ignored in silence, and the heap stays sound"
    fi
done < "$scratch/list"
is "$(wc -l < "$scratch/list")" "$(echo "$list" | grep -c '[a-z]')" "every line of the list was tried"

fault double-small check_action=2
if aborted && ! grep -v '^qemu: ' "$scratch/stderr"; then
    pass "check_action=2 aborts in silence"
else
    complain "check_action=2 aborts in silence"
fi
fault double-small check_action=3
if aborted && reported 'double free' free; then
    pass "check_action=3 reports and aborts"
else
    complain "check_action=3 reports and aborts"
fi
status=0
(
    cd "$scratch" || exit 99
    "${SHELL:-sh}" "$top_srcdir/t/run" "$top_builddir/t/misuse/double-small" > stdout 2>&- 3> address
) 2> /dev/null || status=$?
if aborted && [ ! -s "$scratch/stdout" ]; then
    pass "with standard error closed the program is aborted all the same"
else
    complain "with standard error closed the program is aborted all the same"
fi
tap_done
