"""The few requests that a sandbox makes itself."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from ringfence.errors import ToolError
from ringfence.sandbox.ports import lost_a_race
from ringfence.sandbox.processes import Child, environment
from ringfence.sandbox.readiness import Client, wait

BODY = {"kind": "Widget", "metadata": {"name": "one"}}


class Answering(Client):
    """A client whose API server has `there` and answers a POST with `code`."""

    def __init__(self, there: set[str], code: int = 201) -> None:
        self.there, self.code = there, code
        self.asked: list[str] = []

    def request(self, method: str, path: str, body: Any = None) -> tuple[int, bytes]:
        self.asked.append(f"{method} {path}")
        if method == "GET":
            return (200 if path in self.there else 404), b"{}"
        return self.code, json.dumps({"message": "no widgets"}).encode()


def test_what_is_there_is_not_made_again_as_policies_may_refuse_it_by_now() -> None:
    client = Answering({"/widgets/one"}, 403)
    client.ensure("/widgets", BODY)
    assert client.asked == ["GET /widgets/one"]


@pytest.mark.parametrize("code", [201, 409])
def test_what_is_missing_is_made(code: int) -> None:
    client = Answering(set(), code)
    client.ensure("/widgets", BODY)
    assert client.asked == ["GET /widgets/one", "POST /widgets"]


def test_a_refusal_is_an_error_that_says_what_was_refused() -> None:
    with pytest.raises(ToolError, match="refused the sandbox's own Widget one") as bad:
        Answering(set(), 403).ensure("/widgets", BODY)
    assert "403" in (bad.value.hint or "")
    assert "no widgets" in (bad.value.hint or "")


def test_an_answer_counts_only_while_the_component_runs(tmp_path: Path) -> None:
    child = Child("etcd", ["/bin/sh", "-c", "echo 'bind: address already in use'; exit 1"], tmp_path / "log")
    child.start(environment(tmp_path))

    def ready() -> bool:
        """Somebody else has its port, and answers once it has ended."""
        while child.running:
            time.sleep(0.01)
        return True

    with pytest.raises(ToolError, match="etcd ended with exit code 1"):
        wait(child, ready, time.monotonic() + 10)
    assert lost_a_race(child)


def test_a_component_that_runs_and_answers_is_ready(tmp_path: Path) -> None:
    child = Child("etcd", ["/bin/sleep", "600"], tmp_path / "log")
    child.start(environment(tmp_path))
    answers = iter([False, True])
    try:
        wait(child, lambda: next(answers), time.monotonic() + 10)
        with pytest.raises(ToolError, match="etcd did not answer in time"):
            wait(child, lambda: False, time.monotonic())
    finally:
        child.stop(0)
