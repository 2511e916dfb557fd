# t/programs/python-fork.sh - do processes that Python forks while threads run work on the library?
#
# test_multiprocessing_fork sleeps most of its time, so its parts run side by side.
#
# SPDX-License-Identifier: MIT
. "$top_srcdir/t/programs/common.sh"

python=/usr/bin/python3
need "$python"
"$python" -c 'import test._test_multiprocessing' 2>/dev/null || skip_all "Python's test-suite is not installed"
plan 5

# part NAME KIND ARGUMENT...: the tests that the arguments choose, into files NAME.*  A child that
# dies leaves its parent waiting for ever; the test-suite's own guard then tells where it was.
part() {
    name=$1 kind=$2
    shift 2
    status=0
    mkdir "$tmp/$name"
    "$kind" PYTHONMALLOC=malloc "$python" -m test --timeout 400 --tempdir "$tmp/$name" "$@" test_multiprocessing_fork \
        >"$tmp/$name.out" 2>&1 </dev/null || status=$?
    echo $status >"$tmp/$name.status"
}

# verdict NAME ARGUMENT...: a part that failed is tried again without the library.
verdict() {
    name=$1
    shift
    status=$(cat "$tmp/$name.status")
    if [ "$status" != 0 ]; then
        part "$name-plain" plain "$@"
        if [ "$(cat "$tmp/$name-plain.status")" != 0 ]; then
            skip "test_multiprocessing_fork, $name" 'fails on this machine without the library, too'
            return
        fi
        grep -A 30 '^Fatal Python error\|^jsmalloc:' "$tmp/$name.out" | note
        tail -n 20 "$tmp/$name.out" | note
    fi
    result "$status" "test_multiprocessing_fork, $name"
}

uses python3 "$python" -c 'print(len([b"x" * i for i in range(1000)]))'

part processes preloaded -m '*WithProcesses*' &
part manager preloaded -m '*WithManager*' &
part others preloaded -i '*WithProcesses*' -i '*WithManager*' &
wait
verdict processes -m '*WithProcesses*'
verdict manager -m '*WithManager*'
verdict others -i '*WithProcesses*' -i '*WithManager*'

cat >"$in/storm.py" <<'END'
import os, sys, threading
rounds = int(sys.argv[1])
stop = threading.Event()
def churn(seed):
    kept = []
    i = seed
    while not stop.is_set():
        i = (i * 1103515245 + 12345) & 0x7fffffff
        kept.append(bytearray(i % 5000))
        if len(kept) > 200:
            del kept[i % 200]
threads = [threading.Thread(target=churn, args=(s,)) for s in range(3)]
for t in threads:
    t.start()
good = 0
for r in range(rounds):
    pid = os.fork()
    if pid == 0:
        data = [bytes([j % 256]) * (j % 3000) for j in range(2000)]
        os._exit(0 if all(len(d) == j % 3000 for j, d in enumerate(data)) else 1)
    good += os.waitpid(pid, 0)[1] == 0
stop.set()
for t in threads:
    t.join()
print(good)
END
same 'children forked while three threads allocate' PYTHONMALLOC=malloc "$python" "$in/storm.py" "$(amount 60)"
