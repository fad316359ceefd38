"""Mutants put in force on a real control plane, and the probes of their control asked: does one turn red?"""

from __future__ import annotations

import itertools
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from itertools import zip_longest
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from cluster.aging import Aged
from cluster.applying import Applier
from cluster.hostmutants import HOST
from cluster.mutants import Mutant

from ringfence.build import Resolution
from ringfence.cli.environment import joined
from ringfence.documents import dump
from ringfence.errors import RingfenceError
from ringfence.model import Bundle
from ringfence.probes import Access, Session, kubeconfig, run_pairs
from ringfence.probes.runner import PATIENCE
from ringfence.sandbox import ControlPlane
from ringfence.shape import Manifest
from ringfence.verdict import State, Verdict

API, ETCD = "kube-apiserver", "etcd"
_IN_FORCE = 6.0  # seconds within which a changed object is
_READY = 1.5  # seconds that a new API server may take to know its policies
_RETENTION = "audit-retention"
_STARTING = 40.0  # seconds that a mutant may take to start; a quiet machine takes four
_WORKERS = 3  # they wait as much as they compute
NOWHERE = Path(os.devnull)  # where an API server without an audit log writes it
_GONE = 60.0  # seconds until a namespace is deleted


@dataclass(frozen=True)
class Result:
    """What became of a mutant: killed, and by what; or what it was that nobody noticed."""

    mutant: Mutant
    killed: bool
    by: str
    seconds: float

    def row(self) -> dict[str, Any]:
        """For the record."""
        m = self.mutant
        plane = "host" if m.component else "cluster"
        return {
            "control": m.control,
            "kind": m.kind,
            "plane": plane,
            "what": m.what,
            "killed": self.killed,
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
        return [f"{v.pair}: {v.detail}" for v in found if v.state is State.FAILED]

    def red(self, session: Session, control: str, patience: float = _READY) -> str:
        """The first that fails of a control's pairs after a change; empty when none does."""
        try:
            run_pairs(session, self.resolution, [control], patience=patience, settling=_READY, seen=_until_red)
        except _Red as red:
            return f"{red.verdict.pair}: {red.verdict.detail}"
        return ""

    # ---------------------------------------------------------------------------------------------- the cluster plane

    def kill_objects(self, mutants: Sequence[Mutant]) -> Iterator[Result]:
        """On the one API server: of policies one of each control at a time, of all else one after another.

        Without a policy more is admitted and nothing else is refused, so no other control's pair turns red by it. Namespaces
        that go take all else in them along, so they go last.
        """
        policies = [m for m in mutants if all("AdmissionPolicy" in manifest.kind for manifest, _ in m.objects)]
        by_control = (list(alike) for _, alike in itertools.groupby(policies, key=lambda m: m.control))
        others = sorted((m for m in mutants if m not in policies), key=_is_namespace)
        with ExitStack() as open_sessions:
            sessions: SimpleQueue[Session] = SimpleQueue()
            for _ in range(_WORKERS):
                sessions.put(open_sessions.enter_context(Session(self.access)))
            pool = open_sessions.enter_context(ThreadPoolExecutor(_WORKERS))
            for batch in (*zip_longest(*by_control), *((m,) for m in others)):
                yield from self._kill_together(sessions, pool, [m for m in batch if m])

    def _kill_together(
        self, sessions: SimpleQueue[Session], pool: ThreadPoolExecutor, batch: list[Mutant]
    ) -> list[Result]:
        def asked(ask: Callable[[Session, Mutant], Any], mutant: Mutant) -> Any:
            session = sessions.get()
            try:
                return ask(session, mutant)
            finally:
                sessions.put(session)

        for mutant, red in zip(batch, pool.map(partial(asked, self._green_again), batch), strict=True):
            assert not red, f"before {mutant}: {red}"
        session = sessions.get()
        applier = Applier(session.admin)
        sessions.put(session)  # a connection is for any thread
        with ExitStack() as changes:
            start = time.monotonic()
            refused = [changes.enter_context(self._changed(applier, mutant)) for mutant in batch]
            reds = list(pool.map(partial(asked, partial(self._turns_red, start + _IN_FORCE)), batch))
        words = [f"refused when applied: {no}" if no else red for no, red in zip(refused, reds, strict=True)]
        return [Result(m, bool(by), by, time.monotonic() - start) for m, by in zip(batch, words, strict=True)]

    def _green_again(self, session: Session, mutant: Mutant) -> list[str]:
        return self.reds(session, [mutant.control], patience=_IN_FORCE)

    def _turns_red(self, limit: float, session: Session, mutant: Mutant) -> str:
        while not (found := self.red(session, mutant.control, patience=0.0)):
            if time.monotonic() > limit:
                return ""
            time.sleep(0.1)
        return found

    @contextmanager
    def _changed(self, applier: Applier, mutant: Mutant) -> Iterator[str]:
        """The objects as the mutant has them; yields why the API server would not take it."""
        refused = ""
        for manifest, body in mutant.objects:
            whole = manifest.body
            if body is None and manifest.shape.mode == "own":
                answer = applier.delete(whole)
            else:
                answer = applier.apply(body or _bare(whole))
            refused = refused or ("" if answer.ok else answer.text)
        try:
            yield refused
        finally:
            for manifest, body in mutant.objects:
                self._restore(applier, manifest, body is None)

    def _restore(self, applier: Applier, manifest: Manifest, gone: bool) -> None:
        if manifest.kind == "Namespace" and gone and manifest.shape.mode == "own":
            limit = time.monotonic() + _GONE
            while applier.api.call("GET", applier.path(manifest.body)).ok and time.monotonic() < limit:
                time.sleep(0.2)
            inside = [m for m in self.bundle if m.namespace == manifest.name]
            applier.apply_all([manifest, *inside])
        else:
            applier.apply_all([manifest])

    # ------------------------------------------------------------------------------------------------- the host plane

    def kill_settings(self, mutants: Sequence[Mutant]) -> Iterator[Result]:
        """API servers beside the sandbox's own, some at a time; of other components the sandbox's own, one by one."""
        with ThreadPoolExecutor(_WORKERS) as pool:
            yield from pool.map(self._beside, [m for m in mutants if m.component == API])
        yield from map(self._on_host, [m for m in mutants if m.component == HOST])
        others = sorted((m for m in mutants if m.component not in (API, HOST)), key=lambda m: m.component)
        for component, alike in itertools.groupby(others, key=lambda m: m.component):
            try:
                yield from map(self._instead, alike)
            finally:
                self.plane.restart(component)

    def beside(self, controls: Sequence[str]) -> list[str]:
        """What fails of these controls' pairs against a second API server without changes."""
        with self._second({}, {}) as session:
            return self.reds(session, controls, patience=PATIENCE)

    @contextmanager
    def _second(self, flags: Mapping[str, str | None], files: Mapping[str, str]) -> Iterator[Session]:
        with self.plane.second_apiserver(flags, files, timeout=_STARTING) as one:
            found = kubeconfig.read((one.kubeconfig,))
            with Session(replace(self.access, server=found.server, audit_log=one.audit_log or NOWHERE)) as session:
                yield session

    def _beside(self, mutant: Mutant) -> Result:
        start = time.monotonic()
        files = {path: text if isinstance(text, str) else dump(text) for path, text in mutant.files.items()}
        try:
            with self._second(mutant.flags, files) as session:
                by = self.red(session, mutant.control)
            if not by and mutant.control == _RETENTION:
                by = self._ages(mutant.flags)
        except RingfenceError as bad:
            by = f"the API server doesn't start: {' '.join(bad.message.split())[:300]}"
        return Result(mutant, bool(by), by, time.monotonic() - start)

    def _on_host(self, mutant: Mutant) -> Result:
        """Of files that only probes read or run."""
        start = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            root = shutil.copytree(self.plane.folder.root, Path(folder) / "root", symlinks=True)
            for path, text in mutant.files.items():
                (root / path.lstrip("/")).write_text(str(text))
            with Session(replace(self.access, root=root)) as session:
                by = self.red(session, mutant.control)
        return Result(mutant, bool(by), by, time.monotonic() - start)

    def _ages(self, flags: Mapping[str, str | None]) -> str:
        """What is wrong with the files that an API server finds beside its log."""
        params = next(c.params for c in self.resolution.controls if c.id == _RETENTION)
        log = "/var/log/kubernetes/audit/audit.log"
        aged = Aged(log, params["days"], params["files"])
        for files in (aged.old(), aged.many()):
            with self.plane.second_apiserver(flags, files, timeout=_STARTING) as one:
                if one.audit_log and (wrong := aged.wrong(one.audit_log)):
                    return wrong
        return ""

    def _instead(self, mutant: Mutant) -> Result:
        start = time.monotonic()
        try:
            self.plane.restart(mutant.component, mutant.flags, timeout=_STARTING)
            with Session(self.access) as session:
                by = self.red(session, mutant.control)
        except RingfenceError as bad:
            by = f"{mutant.component} doesn't start: {' '.join(bad.message.split())[:300]}"
        return Result(mutant, bool(by), by, time.monotonic() - start)


class _Red(Exception):
    """A pair has failed: the others needn't be asked."""

    def __init__(self, verdict: Verdict) -> None:
        super().__init__(verdict.detail)
        self.verdict = verdict


def _until_red(verdict: Verdict) -> None:
    if verdict.state is State.FAILED:
        raise _Red(verdict)


def _is_namespace(mutant: Mutant) -> bool:
    return any(m.kind == "Namespace" and body is None for m, body in mutant.objects)


def _bare(body: dict[str, Any]) -> dict[str, Any]:
    """An object of which we own no field."""
    names = {k: body["metadata"][k] for k in ("name", "namespace") if k in body["metadata"]}
    return {"apiVersion": body["apiVersion"], "kind": body["kind"], "metadata": names}
