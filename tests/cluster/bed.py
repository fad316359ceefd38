"""A control plane on which an example is in force, and what its pairs say of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import Any

from cluster.mutants import Mutant

from ringfence.build import Resolution
from ringfence.cli.environment import joined
from ringfence.model import Bundle
from ringfence.probes import Access, Session, run_pairs
from ringfence.probes.runner import planned
from ringfence.sandbox import ControlPlane
from ringfence.verdict import State, Verdict

READY = 1.5  # seconds that a new API server may take to know its policies


class How(StrEnum):
    """Who noticed a mutant."""

    PAIR = "pair"  # a pair of its control fails
    VERIFY = "verify"  # nobody gets in any more, so no pair can be asked: `ringfence verify` ends with that error
    START = "start"  # the component refuses its settings and ends
    FILES = "files"  # of audit-retention: what is kept beside the log
    NOBODY = ""


@dataclass(frozen=True)
class Result:
    """What became of a mutant: who noticed it, in which words."""

    mutant: Mutant
    how: How
    by: str

    @classmethod
    def of(cls, mutant: Mutant, red: Verdict | None) -> Result:
        """Of a mutant whose control's pairs were asked."""
        return cls(mutant, How.PAIR if red else How.NOBODY, _words(red) if red else "")

    @property
    def killed(self) -> bool:
        return self.how is not How.NOBODY

    def row(self) -> dict[str, Any]:
        """For the record."""
        m = self.mutant
        plane = "host" if m.component else "cluster"
        return {
            "control": m.control,
            "kind": m.kind,
            "plane": plane,
            "what": m.what,
            "how": self.how.value,
            "by": self.by,
        }


class Bed:
    """A control plane on which the example is in force."""

    def __init__(self, plane: ControlPlane, resolution: Resolution, bundle: Bundle) -> None:
        self.plane, self.resolution, self.bundle = plane, resolution, bundle
        self._noticed: dict[tuple[str, ...], str] = {}  # controls -> the pair of theirs that was red last
        self.access: Access = joined(plane.folder, plane.record, plane.access, resolution.cluster)

    def hears(self, control: str) -> bool:
        """Does a pair of this control look into the audit log?"""
        pairs = (pair for pair, _, _ in planned(self.resolution, [control]) if pair)
        return any(request["audited"] is not None for pair in pairs for request in (pair.refuse, pair.admit))

    def reds(
        self, session: Session, controls: Sequence[str] = (), patience: float = 0.0, pairs: Sequence[str] = ()
    ) -> list[str]:
        """What fails of these controls' pairs, or of all, in words; `pairs` are names: none but those are asked."""
        found = run_pairs(session, self.resolution, controls, patience=patience, pairs=pairs)
        return [_words(v) for v in found if v.state is State.FAILED]

    def red(
        self, session: Session, controls: Sequence[str], patience: float = READY, pairs: Sequence[str] = ()
    ) -> Verdict | None:
        """The first that fails of these controls' pairs after a change, twice: once may be a hiccup, or too early.

        `patience` is of the second time, which decides. The one that failed after the last change is asked first:
        neighbours among mutants are noticed by neighbours among pairs. `pairs` are names: none but those are asked.
        """
        ask = partial(run_pairs, session, self.resolution)

        def look(verdict: Verdict) -> None:
            if verdict.state is State.FAILED:
                about = {"controls": [verdict.control], "pairs": [verdict.pair]}
                for again in ask(**about, patience=patience, settling=READY):
                    if again.state is State.FAILED:
                        raise _Red(again)

        try:
            for names in [pairs] if pairs else self._order(controls):
                ask(controls, pairs=names, patience=0.0, settling=0.0, twin=0.0, seen=look)
        except _Red as red:
            self._noticed[tuple(controls)] = red.verdict.pair
            return red.verdict
        return None

    def _order(self, controls: Sequence[str]) -> list[list[str]]:
        """The names of these controls' pairs in parts: from the one that was red last to the end, then those before."""
        names = [pair.name for pair, _, _ in planned(self.resolution, controls) if pair]
        last = self._noticed.get(tuple(controls), "")
        start = names.index(last) if last in names else 0
        return [part for part in (names[start:], names[:start]) if part]


def _words(verdict: Verdict) -> str:
    return f"{verdict.pair}: {verdict.detail}"


class _Red(Exception):
    """A pair has failed: the others needn't be asked."""

    def __init__(self, verdict: Verdict) -> None:
        super().__init__(verdict.detail)
        self.verdict = verdict
