"""What a tree asks of the disk: thousands of files, so in few system calls, and without Path objects in long loops."""

from __future__ import annotations

import os
from pathlib import Path


def unused(path: Path) -> Path:
    """`path`, or with a number behind it: what somebody else left there is not ours to publish."""
    found, number = path, 0
    while os.path.lexists(found):
        number += 1
        found = path.with_name(f"{path.name}-{number}")
    return found


def make(folder: str) -> None:
    """Make a folder, its parents too; there are many, most with their parent in place."""
    try:
        os.mkdir(folder)  # noqa: PTH102 # no Path objects in a long loop
    except FileNotFoundError:
        os.makedirs(folder, exist_ok=True)  # noqa: PTH103
    except FileExistsError:
        pass  # another process was faster


def holds(path: str, data: bytes) -> bool:
    """Are these a file's bytes? In as few system calls as it takes: a tree has many files."""
    file = os.open(path, os.O_RDONLY)
    try:
        return os.read(file, len(data) + 1) == data
    finally:
        os.close(file)


def write(path: str, data: bytes) -> None:
    """Write a whole file in a folder that is there."""
    target = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(target, view) :]
    finally:
        os.close(target)
