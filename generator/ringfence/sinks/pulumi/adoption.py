"""The pre-flight: what exists on the cluster and isn't this stack's is adopted by name, or the run stops. Pure.

A provider before 4.29 takes over whatever has the name of what it creates, a later one fails half-way through. Neither
is asked: what exists is read first, what is ours or adopted is imported, and anything else is one error.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from ringfence.errors import InputError, RingfenceError, ToolError, nearest, raise_all
from ringfence.shape import Manifest
from ringfence.sinks.pulumi.apiserver import Present, Snapshot, role_of
from ringfence.sinks.pulumi.registration import Terms, key_of
from ringfence.sinks.pulumi.treatment import matches, patched

_SHOWN = 20  # commands in one error; more would push its first line off the screen


def settle(
    objects: Sequence[Manifest], found: Snapshot, stack: str, adopt: Sequence[str] = (), unprotect: bool = False
) -> Terms:
    """The terms on which `stack` may register these objects; raises every refusal at once.

    `adopt` names objects that somebody else made, as `Kind/name` or `Kind/namespace/name`; `*` is any segment.
    """
    raise_all([*_unserved(objects, found), *_unmatched(objects, adopt)])
    owned = [m for m in objects if not patched(m)]
    foreign = [m for m in owned if key_of(m) in found.present and found.present[key_of(m)].stack != stack]
    # What is named stays named from run to run, whoever made it last: dropping that would change the object once more.
    adopted = frozenset(key_of(m) for m in owned if any(matches(a, m.id) for a in adopt))
    refused = [(m, found.present[key_of(m)]) for m in foreign if key_of(m) not in adopted]
    if refused:
        raise _refusal(refused, stack, len(adopt))
    raise_all([_rebound(m, found.present[key_of(m)]) for m in foreign if not _importable(m, found)])
    return Terms(unprotect, frozenset(key_of(m) for m in owned if _importable(m, found)), adopted)


def _importable(manifest: Manifest, found: Snapshot) -> bool:
    """Is the object there, and can it become what it should be? A binding of another role has to be made anew.

    The engine replaces what its state has, but nothing that is to be imported.
    """
    there = found.present.get(key_of(manifest))
    return there is not None and there.role == role_of(manifest.body)


def _rebound(manifest: Manifest, present: Present) -> RingfenceError:
    ours = role_of(manifest.body)
    return ToolError(
        f"{manifest.id} exists and binds {present.role}, and ours {ours}: that can't be changed in place",
        hint="delete it, when nobody relies on it; nothing has been changed",
    )


def _refusal(refused: Sequence[tuple[Manifest, Present]], stack: str, adopted: int) -> RingfenceError:
    """Every object in the way on a line of its own, and the commands that adopt them."""
    lines = [f"  {m.id} ({_owner(present)})" for m, present in refused]
    commands = [
        f"  pulumi config set --path 'adopt[{number}]' '{m.id}'"
        for number, (m, _) in enumerate(refused[:_SHOWN], start=adopted)
    ]
    more = len(refused) - len(commands)
    if more > 0:
        commands.append(f"  ... and {more} more; a pattern such as '{refused[0][0].kind}/*' names many")
    what = "object exists" if len(refused) == 1 else "objects exist"
    return ToolError(
        f"{len(refused)} {what} on the cluster and {'is' if len(refused) == 1 else 'are'} not of the stack {stack}:\n"
        + "\n".join(lines)
        + "\nnothing has been changed",
        hint="remove them, or let this stack take them over:\n" + "\n".join(commands),
    )


def _owner(present: Present) -> str:
    if present.stack:
        return f"of the stack {present.stack}"
    return f"managed by {present.manager}" if present.manager else "nobody says whose"


def _unserved(objects: Iterable[Manifest], found: Snapshot) -> Iterator[RingfenceError]:
    """One error for each kind that the server does not serve."""
    counts: dict[tuple[str, str], int] = {}
    for manifest in objects:
        served_as = (manifest.shape.api_version, manifest.kind)
        if served_as in found.unserved:
            counts[served_as] = counts.get(served_as, 0) + 1
    for (api_version, kind), number in counts.items():
        group = api_version.rpartition("/")[0]
        custom = "." in group and not group.endswith(".k8s.io")
        yield ToolError(
            f"the API server (Kubernetes {found.version}) serves no {kind} of {api_version}; {number} would be made",
            hint="install the component that defines it first, or its definitions alone"
            if custom
            else "set kubernetes.version in cluster.yaml to the cluster's, or upgrade the cluster",
        )


def _unmatched(objects: Iterable[Manifest], adopt: Iterable[str]) -> Iterator[RingfenceError]:
    """One error for each entry of `adopt` that names nothing of this stack."""
    names = [m.id for m in objects if not patched(m)]
    for entry in adopt:
        if not any(matches(entry, name) for name in names):
            yield InputError(
                f'adopt: "{entry}" is no object of this stack',
                hint=nearest(entry, names) or "write Kind/name or Kind/namespace/name",
            )
