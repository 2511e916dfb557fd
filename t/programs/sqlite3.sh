# t/programs/sqlite3.sh - tables, indexes, joins, window functions and JSON in SQLite.
# SPDX-License-Identifier: MIT
. "$top_srcdir/t/programs/common.sh"

need sqlite3
plan 3

rows=$(amount 60000)
cat >"$in/work.sql" <<END
PRAGMA journal_mode=WAL;
PRAGMA temp_store=MEMORY;
CREATE TABLE item(id INTEGER PRIMARY KEY, k INTEGER, name TEXT, body BLOB);
WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < $rows)
    INSERT INTO item SELECT i, (i * 7919) % 10007, 'name ' || ((i * 31) % 997), zeroblob(i % 400) FROM c;
CREATE INDEX item_k ON item(k);
CREATE INDEX item_name ON item(name, k);
UPDATE item SET name = upper(name) || hex(k) WHERE k % 3 = 0;
DELETE FROM item WHERE k % 11 = 0;
CREATE TABLE word(w TEXT PRIMARY KEY, n INT) WITHOUT ROWID;
INSERT INTO word SELECT name, count(*) FROM item GROUP BY name;
SELECT count(*), sum(k), sum(length(body)) FROM item;
SELECT a.name, count(*) FROM item a JOIN item b ON a.k = b.k WHERE a.id < 3000 GROUP BY a.name ORDER BY 2 DESC, 1 LIMIT 20;
SELECT name, k, rank() OVER (PARTITION BY name ORDER BY k DESC, id) r FROM item ORDER BY r DESC, name, k LIMIT 20;
SELECT json_group_array(json_object('w', w, 'n', n)) FROM (SELECT * FROM word ORDER BY n DESC, w LIMIT 200);
SELECT group_concat(name, '-') FROM (SELECT name FROM item ORDER BY name, id LIMIT 2000);
PRAGMA integrity_check;
VACUUM;
.dump word
END

uses sqlite3 sqlite3 :memory: 'CREATE TABLE t(a); INSERT INTO t VALUES(1); SELECT * FROM t;'
same 'in a file: queries and dump' sh -c 'sqlite3 db <"$1" && sqlite3 db .dump | cksum && rm -f db*' sh "$in/work.sql"
same 'in memory: queries and dump' sh -c 'sqlite3 :memory: <"$1"' sh "$in/work.sql"
