"""Which tests stay together when several processes share the work (`pytest -n`): those that share a control plane.

xdist has `--dist loadgroup` for this, but with pytest 9.2 it drops the groups without a word
(https://github.com/pytest-dev/pytest-xdist/issues/1386): so we tell its scheduler ourselves, by where a test stands.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
CLUSTER = "tests/cluster/"
SHARED = "control_plane"  # the fixture
EACH_ITS_OWN = CLUSTER + "test_lives.py"  # every test starts a control plane, so they may run anywhere


def unit(nodeid: str) -> str:
    """What a test runs together with: tests of one unit share a process.

    Modules that use the shared control plane are one unit; each other module of the cluster suite may have one of its own.
    """
    path = nodeid.partition("::")[0]
    if not path.startswith(CLUSTER) or path == EACH_ITS_OWN:
        return nodeid
    return SHARED if _names_shared(path) else path


@cache
def _names_shared(path: str) -> bool:
    """Does a module use the fixture? The process that shares out the work collects no tests, so the text must tell."""
    return re.search(rf"\b{SHARED}\b", (ROOT / path).read_text(encoding="utf-8")) is not None


def scheduler(config: Any, log: Any) -> Any:
    """xdist's scheduler with these units, the largest first."""
    from xdist.scheduler import LoadScopeScheduling

    class Together(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:  # in which its own kinds differ, too
            return unit(nodeid)

    return Together(config, log)
