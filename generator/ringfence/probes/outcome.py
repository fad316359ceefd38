"""What one request of a pair came to, and why one can't be made."""

from __future__ import annotations

from typing import NamedTuple


class Outcome(NamedTuple):
    """Refused or not, and in which words; `warnings` are the API server's."""

    refused: bool
    text: str
    warnings: tuple[str, ...] = ()


class Unprovable(Exception):
    """What this environment lacks to make the request, and what would have it."""
