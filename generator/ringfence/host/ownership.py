"""Which flags and fields RKE2, k3s and Talos set by themselves, and why their own value stands.

Sources: k3s-io/k3s, pkg/daemons/control/server.go and pkg/daemons/executor/etcd.go (RKE2 runs the same); K3s docs, "CIS
hardening guide"; siderolabs/talos, control_plane_static_pod.go (merge policies: denied), etcd.go (deny list), and
pkg/machinery/kubelet (protected fields).
"""

from __future__ import annotations

from collections.abc import Mapping

_API_SERVER = (
    "client-ca-file",
    "etcd-cafile",
    "etcd-certfile",
    "etcd-keyfile",
    "kubelet-client-certificate",
    "kubelet-client-key",
    "proxy-client-cert-file",
    "proxy-client-key-file",
    "requestheader-client-ca-file",
    "service-account-key-file",
    "service-account-signing-key-file",
    "tls-cert-file",
    "tls-private-key-file",
)
_SIGNING = (
    "cluster-signing-cert-file",
    "cluster-signing-key-file",
    "root-ca-file",
    "service-account-private-key-file",
)
_SERVING = ("client-ca-file", "tls-cert-file", "tls-private-key-file")
_KUBECONFIGS = ("authentication-kubeconfig", "authorization-kubeconfig")
_ETCD_TLS = (
    "cert-file",
    "client-cert-auth",
    "key-file",
    "peer-cert-file",
    "peer-client-cert-auth",
    "peer-key-file",
    "peer-trusted-ca-file",
    "trusted-ca-file",
)

_MADE = "it makes this certificate or key at its start, under names of its own, and renews it"
_INSIDE = "it has etcd require certificates of clients and peers, in a part of etcd's file that etcd-arg can't reach"
RANCHER_FLAGS: Mapping[str, Mapping[str, str]] = {  # component -> flag -> why
    "kube-apiserver": dict.fromkeys((*_API_SERVER, "kubelet-certificate-authority"), _MADE),
    "kube-controller-manager": dict.fromkeys((*_SIGNING, *_SERVING), _MADE),
    "kube-scheduler": dict.fromkeys(_SERVING, _MADE),
    "etcd": dict.fromkeys((*_ETCD_TLS, "auto-tls", "peer-auto-tls"), _INSIDE),
}
_FROM_SERVER = (
    "its agent gets the kubelet's certificates from the server's CA at every start; nobody approves a request"
)
RANCHER_KUBELET: Mapping[str, str] = {  # field -> why
    "authentication.x509": "it names its own client CA in the defaults of its kubelet",
    **dict.fromkeys(("rotateCertificates", "serverTLSBootstrap", "tlsCertFile", "tlsPrivateKeyFile"), _FROM_SERVER),
    "staticPodPath": "it runs kube-proxy, and on servers the control plane, as static pods of its own folder",
    "protectKernelDefaults": "the key protect-kernel-defaults of its own configuration says it",
}

ANONYMOUS = "Talos sets --anonymous-auth=false, which kube-apiserver refuses beside this: nobody is anonymous"
_REFUSED = "Talos makes this certificate or key and refuses an argument for it"
_ENCRYPTED = (
    "Talos makes a secretbox key with the cluster's secrets, writes this file and refuses an argument for it; "
    "it encrypts Secrets, and no further resources"
)
_SELF_SIGNED = (
    "kubelets of Talos sign their serving certificates themselves unless these are requested and approved; "
    "add the argument with the path of Talos' ca.crt once they are"
)
_FLOOR = (
    "Talos starts kube-apiserver with a floor of its own, TLS 1.3 since 1.13, and then refuses an argument for it; "
    "Talos 1.12 has TLS 1.2 and takes one, should the promise be more"
)
TALOS_FLAGS: Mapping[str, Mapping[str, str]] = {
    "kube-apiserver": {
        "tls-min-version": _FLOOR,
        "tls-cipher-suites": _FLOOR,
        **dict.fromkeys((*_API_SERVER, "etcd-servers"), _REFUSED),
        "kubelet-certificate-authority": _SELF_SIGNED,
        "encryption-provider-config": _ENCRYPTED,
        "encryption-provider-config-automatic-reload": _ENCRYPTED,
        "admission-control-config-file": "Talos writes this file from cluster.apiServer.admissionControl",
        "audit-policy-file": "Talos writes this file from cluster.apiServer.auditPolicy",
        "authorization-config": "Talos writes this file from cluster.apiServer.authorizationConfig",
        "anonymous-auth": ANONYMOUS,
    },
    "kube-controller-manager": {
        **dict.fromkeys((*_SIGNING, *_KUBECONFIGS), _REFUSED),
        "use-service-account-credentials": "Talos starts kube-controller-manager with it",
    },
    "kube-scheduler": dict.fromkeys((*_KUBECONFIGS, "config", "kubeconfig"), _REFUSED),
    "etcd": dict.fromkeys(
        (*_ETCD_TLS, "data-dir", "listen-client-urls", "listen-peer-urls", "name"),
        "Talos starts etcd with certificates required from clients and peers and refuses an argument for it",
    ),
}
_PROTECTED = "Talos sets it as the promise asks and refuses to have it overridden"
_HELD = ("authentication", "authorization", "protectKernelDefaults", "rotateCertificates")
TALOS_KUBELET: Mapping[str, str] = {  # an empty reason: nothing is lost
    "apiVersion": "",
    "kind": "",
    **dict.fromkeys(_HELD, _PROTECTED),
    "seccompDefault": "machine.kubelet.defaultRuntimeSeccompProfileEnabled says it",
    "staticPodPath": "machine.kubelet.disableManifestsDirectory says it",
    "tlsCertFile": _REFUSED,
    "tlsPrivateKeyFile": _REFUSED,
}
