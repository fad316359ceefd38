"""A stack of mocks for every test of this folder. None of them reaches a cluster or an engine: `server` answers for one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from answering import Server
from catalogues import Command
from spying import Engine


@pytest.fixture(scope="module", autouse=True)  # this folder is no package, of which a fixture could be
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What templates compile to, apart from what this user's own runs have kept, and for these tests alone."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "cache"))
        yield


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Engine:
    monkeypatch.delenv("KUBECONFIG", raising=False)
    return Engine()


@pytest.fixture
def command(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    return Command(tmp_path, capsys, monkeypatch)


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.close()
