"""What is kept between runs. A cache that is missing, stale or can't be written costs time and nothing else."""

from __future__ import annotations

import marshal
import os
import sys
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

from ringfence import __version__


def remembered(folder: Path | None, key: str, make: Callable[[], Any]) -> Any:
    """`make()`, or what it gave for this `key` in an earlier run: plain data, or code.

    The key names everything that the value depends on but this generator's version and this Python.
    Only its owner can write `folder` (see `cache_folder`); None keeps nothing.
    """
    if folder is None:
        return make()
    file = folder / sha256(f"{__version__}\0{sys.version}\0{key}".encode()).hexdigest()
    try:
        return marshal.loads(file.read_bytes())  # noqa: S302 # ours, as the folder is
    except (OSError, ValueError, EOFError, TypeError):
        value = make()
    beside = folder / f"{file.name}.{os.getpid()}"
    try:
        beside.write_bytes(marshal.dumps(value))
        beside.replace(file)
    except OSError:
        pass
    return value


def cache_folder() -> Path | None:
    """A folder for compiled templates that only this user can write; None when there can't be one."""
    try:
        folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ringfence"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        state = folder.stat()
    except (OSError, RuntimeError):  # RuntimeError: this user has no home
        return None
    private = not hasattr(os, "getuid") or (state.st_uid == os.getuid() and not state.st_mode & 0o022)
    return folder if private and not folder.is_symlink() else None
