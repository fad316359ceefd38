"""`ringfence verify` of each example on its own control plane, with its tree applied: nothing fails. Left for docs/proof.md."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest
import yaml
from cluster.applying import Applier
from helpers import ROOT

from ringfence.build import Builder
from ringfence.cli.environment import joined
from ringfence.probes import Session, run_pairs
from ringfence.sandbox import ControlPlane, HostFiles, Tools
from ringfence.sinks.verdicts import Verification, as_json
from ringfence.verdict import State, Verdict

EXAMPLES = ("minimal", "production", "zero-trust")
PROOF = ROOT / ".proof"
PATIENCE = 20.0  # seconds until policies are in force, as the command's own default


class Found(NamedTuple):
    """An example's verdicts, and its enforced controls whose first proof is a request."""

    verdicts: tuple[Verdict, ...]
    by_request: frozenset[str]


@pytest.fixture(scope="module", params=EXAMPLES)
def found(request: pytest.FixtureRequest, tools: Tools, tmp_path_factory: pytest.TempPathFactory) -> Found:
    name = request.param
    file = ROOT / "examples" / name / "cluster.yaml"
    builder = Builder()
    resolution = builder.resolve(file, f"examples/{name}/cluster.yaml")
    state = tmp_path_factory.mktemp("verify") / name
    with ControlPlane(HostFiles.of_cluster(file), state, tools) as plane:
        access = joined(plane.folder, plane.record, plane.access, resolution.cluster)
        with Session(access) as session:
            Applier(session.admin).apply_all(builder.objects(resolution).manifests)
            verdicts = tuple(run_pairs(session, resolution, (), patience=PATIENCE))
    record(name, plane, verdicts)
    enforced = {v.control for v in verdicts if v.stage == "enforce"}
    first = {c.id for c in resolution.controls if c.control.proof[0] == "api"}
    return Found(verdicts, frozenset(enforced & first))


def record(name: str, plane: ControlPlane, verdicts: tuple[Verdict, ...]) -> None:
    run = Verification(name, f"examples/{name}/cluster.yaml", "a sandbox", plane.record.kubernetes, verdicts)
    PROOF.mkdir(exist_ok=True)
    (PROOF / f"verify-{name}.json").write_text(as_json(run))


def test_no_pair_fails(found: Found) -> None:
    assert [f"{v.control}: {v.pair}: {v.detail}" for v in found.verdicts if v.state is State.FAILED] == []


def test_each_enforced_control_whose_first_proof_is_a_request_is_proved(found: Found) -> None:
    """Or each of its pairs is about something that this example hasn't got."""
    proved = {v.control for v in found.verdicts if v.state is State.PROVED}
    open_ = {v.control for v in found.verdicts if v.state is not State.NOT_APPLICABLE}
    assert sorted((found.by_request & open_) - proved) == []


def test_what_is_not_proved_says_why(found: Found) -> None:
    assert [v.control for v in found.verdicts if v.state is not State.PROVED and not v.detail] == []


def test_checks_that_a_structured_file_fails_are_proved_by_their_pairs(found: Found) -> None:
    """kube-bench reads flags; where a file replaces the flag (kube_bench.yaml), a request shows what it looks for."""
    proved = {(v.control, v.pair) for v in found.verdicts if v.state is State.PROVED}
    rows = yaml.safe_load(Path(__file__).with_name("kube_bench.yaml").read_text())
    named = {(one["control"], one["pair"]) for row in rows for one in row.get("proved_by", ())}
    assert named
    assert sorted(named - proved) == []
