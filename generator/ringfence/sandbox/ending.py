"""The end of a sandbox that another process started: whatever of it still runs, its sockets and its folder."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path

from ringfence.sandbox.processes import Identity, end
from ringfence.sandbox.state import Folder, Record

_SUPERVISOR = 45.0  # seconds: it gives each component ten
_COMPONENT = 2.0  # without a supervisor nobody waits for an orderly end


def stop(record: Record) -> None:
    """End the supervisor, which ends its components, and then what a killed one left."""
    if record.owner:
        end(record.owner, _SUPERVISOR)
    for component in reversed(record.components):  # the API server before etcd
        end(Identity(component["pid"], component["started"]), _COMPONENT)


def remove(folder: Folder, record: Record | None, *, keep: tuple[str, ...] = ()) -> None:
    """Remove the state of an ended sandbox, but for the names in `keep`."""
    if record:
        remove_sockets(record)
    folder.clear(keep=keep)


def remove_sockets(record: Record) -> None:
    """Remove what of an ended sandbox lies outside its folder; after a reboot the name may be somebody else's."""
    where = Path(record.sockets)
    if record.sockets and where.name.startswith("ringfence-"):
        with suppress(FileNotFoundError):
            if where.lstat().st_uid == os.geteuid():
                shutil.rmtree(where, ignore_errors=True)  # which leaves links alone
    record.sockets = ""
