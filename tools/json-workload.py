#!/usr/bin/env python3
# tools/json-workload.py - an ordinary program with much to allocate: it makes, parses, sorts
# and serialises a few hundred MB of JSON, and checks that nothing was lost on the way.
#
#   json-workload.py [ROUNDS]
#
# Each round has its own data, always the same; the figures that are printed at the end but
# for the time are the same in every run.
# SPDX-License-Identifier: MIT
import hashlib
import json
import random
import resource
import sys
import time

ROUNDS = 4
RECORDS = 30_000
AMOUNTS = range(1_000_000)
WORDS = ["arena", "span", "slab", "queue", "heap", "thread", "block", "page", "class", "cache"]


def make_text(seed):
    """One JSON document, the sum of its amounts and the number of its items."""
    rng = random.Random(seed)
    total = items = 0
    lines = []
    for number in range(RECORDS):
        amounts = rng.choices(AMOUNTS, k=rng.randrange(1, 16))
        total += sum(amounts)
        items += len(amounts)
        lines.append(json.dumps({
            "id": number,
            "name": " ".join(rng.choices(WORDS, k=4)),
            "key": f"{rng.getrandbits(64):016x}",
            "note": "x" * rng.randrange(1500) + "\u00e9\u4e2d",
            "items": [{"amount": a, "weight": a / 7, "tag": WORDS[a % 10]} for a in amounts],
            "parent": None if number % 3 else {"id": number // 3, "open": number % 2 == 0},
        }))
    return "[" + ",\n".join(lines) + "]", total, items


def check(condition, what):
    if not condition:
        sys.exit(f"json-workload: wrong result: {what}")


def round_trip(seed):
    """Text to objects to sorted objects to text and back; returns bytes and a digest."""
    text, total, items = make_text(seed)
    records = json.loads(text)
    check(len(records) == RECORDS, "records were lost")
    records.sort(key=lambda r: (r["name"], r["key"]))
    for record in records:
        record["items"].sort(key=lambda item: item["amount"], reverse=True)
    sorted_text = json.dumps(records, ensure_ascii=False, sort_keys=True)
    again = json.loads(sorted_text)
    check(again == records, "what was written is not what was read")
    check(sum(item["amount"] for r in again for item in r["items"]) == total, "the sum changed")
    check(sum(len(r["items"]) for r in again) == items, "items were lost")
    check(all(a["name"] <= b["name"] for a, b in zip(again, again[1:])), "the order is wrong")
    check(sorted(r["id"] for r in again) == list(range(RECORDS)), "an id is missing")
    data = sorted_text.encode()
    return len(text) + len(data), items, hashlib.sha256(data).hexdigest()


def main():
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    started = time.monotonic()
    bytes_seen = items_seen = 0
    digest = hashlib.sha256()
    for seed in range(rounds):
        size, items, result = round_trip(seed)
        bytes_seen += size
        items_seen += items
        digest.update(result.encode())
    seconds = time.monotonic() - started
    peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"json-workload: {rounds} rounds, {rounds * RECORDS} records, {items_seen} items, "
          f"{bytes_seen / 1e6:.0f} MB of JSON, every check passed")
    print(f"json-workload: digest {digest.hexdigest()[:16]}, {seconds:.1f} s, peak {peak_mib:.0f} MiB", flush=True)


main()
