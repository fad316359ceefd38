"""What a run that was killed left behind: found by its label, and taken away where that run can't be going on.

A run holds a lock in its folder for keys as long as it lives. Runs of other machines are known by the age of what
they made.
"""

from __future__ import annotations

import datetime
import fcntl
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import IO, NamedTuple

from ringfence.build import Resolution
from ringfence.probes.bases import BASES
from ringfence.probes.fixtures import LABEL
from ringfence.probes.outcome import Unprovable
from ringfence.probes.pairs import Request
from ringfence.probes.private import LOCK, PREFIX
from ringfence.probes.resources import Resource
from ringfence.probes.runner import planned
from ringfence.probes.session import Session

_OVER = datetime.timedelta(hours=1)  # no run takes so long
_METADATA = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json"
_ALWAYS = ("namespace", "serviceaccount", "clusterrole", "clusterrolebinding")


class Left(NamedTuple):
    """An object of another run."""

    run: str
    kind: str
    name: str
    path: str
    age: datetime.timedelta


def remove(session: Session, resolution: Resolution) -> list[str]:
    """Take away what runs left that are over; what was done, and what may belong to a run that goes on, in words."""
    dead = set(_dead_runs())
    words = []
    for run, found in sorted(_by_run(session, resolution).items()):
        things = ", ".join(f"{one.kind} {one.name}" for one in found)
        if run in dead or min(one.age for one in found) > _OVER:
            stays = [(one, why) for one in found if (why := session.fixtures.discard(one.path))]
            gone = ", ".join(f"{one.kind} {one.name}" for one in found if one not in [s for s, _ in stays])
            words += [f"run {run} was killed; what it left is removed: {gone}"] if gone else []
            words += [f"run {run} was killed; its {one.kind} {one.name} can't be removed: {why}" for one, why in stays]
        else:
            words.append(
                f"run {run} goes on elsewhere, or was killed there: its {things} stay until they are an hour old;"
                f" `kubectl get {','.join(sorted({one.kind.lower() for one in found}))} -A -l {LABEL}={run}` shows them"
            )
    return words


def _dead_runs() -> Iterator[str]:
    """Runs of this machine whose process is gone; what they kept on disk is removed.

    Others may write in that folder: what isn't ours says nothing of our runs.
    """
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        try:
            there = folder.lstat()
            if not stat.S_ISDIR(there.st_mode) or there.st_uid != os.getuid():
                continue
            with _opened(folder / LOCK) as lock:
                if not stat.S_ISREG(os.fstat(lock.fileno()).st_mode):
                    continue
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:  # it lives, or goes just now
            continue
        shutil.rmtree(folder, ignore_errors=True)
        yield folder.name.removeprefix(PREFIX).partition("-")[0]


def _opened(file: Path) -> IO[bytes]:
    """A file that is no link, without waiting for the other end of a pipe."""
    return os.fdopen(os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb", buffering=0)


def _by_run(session: Session, resolution: Resolution) -> dict[str, list[Left]]:
    found: dict[str, list[Left]] = {}
    for resource in dict.fromkeys(_resources(session, resolution)):
        for one in _labelled(session, resource):
            if one.run != session.run:
                found.setdefault(one.run, []).append(one)
    return found


def _resources(session: Session, resolution: Resolution) -> Iterator[Resource]:
    """Kinds of which runs make objects outside of their own namespace, which goes with all that is in it."""
    for name in _ALWAYS:
        yield session.resources.of(BASES[name])
    for pair, state, _ in planned(resolution):
        if pair is None or state is not None:
            continue
        for one in (*pair.given, *(r for r in (pair.refuse, pair.admit) if r["verb"] == "create" and _is_real(r))):
            body = BASES[one["base"]] if one["base"] else one["object"]
            if body and one["namespace"] != "<own>":
                try:
                    yield session.resources.of(body)
                except Unprovable:
                    continue


def _is_real(request: Request) -> bool:
    return request["dry_run"] is False or request["etcd"] is not None


def _labelled(session: Session, resource: Resource) -> Iterator[Left]:
    query = {"labelSelector": LABEL, "resourceVersion": "0"}
    answer = session.admin.call("GET", resource.path(None), query=query, accept=_METADATA)
    if not answer.ok:  # whoever may not look for them has the label's name in the documents
        return
    now = parsedate_to_datetime(answer.headers["Date"])  # the server's clock, which stamped them
    for item in answer.data.get("items") or ():
        about = item["metadata"]
        made = datetime.datetime.fromisoformat(about["creationTimestamp"])
        path = resource.path(about.get("namespace"), about["name"])
        yield Left(about["labels"][LABEL], resource.kind, about["name"], path, now - made)
