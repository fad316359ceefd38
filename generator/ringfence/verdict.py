"""What a running cluster showed about a control, as data: made by `probes`, written by `sinks.verdicts`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

# Control characters, lone surrogates, what turns the direction of a line, and the two that XML has no form for.
_UNREADABLE = re.compile("[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]")


def readable(words: str) -> str:
    """What a server said as one line that terminals, JSON and XML take: spaces for line ends, U+FFFD for the rest."""
    return _UNREADABLE.sub(lambda found: " " if found[0] in "\t\n\r" else "\ufffd", words)


class State(StrEnum):
    """What is known about one pair."""

    PROVED = "proved"
    FAILED = "failed"
    NOT_APPLICABLE = "not applicable"
    PROVIDER_OWNED = "provider-owned"
    NOT_PROVABLE_HERE = "not provable here"

    @property
    def rank(self) -> int:
        """Position from best to worst news about a control."""
        order = (State.NOT_APPLICABLE, State.PROVED, State.PROVIDER_OWNED, State.NOT_PROVABLE_HERE, State.FAILED)
        return order.index(self)


@dataclass(frozen=True, slots=True)
class Verdict:
    """One pair of one control: its state, and why."""

    control: str
    title: str  # the control's
    severity: str  # the control's
    pair: str  # empty where a control has no pair
    state: State
    detail: str  # one line: what refused, what went wrong, why it does not apply, which ring would show it
    stage: str = ""
    ring: str = ""
    seconds: float = 0.0
