# t/harness.sh - what runs the tests (t/limit, tools/count-results, tools/tell-failures) notices what it has to notice.
# SPDX-License-Identifier: MIT
. "$top_srcdir/t/tap.sh"
scratch
unset JSM_TEST_SECONDS JSM_TEST_EXTRA JSM_EMULATOR
run_test() {
    sh "$top_srcdir/t/limit" "$@"
}
test_that() { # a test of these lines, in $scratch/test.sh
    printf '%s\n' "$@" > "$scratch/test.sh"
}
env --default-signal=INT timeout 5 true 2> /dev/null || skip_all "no timeout(1), or an env(1) without --default-signal"

test_that 'echo "ok 1 - $1"' 'exit 3'
status=0
output=$(run_test "$scratch/test.sh" word) || status=$?
is "$output" "ok 1 - word" "a test gets its arguments, and its results are passed on"
is "$status" 3 "so is its status"

test_that 'read -r line; echo "$line"'
is "$(echo input | run_test "$scratch/test.sh")" input "and its standard input"

test_that 'sleep 1000'
status=0
output=$(JSM_TEST_SECONDS=1 run_test "$scratch/test.sh") || status=$?
is "$status $output" "124 # not done within 1 seconds, and ended" "a test that hangs is ended, and has failed"

test_that "trap '' TERM" 'while :; do sleep 0.1; done'
status=0
(JSM_TEST_SECONDS=1 run_test "$scratch/test.sh") > "$scratch/out" || status=$?
check "so is one that does not want to" test "$status" -ne 0

# That this ends at all is the result: what was left behind holds the other end of the pipe.
test_that 'sleep 1000 &' 'echo $! > "$0.pid"' 'echo ok'
is "$(run_test "$scratch/test.sh")" ok "what a test has left behind holds nobody up"
left=$(cat "$scratch/test.sh.pid")
check "as it is ended" sh -c "tries=0
    while [ -d /proc/$left ] && ! grep -q '^State:[[:space:]]*Z' /proc/$left/status; do
        tries=\$((tries + 1)); [ \$tries -lt 100 ] || exit 1; sleep 0.1
    done"

test_that 'kill -s INT $$' 'echo deaf'
is "$(run_test "$scratch/test.sh" 2> /dev/null)" "" "interrupts are not ignored in a test"

count_results() {
    rm -rf "$scratch/trs"
    mkdir "$scratch/trs"
    printf ':test-result: %s\n' "$@" > "$scratch/trs/test.trs"
    sh "$top_srcdir/tools/count-results" "$scratch/trs"
}
is "$(count_results 'PASS a' 'SKIP b' 'PASS c')" "2 passed, 0 failed, 1 skipped" "results are counted"
is "$(count_results 'PASS a' 'FAIL b' 'ERROR c' || echo failed)" "1 passed, 2 failed, 0 skipped
failed" "and one that failed makes all fail"
is "$(count_results 'SKIP a' || echo failed)" "0 passed, 0 failed, 1 skipped
failed" "so does it if none passed"

echo '# said by a test that passed' > "$scratch/trs/good.log"
echo ':test-result: PASS a' > "$scratch/trs/good.trs"
printf '%s\n' 'ok 1 - a' 'not ok 2 - b' '# JSM_TEST_SEED=7' > "$scratch/trs/bad.log"
printf ':test-result: %s\n' 'PASS a' 'FAIL b' > "$scratch/trs/bad.trs"
is "$(sh "$top_srcdir/tools/tell-failures" "$scratch/trs")" "--- $scratch/trs/bad.log:
not ok 2 - b
# JSM_TEST_SEED=7" "what a test that failed said is told, with the seed"

# builds_for CROSS EMULATOR: what configure writes down of a build.
builds_for() {
    printf '%s\n' "cross_compiling='$1'" "JSM_EMULATOR='$2'" > "$scratch/config.log"
}
can_run() {
    "$top_srcdir/tools/check-variants" --can-run "$scratch"
}
builds_for no ''
check "programs of a build for this machine can be run" can_run
builds_for yes 'qemu-arm -L /usr/arm'
check "so can those for another, with an emulator" can_run
builds_for yes ''
check "but not without: such a variant is built, and its tests are left out" test "$(can_run || echo no)" = no

mkdir "$scratch/bin"
ln -s "$(command -v dirname)" "$scratch/bin/dirname"
status=0
output=$(PATH=$scratch/bin /bin/sh "$top_srcdir/bootstrap" 2>&1) || status=$?
case $status$output in
1*"no autoreconf"*"./bootstrap run"*) pass "without autoconf it is said what helps" ;;
*) fail "without autoconf it is said what helps"; diag "$status: $output" ;;
esac
tap_done
