"""Plans as `pulumi preview --json` prints them, step by step."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

from ringfence.plans import read_plan

CORE = {"Namespace", "ResourceQuota", "LimitRange", "ConfigMap", "NamespacePatch", "ServiceAccountPatch"}
NETWORK = "networking.k8s.io/v1"
FLOW = "flowcontrol.apiserver.k8s.io/v1"


def step(op: str, kind: str, name: str, namespace: str = "", version: str = "", **further: Any) -> dict[str, Any]:
    """One step about an object that lies in a component; `was` and `spec` are its spec before and after.

    Anything else is a field of the object on both sides.
    """
    version = version or (
        "core/v1" if kind in CORE else NETWORK if kind == "NetworkPolicy" else "admissionregistration.k8s.io/v1"
    )
    type_ = f"ringfence:index:ClusterBootstrap$kubernetes:{version}:{kind}"
    local = f"{namespace}/{kind.lower()}-{name}"
    provider = further.pop("provider", "cluster")
    row: dict[str, Any] = {
        "op": op,
        "urn": f"urn:pulumi:dev::bootstrap::{type_}::bootstrap/{further.pop('logical', local)}",
        "provider": f"urn:pulumi:dev::bootstrap::pulumi:providers:kubernetes::{provider}::0c7a",
    }
    retained, metadata = further.pop("retain", False), {"name": name, **({"namespace": namespace} if namespace else {})}
    spec, was = further.pop("spec", {}), further.pop("was", None)
    for side, of in (("oldState", spec if was is None else was), ("newState", spec)):
        if (side, op) not in {("oldState", "create"), ("newState", "delete"), ("newState", "delete-replaced")}:
            row[side] = {"inputs": {"metadata": metadata, "spec": of, **further}, "retainOnDelete": retained}
    return row


def write(folder: Path, *steps: dict[str, Any], **further: Any) -> Path:
    """A plan of these steps, with a summary that fits them but for what `summary` says."""
    summary = {**Counter(s["op"] for s in steps), **further.pop("summary", {})}
    file = folder / "plan.json"
    file.write_text(json.dumps({"steps": list(steps), "changeSummary": summary, **further}, indent=1), encoding="utf-8")
    return file


def found(file: Path, *allowed: str) -> list[tuple[str, str]]:
    """Object and message of every finding."""
    return [(f.object, f.message) for f in read_plan(file, "plan.json", allowed).findings]
