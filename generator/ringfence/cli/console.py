"""Where words go: data to stdout, talk to stderr, colour and progress only on a terminal."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any


class Console:
    """What the global options decided about talking."""

    def __init__(self) -> None:
        self.quiet = self.verbose = self.debug = False
        self._color = "auto"

    def configure(self, *, quiet: bool, verbose: bool, color: str, debug: bool) -> None:
        """Take the global options."""
        self.quiet, self.verbose, self._color, self.debug = quiet, verbose, color, debug

    def color(self, stream: Any) -> bool:
        """May `stream` carry colour?"""
        if self._color != "auto":
            return self._color == "always"
        return bool(stream.isatty()) and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"

    def data(self, text: str) -> None:
        """Write data to stdout, as it is."""
        sys.stdout.write(text)

    def say(self, text: str = "") -> None:
        """A line of talk."""
        if not self.quiet:
            sys.stderr.write(text + "\n")

    def error(self, text: str) -> None:
        """Error lines; `error:` in red on a terminal."""
        if self.color(sys.stderr):
            text = text.replace("error:", "\x1b[1;31merror:\x1b[0m")
        sys.stderr.write(text + "\n")

    def table(self, head: Sequence[str], rows: Iterable[Sequence[str]], *, out: Any = None, title: str = "") -> None:
        """A table: drawn by rich on a terminal, columns of plain text elsewhere."""
        stream = out or sys.stderr
        if stream is sys.stderr and self.quiet:
            return
        rows = [tuple(str(cell) for cell in row) for row in rows]
        if self.color(stream):
            self._rich_table(head, rows, stream, title)
            return
        if title:
            stream.write(f"{title}\n")
        widths = [max(len(r[i]) for r in [tuple(head), *rows]) for i in range(len(head))]
        for row in [tuple(head), *rows]:
            stream.write("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() + "\n")

    def _rich_table(self, head: Sequence[str], rows: Sequence[Sequence[str]], stream: Any, title: str) -> None:
        from rich.box import SIMPLE_HEAD
        from rich.console import Console as Rich
        from rich.table import Table
        from rich.text import Text

        table = Table(*head, title=title or None, box=SIMPLE_HEAD, title_justify="left", pad_edge=False)
        for row in rows:
            table.add_row(*(Text(cell) for cell in row))
        Rich(file=stream, force_terminal=True, highlight=False).print(table)

    @contextmanager
    def progress(self, total: int, what: str) -> Iterator[Any]:
        """A bar on a terminal for work of several steps; calls of the yielded function advance it."""
        if total < 2 or self.quiet or not self.color(sys.stderr):
            yield lambda: None
            return
        from rich.console import Console as Rich
        from rich.progress import Progress

        with Progress(console=Rich(file=sys.stderr), transient=True) as bar:
            task = bar.add_task(what, total=total)
            yield lambda: bar.advance(task)


console = Console()
