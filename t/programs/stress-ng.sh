# t/programs/stress-ng.sh - stress-ng's memory stressors with its own verification.
# SPDX-License-Identifier: MIT
. "$top_srcdir/t/programs/common.sh"

need stress-ng
plan 7

# stress DESC ARGUMENT...: it has to report success both ways; its figures are not compared.
stress() {
    what=$1
    shift
    status=0
    preloaded stress-ng --temp-path "$tmp" --verify "$@" >"$tmp/log" 2>&1 </dev/null || status=$?
    if [ $status -ne 0 ] && ! plain stress-ng --temp-path "$tmp" --verify "$@" >/dev/null 2>&1 </dev/null; then
        skip "$what" 'fails on this machine without the library, too'
        return
    fi
    grep -q 'successful run completed' "$tmp/log" || status=1
    result $status "$what"
    [ $status -eq 0 ] || note <"$tmp/log"
}

uses stress-ng stress-ng --temp-path "$tmp" --malloc 1 --malloc-ops 1000 --malloc-bytes 8M
stress 'malloc, calloc, realloc and free of random sizes' \
    --malloc 2 --malloc-ops "$(amount 200000)" --malloc-bytes 4M
# Not scaled: with more operations than this its threads take forever on any allocator.
stress 'the same in several threads' --malloc 3 --malloc-ops 20000 --malloc-bytes 8M --malloc-pthreads 4
stress 'small ones, written over whole' --malloc 2 --malloc-ops "$(amount 20000)" --malloc-bytes 256K --malloc-touch
stress 'the same with small mmap threshold and many blocks' \
    --malloc 2 --malloc-ops "$(amount 200000)" --malloc-bytes 16M --malloc-max 20000 --malloc-thresh 64K
stress 'search trees' --tsearch 2 --tsearch-ops "$(amount 20)" --tsearch-size 16384 --tree 1 --tree-ops "$(amount 4)" --tree-size 50000
stress 'blocks that grow by realloc' --bigheap 1 --bigheap-ops "$(amount 1000)" --bigheap-growth 64K
