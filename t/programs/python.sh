# t/programs/python.sh - does Python's own test-suite pass on the library?
#
# Most modules run with PYTHONMALLOC=malloc, so that every object is a block of ours and
# not a part of an arena of Python's own.  A module that fails is tried again without the
# library: only where that passes is the library to blame.
#
# SPDX-License-Identifier: MIT
. "$top_srcdir/t/programs/common.sh"

# Debian's, whatever comes first in PATH: the test-suite below belongs to it.
python=/usr/bin/python3
need "$python"
"$python" -c 'import test.test_json' 2>/dev/null || skip_all "Python's test-suite is not installed"

malloc_modules='test_json test_gc test_dict test_list test_bytes test_set test_deque test_array test_xml_etree'
arena_modules='test_json test_threading test_thread test_ctypes'
if [ "$percent" -gt 100 ]; then
    malloc_modules="$malloc_modules test_pickle test_re test_collections test_sort test_unicode test_sqlite3"
    arena_modules="$arena_modules test_fork1 test_concurrent_futures test_asyncio"
fi
# Lists of words.
# shellcheck disable=SC2086
set -- $malloc_modules $arena_modules
plan $(($# + 3))

# module NAME KIND: one module of the suite; KIND is what PYTHONMALLOC says.
module() {
    run_in preloaded preloaded PYTHONMALLOC="$2" "$python" -m test --timeout 600 --tempdir "$tmp/run" "$1"
    verdict=$(cat "$tmp/preloaded/status")
    if [ "$verdict" != 0 ]; then
        run_in plain plain PYTHONMALLOC="$2" "$python" -m test --timeout 600 --tempdir "$tmp/run" "$1"
        if [ "$(cat "$tmp/plain/status")" != 0 ]; then
            skip "$1 with PYTHONMALLOC=$2" 'fails on this machine without the library, too'
            return
        fi
        tail -n 40 "$tmp/preloaded/stdout" "$tmp/preloaded/stderr" | note
    fi
    result "$verdict" "$1 with PYTHONMALLOC=$2"
}

cat >"$in/objects.py" <<'END'
import gc, json, random, sys
n = int(sys.argv[1])
random.seed(7)
table = {}
for i in range(n):
    key = "k%d" % random.randrange(n)
    table.setdefault(key, []).append({"i": i, "text": "x" * random.randrange(300), "list": list(range(i % 40))})
    if i % 3 == 0:
        table.pop("k%d" % random.randrange(n), None)
text = json.dumps(table, sort_keys=True)
again = json.loads(text)
assert again == table
print(len(text), hash(tuple(sorted(again))), gc.collect() >= 0)
END

uses python3 "$python" -c 'print(len([b"x" * i for i in range(1000)]))'
same 'a table of a hundred thousand objects' PYTHONHASHSEED=0 PYTHONMALLOC=malloc \
    "$python" "$in/objects.py" "$(amount 100000)"
same 'the same through arenas of its own' PYTHONHASHSEED=0 "$python" "$in/objects.py" "$(amount 100000)"
for name in $malloc_modules; do
    module "$name" malloc
done
for name in $arena_modules; do
    module "$name" pymalloc
done
