"""Measure ringfence beside its peers, in one run, on the same objects; write docs/performance.md from the results.

python benchmarks/run.py            about ten minutes; progress on stderr
python benchmarks/run.py --quick    a smoke run of a few seconds: 100 namespaces once, nothing written
python benchmarks/run.py --report   write the document again from results.json
"""

from __future__ import annotations

import argparse
import compileall
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import peers
import scenarios
from measure import Contender, Series, environment, in_turns, run

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results.json"
STEP = 250
SIZES = {100: 7, STEP: 2, 1_000: 5, 5_000: 5, 10_000: 3}  # namespaces -> timed runs
SECOND = {1_000: 5, 5_000: 3}  # for the second profile, against helm alone
LIMIT = 120.0  # seconds for one run


def main() -> int:
    """Everything, or the part that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="100 namespaces, one run, no report")
    parser.add_argument("--report", action="store_true", help="only write docs/performance.md from results.json")
    parser.add_argument("--work", metavar="DIR", help="where temporary files go (default: in memory where possible)")
    parser.add_argument("--env", metavar="DIR", action="append", help="an environment that holds peers", type=Path)
    options = parser.parse_args()
    if options.report:
        return report()
    memory = Path("/dev/shm")  # noqa: S108 # a file system in memory keeps the disk's moods out of the figures
    base = options.work or (str(memory) if os.access(memory, os.W_OK) else None)
    with tempfile.TemporaryDirectory(prefix="ringfence-bench-", dir=base) as work:
        suite = Suite(Path(work), options.env or peers.ENVIRONMENTS)
        results = suite.quick() if options.quick else suite.all()
    if options.quick:
        sys.stdout.write(json.dumps(results, indent=1) + "\n")
        return 0
    RESULTS.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    return report()


def report() -> int:
    """docs/performance.md and its plot from results.json."""
    return subprocess.run([sys.executable, str(HERE / "report.py")], check=False).returncode


def say(text: str) -> None:
    """A line of progress."""
    sys.stderr.write(f"{time.strftime('%H:%M:%S')} {text}\n")


class Suite:
    """One run of the suite; children find everything below `work`."""

    def __init__(self, work: Path, environments: Any) -> None:
        self.work = work
        self.env = environment(work)
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ringfence-tools"
        self.tools = peers.find(environments, cache)
        for name in self.tools.missing(list(self.tools.paths)):
            say(f"absent, and so not measured: {name}")
        compileall.compile_dir(peers.ROOT / "generator", quiet=2)
        self.counts: dict[str, Any] = {}

    def all(self) -> dict[str, Any]:
        """The full suite."""
        started = time.monotonic()
        sizes, stopped = self.sizes("baseline", SIZES)
        second, _ = self.sizes("restricted", SECOND, only=(*peers.RINGFENCE, "helm template"))
        results = {
            "machine": machine(self.work),
            "versions": peers.versions(self.tools),
            "controls": len(list((peers.ROOT / "templates").glob("*/*/control.yaml"))),
            "sizes": {"baseline": sizes, "restricted": second},
            "stopped": stopped,
            **scenarios.all_(self, say),
            "objects": self.counts,
        }
        say(f"{time.monotonic() - started:.0f} s in all")
        return results

    def quick(self) -> dict[str, Any]:
        """A smoke run: every contender once, the same objects asserted."""
        names = [*peers.RINGFENCE, *(p.name for p in peers.PEERS)]
        self.same("baseline")
        inputs = self.inputs("baseline", 100)
        turns = [replace(one, warm=False) for one in peers.contenders(self.tools, inputs, names)]
        series, failed = in_turns(turns, self.work, self.env, 1, LIMIT)
        if failed:
            raise SystemExit(f"failed: {failed}")
        return {"objects": self.counts, "sizes": {"baseline": {"100": {n: s.data() for n, s in series.items()}}}}

    def sizes(
        self, profile: str, sizes: dict[int, int], only: tuple[str, ...] = ()
    ) -> tuple[dict[str, Any], dict[str, str]]:
        """Every contender at every size, all in turns; and why a peer was not run beyond some size."""
        self.same(profile)
        turns: list[Contender] = []
        for size, repeats in sizes.items():
            inputs = self.inputs(profile, size)
            say(f"{profile}, {size:,} namespaces: {self.counts[profile]['sizes'][str(size)]:,} objects")
            wanted = [n for n in self.at(size) if not only or n in only]
            for one in peers.contenders(self.tools, inputs, wanted):
                warm, name = size == min(sizes), f"{size}:{one.name}"
                turns.append(replace(one, name=name, most=min(one.most, repeats), warm=warm))
        series, failed = in_turns(turns, self.work, self.env, max(sizes.values()), LIMIT, say)
        found: dict[str, Any] = {str(size): {} for size in sizes}
        for key, rows in series.items():
            where, _, name = key.partition(":")
            found[where][name] = rows.data()
        short = [p for p in peers.PEERS if p.largest < max(sizes)]
        stopped = {p.name: f"not run beyond {p.largest:,} namespaces: {p.why}" for p in short}
        for key, why in failed.items():
            where, _, name = key.partition(":")
            stopped[name] = f"stopped at {int(where):,} namespaces: {why}"
        for name, why in stopped.items():
            say(f"{name}: {why}")
        return found, stopped

    def at(self, size: int) -> list[str]:
        """Who is measured at one size; 250 is the second point of those who can't take 1,000."""
        if size == STEP:
            return [p.name for p in peers.PEERS if p.largest == size]
        return [*peers.RINGFENCE, *(p.name for p in peers.PEERS if size <= p.largest)]

    def inputs(self, profile: str, size: int) -> Path:
        """The inputs of one size, written once."""
        folder = self.work / "inputs" / f"{profile}-{size}"
        if not folder.is_dir():
            done = self.python("inputs.py", str(folder), profile, str(size))
            counts = json.loads(done)
            objects = counts.pop("objects")
            self.counts.setdefault(profile, {**counts, "sizes": {}})["sizes"][str(size)] = objects
            if size <= STEP:  # nobody gives kustomize more
                tree = [*peers.ringfence(), "-q", "render", str(folder / "kustomize" / "cluster.yaml")]
                subprocess.run(tree, env=self.env, check=True)
        return folder

    def same(self, profile: str) -> None:
        """Refuse to go on unless everybody makes the same objects, at a small size."""
        inputs = self.inputs(profile, 20)
        names = [*peers.RINGFENCE, *(p.name for p in peers.PEERS if "kubeconform" not in p.name)]
        outputs = []
        for number, contender in enumerate(peers.contenders(self.tools, inputs, names)):
            folder = self.work / "same" / f"{profile}-{number}"
            folder.mkdir(parents=True)
            contender.prepare(folder)
            place = folder / "stdout"
            run(contender.command(folder), folder, self.env, LIMIT)
            outputs.append(str(folder / "out" if (folder / "out").is_dir() else place))
        self.python("inputs.py", "--same", *outputs)
        say(f"{profile}: {len(outputs)} outputs hold the same {self.counts[profile]['sizes']['20']} objects")

    def python(self, script: str, *arguments: str) -> str:
        """Run one of this folder's scripts in a process of its own; returns its stdout."""
        command = [sys.executable, str(HERE / script), *arguments]
        return subprocess.run(command, env=self.env, stdout=subprocess.PIPE, text=True, check=True).stdout

    def turns(self, contenders: Any, repeats: int, work: Path | None = None) -> dict[str, Series]:
        """In turns, where a failure is the end."""
        series, failed = in_turns(contenders, work or self.work, self.env, repeats, LIMIT)
        if failed:
            raise SystemExit(f"failed: {failed}")
        return series


def machine(work: Path) -> dict[str, Any]:
    """What the figures were measured on; nothing that names it."""
    table = Path("/proc/mounts")
    mounts = [line.split() for line in table.read_text().splitlines()] if table.exists() else []
    inside = [m for m in mounts if work.is_relative_to(m[1])]
    return {
        "cores": os.cpu_count(),
        "architecture": platform.machine(),
        "system": platform.system(),
        "python": platform.python_version(),
        "files": max(inside, key=lambda m: len(m[1]))[2] if inside else "?",
    }


if __name__ == "__main__":
    sys.exit(main())
