"""What a running cluster showed about a control, as data: made by `probes`, written by `sinks.verdicts`."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


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
