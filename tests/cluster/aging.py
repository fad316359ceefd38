"""Audit log files of other days, put beside a log before its API server starts: which of them does it keep?

Nobody can wait a month in a test. The logger drops files by the time in their names when it opens the log
(gopkg.in/natefinch/lumberjack.v2), so files of a chosen age show what --audit-log-maxage and --audit-log-maxbackup do.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

_PATIENCE = 3.0  # seconds that the logger may take; it drops files beside its work
_EXTRA = 2  # files more than are to be kept


class Aged:
    """Files to put beside the log: as many of today as are kept and some more, one that is nearly too old, one that is."""

    def __init__(self, log: str, days: int, files: int) -> None:
        """`log` is the log's path on the host, kept for `days` in so many `files`."""
        self._log, self._files = Path(log), files
        now = datetime.now(UTC)
        self._recent = [self._at(now - timedelta(hours=hour)) for hour in range(1, files + _EXTRA + 1)]
        self._old, self._nearly = self._at(now - timedelta(days=days + 1)), self._at(now - timedelta(days=days - 1))

    def _at(self, moment: datetime) -> str:
        return f"{self._log.stem}-{moment:%Y-%m-%dT%H-%M-%S}.000{self._log.suffix}"

    def many(self) -> dict[str, str]:
        """Path on the host → text of more files than are kept."""
        return self._texts(self._recent)

    def old(self) -> dict[str, str]:
        """Of one file that is too old and one that isn't."""
        return self._texts([self._old, self._nearly])

    def _texts(self, names: list[str]) -> dict[str, str]:
        return {str(self._log.with_name(name)): "{}\n" for name in names}

    def wrong(self, log: Path) -> str:
        """What is kept beside `log` and must not be, or the other way about; empty when all is as it should be."""
        limit = time.monotonic() + _PATIENCE
        while (found := self._wrong(log.parent)) and time.monotonic() < limit:
            time.sleep(0.1)
        return found

    def _wrong(self, folder: Path) -> str:
        names = sorted(f.name for f in folder.iterdir() if f.name != self._log.name)
        if self._old in names:
            return f"{self._old} is too old, and is kept"
        if self._nearly in names or not set(names) & set(self._recent):
            return "" if names == [self._nearly] else f"{self._nearly} is not too old, and is dropped"
        kept = len(names)
        return "" if kept == self._files else f"{kept} files are kept, not {self._files}"
