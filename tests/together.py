"""Which tests stay together when several processes share the work (`pytest -n`): those that share a control plane.

xdist has `--dist loadgroup` for this, but with pytest 9.2 it drops the groups without a word
(https://github.com/pytest-dev/pytest-xdist/issues/1386): so we tell its scheduler ourselves, by where a test stands.
"""

from __future__ import annotations

from typing import Any

CLUSTER = "tests/cluster/"
EACH_ITS_OWN = CLUSTER + "test_lives.py"  # every test starts a control plane, so they may run anywhere
# Minutes each, so they start first; the rest goes by the number of tests.
LONG = (CLUSTER + "test_mutants.py", CLUSTER + "examples", CLUSTER + "zero_trust", CLUSTER + "stacks")


def unit(nodeid: str) -> str:
    """What a test runs together with: tests of one unit share a process.

    A folder of the cluster suite is a unit, and so is each other module of it.
    """
    path = nodeid.partition("::")[0]
    if not path.startswith(CLUSTER) or path == EACH_ITS_OWN:
        return nodeid
    inside = path.removeprefix(CLUSTER)
    return CLUSTER + inside.partition("/")[0]


def scheduler(config: Any, log: Any) -> Any:
    """xdist's scheduler with these units, the longest first."""
    from xdist.scheduler import LoadScopeScheduling

    class Together(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:  # in which its own kinds differ, too
            return unit(nodeid)

        def _assign_work_unit(self, node: Any) -> None:
            for name in reversed(LONG):
                if name in self.workqueue:
                    self.workqueue.move_to_end(name, last=False)
            super()._assign_work_unit(node)

    return Together(config, log)
