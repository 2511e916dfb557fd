# bench/programs/queries.py - writes an SQL script: tables filled, indexed, joined, changed and pruned.
# SPDX-License-Identifier: MIT
import sys

TEXT = """\
CREATE TABLE customer(id INTEGER PRIMARY KEY, name TEXT, region TEXT, note TEXT);
CREATE TABLE purchase(id INTEGER PRIMARY KEY, customer INTEGER, amount INTEGER, day INTEGER, memo TEXT);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < {customers})
  INSERT INTO customer SELECT i, 'name' || (i*7919 % 100003), 'region ' || (i*31 % 50),
  substr('the quick brown fox jumps over the lazy dog', 1 + i % 10, 10 + i % 30) FROM n;
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < {purchases})
  INSERT INTO purchase SELECT i, 1 + (i*104729 % {customers}), i*6007 % 10007, i*389 % 365,
  'memo ' || (i*17 % 9973) || printf('%0*d', i % 40, i) FROM n;
CREATE INDEX purchase_customer ON purchase(customer, day);
CREATE INDEX customer_name ON customer(name);
SELECT region, count(*), sum(amount), max(memo) FROM customer JOIN purchase ON customer.id = customer
  GROUP BY region ORDER BY 3 DESC LIMIT 5;
SELECT day, group_concat(substr(memo, 1, 6)) FROM (SELECT * FROM purchase ORDER BY id LIMIT 2000) GROUP BY day LIMIT 3;
UPDATE purchase SET memo = memo || ' changed ' || day WHERE amount % 7 = 3;
DELETE FROM purchase WHERE day BETWEEN 100 AND 180;
SELECT name, (SELECT count(*) FROM purchase WHERE customer = c.id), (SELECT max(amount) FROM purchase
  WHERE customer = c.id AND day > 200) FROM customer c WHERE name LIKE 'name9%' ORDER BY 1 LIMIT 20;
SELECT count(DISTINCT memo), sum(length(memo)) FROM purchase;
SELECT json_group_array(json_object('id', id, 'note', note)) FROM (SELECT id, note FROM customer LIMIT 20);
"""

scale = int(sys.argv[1])
print(TEXT.format(customers=max(10, 20000 * scale // 100), purchases=max(10, 150000 * scale // 100)), end="")
for number in range(max(1, 4000 * scale // 100)):
    print("INSERT INTO customer(name, region, note) VALUES('new %d', 'region %d', 'n%d');"
          % (number, number % 50, number * 7))
    if number % 4 == 0:
        print("SELECT sum(amount) FROM purchase WHERE customer = %d;" % (1 + number * 13 % 15000))
