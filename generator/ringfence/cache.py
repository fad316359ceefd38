"""What is kept between runs. A cache that is missing, stale or can't be written costs time and nothing else.

What is kept is code, so it must be ours: nobody else may be able to put a file, or a folder, where we look for it.
"""

from __future__ import annotations

import marshal
import os
import stat
import sys
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

from ringfence import __version__

_USERS = hasattr(os, "getuid")  # where files have owners
_PLAIN = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)  # no link, and bytes as they are


def remembered(folder: Path | None, key: str, make: Callable[[], Any]) -> Any:
    """`make()`, or what it gave for this `key` in an earlier run: plain data, or code.

    The key names everything that the value depends on but this generator's version and this Python.
    `folder` is that of `cache_folder`; None keeps nothing.
    """
    if folder is None:
        return make()
    file = folder / sha256(f"{__version__}\0{sys.version}\0{key}".encode()).hexdigest()
    try:
        return marshal.loads(_read(file))  # noqa: S302 # ours, as the folder is
    except (OSError, ValueError, EOFError, TypeError):
        value = make()
    beside = folder / f"{file.name}.{os.getpid()}"
    try:
        with os.fdopen(os.open(beside, os.O_CREAT | os.O_WRONLY | os.O_TRUNC | _PLAIN, 0o600), "wb") as opened:
            opened.write(marshal.dumps(value))
        beside.replace(file)
    except OSError:
        pass
    return value


def cache_folder() -> Path | None:
    """A folder for compiled templates that only this user can write or replace; None when there can't be one.

    A base that is no absolute path is ignored (XDG Base Directory Specification): it would lie in somebody's checkout.
    So is a home that is none.
    """
    try:
        named = Path(os.environ.get("XDG_CACHE_HOME", ""))
        base = named if named.is_absolute() else Path.home() / ".cache"
        folder = base.resolve() / "ringfence"
        if not base.is_absolute() or not _guarded(folder):  # so nothing is made in another user's home
            return None
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = folder.lstat()
        return folder if stat.S_ISDIR(found.st_mode) and _ours(found) and _guarded(folder) else None
    except (OSError, RuntimeError):  # RuntimeError: this user has no home
        return None


def _read(file: Path) -> bytes:
    """A file's content; OSError when it isn't ours."""
    with os.fdopen(os.open(file, os.O_RDONLY | _PLAIN), "rb") as opened:
        if not _ours(os.fstat(opened.fileno())):
            raise PermissionError
        return opened.read()


def _ours(found: os.stat_result) -> bool:
    """Is it this user's, and can nobody else write it?"""
    return not _USERS or (found.st_uid == os.getuid() and not found.st_mode & 0o022)


def _guarded(folder: Path) -> bool:
    """Can nobody but this user and root replace it, or one of the folders above it that are there?"""
    above = [place.lstat() for place in folder.parents if place.exists()] if _USERS else []
    return all(s.st_uid in (0, os.getuid()) and (not s.st_mode & 0o022 or s.st_mode & stat.S_ISVTX) for s in above)
