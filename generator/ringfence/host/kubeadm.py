"""kubeadm's form: one configuration for `kubeadm init`, and files that lie on the host before it runs.

Source: kubeadm reference, "kubeadm Configuration (v1beta4)". `kubeadm config validate` judges it in the tests.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ringfence.documents import dump
from ringfence.host.files import TreeFile, host_files
from ringfence.host.plan import HostFile, HostPlan
from ringfence.spec.facts import Cluster

API = "kubeadm.k8s.io/v1beta4"
_SECTIONS = {  # of ClusterConfiguration, and the component whose flags it holds
    "apiServer": "kube-apiserver",
    "controllerManager": "kube-controller-manager",
    "scheduler": "kube-scheduler",
}
_OWN = {"kubelet": "kubelet.config.k8s.io/v1beta1", "kube-proxy": "kubeproxy.config.k8s.io/v1alpha1"}
_HEADER = "# kubeadm init --config kubeadm.yaml, after install.sh has put the files of this folder in place.\n"


def form(plan: HostPlan, cluster: Cluster) -> list[TreeFile]:
    """kubeadm.yaml, and every file that is no part of it."""
    configured = [f for f in plan.files if f.name in _OWN]
    documents = [_cluster(plan, cluster), *_kubelet_flags(plan), *(_document(f) for f in configured)]
    sources = tuple(sorted({*(f"Component/{c}" for c in plan.flags), *(f.source for f in configured)}))
    text = _HEADER + "---\n".join(dump(d) for d in documents)
    return [TreeFile("host/kubeadm.yaml", text, sources), *host_files(plan, _OWN)]


def _cluster(plan: HostPlan, cluster: Cluster) -> dict[str, Any]:
    """ClusterConfiguration: the flags of the control plane, and where they read from."""
    found: dict[str, Any] = {"apiVersion": API, "kind": "ClusterConfiguration", "clusterName": cluster.name}
    if cluster.patch is not None:
        found["kubernetesVersion"] = f"v{cluster.kubernetes}.{cluster.patch}"
    networking = {"podSubnet": ",".join(cluster.pod_cidrs), "serviceSubnet": ",".join(cluster.network["serviceCIDRs"])}
    if given := {k: v for k, v in networking.items() if v}:
        found["networking"] = given
    for section, component in _SECTIONS.items():
        if inside := _section(plan, component):
            found[section] = inside
    if etcd := _section(plan, "etcd"):
        found["etcd"] = {"local": {"dataDir": cluster.host.etcd_data, **etcd}}
    return found


def _section(plan: HostPlan, component: str) -> dict[str, Any]:
    section: dict[str, Any] = {}
    if flags := plan.flags.get(component):
        section["extraArgs"] = [{"name": n, "value": v} for n, v in flags.items()]
    if component != "etcd" and (folders := plan.mounts.get(component)):
        section["extraVolumes"] = [_volume(path, read_only) for path, read_only in folders.items()]
    return section


def _volume(path: str, read_only: bool) -> dict[str, Any]:
    name = path.strip("/").replace("/", "-").replace(".", "-").replace("_", "-").lower()
    return {
        "name": f"ringfence-{name}"[:63].rstrip("-"),
        "hostPath": path,
        "mountPath": path,
        "readOnly": read_only,
        "pathType": "DirectoryOrCreate",
    }


def _kubelet_flags(plan: HostPlan) -> Iterable[Mapping[str, Any]]:
    """Flags of the kubelet that its configuration file has no field for."""
    if flags := plan.flags.get("kubelet"):
        arguments = [{"name": n, "value": v} for n, v in flags.items()]
        for kind in ("InitConfiguration", "JoinConfiguration"):
            yield {"apiVersion": API, "kind": kind, "nodeRegistration": {"kubeletExtraArgs": arguments}}


def _document(file: HostFile) -> Mapping[str, Any]:
    assert file.content is not None  # noqa: S101 # configuration of a component is structured
    return file.content
