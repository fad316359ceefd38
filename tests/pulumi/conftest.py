"""A stack of mocks for every test of this folder. None of them reaches a cluster or an engine."""

from __future__ import annotations

from pathlib import Path

import pytest
from catalogues import Command
from spying import Engine


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Engine:
    monkeypatch.delenv("KUBECONFIG", raising=False)
    return Engine()


@pytest.fixture
def command(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    return Command(tmp_path, capsys, monkeypatch)
