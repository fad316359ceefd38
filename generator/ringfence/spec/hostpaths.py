"""Where a distribution keeps what the host plane writes, guards and mounts. Templates read it as `cluster.host`.

Sources: kubeadm's constants (k8s.io/kubernetes cmd/kubeadm/app/constants); RKE2 docs, "Directories and files" and
"CIS hardening guide"; K3s docs, "CIS hardening guide"; Talos reference, "machine.files" (files lie below /var).
"""

from __future__ import annotations

from dataclasses import dataclass


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
)


def _rancher(name: str) -> HostPaths:
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
    )


def host_paths(distribution: str) -> HostPaths:
    """The folders of a distribution; of one that says nothing else, kubeadm's."""
    if distribution in ("rke2", "k3s"):
        return _rancher(distribution)
    return _TALOS if distribution == "talos" else _KUBEADM
