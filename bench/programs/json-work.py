# bench/programs/json-work.py - makes, serialises, parses and sorts JSON documents.
# SPDX-License-Identifier: MIT
import hashlib
import json
import random
import sys


def record(rng, number):
    return {
        "id": number,
        "name": "".join(rng.choices("abcdefghijklmnopqrstuvwxyz", k=rng.randrange(4, 30))),
        "score": rng.random() * 1000,
        "tags": ["tag-%d" % rng.randrange(500) for _ in range(rng.randrange(8))],
        "place": {"x": rng.randrange(1000), "y": rng.randrange(1000), "label": "field %d" % (number % 97)},
    }


def main():
    count = max(1, 20000 * int(sys.argv[1]) // 100)
    rng = random.Random(1)
    text = json.dumps([record(rng, number) for number in range(count)])
    digest = hashlib.sha256()
    for _ in range(4):
        records = json.loads(text)
        records.sort(key=lambda r: (r["place"]["label"], r["name"]))
        by_tag = {}
        for r in records:
            for tag in r["tags"]:
                by_tag.setdefault(tag, []).append(r["id"])
        digest.update(json.dumps(by_tag, sort_keys=True).encode())
        text = json.dumps(records)
    print(digest.hexdigest())


main()
