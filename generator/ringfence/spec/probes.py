"""Pydantic model of probes.yaml: the request pairs that prove a control. See docs/architecture.md, "A control"."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from ringfence.spec.control import StageName
from ringfence.spec.fields import Line, Model


class Request(Model):
    """One request of a probe pair."""

    who: Line = Field(
        description="A persona or user of the probe: admin, ns-admin, developer, tenant-sa, anonymous, ..."
    )
    verb: Line
    resource: Line
    namespace: Line | None = None
    object: Any = None
    over: dict[str, Any] = Field(
        default={}, description="Merged over the other request's object: the minimal difference."
    )


class Pair(Model):
    """A request that must be refused with this reason, and its minimally different twin that must pass."""

    name: Line
    ring: Literal["render", "api", "engine", "node", "cni", "mesh", "host", "cloud"]
    stage: list[StageName] = ["enforce"]
    params: dict[str, Any] = Field(default={}, description="Only where the control's parameters have these values.")
    refuse: Request
    reason: Line = Field(description="What the refusal must say, so that no other control's refusal passes for ours.")
    admit: Request


class ProbesDocument(Model):
    """probes.yaml: the pairs that prove a control."""

    pairs: list[Pair] = Field(min_length=1)
