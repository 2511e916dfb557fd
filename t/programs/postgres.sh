# t/programs/postgres.sh - a database cluster made, loaded by pgbench, queried and dumped.
#
# The server refuses to run as root; then everything of it runs as the user postgres.
#
# SPDX-License-Identifier: MIT
. "$top_srcdir/t/programs/common.sh"

for directory in /usr/lib/postgresql/*/bin; do
    bin=$directory
done
[ -x "$bin/initdb" ] || skip_all 'no PostgreSQL server is installed'
[ -x "$bin/pgbench" ] || skip_all 'pgbench is not installed'

# What another user runs must be readable for that user, wherever the build directory is.
mkdir "$tmp/lib" "$tmp/pg"
cp -L "$JSM_LIB" "$tmp/lib/$jsm_name"
chmod 755 "$tmp/lib" "$tmp/lib/$jsm_name"
JSM_LIB=$tmp/lib/$jsm_name
user=
if [ "$(id -u)" = 0 ]; then
    id postgres >/dev/null 2>&1 || skip_all 'root, and there is no user postgres to become'
    command -v setpriv >/dev/null || skip_all 'setpriv is not installed'
    chown postgres "$tmp/pg"
    user='setpriv --reuid=postgres --regid=postgres --init-groups'
fi
plan 12

cd "$tmp/pg" || exit
export HOME="$tmp/pg" PGHOST="$tmp/pg" PGUSER=tester PGDATABASE=postgres

# pg KIND COMMAND...: a command of PostgreSQL's, as the right user.  Not under timeout(1):
# the server that pg_ctl leaves behind has to live on.
pg() {
    if [ "$1" = preloaded ]; then
        shift
        $user env LD_PRELOAD="$JSM_LIB" "$@"
    else
        shift
        $user env "$@"
    fi
}

# attempt DESC COMMAND...: a result, with the output as diagnostics
attempt() {
    what=$1
    shift
    status=0
    "$@" >"$tmp/log" 2>&1 </dev/null || status=$?
    result $status "$what"
    [ $status -eq 0 ] || note <"$tmp/log"
}

serve() {
    pg "$1" "$bin/pg_ctl" -w -t 120 -D "$tmp/pg/data" -l "$tmp/pg/$1.log" start
    daemon "$(sed -n 1p "$tmp/pg/data/postmaster.pid")"
}

stop() {
    pg plain "$bin/pg_ctl" -w -t 120 -D "$tmp/pg/data" -m fast stop
}

query() {
    "$bin/psql" -X -A -t -v ON_ERROR_STOP=1 "$@"
}

# Newer versions guard a dump with a key made of random characters.
dump() {
    pg "$1" "$bin/pg_dump" | sed '/^\\\(un\)*restrict /d'
}

cat >"$in/query.sql" <<'END'
SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0;
SELECT count(*), sum(hashtext(a::text)) FROM generate_series(1, 200000) a;
SELECT aid % 1000 g, count(*), sum(aid), string_agg(aid::text, ',' ORDER BY aid) FROM pgbench_accounts
    WHERE aid < 20000 GROUP BY g ORDER BY g LIMIT 30;
SELECT a.aid, b.aid FROM pgbench_accounts a JOIN pgbench_accounts b ON a.aid = b.aid * 7 ORDER BY 1, 2 LIMIT 50;
SELECT aid, rank() OVER (PARTITION BY aid % 7 ORDER BY aid DESC) FROM pgbench_accounts ORDER BY 2, 1 LIMIT 50;
SELECT md5(string_agg(x, '' ORDER BY x)) FROM (SELECT repeat(md5(i::text), 20) x FROM generate_series(1, 5000) i) s;
SELECT jsonb_object_agg('k' || i, jsonb_build_array(i, i * 2, repeat('x', i % 50)))::text FROM generate_series(1, 2000) i;
SELECT count(*) FROM regexp_matches(repeat('abc123 def456 ', 5000), '([a-z]+)([0-9]+)', 'g');
WITH RECURSIVE t(n, s) AS (SELECT 1, ARRAY[1] UNION ALL SELECT n + 1, s || n FROM t WHERE n < 300)
    SELECT max(array_length(s, 1)) FROM t;
END

attempt 'initdb' pg preloaded "$bin/initdb" -D "$tmp/pg/data" -U tester -A trust --no-sync --no-instructions --locale=C
if [ ! -d "$tmp/pg/data" ]; then
    echo 'Bail out! no cluster to go on with'
    exit 1
fi
cat >>"$tmp/pg/data/postgresql.conf" <<END
listen_addresses = ''
unix_socket_directories = '$tmp/pg'
fsync = off
max_connections = 30
shared_buffers = 32MB
dynamic_shared_memory_type = mmap
END
attempt 'the server starts' serve preloaded
uses_pid "$(sed -n 1p "$tmp/pg/data/postmaster.pid")" 'and has the library mapped'
[ "$(query -c "SELECT pg_read_file('/proc/self/maps') LIKE '%/$jsm_name%'")" = t ] && status=0 || status=1
result $status 'and so have the processes that it forks'

transactions=$(amount 1000)
attempt 'pgbench fills its tables' pg preloaded "$bin/pgbench" -q -i -s 2
attempt 'four clients in two threads' pg preloaded "$bin/pgbench" -n -c 4 -j 2 -t "$transactions"
attempt 'prepared statements, a new connection for each transaction' \
    pg preloaded "$bin/pgbench" -n -c 2 -j 2 -M prepared -C -t "$(amount 50)"
sums=$(query -c 'SELECT (SELECT sum(abalance) FROM pgbench_accounts), (SELECT sum(tbalance) FROM pgbench_tellers),
    (SELECT sum(bbalance) FROM pgbench_branches), (SELECT sum(delta) FROM pgbench_history), count(*) FROM pgbench_history')
total=${sums%%|*}
if [ "$sums" = "$total|$total|$total|$total|$((4 * transactions + 2 * $(amount 50)))" ]; then
    result 0 'all balances agree, and no transaction is missing'
else
    result 1 'all balances agree, and no transaction is missing'
    echo "# accounts, tellers, branches, history, transactions: $sums"
fi

query -f "$in/query.sql" >"$tmp/queries.preloaded" 2>&1 || :
dump preloaded >"$tmp/dump.preloaded" 2>&1 || :
attempt 'the server stops' stop
if grep -E 'jsmalloc:|terminated by signal|PANIC' "$tmp/pg/preloaded.log" | note | grep .; then
    result 1 'no report of a fault in its log'
else
    result 0 'no report of a fault in its log'
fi

serve plain >/dev/null 2>&1 || note <"$tmp/pg/plain.log"
query -f "$in/query.sql" >"$tmp/queries.plain" 2>&1 || :
dump plain >"$tmp/dump.plain" 2>&1 || :
stop >/dev/null 2>&1 || :
for what in queries dump; do
    if diff "$tmp/$what.plain" "$tmp/$what.preloaded" >"$tmp/differences" && [ -s "$tmp/$what.plain" ]; then
        result 0 "$what: as from a server without the library"
    else
        result 1 "$what: as from a server without the library"
        note <"$tmp/differences"
    fi
done
