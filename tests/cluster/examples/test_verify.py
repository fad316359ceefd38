"""`ringfence verify` of each example after `pulumi up` on its own control plane: nothing fails. Left for docs/proof.md."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import yaml
from cluster.lifecycle import EXAMPLES, Life, Verified
from helpers import ROOT

from ringfence.sinks.verdicts import Verification, as_json
from ringfence.verdict import State

PROOF = ROOT / ".proof"
KUBE_BENCH = ROOT / "tests" / "cluster" / "kube_bench.yaml"


@pytest.fixture(scope="module", params=EXAMPLES)
def found(request: pytest.FixtureRequest, life: Callable[[str], Life]) -> Verified:
    name = request.param
    seen = life(name).verified
    run = Verification(name, f"examples/{name}/cluster.yaml", "a sandbox", seen.kubernetes, seen.verdicts)
    PROOF.mkdir(exist_ok=True)
    (PROOF / f"verify-{name}.json").write_text(as_json(run))
    return seen


def test_no_pair_fails(found: Verified) -> None:
    assert [f"{v.control}: {v.pair}: {v.detail}" for v in found.verdicts if v.state is State.FAILED] == []


def test_each_enforced_control_whose_first_proof_is_a_request_is_proved(found: Verified) -> None:
    """Or each of its pairs is about something that this example hasn't got."""
    proved = {v.control for v in found.verdicts if v.state is State.PROVED}
    open_ = {v.control for v in found.verdicts if v.state is not State.NOT_APPLICABLE}
    assert sorted((found.by_request & open_) - proved) == []


def test_what_is_not_proved_says_why(found: Verified) -> None:
    assert [v.control for v in found.verdicts if v.state is not State.PROVED and not v.detail] == []


def test_checks_that_a_structured_file_fails_are_proved_by_their_pairs(found: Verified) -> None:
    """kube-bench reads flags; where a file replaces the flag (kube_bench.yaml), a request shows what it looks for."""
    proved = {(v.control, v.pair) for v in found.verdicts if v.state is State.PROVED}
    rows = yaml.safe_load(KUBE_BENCH.read_text())
    named = {(one["control"], one["pair"]) for row in rows for one in row.get("proved_by", ())}
    assert named
    assert sorted(named - proved) == []
