# bench/harness.py - allocators, single runs and what they measured; knows nothing of workloads or of tables.
# SPDX-License-Identifier: MIT
import ctypes.util
import hashlib
import os
import re
import resource
import shutil
import signal
import subprocess
import tempfile
from dataclasses import dataclass, field

LIBC = "libc"
OURS = "jsmalloc"
TIMEOUT_S = 120

# Debian's packages of the peers, by the names of their libraries.
PEERS = {
    "mimalloc": ("libmimalloc.so.2.0", "libmimalloc.so.2"),
    "jemalloc": ("libjemalloc.so.2",),
    "tcmalloc": ("libtcmalloc_minimal.so.4",),
}


class Failure(Exception):
    """A run that gives no figure, with the reason in words."""


@dataclass
class Allocator:
    name: str
    preload: str  # path, or empty: what the program has anyway
    options: str = ""  # as in JSMALLOC_OPTIONS


@dataclass
class Sample:
    wall_s: float
    user_s: float
    sys_s: float
    rss_kib: int
    faults: int
    digest: str = ""
    values: dict = field(default_factory=dict)  # name -> (value, unit), as the program printed them

    @property
    def cpu_s(self):
        return self.user_s + self.sys_s


def library_dirs():
    """Where the loader looks, as it says itself; a package may lie in any of them."""
    ldconfig = shutil.which("ldconfig", path="/usr/sbin:/sbin:" + os.environ.get("PATH", ""))
    text = subprocess.run([ldconfig, "-p"], capture_output=True, text=True).stdout if ldconfig else ""
    dirs = {os.path.dirname(line.split(" => ")[1]) for line in text.splitlines() if " => " in line}
    return sorted(dirs, key=lambda d: ("32" in d, d))


def find_library(names):
    for name in names:
        for directory in library_dirs():
            path = os.path.join(directory, name)
            if os.path.exists(path):
                return path
    return None


def short_name(path):
    return re.sub(r"^lib|(_minimal)?\.so.*$", "", os.path.basename(path))


def unique(name, taken):
    number, candidate = 2, name
    while candidate in taken:
        candidate, number = "%s-%d" % (name, number), number + 1
    return candidate


def choose_allocators(ours, peers, wanted, variants=()):
    """All that can be had, in the order of the tables; `wanted` narrows it by name."""
    found, missing = [Allocator(LIBC, "")], []
    if ours:
        found.append(Allocator(OURS, os.path.abspath(ours)))
        found += [Allocator(options, os.path.abspath(ours), options) for options in variants]
    for name, files in PEERS.items():
        path = find_library(files)
        if path:
            found.append(Allocator(name, path))
        else:
            missing.append(name)
    for path in filter(None, (peers or "").split(":")):
        found.append(Allocator(unique(short_name(path), {a.name for a in found}), os.path.abspath(path)))
    if wanted:
        unknown = set(wanted) - {a.name for a in found}
        if unknown:
            raise SystemExit("no such allocator: %s (there are: %s)"
                             % (", ".join(sorted(unknown)), ", ".join(a.name for a in found)))
        found = [a for a in found if a.name in wanted]
    for allocator in found:
        if allocator.preload and not os.path.exists(allocator.preload):
            raise SystemExit("%s: no such library" % allocator.preload)
    return found, missing


class Bench:
    """The programs, a scratch directory, and the way to run something under an allocator."""

    def __init__(self, programs):
        self.programs = os.path.abspath(programs)
        self.launcher = os.path.join(self.programs, "launch")
        self.options = ""  # of the allocator that runs now
        if not os.access(self.launcher, os.X_OK):
            raise SystemExit("%s: not built; run `make bench`" % self.launcher)
        self.work = tempfile.mkdtemp(prefix="jsmalloc-bench-")
        self.libc_path = find_library(["libc.so.6"]) or ctypes.util.find_library("c") or ""
        resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))

    def close(self):
        shutil.rmtree(self.work, ignore_errors=True)

    def environment(self, extra):
        keep = {k: v for k, v in os.environ.items()
                if k != "LD_PRELOAD" and not k.startswith(("MALLOC_", "MIMALLOC_", "TCMALLOC_", "GLIBC_TUNABLES"))}
        keep.update({"LC_ALL": "C", "PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1"})
        if self.options:
            keep["JSMALLOC_OPTIONS"] = self.options
        keep.update(extra)
        return keep

    def start(self, command, preload, env=None, stdin=None, stdout=subprocess.DEVNULL):
        """The launcher with the program below it, and the pipe in which the figures will arrive."""
        read_fd, write_fd = os.pipe()
        errors = open(os.path.join(self.work, "stderr"), "w+b")
        process = subprocess.Popen([self.launcher, str(write_fd), preload] + command, stdin=stdin or subprocess.DEVNULL,
                                   stdout=stdout, stderr=errors, env=self.environment(env or {}), cwd=self.work,
                                   pass_fds=[write_fd], start_new_session=True)
        os.close(write_fd)
        return process, read_fd, errors

    def finish(self, process, read_fd, errors, timeout_s=TIMEOUT_S):
        try:
            process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            raise Failure("not done after %d s" % timeout_s) from None
        finally:
            with os.fdopen(read_fd) as pipe:
                fields = pipe.read().split() if process.returncode == 0 else []
            errors.seek(0)
            said = errors.read().decode(errors="replace").strip().splitlines()
            errors.close()
        if any("cannot be preloaded" in line for line in said):
            raise Failure("the loader refused the library")
        if len(fields) != 7:
            raise Failure("the launcher failed: " + " ".join(said[-1:]))
        if int(fields[6]) != 0:
            raise Failure(self.describe(int(fields[6])) + "".join(": " + line for line in said[-1:]))
        return Sample(float(fields[0]), float(fields[1]), float(fields[2]), int(fields[3]), int(fields[4]))

    @staticmethod
    def describe(status):
        if status < 0:
            return "ended by " + signal.Signals(-status).name
        return "exit status %d" % status

    def run(self, command, preload, env=None, stdin=None):
        """One run from beginning to end; its output is hashed, or its checksum lines if it prints any."""
        path = os.path.join(self.work, "stdout")
        source = open(stdin, "rb") if stdin else None
        try:
            with open(path, "wb") as output:
                sample = self.finish(*self.start(command, preload, env, source, output))
        finally:
            if source:
                source.close()
        with open(path, "rb") as output:
            sample.digest, sample.values = read_output(output.read())
        return sample

    def check_preload(self, allocator):
        """That the library really is in the process: the loader only warns about one that it cannot use."""
        process, read_fd, errors = self.start(["cat", "/proc/self/maps"], allocator.preload, stdout=subprocess.PIPE)
        maps = process.stdout.read().decode()
        process.stdout.close()
        self.finish(process, read_fd, errors)
        if os.path.realpath(allocator.preload) not in maps:
            raise Failure("it is not loaded")


def read_output(data):
    lines = data.decode(errors="replace").splitlines()
    checksums = [line for line in lines if line.startswith("checksum ")]
    values = {}
    for line in lines if checksums else []:
        match = re.fullmatch(r"([a-z0-9-]+) (-?[0-9.]+) (\S+)", line)
        if match:
            values[match[1]] = (float(match[2]), match[3])
    kept = "\n".join(checksums).encode() if checksums else data
    return hashlib.sha256(kept).hexdigest(), values
