"""What the forms of a distribution hand on: files of the tree, and where a host has them."""

from __future__ import annotations

from typing import NamedTuple


class TreeFile(NamedTuple):
    """A file of the tree, and the host objects that it comes from."""

    path: str  # below the tree
    text: str
    sources: tuple[str, ...]


class Placed(NamedTuple):
    """A file of the folder `host/` that the script puts somewhere else than its name says."""

    source: str  # below host/
    path: str  # on the host
    mode: str
    owner: str
    roles: tuple[str, ...]
    text: str
