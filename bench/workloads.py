# bench/workloads.py - what is run: programs of our own and real ones, with their inputs.
# SPDX-License-Identifier: MIT
import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass, field

from harness import Failure

# How the time of a workload counts in the means:
#   SINGLE   user + system: one thread does the work, and other load on the machine shows least
#   THREADS  wall clock: several threads or processes, what waits counts too
#   MEMORY   not at all: only what is resident is of interest
SINGLE, THREADS, MEMORY = "cpu", "wall", "none"

HERE = os.path.dirname(os.path.abspath(__file__))


@dataclass
class Workload:
    name: str
    kind: str
    command: list
    about: str
    env: dict = field(default_factory=dict)
    stdin: str = ""
    generator: tuple = ()  # script and file: the input that it writes
    runner: object = None  # instead of one run of `command`
    own_malloc: bool = False  # linked to an allocator of its own: libc, too, has to be preloaded

    def missing(self):
        """The program that is not installed, or None."""
        return None if shutil.which(self.command[0]) else self.command[0]

    def prepare(self, bench, scale):
        if not self.generator:
            return
        script, name = self.generator
        with open(os.path.join(bench.work, name), "wb") as output:
            subprocess.run([sys.executable, os.path.join(HERE, "programs", script), str(scale)], stdout=output,
                           check=True)

    def run(self, bench, allocator):
        bench.options = allocator.options
        preload = allocator.preload or (bench.libc_path if self.own_malloc else "")
        if self.runner:
            return self.runner(bench, preload, self.command)
        stdin = os.path.join(bench.work, self.stdin) if self.stdin else None
        return bench.run(self.command, preload, self.env, stdin)


def wait_for(path, process):
    for _ in range(500):
        if os.path.exists(path):
            return
        if process.poll() is not None:
            break
        time.sleep(0.01)
    raise Failure("redis-server did not start")


def run_redis(bench, preload, command):
    """The server is what is measured; the clients run on libc's malloc and drive it over a socket."""
    socket = os.path.join(bench.work, "redis.sock")
    server = ["redis-server", "--port", "0", "--unixsocket", socket, "--save", "", "--appendonly", "no",
              "--jemalloc-bg-thread", "no", "--dir", bench.work, "--logfile", "redis.log"]
    started = bench.start(server, preload)
    try:
        wait_for(socket, started[0])
        begin = time.monotonic()
        done = subprocess.run(command[:1] + ["-s", socket] + command[1:], stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL, timeout=100, env=bench.environment({}))
        wall = time.monotonic() - begin
    finally:
        subprocess.run(["redis-cli", "-s", socket, "shutdown", "nosave"], capture_output=True, timeout=20)
        if started[0].poll() is None and not os.path.exists(socket):
            started[0].wait(20)
        sample = bench.finish(*started, timeout_s=10)
        if os.path.exists(socket):
            os.unlink(socket)
    if done.returncode != 0:
        raise Failure("redis-benchmark failed")
    sample.wall_s = wall
    return sample


def own_programs(bench, scale):
    def own(name, kind, about, program, *arguments):
        return Workload(name, kind, [os.path.join(bench.programs, program), str(scale)] + [str(a) for a in arguments],
                        about)

    for size in (16, 64, 512, 3000, 32768):
        yield own("pair-%d" % size, SINGLE, "malloc and free in turn", "pair", size)
    for size in (16, 64, 512, 1000):
        yield own("batch-%d" % size, SINGLE, "1000 blocks, freed in three orders", "batch", size)
    for name, live, operations, n_threads in (("1k", 1000, 15000000, 1), ("10k", 10000, 12000000, 1),
                                              ("1m", 1000000, 3000000, 1), ("8-threads", 2000, 2500000, 8),
                                              ("16-threads", 2000, 1200000, 16)):
        yield own("replace-" + name, THREADS if n_threads > 1 else SINGLE, "random ones of mixed blocks replaced",
                  "replace", live, operations, n_threads)
    for name, size, blocks in (("64", 64, 6000000), ("mixed", 0, 4000000), ("1024", 1024, 3000000)):
        yield own("handoff-" + name, THREADS, "one thread allocates, another frees", "handoff", size, blocks)
    yield own("churn", THREADS, "short-lived threads that inherit blocks", "churn")
    yield own("exchange", THREADS, "two threads allocate, two free, by a queue", "exchange")
    yield own("large", SINGLE, "20 buffers of 5 to 25 MiB", "large", 5120, 25600, 20, 250)
    yield own("medium", SINGLE, "100 buffers of 64 KiB to 1 MiB", "large", 64, 1024, 100, 40000)
    yield own("grow-one", SINGLE, "a vector from 16 B to 64 MiB", "grow", 1, 64, 15, "fill")
    yield own("grow-many", SINGLE, "16 vectors to 4 MiB in turn", "grow", 16, 4, 15, "fill")
    yield own("zero", SINGLE, "calloc of mixed sizes", "zero")
    yield own("align", SINGLE, "aligned blocks among others", "align")
    yield own("burst", SINGLE, "a million blocks, 95 % freed, trim, all freed", "burst", 95, "trim")
    yield own("tree-binary", SINGLE, "binary trees, built and freed", "tree", "binary")
    yield own("tree-words", SINGLE, "a tree of words with notes, edited", "tree", "words")
    yield own("text", SINGLE, "strings built and kept in a hash table", "text")
    yield own("idle", MEMORY, "400 threads that allocated once", "idle", "alloc")
    yield own("start", THREADS, "/bin/true, 500 times", "spawn", 500, "-", "/bin/true")


def python():
    """Debian's interpreter if there, since a figure should mean the same on two machines."""
    return "/usr/bin/python3" if os.path.exists("/usr/bin/python3") else os.path.realpath(sys.executable)


def compiler_proper():
    """The compiler itself, not its driver: it is what allocates, and the driver would only add its own start."""
    if not shutil.which("gcc"):
        return "gcc"
    return subprocess.run(["gcc", "-print-prog-name=cc1"], capture_output=True, text=True).stdout.strip() or "cc1"


def real_programs(scale):
    def script(name):
        return os.path.join(HERE, "programs", name)

    scale_text, malloc = str(scale), {"PYTHONMALLOC": "malloc"}
    shell = ("i=0; while [ $i -lt %d ]; do expr $i \\* 3; echo line $i | sed s/i/j/; ls -d / | tr / x; i=$((i+1)); done"
             % max(1, 70 * scale // 100))
    redis = ["redis-benchmark", "-n", str(max(1000, 120000 * scale // 100)), "-r", "40000", "-d", "120", "-P", "16", "-c",
             "20", "-q", "-t", "set,get,lpush,hset,sadd,zadd,lrange_100"]
    yield Workload("processes", THREADS, ["sh", "-c", shell], "a shell script with many small tools")
    yield Workload("python-json", SINGLE, [python(), script("json-work.py"), scale_text], "json made and parsed",
                   env=malloc)
    yield Workload("python-objects", SINGLE, [python(), script("objects-work.py"), scale_text], "a graph of objects",
                   env=malloc)
    yield Workload("perl", SINGLE, ["perl", script("records-work.pl"), scale_text], "log lines in hashes",
                   env={"PERL_HASH_SEED": "0"})
    yield Workload("lua", SINGLE, ["lua5.4", script("tables-work.lua"), scale_text], "an interpreter of expressions")
    yield Workload("sqlite", SINGLE, ["sqlite3", ":memory:"], "inserts and queries in memory", stdin="queries.sql",
                   generator=("queries.py", "queries.sql"))
    yield Workload("gcc", SINGLE, [compiler_proper(), "-quiet", "-O2", "big.c", "-o", "-"], "cc1 -O2 on a big file",
                   generator=("csource.py", "big.c"))
    yield Workload("redis", SINGLE, redis, "the server under redis-benchmark", runner=run_redis, own_malloc=True)
    yield Workload("z3", SINGLE, ["z3", "problem.smt2"], "scheduling, arrays, bit vectors",
                   generator=("problem.py", "problem.smt2"))
    yield Workload("gs", SINGLE, ["gs", "-q", "-dBATCH", "-dNOPAUSE", "-dSAFER", "-sDEVICE=ppmraw", "-r100",
                                  "-sOutputFile=/dev/null", "-dpages=%d" % max(1, 12 * scale // 100),
                                  script("pages.ps")], "pages to pixels")


def all_workloads(bench, scale):
    return list(own_programs(bench, scale)) + list(real_programs(scale))
