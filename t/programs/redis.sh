# t/programs/redis.sh - redis-server under load: same data, same answers, saved and loaded again.
# SPDX-License-Identifier: MIT
. "$top_srcdir/t/programs/common.sh"

need redis-server redis-cli redis-benchmark
plan 10

# start KIND: a server on the socket $tmp/KIND.sock with files in $tmp/KIND.d; its number into $server
start() {
    mkdir "$tmp/$1.d"
    "$1" redis-server --port 0 --unixsocket "$tmp/$1.sock" --dir "$tmp/$1.d" --enable-debug-command yes \
        --save '' --io-threads 2 --daemonize no >"$tmp/$1.log" 2>&1 &
    await redis-cli -s "$tmp/$1.sock" ping || note <"$tmp/$1.log"
    server=$(redis-cli -s "$tmp/$1.sock" info server | sed -n 's/^process_id:\([0-9]*\).*/\1/p')
    daemon "$server"
}

# Filled by commands whose effect depends on nothing but their text.
"${AWK:-awk}" -v n="$(amount 8000)" 'BEGIN {
    for (i = 0; i < n; i++) {
        k = (i * 7919) % 5003
        print "SET s" k " " sprintf("%0*d", i % 900 + 1, i)
        print "APPEND a" (k % 50) " piece" i
        print "HSET h" (k % 300) " f" (i % 211) " value" i
        print "RPUSH l" (k % 100) " " i " " (i + 1) " element" i
        print "ZADD z" (k % 70) " " (i % 1009) " m" (i % 4001)
        print "SADD t" (k % 90) " " i " x" (i % 300)
        print "XADD st" (k % 5) " " (i + 1) "-1 field " i
        if (i % 4 == 0) print "DEL s" ((k * 3) % 5003)
        if (i % 9 == 0) print "LTRIM l" (k % 100) " 3 200"
        if (i % 50 == 0) print "ZUNIONSTORE zu 3 z1 z2 z3"
    }
}' >"$in/commands"
cat >"$in/queries" <<'END'
DBSIZE
DEBUG DIGEST
STRLEN a7
HGET h5 f5
LRANGE l3 0 20
ZRANGE zu 0 30 WITHSCORES
SCARD t9
XLEN st1
EVAL "local s = 0 for i = 1, 100000 do s = s + #tostring(i) end return s" 0
END

answers() {
    redis-cli -s "$tmp/$1.sock" <"$in/commands" | cksum
    redis-cli -s "$tmp/$1.sock" <"$in/queries"
}

start plain
answers plain >"$tmp/expected"
redis-cli -s "$tmp/plain.sock" shutdown nosave >/dev/null 2>&1 || :

start preloaded
uses_pid "$server" 'the server has the library mapped'
uses redis-server redis-server --version
socket=$tmp/preloaded.sock
answers preloaded >"$tmp/got" || :
if diff "$tmp/expected" "$tmp/got" >"$tmp/differences"; then
    result 0 'every answer, and the digest of all data, as without the library'
else
    result 1 'every answer, and the digest of all data, as without the library'
    note <"$tmp/differences"
fi

status=0
preloaded redis-benchmark -s "$socket" -q -n "$(amount 6000)" -c 20 -r 10000 -d 300 \
    -t set,get,incr,lpush,rpush,lpop,rpop,sadd,hset,spop,zadd,zpopmin,mset,lrange_100 \
    >"$tmp/benchmark" 2>&1 || status=$?
result $status 'redis-benchmark, itself on the library, runs all its tests'
if grep -i error "$tmp/benchmark" | note | grep .; then
    result 1 'and meets no error'
else
    result 0 'and meets no error'
fi
status=0
plain redis-benchmark -s "$socket" -q -n "$(amount 60000)" -c 20 -P 16 -r 100000 -d 900 -t set,get,lpush \
    >"$tmp/benchmark" 2>&1 || status=$?
result $status 'the same with pipelines'

before=$(redis-cli -s "$socket" debug digest) || :
redis-cli -s "$socket" debug reload >"$tmp/reload" 2>&1 || :
after=$(redis-cli -s "$socket" debug digest) || :
[ -n "$before" ] && [ "$before" = "$after" ] && status=0 || status=1
result $status 'data saved, dropped and loaded again are the same'

saved() {
    redis-cli -s "$socket" info persistence | grep -q '^rdb_bgsave_in_progress:0'
}
redis-cli -s "$socket" bgsave >/dev/null || :
redis-benchmark -s "$socket" -q -n "$(amount 20000)" -c 8 -P 8 -r 100000 -d 500 -t set >/dev/null 2>&1 || :
await saved || :
redis-cli -s "$socket" info persistence | grep -q '^rdb_last_bgsave_status:ok' && status=0 || status=1
result $status 'a forked child saves while the parent is written to'

redis-cli -s "$socket" flushall async >/dev/null || :
[ "$(redis-cli -s "$socket" dbsize)" = 0 ] && [ "$(redis-cli -s "$socket" ping)" = PONG ] && status=0 || status=1
result $status 'everything is freed by the background thread'
redis-cli -s "$socket" shutdown nosave >/dev/null 2>&1 || :
await sh -c '! kill -0 "$1"' sh "$server" || :
if grep -E 'BUG REPORT|crashed|jsmalloc:' "$tmp/preloaded.log" | note | grep .; then
    result 1 'no report of a fault in its log'
else
    result 0 'no report of a fault in its log'
fi
