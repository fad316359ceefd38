"""What can go wrong, as data: a message, a place, a hint and an exit code.

Nothing here prints or exits; `cli` does both. Exit codes are the table in docs/usage.md.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A position in a file; line and column count from 1, 0 when only the file is known."""

    file: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}" if self.line else self.file


class RingfenceError(Exception):
    """One thing that is wrong: what (`message`), where (`place`), and what to type next (`hint`)."""

    exit_code = 1

    def __init__(self, message: str, *, place: Place | None = None, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.place = place
        self.hint = hint

    def __reduce__(self) -> tuple[object, ...]:
        """Errors travel between the processes of one render."""
        return _rebuild, (type(self), self.message, self.place, self.hint)

    def line(self) -> str:
        """The error as one line of text: `place: error: message; hint`."""
        where = f"{self.place}: " if self.place else ""
        hint = f"; {self.hint}" if self.hint else ""
        return f"{where}error: {self.message}{hint}"


def _rebuild(kind: type[RingfenceError], message: str, place: Place | None, hint: str | None) -> RingfenceError:
    return kind(message, place=place, hint=hint)


class ToolError(RingfenceError):
    """The tool could not do its work: a disk, a permission, a bug."""


class StaleError(RingfenceError):
    """A committed tree or lock is not what its inputs give."""

    exit_code = 4


class ExceptionError(RingfenceError):
    """An exception that has expired or matches nothing."""

    exit_code = 5


class UsageError(RingfenceError):
    """A command line that can't be carried out as typed."""

    exit_code = 64


class InputError(RingfenceError):
    """A document, profile, template or tree that is not valid."""

    exit_code = 65


class Errors(RingfenceError):
    """Every error of one stage. The exit code is that of the most basic one: input before exception."""

    errors: tuple[RingfenceError, ...]

    def __init__(self, errors: Sequence[RingfenceError]) -> None:
        flat = [one for e in errors for one in (e.errors if isinstance(e, Errors) else (e,))]
        self.errors = tuple(sorted(flat, key=lambda e: (e.place or Place(""), e.message)))
        super().__init__("\n".join(e.line() for e in self.errors))
        self.exit_code = max(e.exit_code for e in self.errors)

    def __reduce__(self) -> tuple[object, ...]:
        return Errors, (self.errors,)

    def line(self) -> str:
        """Every error on a line of its own."""
        return "\n".join(e.line() for e in self.errors)


def raise_all(errors: Sequence[RingfenceError]) -> None:
    """Raise nothing, the one error, or all of them together."""
    if len(errors) == 1:
        raise errors[0]
    if errors:
        raise Errors(errors)


def nearest(word: str, choices: Iterable[str]) -> str | None:
    """`did you mean "x"?` for a closed set, or the set itself when nothing is near; None when empty."""
    names = sorted(set(choices))
    if not names:
        return None
    from difflib import get_close_matches

    close = get_close_matches(word, names, n=1, cutoff=0.6) if re.search("[a-zA-Z]", word) else []
    if close:
        return f'did you mean "{close[0]}"?'
    if len(names) > 12:
        return None
    return "choose one of: " + ", ".join(names)
