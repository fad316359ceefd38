"""Mutants of the host plane put in force on real components, and the pairs of their control asked: does one turn red?

An API server takes four seconds to start, so mutants of controls that have nothing in common share one; those of an audit
policy that their requests tell apart count as one. None may have to do with what the others notice: the witnesses, one
control for each thing that an API server does to a request, must prove themselves on it, but for one that is itself
changed. Where one doesn't, or the server doesn't start, they go on in the parts that were put together, in the end alone;
so does by itself a mutant that is not noticed.
"""

from __future__ import annotations

import itertools
import os
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from cluster.aging import Aged
from cluster.auditing import EVERYTHING, Found, requests, together, told_apart
from cluster.bed import READY, Bed, How, Result
from cluster.hostmutants import HOST
from cluster.mutants import REMOVAL, Mutant

from ringfence.documents import dump
from ringfence.errors import RingfenceError
from ringfence.probes import Access, Session, kubeconfig
from ringfence.verdict import Verdict

API, ETCD = "kube-apiserver", "etcd"
NOWHERE = Path(os.devnull)  # where an API server without an audit log writes it
_RETENTION = "audit-retention"
_FLOOD = "apiserver-event-rate-limit"
_AUDIT = "audit-policy"
_LOG = "what is logged"
_POD_SECURITY = "PodSecurity"  # the plugin, which a flag turns off and a file configures
_STARTING = 90.0  # seconds that a mutant may take to start, at least; a quiet machine takes four, or thirty to give up
_SLOWER = 2  # times as long as unchanged ones took, on a busy one
_UNHURRIED = 180.0  # seconds that those may take
_READY = (READY, 4 * READY)  # seconds until settings are in force, on a quiet machine and on a busy one
_WORKERS = 4  # they wait more than they compute
_SHARING = 3  # mutants of one API server
_NEEDED = {"rules", "level"}  # fields without which no audit policy, or rule of it, is read
_CHECKED = {"AuthenticationConfiguration", "AuthorizationConfiguration", "EncryptionConfiguration"}  # need most fields
_WITNESSES = (
    "apiserver-oidc-structured",  # who asks
    "apiserver-authz-chain",  # may they
    "psa-cluster-default",  # is it admitted
    "sec-encrypt-rest",  # how is it kept
    "apiserver-sa-tokens",  # what is issued
    "apiserver-debug-off",  # what is served
)


def kill_settings(bed: Bed, mutants: Sequence[Mutant]) -> Iterator[Result]:
    """API servers beside the sandbox's own, some at a time; of other components the sandbox's own, one by one."""
    beside = _Beside(bed, [m for m in mutants if m.component == API])
    yield from beside.kill()
    yield from (_on_host(bed, m) for m in mutants if m.component == HOST)
    others = sorted((m for m in mutants if m.component not in (API, HOST)), key=lambda m: m.component)
    for component, alike in itertools.groupby(others, key=lambda m: m.component):
        try:
            yield from (_instead(bed, m) for m in alike)
        finally:
            bed.plane.restart(component)


@dataclass(frozen=True, eq=False)
class Batch:
    """Mutants of one API server; `pairs` tell of those, by their names, that share a file, of which `files` has the text.

    `parts` are the batches of which it was made.
    """

    mutants: tuple[Mutant, ...]
    pairs: Mapping[str, Sequence[str]] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    parts: tuple[Batch, ...] = ()

    @classmethod
    def of(cls, batches: Iterable[Batch]) -> Batch:
        """All of these in one."""
        made = tuple(batches)
        mutants = tuple(m for one in made for m in one.mutants)
        pairs = {name: pairs for one in made for name, pairs in one.pairs.items()}
        return cls(mutants, pairs, {path: text for one in made for path, text in one.files.items()}, made)


def batches(mutants: Sequence[Mutant], apart: Sequence[Batch] = (), hearing: Collection[str] = ()) -> list[Batch]:
    """What goes together: of different controls, and no two about one flag or file but those that can be told `apart`.

    Nor two of the controls that are `hearing` what is logged. What an API server probably refuses to start with goes
    alone: others would have to be asked again. So does a mutant of the audit policy that no request meets.
    """
    known = {str(m) for one in apart for m in one.mutants}
    alone = [m for m in mutants if _may_not_start(m) or (apart and m.control == _AUDIT and str(m) not in known)]
    single = [Batch((m,)) for m in mutants if m not in alone and str(m) not in known]
    return [*(Batch((m,)) for m in alone), *map(Batch.of, _rooms([*apart, *single], hearing))]


def _rooms(batches: Sequence[Batch], hearing: Collection[str]) -> list[list[Batch]]:
    """Those that share an API server; what has to do with the most others is placed first."""
    about = {one: _about(one, hearing) for one in batches}
    often = Counter(name for names in about.values() for name in names)
    rooms: list[list[Batch]] = []
    for one in sorted(batches, key=lambda b: max(often[name] for name in about[b]), reverse=True):
        free = (r for r in rooms if len(r) < _SHARING and not any(about[one] & about[other] for other in r))
        room = next(free, None)
        if room is None:
            rooms.append(room := [])
        room.append(one)
    return rooms


def _may_not_start(mutant: Mutant) -> bool:
    """Does it take away a file, a part of one whose fields are needed, or what an audit policy can't do without?"""
    if mutant.kind != REMOVAL:
        return False
    structured = [f for f in mutant.files.values() if not isinstance(f, str)]
    checked = any(f.get("kind") in _CHECKED for f in structured)
    needed = bool(structured) and not _NEEDED.isdisjoint(mutant.gone)
    return checked or needed or any(f.endswith("file") for f in mutant.flags)


def _about(batch: Batch, hearing: Collection[str]) -> set[str]:
    """What no other of one API server may be about: a control, a flag, a file, what is logged, or Pod Security."""
    shared = {_LOG for m in batch.mutants if m.control in hearing}
    shared |= {_POD_SECURITY for m in batch.mutants if m.control.startswith("psa-") or _POD_SECURITY in m.what}
    return shared.union(name for m in batch.mutants for name in (m.control, *m.flags, *m.files))


class _Beside:
    """Second API servers of the sandbox, each with some mutants."""

    def __init__(self, bed: Bed, mutants: Sequence[Mutant]) -> None:
        self.bed, self.mutants = bed, mutants
        self.hearing = {c.id for c in bed.resolution.controls if c.id in (_AUDIT, _RETENTION) or bed.hears(c.id)}
        self.patience = _UNHURRIED  # seconds that one may take to start
        self.ready = READY  # seconds that what it has read may take to be in force

    def kill(self) -> Iterator[Result]:
        """All of them; those of a flood at the end, one at a time: beside others a client is too slow to reach a limit."""
        floods = [m for m in self.mutants if m.control == _FLOOD]
        yield from self._killed([m for m in self.mutants if m not in floods], _WORKERS)
        yield from self._killed(floods, 1)

    def _killed(self, mutants: Sequence[Mutant], workers: int) -> Iterator[Result]:
        """First as many API servers as run at a time, without changes: no pair of theirs may turn red."""
        controls = sorted({m.control for m in mutants})
        shares = [controls[i::workers] for i in range(min(workers, len(controls)))]
        with ThreadPoolExecutor(workers) as pool:
            for self.ready in _READY:
                self.patience, began = _UNHURRIED, time.monotonic()
                reds = [red for red in pool.map(self._unchanged, shares) if red]
                self.patience = max(_STARTING, _SLOWER * (time.monotonic() - began))
                if not reds:
                    break
            assert not reds, f"API servers of the same settings: {[str(red) for red in reds]}"
            for found in pool.map(self._together, batches(mutants, self._told_apart(mutants, pool), self.hearing)):
                yield from found

    def _told_apart(self, mutants: Sequence[Mutant], pool: ThreadPoolExecutor) -> list[Batch]:
        """Those of the audit policy that one API server can have at a time, by what is logged of the pairs' requests."""
        ours = {str(m): m for m in mutants if m.control == _AUDIT and m.files and not _may_not_start(m)}
        if not ours:
            return []
        (path,) = {path for m in ours.values() for path in m.files}
        policy = next(m.body["content"] for m in self.bed.bundle.host if m.body.get("path") == path)
        logs = pool.map(self._asked, ({path: dump(one)} for one in (policy, EVERYTHING)))
        groups = told_apart(policy, {name: m.files[path] for name, m in ours.items()}, together(policy, *logs))
        return [Batch(tuple(ours[name] for name in one.pairs), one.pairs, {path: dump(one.policy)}) for one in groups]

    def _asked(self, files: Mapping[str, str]) -> Found:
        with self._second({}, files) as session:
            return requests(session, self.bed.resolution, _AUDIT, self.ready)

    def _unchanged(self, controls: Sequence[str]) -> Verdict | None:
        with self._second({}, {}) as session:
            return self._red(session, controls)

    def _red(self, session: Session, controls: Sequence[str], pairs: Sequence[str] = ()) -> Verdict | None:
        return self.bed.red(session, controls, self.ready, pairs)

    def _together(self, batch: Batch) -> list[Result]:
        mutants = batch.mutants
        if len(mutants) == 1:
            return [self._alone(mutants[0])]
        flags = {name: value for m in mutants for name, value in m.flags.items()}
        try:
            with self._second(flags, {**_texts(*mutants), **batch.files}) as session:
                reds = [self._red(session, [m.control], batch.pairs.get(str(m), ())) for m in mutants]
                ours = {m.control for m in mutants}
                ours |= self.hearing if ours & self.hearing else set()
                strange = self._red(session, [c for c in _WITNESSES if c not in ours])
        except RingfenceError:
            return self._apart(batch)
        if strange:
            return self._apart(batch)
        return [Result.of(m, red) if red else self._alone(m) for m, red in zip(mutants, reds, strict=True)]

    def _apart(self, batch: Batch) -> list[Result]:
        if len(batch.parts) > 1:
            return [result for part in batch.parts for result in self._together(part)]
        return [self._alone(m) for m in batch.mutants]

    def _alone(self, mutant: Mutant) -> Result:
        try:
            with self._second(mutant.flags, _texts(mutant)) as session:
                red = self._red(session, [mutant.control])
        except RingfenceError as bad:
            return _failed(mutant, bad)
        if not red and mutant.control == _RETENTION and (by := self._ages(mutant.flags)):
            return Result(mutant, How.FILES, by)
        return Result.of(mutant, red)

    def _ages(self, flags: Mapping[str, str | None]) -> str:
        """What is wrong with the files that an API server finds beside its log."""
        params = next(c.params for c in self.bed.resolution.controls if c.id == _RETENTION)
        aged = Aged("/var/log/kubernetes/audit/audit.log", params["days"], params["files"])
        for files in (aged.old(), aged.many()):
            with self.bed.plane.second_apiserver(flags, files, timeout=self.patience) as one:
                if one.audit_log and (wrong := aged.wrong(one.audit_log)):
                    return wrong
        return ""

    @contextmanager
    def _second(self, flags: Mapping[str, str | None], files: Mapping[str, str]) -> Iterator[Session]:
        with self.bed.plane.second_apiserver(flags, files, timeout=self.patience) as one:
            server = kubeconfig.read((one.kubeconfig,)).server
            with _hasty(replace(self.bed.access, server=server, audit_log=one.audit_log or NOWHERE)) as session:
                yield session


@contextmanager
def _hasty(access: Access) -> Iterator[Session]:
    """A session whose namespaces go with the control plane: deleting what is in them takes seconds."""
    with Session(access) as session:
        try:
            yield session
        finally:
            session.fixtures.going.clear()
            with suppress(ValueError):
                session.fixtures.forget(f"/api/v1/namespaces/{session.fixtures.name}")


def _texts(*mutants: Mutant) -> dict[str, str]:
    return {path: text if isinstance(text, str) else dump(text) for m in mutants for path, text in m.files.items()}


def _failed(mutant: Mutant, bad: RingfenceError) -> Result:
    """A component that ends by itself has refused its settings; one that is late proves nothing."""
    words = " ".join(bad.message.split())[:300]
    if "ended with exit code" in words:
        return Result(mutant, How.START, words)
    if "401 Unauthorized" in words or "403 Forbidden" in words:
        return Result(mutant, How.VERIFY, words)
    return Result(mutant, How.NOBODY, f"{words}; {bad.hint or ''}")


def _on_host(bed: Bed, mutant: Mutant) -> Result:
    """Of files that only probes read or run."""
    with tempfile.TemporaryDirectory() as folder:
        root = shutil.copytree(bed.plane.folder.root, Path(folder) / "root", symlinks=True)
        for path, text in mutant.files.items():
            (root / path.lstrip("/")).write_text(str(text))
        with Session(replace(bed.access, root=root)) as session:
            return Result.of(mutant, bed.red(session, [mutant.control]))


def _instead(bed: Bed, mutant: Mutant) -> Result:
    try:
        bed.plane.restart(mutant.component, mutant.flags)
        with _hasty(bed.access) as session:  # no unchanged one tells how busy the machine is
            return Result.of(mutant, bed.red(session, [mutant.control], _READY[-1]))
    except RingfenceError as bad:
        return _failed(mutant, bad)
