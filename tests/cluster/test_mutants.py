"""Every mutant of what the example emits is put in force on a real control plane, and a probe of its control turns red.

What came out is written to .proof/mutants.json, of which docs/proof.md tells. A removal that leaves the component's own
default of the same value changes nothing, so nobody can tell: those are listed apart. Survivors stand in survivors.yaml,
each with its reason; one that is not there fails, and so does a line that no survivor needs.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from threading import Event
from typing import Any

import pytest
import yaml
from cluster.applying import Applier
from cluster.bed import Bed, Result
from cluster.defaults import Defaults, changes_nothing, repeats_a_removal
from cluster.hostkilling import kill_settings
from cluster.hostmutants import of_host_plane
from cluster.killing import kill_objects
from cluster.mutants import FLIP, REMOVAL, Mutant, of_cluster_plane, proved_by_api
from helpers import ROOT

from ringfence.build import Builder
from ringfence.probes import Session
from ringfence.sandbox import ControlPlane, HostFiles, Tools

EXAMPLE = ROOT / "examples" / "zero-trust" / "cluster.yaml"
PROOF = ROOT / ".proof"
SURVIVORS = Path(__file__).with_name("survivors.yaml")


@contextmanager
def in_force(tools: Tools, folder: Path) -> Iterator[Bed]:
    """The example on a control plane of its own."""
    builder = Builder()
    resolution = builder.resolve(EXAMPLE, "examples/zero-trust/cluster.yaml")
    with ControlPlane(HostFiles.of_cluster(EXAMPLE), folder / "state", tools) as plane:
        made = Bed(plane, resolution, builder.objects(resolution))
        with Session(made.access) as session:
            Applier(session.admin).apply_all(made.bundle)
            assert made.reds(session, patience=60) == [], "nothing is changed yet"
        yield made


@pytest.fixture(scope="module")
def bed(tools: Tools, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bed]:
    with in_force(tools, tmp_path_factory.mktemp("mutable")) as made:
        yield made


@pytest.fixture(scope="module")
def second(bed: Bed, tools: Tools, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bed]:  # after the first
    with in_force(tools, tmp_path_factory.mktemp("mutable")) as made:
        yield made


@pytest.fixture(scope="module")
def results(bed: Bed, second: Bed) -> tuple[list[Result], list[Mutant]]:
    """Every mutant's result, and the removals that change nothing.

    Objects change on a second control plane at the same time: they wait for policies while settings compute.
    """
    controls = proved_by_api(bed.resolution.controls)
    objects = [m for c in controls for m in of_cluster_plane(bed.resolution, bed.bundle, c)]
    settings = [m for c in controls for m in of_host_plane(bed.bundle, c)]
    known: dict[str, Defaults] = {}
    settings = [m for m in settings if not repeats_a_removal(m, bed.plane.tools.paths, known)]
    idle = [m for m in settings if changes_nothing(m, bed.plane.tools.paths, known)]
    ended = Event()
    with ThreadPoolExecutor(1) as beside:
        running = beside.submit(_until, ended, kill_objects(second, objects))
        try:
            found = list(kill_settings(bed, [m for m in settings if m not in idle]))
            found += running.result()
        except BaseException:
            ended.set()  # or it would be waited for to the end
            raise
    PROOF.mkdir(exist_ok=True)
    record = {"mutants": [r.row() for r in found], "defaults": [{"control": m.control, "what": m.what} for m in idle]}
    (PROOF / "mutants.json").write_text(json.dumps(record, indent=1) + "\n")
    return found, idle


def _until(ended: Event, results: Generator[Result]) -> list[Result]:
    with closing(results):
        return list(itertools.takewhile(lambda _: not ended.is_set(), results))


def listed() -> dict[str, dict[str, Any]]:
    """What survives, and why: `equivalent` where the same is enforced without it, `noticed_by` where another test tells."""
    return {row["mutant"]: row for row in yaml.safe_load(SURVIVORS.read_text()) or ()}


def test_every_removal_is_noticed(results: tuple[list[Result], list[Mutant]]) -> None:
    told = {name for name, row in listed().items() if row.get("equivalent") or "noticed_by" in row}
    alive = [str(r.mutant) for r in results[0] if r.mutant.kind == REMOVAL and not r.killed]
    assert sorted(set(alive) - told) == []


def test_nearly_every_flip_is_noticed_and_the_rest_has_a_reason(results: tuple[list[Result], list[Mutant]]) -> None:
    flips = [r for r in results[0] if r.mutant.kind == FLIP]
    alive = [str(r.mutant) for r in flips if not r.killed]
    assert sorted(set(alive) - listed().keys()) == []
    assert len(alive) <= 0.05 * len(flips)


def test_who_else_notices_a_survivor_is_a_test() -> None:
    for row in listed().values():
        path, _, name = row.get("noticed_by", "").partition("::")
        assert not path or f"def {name}(" in (ROOT / path).read_text()


def test_the_list_of_survivors_holds_no_dead(results: tuple[list[Result], list[Mutant]]) -> None:
    alive = {str(r.mutant) for r in results[0] if not r.killed}
    assert sorted(listed().keys() - alive) == []


def test_each_control_that_requests_prove_has_a_dead_mutant(
    results: tuple[list[Result], list[Mutant]], bed: Bed
) -> None:
    dead = {r.mutant.control for r in results[0] if r.killed}
    assert sorted(c.id for c in proved_by_api(bed.resolution.controls) if c.id not in dead) == []


def test_a_change_that_changes_nothing_is_no_mutant(results: tuple[list[Result], list[Any]]) -> None:
    texts = [str(r.mutant) for r in results[0]]
    assert len(texts) == len(set(texts))
