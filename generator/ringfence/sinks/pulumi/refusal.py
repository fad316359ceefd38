"""Errors of ringfence as Pulumi shows them best."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pulumi

from ringfence.errors import RingfenceError


@contextmanager
def one_line() -> Iterator[None]:
    """Lets a refusal end the program with its own text; any other exception comes with the traceback it deserves.

    The engine writes `error: ` before the text.
    """
    try:
        yield
    except RingfenceError as bad:
        raise pulumi.RunError(bad.line().removeprefix("error: ")) from bad
