"""Free ports of loopback, below the range from which the kernel takes those of outgoing connections."""

from __future__ import annotations

import secrets
import socket
from collections.abc import Iterable, Mapping

from ringfence.errors import ToolError
from ringfence.sandbox.processes import Child

_FIRST, _LAST = 20000, 32000  # ip(7): Linux gives outgoing connections 32768 and more
_TRIES = 200
NAMES = (
    "issuer",
    "etcd",
    "etcd-peer",
    "etcd-metrics",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
)


def choose(before: Mapping[str, int], names: Iterable[str] = NAMES) -> dict[str, int]:
    """A free port for each name, that of `before` where it still is; another process may yet be quicker."""
    found: dict[str, int] = {}
    for name in names:
        port = before.get(name, 0)
        if port in found.values() or not _free(port):
            port = _another(found.values())
        found[name] = port
    return found


def _another(taken: Iterable[int]) -> int:
    for _ in range(_TRIES):
        port = _FIRST + secrets.randbelow(_LAST - _FIRST)
        if port not in taken and _free(port):
            return port
    raise ToolError("no free port on loopback", hint=f"something listens on nearly all of {_FIRST} to {_LAST}")


def _free(port: int) -> bool:
    if not port:
        return False
    with socket.socket() as one:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as servers do: remains of connections don't count
        try:
            one.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def lost_a_race(child: Child) -> bool:
    """Did a component end because somebody else took its port first?"""
    return not child.running and "address already in use" in child.output().lower()
