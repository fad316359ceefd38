"""A control plane on which an example is in force, and what its pairs say of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from cluster.mutants import Mutant

from ringfence.build import Resolution
from ringfence.cli.environment import joined
from ringfence.model import Bundle
from ringfence.probes import Access, Session, run_pairs
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
        self.access: Access = joined(plane.folder, plane.record, plane.access, resolution.cluster)

    def reds(self, session: Session, controls: Sequence[str] = (), patience: float = 0.0) -> list[str]:
        """What fails of these controls' pairs, or of all, in words."""
        found = run_pairs(session, self.resolution, controls, patience=patience)
        return [_words(v) for v in found if v.state is State.FAILED]

    def red(self, session: Session, controls: Sequence[str], patience: float = READY) -> Verdict | None:
        """The first that fails of these controls' pairs after a change, twice in a row.

        Once may be a hiccup of a busy machine; then all are asked again.
        """
        for _ in range(2):
            found = self._first(session, controls, patience)
            if found is None or self._first(session, [found.control], patience, [found.pair]):
                return found
        return None

    def _first(
        self, session: Session, controls: Sequence[str], patience: float, pairs: Sequence[str] = ()
    ) -> Verdict | None:
        """The first that fails; the pairs after it aren't asked."""
        try:
            run_pairs(
                session, self.resolution, controls, patience=patience, settling=READY, pairs=pairs, seen=_until_red
            )
        except _Red as red:
            return red.verdict
        return None


def _words(verdict: Verdict) -> str:
    return f"{verdict.pair}: {verdict.detail}"


class _Red(Exception):
    """A pair has failed: the others needn't be asked."""

    def __init__(self, verdict: Verdict) -> None:
        super().__init__(verdict.detail)
        self.verdict = verdict


def _until_red(verdict: Verdict) -> None:
    if verdict.state is State.FAILED:
        raise _Red(verdict)
