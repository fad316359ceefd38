"""What the project wants of its speed, and whether a run of the benchmark reached it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from typing import Any

GIB = 2**30


@dataclass(frozen=True, slots=True)
class Goal:
    """A figure that is wanted; `value` is None where a peer was missing."""

    text: str
    value: float | None
    least: bool  # is `bound` the least that is wanted, or the most?
    bound: float
    unit: str = "x"

    @property
    def reached(self) -> bool:
        """Is the measured figure within its bound?"""
        return self.value is not None and (self.value >= self.bound if self.least else self.value <= self.bound)

    @property
    def shown(self) -> str:
        """The measured figure."""
        if self.value is None:
            return "-"
        return f"{self.value:,.0f} MiB" if self.unit == "MiB" else f"{self.value:.2f}{self.unit}"


def goals(results: dict[str, Any]) -> list[Goal]:
    """Every goal with its figure."""
    sizes = results["sizes"]["baseline"]
    stream, tree, two = "ringfence -o -", "ringfence tree", "ringfence tree, 2 jobs"
    helm, folder, checked = "helm template", "helm template --output-dir", "helm template | kubeconform"

    def time(size: int, name: str) -> float:
        return float(median(sizes[str(size)][name]["seconds"]))

    def faster(size: int, name: str, peer: str) -> float | None:
        return _try(lambda: time(size, peer) / time(size, name))

    def line(name: str) -> float | None:
        return _try(lambda: (time(10_000, name) - time(5_000, name)) / (time(5_000, name) - time(1_000, name)))

    def scenario(part: dict[str, Any], over: str, under: str) -> float | None:
        return _try(lambda: median(part[over]["seconds"]) / median(part[under]["seconds"]))

    def memory(size: int, name: str, peer: str) -> float | None:
        return _try(lambda: sizes[str(size)][name]["rss_mb"] / sizes[str(size)][peer]["rss_mb"])

    large, checks = results["large"], results["check"]
    most = _try(lambda: max(large[n]["rss_mb"] for n in (stream, tree)) * 1e6 / 2**20)
    pairs = (
        (1_000, "one job", stream, helm, 2.5),
        (1_000, "one job", tree, folder, 2.5),
        (1_000, "two jobs", two, folder, 3),
        (5_000, "one job", stream, helm, 3),
        (5_000, "one job", tree, folder, 3),
        (5_000, "two jobs (6x is the dream)", two, folder, 5),
        (5_000, "one job", stream, checked, 6),
        (1_000, "one job", tree, "kapitan (kadet)", 40),
    )
    fleet = scenario(results["fleet"], "helm loop", stream)
    trees = scenario(results["fleet"], "helm loop", tree)
    start = scenario(results["help"], "ringfence --help", "python -c pass")
    return [
        *(
            Goal(
                f"{size:,} namespaces, {jobs}: `{name.partition(',')[0]}` at least {bound}x faster than `{peer}`",
                faster(size, name, peer),
                True,
                bound,
            )
            for size, jobs, name, peer, bound in pairs
        ),
        Goal(f"linear: (t10000 - t5000) / (t5000 - t1000) at most 1.4, `{stream}`", line(stream), False, 1.4, ""),
        Goal(f"the same, `{tree}`", line(tree), False, 1.4, ""),
        Goal(f"peak memory at 5,000 at most half of helm's, `{stream}`", memory(5_000, stream, helm), False, 0.5),
        Goal(f"the same, `{tree}`", memory(5_000, tree, folder), False, 0.5),
        Goal(f"{large['objects']:,} objects in less than 1 GiB", most, False, GIB / 2**20, "MiB"),
        Goal(f"a hundred clusters in one process at least 10x faster than a loop of helm, `{stream}`", fleet, True, 10),
        Goal(f"the same, `{tree}`", trees, True, 10),
        *(
            Goal(
                f"`--check` of an unchanged tree at most 0.8 of a render, {where}",
                scenario(rows, "check", "render, new"),
                False,
                0.8,
            )
            for where, rows in checks.items()
        ),
        Goal("`ringfence --help` at most 5x the bare interpreter", start, False, 5),
    ]


def _try(figure: Callable[[], float]) -> float | None:
    """None where something was not measured."""
    try:
        return figure()
    except (KeyError, ZeroDivisionError):
        return None
