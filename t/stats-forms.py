"""t/stats-forms.py FORMAT FILE [EXTRA]: is FILE what consumers of the format can read, and true?

json EXTRA is the schema; xml EXTRA is what glibc's own malloc_info() writes.
SPDX-License-Identifier: MIT
"""
import json
import sys
import xml.etree.ElementTree


def adds_up(figures, where):
    parts = [figures[n + "_bytes"] for n in ("live", "cached", "free", "metadata")]
    assert sum(parts) == figures["committed_bytes"], "%s: %s do not add up" % (where, parts)
    assert figures["live_bytes"] > 1000000, "%s: nothing is live" % where


def check_json(path, schema_path):
    import jsonschema

    with open(path) as f:
        stats = json.load(f)
    with open(schema_path) as f:
        schema = json.load(f)
    jsonschema.Draft7Validator.check_schema(schema)
    jsonschema.validate(stats, schema, cls=jsonschema.Draft7Validator)
    adds_up(stats, path)
    live = sum(row["live_bytes"] for row in stats["categories"])
    assert live == stats["live_bytes"], "categories have %d live bytes" % live
    in_slabs = sum(row["live_bytes"] for row in stats["classes"])
    assert in_slabs <= live, "classes have %d live bytes" % in_slabs
    heaps = {row["name"]: row for row in stats["heaps"]}
    assert len(heaps) == len(stats["heaps"]) == 4, "heaps are %s" % list(heaps)
    assert sum(row["live_bytes"] for row in stats["heaps"]) == stats["live_bytes"]
    assert heaps["a name ????"]["limit_bytes"] == 1 << 20 and heaps["a name ????"]["live_blocks"] == 1
    spans = {row["kind"]: row["bytes"] for row in stats["spans"]}
    assert sum(spans.values()) + stats["busy_bytes"] + stats["metadata_bytes"] == stats["committed_bytes"], spans
    assert [row["name"] for row in stats["categories"]] == ["tiny", "small", "large", "huge"]
    # A schema that accepts anything would be no test.
    for name in list(stats):
        broken = dict(stats)
        del broken[name]
        try:
            jsonschema.validate(broken, schema, cls=jsonschema.Draft7Validator)
        except jsonschema.ValidationError:
            continue
        raise AssertionError("the schema does not ask for " + name)


def shapes(root):
    """Paths of elements with their attributes, without what some states of the heap or some arenas have alone."""
    found = set()

    def walk(element, path):
        path += "/" + element.tag + ("=" + element.get("type") if element.get("type") else "")
        found.add((path, tuple(sorted(element.attrib))))
        for child in element if element.get("nr", "0") == "0" else ():
            walk(child, path)

    walk(root, "")
    return {s for s in found if not s[0].endswith("/unsorted")}


def check_xml(path, glibc_path):
    root = xml.etree.ElementTree.parse(path).getroot()
    missing = shapes(xml.etree.ElementTree.parse(glibc_path).getroot()) - shapes(root)
    assert not missing, "glibc's elements that are missing: %s" % sorted(missing)
    assert root.tag == "malloc" and root.get("version") == "1"
    figures = {f.get("name"): int(f.get("value")) for f in root.iter("figure")}
    adds_up(figures, path)
    for size in root.findall("heap/sizes/size"):
        n = {k: int(v) for k, v in size.attrib.items()}
        assert 0 < n["from"] <= n["to"] and n["total"] == n["count"] * n["to"], n
    mapped = [t for t in root.findall("total") if t.get("type") == "mmap"]
    assert int(mapped[0].get("size")) == figures["mapped_bytes"] > 0
    assert {t.get("name") for t in root.iter("table")} >= {"classes", "categories", "heaps", "spans"}


def check_openmetrics(path):
    from prometheus_client.openmetrics.parser import text_string_to_metric_families

    with open(path) as f:
        text = f.read()
    families = {f.name: f for f in text_string_to_metric_families(text)}
    figures = {}
    for name, family in families.items():
        assert name.startswith("jsmalloc_"), name
        assert family.documentation, name + " has no help"
        assert (family.unit == "bytes") == name.endswith("bytes"), name + " and its unit"
        assert family.samples or "{" not in text, name
        for sample in family.samples:
            if not sample.labels:
                figures[name[len("jsmalloc_"):]] = int(sample.value)
    adds_up(figures, path)
    counters = {n for n, f in families.items() if f.type == "counter"}
    assert counters == {"jsmalloc_purged_bytes", "jsmalloc_purge_calls"}, counters
    assert "jsmalloc_purged_bytes_total " in text
    names = [s.labels["name"] for s in families["jsmalloc_heap_live_bytes"].samples]
    assert len(names) == len(set(names)) == 4, names
    live = sum(s.value for s in families["jsmalloc_category_live_bytes"].samples)
    assert live == figures["live_bytes"], "categories have %d live bytes" % live


def check_text(path):
    with open(path) as f:
        lines = f.read().split("\n")
    figures = {}
    for line in lines:
        words = line.split(None, 2)
        if len(words) == 3 and words[0].isdigit() and words[1].endswith(":"):
            figures[words[1][:-1]] = int(words[0])
    adds_up(figures, path)
    assert len([line for line in lines if line.startswith("By ")]) >= 4


checks = {"json": check_json, "xml": check_xml, "openmetrics": check_openmetrics, "text": check_text}
checks[sys.argv[1]](*sys.argv[2:])
