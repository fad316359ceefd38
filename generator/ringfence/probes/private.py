"""Folders for keys, locked as long as their process lives, so that the next run knows what a killed one left."""

from __future__ import annotations

import atexit
import fcntl
import secrets
import tempfile
from functools import cache
from pathlib import Path

PREFIX = "ringfence-verify-"  # of such a folder, before the run's name
LOCK = "alive"  # a file in it, locked as long as the process lives


class Private:
    """A folder that only this user reads, until `close`."""

    def __init__(self, run: str) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix=f"{PREFIX}{run}-")
        self.path = Path(self._folder.name)
        self._alive = (self.path / f"{LOCK}.new").open("wb")
        fcntl.flock(self._alive, fcntl.LOCK_EX)  # before anybody else can see it
        (self.path / f"{LOCK}.new").rename(self.path / LOCK)

    def close(self) -> None:
        """Remove it."""
        self._folder.cleanup()
        self._alive.close()


@cache
def of_process() -> Path:
    """The one that stays until the process ends: `kubernetes` remembers the files that it writes."""
    one = Private(secrets.token_hex(3))
    atexit.register(one.close)
    return one.path
