"""What a run can't take away is named, so that somebody can; what others made is seen by its label."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

import pytest
from helpers import write_cluster
from probes.stub import Answer, Asked, Stub, refusal, serving

from ringfence.build import Builder
from ringfence.errors import ToolError
from ringfence.probes import Session, leftovers, preflight, private
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


# ------------------------------------------------------------------------------------------------ what can't be deleted


MADE = {**BASES["configmap"], "metadata": {"name": "kept"}}
KEPT = "/api/v1/namespaces/x/configmaps/kept"


def refusing(times: int, *refused: str) -> tuple[Stub, list[str]]:
    """A server that answers 429 to so many requests for these paths; and what it was asked to delete."""
    tried: list[str] = []

    def decide(asked: Asked) -> Answer | None:
        if asked.method == "DELETE":
            tried.append(asked.path)
        if asked.method == "DELETE" and asked.path in refused and tried.count(asked.path) <= times:
            return refusal(429, "TooManyRequests", "wait")
        return None

    return Stub(decide), tried


def test_a_refused_delete_is_not_forgotten_and_tried_again_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ringfence.probes.fixtures._PAUSE", 0.0)
    stub, tried = refusing(2, KEPT)
    with serving(stub):
        with Session(stub.access) as session:
            path = session.fixtures.make(MADE, "x")
            assert session.fixtures.discard(path) == "429 TooManyRequests: wait"
        assert tried == [KEPT] * 3
        assert stub.objects == {}


def test_what_can_not_be_deleted_is_named_and_in_no_others_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ringfence.probes.fixtures._PAUSE", 0.0)
    names = ("a", "b", "c")
    paths = [f"/api/v1/namespaces/x/configmaps/{name}" for name in names]
    stub, _ = refusing(99, paths[0], paths[2])
    with serving(stub):
        session = Session(stub.access)
        for name in names:
            session.fixtures.make({**MADE, "metadata": {"name": name}}, "x")
        with pytest.raises(ToolError) as caught:
            session.__exit__(None, None, None)
        assert list(stub.objects) == [paths[0], paths[2]]
    assert caught.value.line() == (
        f"error: {paths[2]} of this run is still there: 429 TooManyRequests: wait; so are {paths[0]}; "
        f"what is left of this run is labelled ringfence/probe={session.run}; the next `ringfence verify` removes it"
    )


def test_a_finalizer_that_can_not_be_taken_away_stays_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ringfence.probes.fixtures._PAUSE", 0.0)

    def decide(asked: Asked) -> Answer | None:
        if asked.path != KEPT:
            return None
        return refusal(429, "TooManyRequests", "wait") if asked.method == "PATCH" else (200, stub.objects[KEPT])

    stub = Stub(decide)
    with serving(stub):
        session = Session(stub.access)
        other = session.fixtures.make({**MADE, "metadata": {"name": "other"}}, "x")
        session.fixtures.make({**MADE, "metadata": {"name": "kept", "finalizers": ["ringfence/probe"]}}, "x")
        with pytest.raises(ToolError, match=f"{KEPT} of this run is still there: 429 TooManyRequests"):
            session.__exit__(None, None, None)
        assert other not in stub.objects


def test_what_a_killed_run_left_and_stays_is_not_called_removed(tmp_path: Path) -> None:
    paths = [f"{NAMESPACES}/{name}" for name in ("gone", "kept")]

    def decide(asked: Asked) -> Answer | None:
        if asked.path == NAMESPACES and asked.method == "GET":
            labels, long_ago = {"ringfence/probe": "abcdef"}, "2020-01-01T00:00:00Z"
            items = [{"name": p.rpartition("/")[2], "labels": labels, "creationTimestamp": long_ago} for p in paths]
            return 200, {"items": [{"metadata": about} for about in items]}
        if asked.method == "DELETE":
            return refusal(403, "Forbidden", "no") if asked.path == paths[1] else (200, {})
        return None

    with serving(Stub(decide)) as stub, Session(stub.access) as session:
        assert leftovers.remove(session, Builder().resolve(write_cluster(tmp_path))) == [
            "run abcdef was killed; what it left is removed: Namespace gone",
            "run abcdef was killed; its Namespace kept can't be removed: 403 Forbidden: no",
        ]


# --------------------------------------------------------------------------------------------- other people's folders


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def kept(temporary: Path, run: str) -> Path:
    """What a killed run left."""
    folder = temporary / f"{private.PREFIX}{run}-x"
    folder.mkdir()
    (folder / private.LOCK).touch()
    return folder


def test_the_folder_of_a_killed_run_is_removed_and_that_of_a_live_one_stays(temporary: Path) -> None:
    dead, live = kept(temporary, "aaaaaa"), private.Private("bbbbbb")
    try:
        assert list(leftovers._dead_runs()) == ["aaaaaa"]
        assert list(temporary.iterdir()) == [live.path]
        assert not dead.exists()
    finally:
        live.close()


def test_a_pipe_in_place_of_the_lock_holds_nobody_up(temporary: Path) -> None:
    folder = kept(temporary, "aaaaaa")
    (folder / private.LOCK).unlink()
    os.mkfifo(folder / private.LOCK)
    assert list(leftovers._dead_runs()) == []
    assert folder.exists()


def test_links_say_nothing_of_our_runs(temporary: Path) -> None:
    elsewhere = kept(temporary, "aaaaaa").rename(temporary / "elsewhere")
    (temporary / f"{private.PREFIX}bbbbbb-x").symlink_to(elsewhere)
    folder = kept(temporary, "cccccc")
    (folder / private.LOCK).unlink()
    (folder / private.LOCK).symlink_to(elsewhere / private.LOCK)
    assert list(leftovers._dead_runs()) == []
    assert folder.exists()
    assert elsewhere.exists()


def test_somebody_elses_folder_says_nothing_of_our_runs(temporary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, here = kept(temporary, "aaaaaa"), os.getuid()
    monkeypatch.setattr(os, "getuid", lambda: here + 1)
    assert list(leftovers._dead_runs()) == []
    assert folder.exists()


def test_a_namespace_that_was_deleted_before_the_end_is_waited_for_there() -> None:
    place = f"{NAMESPACES}/slow"
    made: dict[str, Any] = {**BASES["namespace"], "metadata": {"name": "slow"}}
    asked_of_it: list[str] = []

    def decide(asked: Asked) -> Answer | None:
        if asked.path != place:
            return None
        asked_of_it.append(asked.method)
        if asked_of_it.count("GET") == 3:
            return refusal(404, "NotFound", "gone")
        return 200, {**made, "metadata": {**made["metadata"], "deletionTimestamp": "2026-01-01T00:00:00Z"}}

    with serving(Stub(decide)) as stub:
        with Session(stub.access) as session:
            session.fixtures.make(made)
            assert session.fixtures.discard(place) == ""
            assert asked_of_it == ["DELETE"]
        assert asked_of_it == ["DELETE", "GET", "GET", "GET"]
