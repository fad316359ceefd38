"""What a distribution does by itself: settings of the plan that its form leaves out, each with the reason.

Nothing is dropped in silence: `host/owned.yaml` lists them for the reviewer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from ringfence.documents import dump
from ringfence.host.placed import TreeFile

API = "ringfence/v1alpha1"
_HEADER = (
    "# What the cluster's controls ask for and no file of this folder says: the distribution's own stands, and why.\n"
)


class Owned(NamedTuple):
    """One setting that the distribution owns."""

    component: str  # kube-apiserver, kubelet, ...; host for files and modes
    setting: str  # --flag, field or path
    wanted: str  # what the plan says
    why: str


def owned_file(distribution: str, rows: Iterable[Owned]) -> list[TreeFile]:
    """`host/owned.yaml`; no file without rows."""
    found = sorted(set(rows))
    if not found:
        return []
    body: dict[str, Any] = {"apiVersion": API, "kind": "DistributionOwned", "distribution": distribution}
    body["settings"] = [row._asdict() for row in found]
    return [TreeFile("host/owned.yaml", _HEADER + dump(body), ())]


def split_flags(
    component: str, flags: Mapping[str, str], reasons: Mapping[str, str]
) -> tuple[dict[str, str], list[Owned]]:
    """Flags that are given, and those for which there is a reason why the distribution's own stand."""
    given = {n: v for n, v in flags.items() if n not in reasons}
    return given, [Owned(component, f"--{n}", v, reasons[n]) for n, v in flags.items() if n in reasons]


def split_fields(
    component: str, content: Mapping[str, Any], reasons: Mapping[str, str]
) -> tuple[dict[str, Any], list[Owned]]:
    """A configuration file without the fields that the distribution sets; a reason's key is a dotted path."""
    given: dict[str, Any] = {k: dict(v) if isinstance(v, Mapping) else v for k, v in content.items()}
    rows = []
    for path, why in reasons.items():
        outer, _, inner = path.partition(".")
        holder = given.get(outer) if inner else given
        key = inner or outer
        if isinstance(holder, dict) and key in holder:
            rows.append(Owned(component, path, _text(holder.pop(key)), why))
            if inner and not holder:
                del given[outer]
    return given, rows


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        return ", ".join(f"{k}: {_text(v)}" for k, v in value.items())
    return ", ".join(map(_text, value)) if isinstance(value, list) else str(value)
