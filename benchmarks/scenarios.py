"""What no table of sizes shows: a fleet, a large tree, a check, a small change, and --help."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import peers
from measure import Contender, in_turns, once

CLUSTERS, NAMESPACES = 100, 10
LARGE = 200_000  # objects
CHECKED = 5_000  # namespaces of the tree in memory
CHANGED = 1_000  # namespaces of the tree that a line changes, and of that on a disk


def all_(run: Any, say: Callable[[str], None]) -> dict[str, Any]:
    """Every scenario's figures; `run` is run.Suite."""
    found = {}
    for scenario in (fleet, check, change, help_, large):
        say(f"{scenario.__name__.rstrip('_')}")
        found[scenario.__name__.rstrip("_")] = data = scenario(run)
        say(f"  {data}")
    return found


def fleet(run: Any) -> dict[str, Any]:
    """A hundred small clusters: one process of ours, a loop of helm."""
    folder = run.work / "fleet"
    run.python("inputs.py", "--fleet", str(folder), "baseline", str(CLUSTERS), str(NAMESPACES))
    helm = f"'{run.tools['helm']}' template $(basename $d) '{folder}/helm' > $(basename $d).yaml"
    loop = f"for d in '{folder}/clusters'/*; do {helm} || exit 1; done"
    own = [*peers.ringfence(), "-q", "render"]

    def copy(where: Path) -> None:
        shutil.copytree(folder / "clusters", where / "clusters")

    turns = [
        Contender("ringfence -o -", lambda r: [*own, f"{r}/clusters", "-o", "-"], copy),
        Contender("ringfence tree", lambda r: [*own, f"{r}/clusters"], copy),
    ]
    if not run.tools.missing(["helm"]):
        turns.append(Contender("helm loop", lambda r: ["/bin/sh", "-c", loop]))
    series = run.turns(turns, 3)
    return {"clusters": CLUSTERS, "namespaces": NAMESPACES, **{n: s.data() for n, s in series.items()}}


def check(run: Any) -> dict[str, Any]:
    """Rendering a new tree, rendering over an unchanged one, and `--check` of it; in memory, and on a disk."""
    found = {"in memory": _checks(run, CHECKED, run.work)}
    with tempfile.TemporaryDirectory(prefix="ringfence-bench-") as disk:
        if Path(disk).stat().st_dev != run.work.stat().st_dev:
            found["on a disk"] = _checks(run, CHANGED, Path(disk))
    return found


def _checks(run: Any, size: int, work: Path) -> dict[str, Any]:
    source = run.inputs("baseline", size) / "ringfence" / "cluster.yaml"
    kept = work / "kept"
    own = [*peers.ringfence(), "-q", "render"]
    kept.mkdir()
    shutil.copyfile(source, kept / "cluster.yaml")
    subprocess.run([*own, f"{kept}/cluster.yaml"], env=run.env, check=True)

    def copy(where: Path) -> None:
        shutil.copyfile(source, where / "cluster.yaml")

    series = run.turns(
        [
            Contender("render, new", lambda r: [*own, f"{r}/cluster.yaml"], copy),
            Contender("render, unchanged", lambda r: [*own, f"{kept}/cluster.yaml"]),
            Contender("check", lambda r: [*own, f"{kept}/cluster.yaml", "--check"]),
        ],
        5,
        work,
    )
    shutil.rmtree(kept)
    return {"namespaces": size, **{n: s.data() for n, s in series.items()}}


def change(run: Any) -> dict[str, Any]:
    """One line of cluster.yaml: how many files of the tree are written again."""
    inputs = run.inputs("baseline", CHANGED)
    kept = run.work / "kept"
    kept.mkdir()
    file = kept / "cluster.yaml"
    text = (inputs / "ringfence" / "cluster.yaml").read_text()
    own = [*peers.ringfence(), "-q", "render", str(file)]
    file.write_text(text)
    subprocess.run(own, env=run.env, check=True)
    before = _inodes(kept / "rendered")
    line = "- app-000017\n"
    file.write_text(text.replace(line, "- {name: app-000017, tier: staging}\n"))
    subprocess.run(own, env=run.env, check=True)
    after = _inodes(kept / "rendered")
    shutil.rmtree(kept)
    written = sorted(p for p in after if after[p] != before.get(p))
    return {"namespaces": CHANGED, "files": len(after), "line": line.strip(), "written": written}


def _inodes(folder: Path) -> dict[str, tuple[int, int]]:
    found = {}
    for file in folder.rglob("*"):
        if file.is_file():
            state = file.stat()
            found[file.relative_to(folder).as_posix()] = (state.st_ino, state.st_mtime_ns)
    return found


def help_(run: Any) -> dict[str, Any]:
    """The start of the program, against the start of its interpreter."""
    series, _ = in_turns(
        [
            Contender("python -c pass", lambda r: [sys.executable, "-c", "pass"]),
            Contender("ringfence --help", lambda r: [*peers.ringfence(), "--help"]),
            Contender("ringfence render --help", lambda r: [*peers.ringfence(), "render", "--help"]),
        ],
        run.work, run.env, 21,
    )  # fmt: skip
    return {n: s.data() for n, s in series.items()}


def large(run: Any) -> dict[str, Any]:
    """So many objects that memory could matter; ringfence alone."""
    counts = run.counts["baseline"]
    size = -(-(LARGE - counts["cluster"]) // counts["namespace"])
    inputs = run.inputs("baseline", size)
    jobs = {"ringfence -o -": 1, "ringfence tree": 1, "ringfence tree, 2 jobs": os.cpu_count()}
    found = {}
    for contender in peers.contenders(run.tools, inputs, list(jobs)):
        sample = once(contender, run.work, run.env, 300)
        found[contender.name] = {"seconds": [round(sample.seconds, 3)], "rss_mb": round(sample.rss / 1e6, 1)}
    shutil.rmtree(inputs)
    return {"namespaces": size, "objects": counts["sizes"][str(size)], **found}
