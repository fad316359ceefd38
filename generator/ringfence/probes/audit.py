"""The API server's audit log, read as it grows (audit.k8s.io/v1 events, one a line)."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ringfence.probes.merge import difference

_BLOCK = 1 << 16
_WAIT = 10.0  # seconds; the log backend may write in batches


class AuditLog:
    """A log file that is appended to, and rotated by size, which a run does not outlast."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def position(self) -> int:
        """Where the last whole line of the log ends now, in bytes: a long one may be half-written."""
        if not self._file.is_file():
            return 0
        with self._file.open("rb") as log:
            end = log.seek(0, os.SEEK_END)
            while end > 0:
                start = log.seek(max(end - _BLOCK, 0))
                newline = log.read(end - start).rfind(b"\n")
                if newline >= 0:
                    return start + newline + 1
                end = start
        return 0

    def of_request(self, select: dict[str, Any], start: int, later: Callable[[], str]) -> dict[str, Any] | None:
        """The event of a request that was answered, by its id and stage; None when there is none.

        `later` makes a request that is audited for certain and gives its audit id: once its event stands in the log,
        what is not there will not come.
        """
        _, found = self._scan(select, start)
        if found is None:
            self.find({"auditID": later(), "stage": "ResponseComplete"}, start)
            _, found = self._scan(select, start)
        return found

    def find(self, select: dict[str, Any], start: int) -> dict[str, Any] | None:
        """The first event after byte `start` that holds all of `select`; None when there is none within ten seconds."""
        deadline = time.monotonic() + _WAIT
        while True:
            start, found = self._scan(select, start)
            if found is not None or time.monotonic() > deadline:
                return found
            time.sleep(0.05)

    def _scan(self, select: dict[str, Any], start: int) -> tuple[int, dict[str, Any] | None]:
        """Up to where whole lines were read, and the event."""
        if not self._file.is_file():
            return start, None
        with self._file.open("rb") as log:
            log.seek(start)
            for line in log:
                if not line.endswith(b"\n"):
                    break
                start += len(line)
                event = json.loads(line)
                if difference(select, event) is None:
                    return start, event
        return start, None
