"""A small catalogue whose host plane has one of everything, for tests of the distributions' forms."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from catalogues import small, write_control
from helpers import write_cluster

from ringfence.build import Builder
from ringfence.documents import dump
from ringfence.host import TreeFile, forms
from ringfence.model import Bundle
from ringfence.spec.hostpaths import HostPaths, host_paths

MANAGED: dict[str, dict[str, Any]] = {
    "eks": {"by": "a setting of Amazon's"},
    "gke": {"statement": "The provider documents that it does this.", "source": "GKE documentation, A page"},
    "aks": {"undocumented": True},
}
COMPONENTS: dict[str, dict[str, Any]] = {
    "kube-apiserver": {
        "profiling": False,
        "enable-admission-plugins": {"NodeRestriction": True, "EventRateLimit": True},
        "client-ca-file": "PKI/ca.crt",
        "audit-log-path": "LOGS/audit.log",
        "audit-log-maxage": 30,
        "runtime-config": {"api/alpha": False},
    },
    "kube-controller-manager": {"bind-address": "127.0.0.1", "root-ca-file": "PKI/ca.crt"},
    "kube-scheduler": {"profiling": False},
    "etcd": {"client-cert-auth": True, "tls-min-version": "TLS1.2"},
    "kubelet": {"node-labels": ["example.com/a=b"]},
}
KUBELET = {
    "apiVersion": "kubelet.config.k8s.io/v1beta1",
    "kind": "KubeletConfiguration",
    "authentication": {"anonymous": {"enabled": False}, "x509": {"clientCAFile": "PKI/ca.crt"}},
    "podPidsLimit": 2048,
    "protectKernelDefaults": True,
    "seccompDefault": True,
}
KUBE_PROXY = {
    "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
    "kind": "KubeProxyConfiguration",
    "metricsBindAddress": "127.0.0.1:10249",
}
API = "kube-apiserver"
JWT = {
    "issuer": {"url": "https://idp.example.com", "audiences": ["ringfence"]},
    "claimMappings": {"username": {"claim": "sub", "prefix": "idp:"}},
}
CONTENTS: dict[str, tuple[str, str, dict[str, Any]]] = {  # name -> component, flag, content
    "authentication": (
        API,
        "authentication-config",
        {
            "apiVersion": "apiserver.config.k8s.io/v1",
            "kind": "AuthenticationConfiguration",
            "anonymous": {"enabled": True, "conditions": [{"path": "/livez"}]},
            "jwt": [JWT],
        },
    ),
    "authorization": (
        API,
        "authorization-config",
        {
            "apiVersion": "apiserver.config.k8s.io/v1",
            "kind": "AuthorizationConfiguration",
            "authorizers": [{"type": "Node", "name": "node"}, {"type": "RBAC", "name": "rbac"}],
        },
    ),
    "admission": (
        API,
        "admission-control-config-file",
        {
            "apiVersion": "apiserver.config.k8s.io/v1",
            "kind": "AdmissionConfiguration",
            "plugins": [
                {
                    "name": "PodSecurity",
                    "configuration": {
                        "apiVersion": "pod-security.admission.config.k8s.io/v1",
                        "kind": "PodSecurityConfiguration",
                        "defaults": {"enforce": "restricted", "enforce-version": "v1.35"},
                        "exemptions": {"namespaces": ["kube-system"]},
                    },
                }
            ],
        },
    ),
    "encryption": (
        API,
        "encryption-provider-config",
        {
            "apiVersion": "apiserver.config.k8s.io/v1",
            "kind": "EncryptionConfiguration",
            "resources": [
                {
                    "resources": ["secrets"],
                    "providers": [
                        {"secretbox": {"keys": [{"name": "key1", "secret": "<generated-on-host:key1>"}]}},
                        {"identity": {}},
                    ],
                }
            ],
        },
    ),
    "audit-policy": (
        API,
        "audit-policy-file",
        {"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "rules": [{"level": "Metadata"}]},
    ),
    "kubelet": ("", "", KUBELET),
    "kube-proxy": ("", "", KUBE_PROXY),
}
SCRIPT = """\
#!/bin/sh
set -eu
file=${RINGFENCE_ROOT:-}CONFIG/encryption.yaml
if [ ! -e "$file" ]; then
  sed "s|<generated-on-host:key1>|made-once-$$|" "$file.template" > "$file"
  chmod 0600 "$file"
fi
"""


def catalogue(root: Path, monkeypatch: pytest.MonkeyPatch, distribution: str) -> Path:
    """A catalogue of one control whose host plane holds one of everything, at the places of a distribution."""
    small(root, monkeypatch)
    paths = host_paths(distribution)
    bodies = {f"component-{n}": _component(n, flags, paths) for n, flags in COMPONENTS.items()}
    bodies |= {f"file-{n}": _file(n, *what, paths) for n, what in CONTENTS.items()}
    bodies |= {"file-script": _script(paths), "file-sysctl": _sysctl(), "permissions": _permissions(paths)}
    templates = {f"{n}.yaml.j2": _placed(body, paths) for n, body in bodies.items()}
    rows = [{"template": n, "plane": "host", "fragment": True} for n in templates]
    write_control(root, "demo-host", templates, emits=rows, managed=MANAGED, exceptions="none")
    return root


def _placed(body: dict[str, Any], paths: HostPaths) -> str:
    text = dump({"apiVersion": "host.ringfence/v1alpha1", **body})
    return text.replace("PKI", paths.pki).replace("LOGS", paths.logs)


def _component(name: str, flags: dict[str, Any], paths: HostPaths) -> dict[str, Any]:
    mounts = {"mounts": {paths.logs: {"readOnly": False}}} if name == API else {}
    return {"kind": "Component", "metadata": {"name": name}, "flags": flags, **mounts}


def _file(name: str, component: str, flag: str, content: dict[str, Any], paths: HostPaths) -> dict[str, Any]:
    reader = {"component": component, "flag": flag} if component else {}
    folder = paths.kubelet if name == "kubelet" else paths.config
    roles = ["control-plane"] if component else ["control-plane", "worker"]
    about = {"path": f"{folder}/{name}.yaml", "mode": "0600", "owner": "root:root", "roles": roles}
    return {"kind": "File", "metadata": {"name": name}, **about, **reader, "content": content}


def _script(paths: HostPaths) -> dict[str, Any]:
    about = {"path": f"{paths.scripts}/make-key", "mode": "0700", "owner": "root:root", "roles": ["control-plane"]}
    text = SCRIPT.replace("CONFIG", paths.config)
    return {"kind": "File", "metadata": {"name": "make-key"}, **about, "run": True, "text": text}


def _sysctl() -> dict[str, Any]:
    about = {"path": "/etc/sysctl.d/60-demo.conf", "mode": "0644", "owner": "root:root"}
    roles = ["control-plane", "worker"]
    return {"kind": "File", "metadata": {"name": "sysctl"}, **about, "roles": roles, "text": "kernel.panic=10\n"}


def _permissions(paths: HostPaths) -> dict[str, Any]:
    held = {"mode": "0600", "owner": "root:root"}
    made = {paths.logs: {"mode": "0700", "owner": "root:root", "create": True}}
    about = {"metadata": {"name": "control-plane"}, "roles": ["control-plane"]}
    return {"kind": "Permissions", **about, "paths": {"/etc/kubernetes/*.conf": held, **made}}


def bundle_of(folder: Path, distribution: str, **changes: Any) -> Bundle:
    """The bundle of a cluster of that distribution."""
    kubernetes = {"version": "1.36", "distribution": distribution}
    return Builder().build(write_cluster(folder, kubernetes=kubernetes, **changes), "cluster.yaml")


def tree_of(bundle: Bundle) -> dict[str, TreeFile]:
    """The files of a bundle's host plane, by path below host/."""
    return {f.path.removeprefix("host/"): f for f in forms(bundle)}
