"""Mutants of the cluster plane put in force on one API server, and the pairs of their control asked: does one turn red?

They are applied by another API server on the same etcd, which heeds no admission policy: else a mutant that some other
control's policy refuses could not be put in force, and no pair of its own control would be asked.

All pairs of its control must be green before each mutant, and one that it turned red must be green again without it.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from itertools import zip_longest
from queue import SimpleQueue
from typing import Any

from cluster.applying import Applier
from cluster.bed import Bed, Result
from cluster.mutants import Mutant

from ringfence.probes import Session, kubeconfig
from ringfence.verdict import Verdict

_IN_FORCE = 6.0  # seconds within which a changed object is
_TICK = 1.0  # seconds between two looks of an API server at what policies there are (plugin/policy/generic/policy_source.go)
_PAUSE = 0.1  # seconds between asking once and again; then twice as long each time
_WORKERS = 3  # they wait as much as they compute
_UNHURRIED = 180.0  # seconds that an API server may take to start
_UNGUARDED = {
    "enable-admission-plugins": None,
    "disable-admission-plugins": "ValidatingAdmissionPolicy,MutatingAdmissionPolicy",
}


def kill_objects(bed: Bed, mutants: Sequence[Mutant]) -> Generator[Result]:
    """Of policies that refuse less one of each control at a time, of all else one after another.

    What admits more refuses nothing else, so no other control's pair turns red by it.
    """
    policies = [m for m in mutants if not m.refuses_more and _of_policies(m)]
    by_control = (list(alike) for _, alike in itertools.groupby(policies, key=lambda m: m.control))
    others = [m for m in mutants if m not in policies]
    with _Round.opened(bed) as one_round:
        for batch in (*zip_longest(*by_control), *((m,) for m in others)):
            yield from one_round.kill([m for m in batch if m])
        one_round.all_green(sorted({m.control for m in mutants}))


class _Round:
    """Mutants that are in force at the same time, round after round."""

    def __init__(self, bed: Bed, door: Applier, sessions: SimpleQueue[Session], pool: ThreadPoolExecutor) -> None:
        self.bed, self.door, self._sessions, self._pool = bed, door, sessions, pool

    @classmethod
    @contextmanager
    def opened(cls, bed: Bed) -> Iterator[_Round]:
        with ExitStack() as stack:
            sessions: SimpleQueue[Session] = SimpleQueue()
            for _ in range(_WORKERS):
                sessions.put(stack.enter_context(Session(bed.access)))
            unguarded = stack.enter_context(bed.plane.second_apiserver(_UNGUARDED, timeout=_UNHURRIED))
            access = replace(bed.access, server=kubeconfig.read((unguarded.kubeconfig,)).server)
            door = Applier(stack.enter_context(Session(access)).admin)
            yield cls(bed, door, sessions, stack.enter_context(ThreadPoolExecutor(_WORKERS)))

    def kill(self, batch: list[Mutant]) -> list[Result]:
        for mutant, red in zip(batch, self._each(self._green_again, batch), strict=True):
            assert not red, f"before {mutant}: {red}"
        with ExitStack() as changes:
            for mutant in batch:
                changes.enter_context(self._changed(mutant))
            reds = self._each(partial(self._turns_red, time.monotonic()), batch)
        still = self._each(self._stays_red, filter(None, reds))
        assert not any(still), f"red without {[str(m) for m in batch]}: {still}"
        return [Result.of(m, red) for m, red in zip(batch, reds, strict=True)]

    def all_green(self, controls: Sequence[str]) -> None:
        """All is as before the first."""
        session = self._sessions.get()
        assert self.bed.reds(session, controls, patience=_IN_FORCE) == [], "every object is as it was"
        self._sessions.put(session)

    def _each(self, ask: Callable[[Session, Any], Any], asked: Iterable[Any]) -> list[Any]:
        """What is answered to each, some at a time."""

        def one(about: Any) -> Any:
            session = self._sessions.get()
            try:
                return ask(session, about)
            finally:
                self._sessions.put(session)

        return list(self._pool.map(one, asked))

    def _green_again(self, session: Session, mutant: Mutant) -> list[str]:
        return self.bed.reds(session, [mutant.control], patience=_IN_FORCE)

    def _turns_red(self, changed: float, session: Session, mutant: Mutant) -> Verdict | None:
        """What is asked last is asked when the change is in force, however long a busy machine takes to ask."""
        if _of_policies(mutant):  # to ask before costs as much, and tells less
            time.sleep(max(0.0, changed + _TICK / 2 - time.monotonic()))
        pause = _PAUSE
        while True:
            began = time.monotonic()
            found = self.bed.red(session, [mutant.control], patience=0.0)
            if found or began > changed + _IN_FORCE:
                return found
            time.sleep(pause)
            pause *= 2

    def _stays_red(self, session: Session, red: Verdict) -> list[str]:
        return self.bed.reds(session, [red.control], patience=_IN_FORCE, pairs=[red.pair])

    @contextmanager
    def _changed(self, mutant: Mutant) -> Iterator[None]:
        """The objects as the mutant has them."""
        for manifest, body in mutant.objects:
            whole = manifest.body
            if body is None and manifest.shape.mode == "own":
                answer = self.door.delete(whole)
            else:
                answer = self.door.apply(body or _bare(whole))
            assert answer.ok, f"{mutant}: {answer.text}"
        try:
            yield
        finally:
            self.door.apply_all([manifest for manifest, _ in mutant.objects])


def _of_policies(mutant: Mutant) -> bool:
    return all("AdmissionPolicy" in manifest.kind for manifest, _ in mutant.objects)


def _bare(body: dict[str, Any]) -> dict[str, Any]:
    """An object of which we own no field."""
    names = {k: body["metadata"][k] for k in ("name", "namespace") if k in body["metadata"]}
    return {"apiVersion": body["apiVersion"], "kind": body["kind"], "metadata": names}
