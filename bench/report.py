# bench/report.py - medians, ratios, means, tables and the plot.
# SPDX-License-Identifier: MIT
import math
import os
import shutil
import statistics
import subprocess

from harness import LIBC, OURS, Sample


def geometric_mean(ratios):
    return math.exp(sum(math.log(r) for r in ratios) / len(ratios)) if ratios else None


class Results:
    """Samples by workload and allocator, and why some are not there."""

    def __init__(self, workloads, allocators):
        self.kinds = {w.name: w.kind for w in workloads}
        self.allocators = allocators
        self.samples = {w.name: {a: [] for a in allocators} for w in workloads}
        self.failures = {}  # (workload, allocator) -> reason

    def good(self, workload, allocator):
        return (workload, allocator) not in self.failures and bool(self.samples[workload].get(allocator))

    def median(self, workload, allocator, what):
        return statistics.median(getattr(s, what) for s in self.samples[workload][allocator])

    def value(self, workload, allocator, what):
        """Median of a figure in words of the tables: time, cpu, wall, rss, faults."""
        if not self.good(workload, allocator):
            return None
        if what == "time":
            what = self.kinds[workload]
            if what == "none":
                return None
        return self.median(workload, allocator, {"cpu": "cpu_s", "wall": "wall_s", "rss": "rss_kib"}.get(what, what))

    def ratio(self, workload, allocator, reference, what):
        mine, theirs = self.value(workload, allocator, what), self.value(workload, reference, what)
        # A time below the clock's resolution makes no ratio.
        return mine / theirs if mine and theirs else None

    def mean(self, allocator, reference, what):
        """Over the workloads that both did; also how many those are."""
        names = [n for n, kind in self.kinds.items() if kind != "none" or what == "rss"]
        ratios = [r for r in (self.ratio(n, allocator, reference, what) for n in names) if r is not None]
        return geometric_mean(ratios), len(ratios)

    def check_outputs(self):
        """An allocator under which a program says something else has failed, whatever its speed."""
        for name, by_allocator in self.samples.items():
            expected = next((s.digest for s in by_allocator.get(LIBC, [])), None)
            for allocator, samples in by_allocator.items():
                if expected and any(s.digest != expected for s in samples):
                    self.failures[(name, allocator)] = "other output than under libc"


def results_of_json(data):
    """The results of an earlier run, from what `bench/run --json` wrote."""
    results = Results([], data["allocators"])
    results.kinds = data["kinds"]
    results.samples = {w: {a: [Sample(**s) for s in samples] for a, samples in by.items()}
                       for w, by in data["samples"].items()}
    results.failures = {(f["workload"], f["allocator"]): f["reason"] for f in data["failures"]}
    return results


def cell(number, digits=2):
    return "-" if number is None else "%.*f" % (digits, number)


def ratio_row(results, name, reference, what):
    row = []
    for allocator in results.allocators:
        failed = (name, allocator) in results.failures
        row.append("FAILED" if failed else cell(results.ratio(name, allocator, reference, what)))
    return row


def ratio_table(results, what, reference):
    unit = {"rss": "MiB", "faults": ""}.get(what, "s")
    rows = [["workload", "%s %s" % (reference, unit)] + results.allocators]
    for name, kind in results.kinds.items():
        if what in ("time", "cpu", "wall") and kind == "none":
            continue
        base = results.value(name, reference, what)
        if what == "rss" and base:
            base /= 1024
        label = name + (" (wall)" if what == "time" and kind == "wall" else "")
        rows.append([label, cell(base)] + ratio_row(results, name, reference, what))
    return rows


def mean_table(results, reference):
    rows = [["mean of ratios to " + reference] + results.allocators]
    for what, label in (("time", "time (cpu or wall, see above)"), ("cpu", "user + system"), ("wall", "wall clock"),
                        ("rss", "peak RSS"), ("faults", "page faults")):
        rows.append([label] + [cell(results.mean(a, reference, what)[0], 3) for a in results.allocators])
    rows.append(["workloads in them (time / RSS)"]
                + ["%d / %d" % (results.mean(a, reference, "time")[1], results.mean(a, reference, "rss")[1])
                   for a in results.allocators])
    return rows


def value_table(results):
    """What the programs measured themselves: these are not in the means."""
    rows = [["measured inside", "unit"] + results.allocators]
    for name, by_allocator in results.samples.items():
        keys = {}
        for samples in by_allocator.values():
            for sample in samples:
                keys.update({key: unit for key, (_, unit) in sample.values.items()})
        for key, unit in keys.items():
            row = []
            for allocator in results.allocators:
                got = [s.values[key][0] for s in by_allocator.get(allocator, []) if key in s.values]
                failed = (name, allocator) in results.failures
                row.append("FAILED" if failed else cell(statistics.median(got) if got else None))
            rows.append(["%s %s" % (name, key), unit] + row)
    return rows


def text_of(rows):
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = []
    for row in rows:
        first = row[0].ljust(widths[0])
        lines.append("  ".join([first] + [c.rjust(w) for c, w in zip(row[1:], widths[1:])]))
    return "\n".join(lines)


def markdown_of(rows):
    lines = ["| " + " | ".join(rows[0]) + " |", "|---" + "|---:" * (len(rows[0]) - 1) + "|"]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows[1:]])


def best_peers(results, reference):
    """The best of the others, for each figure; libc counts as one of them."""
    sentences = []
    for what, label in (("time", "time"), ("rss", "peak RSS")):
        means = {a: results.mean(a, reference, what)[0] for a in results.allocators if a != OURS}
        means = {a: m for a, m in means.items() if m is not None}
        if means:
            best = min(means, key=means.get)
            sentence = "Best peer in %s: %s" % (label, best)
            if OURS in results.allocators:
                pair = results.mean(OURS, best, what)[0]
                sentence += "; %s / %s = %s" % (OURS, best, cell(pair, 3))
            sentences.append(sentence + ".")
    return sentences


def sections(results):
    """Titles and rows, in the order of reading."""
    reference = LIBC if LIBC in results.allocators else results.allocators[0]
    yield "Time, ratio to %s" % reference, ratio_table(results, "time", reference)
    yield "Peak RSS, ratio to %s" % reference, ratio_table(results, "rss", reference)
    yield "Page faults, ratio to %s" % reference, ratio_table(results, "faults", reference)
    yield "Measured by the programs themselves", value_table(results)
    yield "Geometric means, relative to %s" % reference, mean_table(results, reference)
    if OURS in results.allocators:
        yield "Geometric means, relative to %s" % OURS, mean_table(results, OURS)


def closing(results, left_out):
    reference = LIBC if LIBC in results.allocators else results.allocators[0]
    lines = best_peers(results, reference)
    for (workload, allocator), reason in sorted(results.failures.items()):
        lines.append("FAILED, not in the means: %s under %s: %s." % (workload, allocator, reason))
    lines += ["Left out: %s." % reason for reason in left_out]
    return lines


def as_text(results, about, left_out):
    parts = [about] + ["%s\n%s" % (title, text_of(rows)) for title, rows in sections(results)]
    return "\n\n".join(parts + ["\n".join(closing(results, left_out))]) + "\n"


def as_markdown(results, about, left_out):
    parts = [about] + ["## %s\n\n%s" % (title, markdown_of(rows)) for title, rows in sections(results)]
    return "\n\n".join(parts + ["\n".join("- " + line for line in closing(results, left_out))]) + "\n"


GNUPLOT = """\
set terminal {terminal} size 900,600 font "sans,11"
set output "{output}"
set xlabel "time, relative to {reference} (geometric mean)"
set ylabel "peak RSS, relative to {reference} (geometric mean)"
set key off
set grid
set offsets graph 0.1, graph 0.15, graph 0.1, graph 0.1
plot "{data}" using 1:2 with points pointtype 7 pointsize 1.6, "" using 1:2:3 with labels offset 0,1.2
"""


def plot(results, path, work):
    """A point for each allocator: to the left is faster, below is leaner.  None if there is nothing to plot with."""
    reference = LIBC if LIBC in results.allocators else results.allocators[0]
    points = [(results.mean(a, reference, "time")[0], results.mean(a, reference, "rss")[0], a)
              for a in results.allocators]
    points = [p for p in points if p[0] and p[1]]
    data = os.path.join(work, "points")
    with open(data, "w") as out:
        out.writelines("%f %f %s\n" % p for p in points)
    if shutil.which("gnuplot"):
        script = GNUPLOT.format(terminal="svg" if path.endswith(".svg") else "png", output=path, data=data,
                                reference=reference)
        subprocess.run(["gnuplot"], input=script, text=True, check=True)
        return "gnuplot"
    try:
        from matplotlib import pyplot
    except ImportError:
        return None
    for x, y, name in points:
        pyplot.scatter([x], [y])
        pyplot.annotate(name, (x, y))
    pyplot.xlabel("time, relative to " + reference)
    pyplot.ylabel("peak RSS, relative to " + reference)
    pyplot.savefig(path)
    return "matplotlib"
