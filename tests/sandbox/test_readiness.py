"""The few requests that a sandbox makes itself."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ringfence.errors import ToolError
from ringfence.sandbox.readiness import Client

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
