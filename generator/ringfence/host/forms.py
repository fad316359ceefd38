"""What lies under `host/` in the tree: the plan as the distribution's own tools take it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ringfence.host import kubeadm, provider, rancher, talos
from ringfence.host.placed import TreeFile
from ringfence.host.plan import HostPlan, plan
from ringfence.model import Bundle
from ringfence.spec.facts import Cluster

FOLDER = "host"
_FORMS: Mapping[str, Callable[[HostPlan, Cluster], list[TreeFile]]] = {
    "kubeadm": kubeadm.form,
    "generic": kubeadm.form,  # kind, Cluster API and kubespray are kubeadm underneath
    "rke2": rancher.form,
    "k3s": rancher.form,
    "talos": talos.form,
}


def forms(bundle: Bundle) -> tuple[TreeFile, ...]:
    """The files of a bundle's host plane, by path; where a provider owns it, what it does instead."""
    if bundle.cluster.managed:
        return tuple(provider.form(bundle))
    if not bundle.host:
        return ()
    return tuple(sorted(_FORMS[bundle.cluster.distribution](plan(bundle), bundle.cluster)))
