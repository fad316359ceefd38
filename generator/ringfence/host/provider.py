"""EKS, GKE and AKS: for each control of the host plane, what the provider's setting or its documentation gives.

A row's verdict is `equivalent` (what keeps the promise there stands in `by`), `provider-owned` with the documented
statement, `provider-owned, not kept` where that statement says so, or `provider-owned, undocumented`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ringfence.documents import dump
from ringfence.host.placed import TreeFile
from ringfence.model import Bundle, ResolvedControl, Stage

_HEADER = "# Controls of the host plane that this cluster's provider owns. None of them is proved by ringfence.\n"


def form(bundle: Bundle) -> list[TreeFile]:
    """`host/provider.yaml`; no file where no such control is selected."""
    rows = list(provider_rows(bundle.controls, bundle.cluster.distribution))
    if not rows:
        return []
    body = {"apiVersion": "ringfence/v1alpha1", "kind": "ProviderOwned", "provider": bundle.cluster.distribution}
    return [TreeFile("host/provider.yaml", _HEADER + dump({**body, "controls": rows}), ())]


def provider_rows(controls: tuple[ResolvedControl, ...], provider: str) -> Iterator[dict[str, Any]]:
    """One row a control of the host plane that is not off, by id."""
    for one in sorted(controls, key=lambda c: c.id):
        managed = one.control.managed.get(provider)
        if managed is None or one.stage is Stage.OFF:
            continue
        row = {
            "control": one.id,
            "title": one.control.title,
            "stage": one.stage.value,
            "verdict": managed.verdict,
            "by": managed.by,
            "statement": managed.statement,
            "source": managed.source,
        }
        yield {k: v for k, v in row.items() if v}
