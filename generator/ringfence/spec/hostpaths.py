"""Where a distribution keeps what the host plane writes, guards and mounts. Templates read it as `cluster.host`.

Sources: kubeadm's constants (k8s.io/kubernetes cmd/kubeadm/app/constants); RKE2 docs, "Directories and files" and
"CIS hardening guide"; K3s docs, "CIS hardening guide"; Talos reference, "machine.files" (files lie below /var).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class HostPaths:
    """Folders of one distribution, absolute, without a slash at the end."""

    config: str  # ringfence's own files for the control plane
    pki: str  # the cluster's CA, serving certificates, ServiceAccount keys
    etcd_pki: str
    etcd_data: str
    manifests: str  # static pods of the control plane
    kubeconfigs: str  # of administrators and components
    logs: str  # audit logs of the API server
    kubelet: str  # the kubelet's own files
    scripts: str  # what an administrator runs
    kubelet_client_ca: str  # whose clients the kubelet believes
    unit: str  # systemd's, that starts the control plane; empty where there is none
    etcd_owner: str  # of etcd's data: the account etcd of RKE2 under profile: cis, where the host has it
    server_files: Mapping[str, Mapping[str, str]] = field(default_factory=dict)  # K3s and RKE2: path -> mode, owner
    agent_files: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


_KUBEADM = HostPaths(
    config="/etc/kubernetes/ringfence",
    pki="/etc/kubernetes/pki",
    etcd_pki="/etc/kubernetes/pki/etcd",
    etcd_data="/var/lib/etcd",
    manifests="/etc/kubernetes/manifests",
    kubeconfigs="/etc/kubernetes",
    logs="/var/log/kubernetes/audit",
    kubelet="/var/lib/kubelet",
    scripts="/usr/local/sbin",
    kubelet_client_ca="/etc/kubernetes/pki/ca.crt",
    unit="kubelet.service",
    etcd_owner="root:root",
)
_TALOS = HostPaths(
    config="/var/lib/ringfence",
    pki="/system/secrets/kubernetes",
    etcd_pki="/system/secrets/etcd",
    etcd_data="/var/lib/etcd",
    manifests="/etc/kubernetes/manifests",
    kubeconfigs="/system/secrets/kubernetes",
    logs="/var/log/audit/kube",
    kubelet="/var/lib/kubelet",
    scripts="/var/lib/ringfence",
    kubelet_client_ca="/etc/kubernetes/pki/ca.crt",
    unit="",
    etcd_owner="root:root",
)


def _held(modes: Mapping[str, str]) -> Mapping[str, Mapping[str, str]]:
    return {path: {"mode": mode, "owner": "root:root"} for path, mode in modes.items()}


def _rancher(name: str) -> HostPaths:
    data, settings = f"/var/lib/rancher/{name}", f"/etc/rancher/{name}"
    manifests = {f"{data}/agent/pod-manifests/*.yaml": "0600"} if name == "rke2" else {}  # K3s has no static pods
    return HostPaths(
        config=f"/etc/rancher/{name}/ringfence",
        pki=f"/var/lib/rancher/{name}/server/tls",
        etcd_pki=f"/var/lib/rancher/{name}/server/tls/etcd",
        etcd_data=f"/var/lib/rancher/{name}/server/db/etcd",
        manifests=f"/var/lib/rancher/{name}/agent/pod-manifests",
        kubeconfigs=f"/var/lib/rancher/{name}/server/cred",
        logs=f"/var/lib/rancher/{name}/server/logs",
        kubelet="/var/lib/kubelet",
        scripts="/usr/local/sbin",
        kubelet_client_ca=f"{data}/agent/client-ca.crt",
        unit="rke2-server.service" if name == "rke2" else "k3s.service",
        etcd_owner="etcd:etcd" if name == "rke2" else "root:root",
        server_files=_held(
            {
                f"{settings}/config.yaml": "0600",
                f"{settings}/{name}.yaml": "0600",
                **manifests,
                f"{data}/server/cred/*.kubeconfig": "0600",
                f"{data}/server/tls/*.crt": "0644",
                f"{data}/server/tls/*.key": "0600",
                f"{data}/server/tls/etcd/*.crt": "0644",
                f"{data}/server/tls/etcd/*.key": "0600",
            }
        ),
        agent_files=_held(
            {
                f"{data}/agent/*.key": "0600",
                f"{data}/agent/*.kubeconfig": "0600",
                f"{data}/agent/client-ca.crt": "0644",
            }
        ),
    )


def host_paths(distribution: str) -> HostPaths:
    """The folders of a distribution; of one that says nothing else, kubeadm's."""
    if distribution in ("rke2", "k3s"):
        return _rancher(distribution)
    return _TALOS if distribution == "talos" else _KUBEADM
