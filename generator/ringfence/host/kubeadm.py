"""kubeadm's form: configurations for `kubeadm init` and `kubeadm join`, and files that lie on the host before.

Source: kubeadm reference, "kubeadm Configuration (v1beta4)"; for what kubeadm sets and mounts by itself,
k8s.io/kubernetes cmd/kubeadm/app/phases/controlplane. `kubeadm config validate` judges the files in the tests.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from hashlib import sha256
from typing import Any

from ringfence.documents import dump
from ringfence.host.files import host_files
from ringfence.host.owned import Owned, owned_file
from ringfence.host.placed import TreeFile
from ringfence.host.plan import HostFile, HostPlan
from ringfence.spec.facts import Cluster

API = "kubeadm.k8s.io/v1beta4"
DISCOVERY = "discovery.conf"  # the kubeconfig by which a joining host knows the API server, see docs/host-plane.md
PATCHES = "patches"  # below our folder: what a joining host changes in the configuration that all of them share
_SECTIONS = {  # of ClusterConfiguration, and the component whose flags it holds
    "apiServer": "kube-apiserver",
    "controllerManager": "kube-controller-manager",
    "scheduler": "kube-scheduler",
}
_OWN = {"kubelet": "kubelet.config.k8s.io/v1beta1", "kube-proxy": "kubeproxy.config.k8s.io/v1alpha1"}
_INIT = (
    "# kubeadm init --config kubeadm.yaml, after `install.sh control-plane` has put the files of this folder there.\n"
)
_JOIN = "# kubeadm join --config {file}, after `install.sh {role}`; docs/host-plane.md says how {discovery} is made.\n"
_NO_VOLUMES = "etcd's static pod gets its data and its certificates mounted; ClusterConfiguration has no field for more"


def form(plan: HostPlan, cluster: Cluster) -> list[TreeFile]:
    """kubeadm.yaml, the two for hosts that join, and every file that is no part of them."""
    configured = [f for f in plan.files if f.name in _OWN]
    documents = [_cluster(plan, cluster), *_init(plan), *(_document(f) for f in configured)]
    sources = tuple(sorted({*(f"Component/{c}" for c in plan.flags), *(f.source for f in configured)}))
    text = _INIT + "---\n".join(dump(d) for d in documents)
    mounts = (m for m in plan.mounts.get("etcd", {}) if not _mounted("etcd", m, cluster))
    left = [Owned("etcd", m, "mounted", _NO_VOLUMES) for m in mounts]
    joins = [_join(plan, cluster, "worker"), _join(plan, cluster, "control-plane")]
    return [
        TreeFile("host/kubeadm.yaml", text, sources),
        *joins,
        *owned_file(cluster.distribution, left),
        *host_files(plan, _OWN),
    ]


def _cluster(plan: HostPlan, cluster: Cluster) -> dict[str, Any]:
    """ClusterConfiguration: the flags of the control plane, and where they read from."""
    found: dict[str, Any] = {"apiVersion": API, "kind": "ClusterConfiguration", "clusterName": cluster.name}
    newest = f"stable-{cluster.kubernetes}"  # a label that kubeadm looks up; without one it takes the newest minor
    found["kubernetesVersion"] = newest if cluster.patch is None else f"v{cluster.kubernetes}.{cluster.patch}"
    networking = {"podSubnet": ",".join(cluster.pod_cidrs), "serviceSubnet": ",".join(cluster.network["serviceCIDRs"])}
    if given := {k: v for k, v in networking.items() if v}:
        found["networking"] = given
    for section, component in _SECTIONS.items():
        if inside := _section(plan, component, cluster):
            found[section] = inside
    if etcd := _section(plan, "etcd", cluster):
        found["etcd"] = {"local": {"dataDir": cluster.host.etcd_data, **etcd}}
    return found


def _section(plan: HostPlan, component: str, cluster: Cluster) -> dict[str, Any]:
    section: dict[str, Any] = {}
    if flags := plan.flags.get(component):
        section["extraArgs"] = _arguments(flags)
    folders = [(p, ro) for p, ro in plan.mounts.get(component, {}).items() if not _mounted(component, p, cluster)]
    if component != "etcd" and folders:
        section["extraVolumes"] = [_volume(path, read_only) for path, read_only in folders]
    return section


def _mounted(component: str, path: str, cluster: Cluster) -> bool:
    """Does kubeadm mount this folder, or one around it? A second mount of one path is refused with the pod."""
    own = {"etcd": (cluster.host.etcd_data, cluster.host.etcd_pki), "kube-scheduler": ()}
    return any(f"{path}/".startswith(f"{folder}/") for folder in own.get(component, (cluster.host.pki,)))


def _arguments(flags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"name": n, "value": v} for n, v in flags.items()]


def _volume(path: str, read_only: bool) -> dict[str, Any]:
    return {
        "name": volume_name(path),
        "hostPath": path,
        "mountPath": path,
        "readOnly": read_only,
        "pathType": "DirectoryOrCreate",
    }


def volume_name(path: str) -> str:
    """A volume's name for a folder: a DNS label, at most 63 characters, another for every path."""
    plain = path.strip("/").replace("/", "-")
    name = f"ringfence-{plain}".lower()
    clean = "".join(c if c.isalnum() or c == "-" else "-" for c in name)
    if clean == f"ringfence-{plain}" and "-" not in path and len(clean) <= 63:  # RFC 1123
        return clean
    return f"{clean[:54].rstrip('-')}-{sha256(path.encode()).hexdigest()[:8]}"  # what was changed may collide


def _init(plan: HostPlan) -> Iterable[Mapping[str, Any]]:
    """Flags of the kubelet that its configuration file has no field for, on the first host."""
    if flags := plan.flags.get("kubelet"):
        registration = {"kubeletExtraArgs": _arguments(flags)}
        yield {"apiVersion": API, "kind": "InitConfiguration", "nodeRegistration": registration}


def _join(plan: HostPlan, cluster: Cluster, role: str) -> TreeFile:
    """JoinConfiguration by discovery file: a token's way asks the API server anonymously, which is closed."""
    discovery = f"{cluster.host.config}/{DISCOVERY}"
    body: dict[str, Any] = {"apiVersion": API, "kind": "JoinConfiguration"}
    if role == "control-plane":
        body["controlPlane"] = {}
    body["discovery"] = {"file": {"kubeConfigPath": discovery}}
    flags = plan.flags.get("kubelet")
    if flags:
        body["nodeRegistration"] = {"kubeletExtraArgs": _arguments(flags)}
    patches = f"{cluster.host.config}/{PATCHES}"
    if any(f.path.startswith(f"{patches}/") and role in f.roles for f in plan.files):
        body["patches"] = {"directory": patches}
    path = f"host/join-{role}.yaml"
    header = _JOIN.format(file=path.removeprefix("host/"), role=role, discovery=discovery)
    return TreeFile(path, header + dump(body), ("Component/kubelet",) if flags else ())


def _document(file: HostFile) -> Mapping[str, Any]:
    assert file.content is not None  # noqa: S101 # configuration of a component is structured
    return file.content
