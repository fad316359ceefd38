"""What a run can't take away is named, so that somebody can; what others made is seen by its label."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers import write_cluster
from probes.stub import Stub, serving

from ringfence.build import Builder
from ringfence.errors import ToolError
from ringfence.probes import Session, leftovers, preflight
from ringfence.probes.bases import BASES

NAMESPACES = "/api/v1/namespaces"


def test_what_does_not_go_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ringfence.probes.fixtures._GONE_WITHIN", 0.0)
    stub = Stub(lambda asked: (200, {"metadata": {}}) if asked.path.startswith(f"{NAMESPACES}/ringfence") else None)
    with serving(stub):
        session = Session(stub.access)
        session.fixtures.namespace()
        with pytest.raises(ToolError) as caught:
            session.__exit__(None, None, None)
    assert "of this run is still there; is the controller manager running?" in caught.value.message
    hint = f"what is left of this run is labelled ringfence/probe={session.run}; the next `ringfence verify` removes it"
    assert caught.value.hint == hint


def test_who_may_not_look_for_leftovers_is_told_nothing(tmp_path: Path) -> None:
    with serving(Stub()) as stub, Session(stub.access) as session:  # it answers 404 to each list
        assert leftovers.remove(session, Builder().resolve(write_cluster(tmp_path))) == []


def test_a_cluster_without_any_namespace_of_ours(tmp_path: Path) -> None:
    resolution = Builder().resolve(write_cluster(tmp_path))
    with serving(Stub()) as stub, Session(stub.access) as session, pytest.raises(ToolError) as caught:
        preflight.belongs(session, resolution, ["psa-labels"])
    assert f"has none of the namespaces of {resolution.cluster.name}: " in caught.value.message


def test_one_namespace_of_ours_is_enough(tmp_path: Path) -> None:
    resolution = Builder().resolve(write_cluster(tmp_path))
    name = resolution.cluster.namespaces[0].name
    stub = Stub(objects={f"{NAMESPACES}/{name}": dict(BASES["namespace"])})
    with serving(stub), Session(stub.access) as session:
        preflight.belongs(session, resolution, ["psa-labels"])
