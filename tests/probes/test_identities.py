"""Credentials outlive no run, and no run outlives its credentials."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest

from ringfence.probes import identities
from ringfence.probes.access import Access
from ringfence.probes.api import Answer
from ringfence.probes.identities import Identities


class Issuing:
    """An API server that issues numbered tokens."""

    def __init__(self) -> None:
        self.numbers = itertools.count(1)

    def call(self, *_: Any) -> Answer:
        return Answer(201, b'{"status": {"token": "token-%d"}}' % next(self.numbers), {})


def test_a_token_is_asked_for_again_before_it_expires(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(identities.time, "monotonic", lambda: now[0])
    access = Access("here", "https://127.0.0.1:1", None, None)
    found: Any = Identities(access, Issuing(), None, tmp_path)  # type: ignore[arg-type]

    def bearer() -> str:
        return str(found.named("system:serviceaccount:kube-system:x", "", ()).connection().credential.bearer)

    assert [bearer(), bearer()] == ["token-1", "token-1"]
    now[0] += 299
    assert bearer() == "token-1"
    now[0] += 2
    assert bearer() == "token-2", "it lives for 600 s, and a pair takes its time"
