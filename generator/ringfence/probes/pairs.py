"""probes.yaml as pairs: twins completed, and what hangs on several keys at once checked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from ringfence.documents import Document, load
from ringfence.errors import InputError, RingfenceError, nearest, raise_all
from ringfence.model import Control
from ringfence.probes.bases import BASES
from ringfence.probes.places import unknown_placeholder
from ringfence.spec.judge import judge

Request = Mapping[str, Any]

# The first of these keys that a request has.
CHANNELS = ("verb", "path", "tls", "discovery", "etcd", "kubelet", "kubeconfig")
_OF_CHANNEL = {  # keys that only make sense on one channel
    "verb": {
        *("verb", "resource", "namespace", "name", "base", "object", "dry_run", "by", "times", "returns"),
        *("header", "lifetime", "warned", "audited", "etcd", "over"),
    },
    "path": {"path", "method", "contains", "header", "audited"},
    "tls": {"tls"},
    "discovery": {"discovery"},
    "etcd": {"etcd"},
    "kubelet": {"kubelet"},
    "kubeconfig": {"kubeconfig"},
}


@dataclass(frozen=True, eq=False)
class Pair:
    """A request that must be refused for `reason`, and its twin that must pass."""

    control: str
    name: str
    ring: str
    stages: tuple[str, ...]
    params: Mapping[str, Any]
    including: Mapping[str, Any]
    when: Mapping[str, tuple[str, ...]]
    kubernetes: str
    unless: tuple[str, ...]
    given: tuple[Mapping[str, Any], ...]
    refuse: Request
    reason: str
    admit: Request


def channel(request: Request) -> str:
    """By what a request goes: the key that says so; empty when none does."""
    return next((c for c in CHANNELS if request[c] is not None), "")


def load_pairs(control: Control) -> tuple[Pair, ...]:
    """The pairs of a control's probes.yaml, none when it has none. Raises all of its errors."""
    file = Path(control.folder) / "probes.yaml"
    return _read(file.read_bytes(), control.domain, control.id) if file.is_file() else ()


@cache  # a run looks at them before it asks, and again when it does
def _read(text: bytes, domain: str, control: str) -> tuple[Pair, ...]:
    document = load(text, f"templates/{domain}/{control}/probes.yaml")
    pairs = []
    errors: list[RingfenceError] = []
    for number, data in enumerate(judge(document, "probes")["pairs"]):
        pair = _pair(control, data)
        pairs.append(pair)
        if pair.ring == "api":
            errors.extend(_errors(pair, document, number))
    raise_all(errors)
    return tuple(pairs)


def _pair(control: str, data: Mapping[str, Any]) -> Pair:
    return Pair(
        control,
        data["name"],
        data["ring"],
        tuple(data["stage"]),
        data["params"],
        data["including"],
        {k: tuple(v) for k, v in data["when"].items()},
        data["kubernetes"],
        tuple(data["unless"]),
        tuple(data["given"]),
        data["refuse"],
        data["reason"],
        twin(data["refuse"], data["admit"]),
    )


def twin(refuse: Request, admit: Request) -> Request:
    """`admit` with everything it leaves out taken from `refuse`, except `over` and what another channel has."""
    if channel(admit) not in ("", channel(refuse)):
        return {**admit, "who": admit["who"] if admit["who"] is not None else refuse["who"]}
    taken: dict[str, Any] = {k: v if v is not None and v != {} else refuse[k] for k, v in admit.items()}
    taken["over"] = admit["over"]
    if admit["object"] is not None:  # an object of its own replaces the other's base
        taken["base"] = admit["base"]
    if admit["base"] is not None:
        taken["object"] = admit["object"]
    return taken


def _errors(pair: Pair, document: Document, number: int) -> Iterator[RingfenceError]:
    """What is wrong with a pair; with the twin only where the other is right, since it takes over the rest."""
    for side, request in (("refuse", pair.refuse), ("admit", pair.admit)):
        found = next(_problems(request), None)
        if found:
            message, hint = found
            yield InputError(f"{side}: {message}", place=document.place(("pairs", number, side)), hint=hint)
            return
    bad = unknown_placeholder([pair.refuse, pair.admit, pair.reason, list(pair.given)])
    if bad:
        place = document.place(("pairs", number))
        yield InputError(f"unknown placeholder {bad}", place=place, hint="docs/verify.md lists them")


def _problems(request: Request) -> Iterator[tuple[str, str | None]]:
    """Message and hint for each thing that can't be asked so."""
    found = channel(request)
    if not found:
        yield "it asks for nothing", "write verb and resource, path, tls, etcd, kubelet, kubeconfig or discovery"
        return
    foreign = sorted(_given(request) - _OF_CHANNEL[found] - {"who"})
    if foreign:
        yield f"{foreign[0]} does not go with {found}", f"with {found} go {', '.join(sorted(_OF_CHANNEL[found]))}"
    if found == "verb" and not request["resource"]:
        yield "verb without resource", "add resource: plural[.group]"
    if request["base"] and request["base"] not in BASES:
        yield f'there is no base "{request["base"]}"', nearest(request["base"], BASES)


def _given(request: Request) -> set[str]:
    return {k for k, v in request.items() if v is not None and v != {}}
