"""What lies under `host/` in the tree: the plan as the distribution's own tools take it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ringfence.host import kubeadm
from ringfence.host.files import TreeFile
from ringfence.host.plan import HostPlan, plan
from ringfence.model import Bundle
from ringfence.spec.facts import Cluster

FOLDER = "host"
_FORMS: Mapping[str, Callable[[HostPlan, Cluster], list[TreeFile]]] = {
    "kubeadm": kubeadm.form,
    "generic": kubeadm.form,  # kind, Cluster API and kubespray are kubeadm underneath
}


def forms(bundle: Bundle) -> tuple[TreeFile, ...]:
    """The files of a bundle's host plane, by path; none where it has no host plane."""
    form = _FORMS.get(bundle.cluster.distribution)
    if form is None or not bundle.host:
        return ()
    return tuple(sorted(form(plan(bundle), bundle.cluster)))
