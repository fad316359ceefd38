"""What RKE2, k3s and Talos make of their form: the command lines, as host files that a sandbox runs.

Its flags are those of the form and the distribution's own (distribution_defaults.yaml). kubeadm's certificates stand in
for the distribution's: the form has none, and refuses to name them.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ringfence.build import Builder
from ringfence.documents import dump, load
from ringfence.host import forms
from ringfence.host.kubeadm import volume_name
from ringfence.sandbox import HostFiles
from ringfence.sandbox.substitutions import is_path

DEFAULTS = load(Path(__file__).with_name("distribution_defaults.yaml").read_text(), "distribution_defaults.yaml").value
COMPONENTS = {
    "kube-apiserver": "apiServer",
    "kube-controller-manager": "controllerManager",
    "kube-scheduler": "scheduler",
}
# What a key of RKE2's becomes on kube-apiserver's command line (rancher/rke2, pkg/podexecutor/staticpod.go).
KEYS = {"audit-policy-file": "audit-policy-file", "pod-security-admission-config-file": "admission-control-config-file"}
UNPACK = (
    '#!/bin/sh\ncp -R "$(dirname "$0")/files/." "$RINGFENCE_ROOT/"\n'  # Talos has no script: it writes files itself
)
Flags = dict[str, dict[str, str]]


def tree_of(file: Path) -> dict[str, str]:
    """Path below host/ → text."""
    return {f.path.removeprefix("host/"): f.text for f in forms(Builder().build(file, "cluster.yaml"))}


def merged(distribution: str, given: Mapping[str, Mapping[str, str]], *, always: bool = False) -> Flags:
    """Defaults with the form's flags over them; `always`: also those that give way, as they once did not."""
    found: Flags = {}
    known = DEFAULTS[distribution]
    for component in COMPONENTS:
        own = given.get(component, {})
        flags = {d["flag"]: d["value"] for d in known[component] if always or d.get("unless") not in own}
        for name, value in own.items():
            add = name in known.get("added", ()) and name in flags
            flags[name] = f"{flags[name]},{value}" if add else value
        found[component] = flags
    return found


def of_rancher(config: Mapping[str, Any]) -> Flags:
    """Flags that a config.yaml gives."""
    found = {c: dict(a.split("=", 1) for a in config.get(f"{c}-arg", ())) for c in (*COMPONENTS, "etcd")}
    found["kube-apiserver"].update({flag: config[key] for key, flag in KEYS.items() if key in config})
    return found


def of_talos(patch: Mapping[str, Any]) -> tuple[Flags, dict[str, str]]:
    """Flags that a machine configuration gives, and the files that Talos writes from it."""
    inside = patch["cluster"]
    found = {c: dict(inside.get(section, {}).get("extraArgs", {})) for c, section in COMPONENTS.items()}
    server, api = inside["apiServer"], "apiserver.config.k8s.io/v1"
    folder = "/system/config/kubernetes/kube-apiserver/"
    files = {
        f"{folder}admission-control-config.yaml": {
            "apiVersion": api,
            "kind": "AdmissionConfiguration",
            "plugins": server.get("admissionControl", []),
        },
        f"{folder}auditpolicy.yaml": server["auditPolicy"],
        f"{folder}authorization-config.yaml": {
            "apiVersion": api,
            "kind": "AuthorizationConfiguration",
            "authorizers": server["authorizationConfig"],
        },
    }
    written = {f["path"]: f["content"] for f in patch["machine"].get("files", ())}
    return found, {**{p: dump(c) for p, c in files.items()}, **written}


def host_files(file: Path, distribution: str, *, always: bool = False) -> HostFiles:
    """What a sandbox runs for a cluster.yaml of that distribution."""
    tree = tree_of(file)
    if distribution == "talos":
        given, written = of_talos(load(tree["controlplane.yaml"], "controlplane.yaml").value)
        tree |= {f"files{path}": text for path, text in written.items()}
        tree["install.sh"] = UNPACK
    else:
        given = of_rancher(load(tree["config.yaml"], "config.yaml").value)
    sections: dict[str, Any] = {}
    for component, flags in merged(distribution, given, always=always).items():
        arguments = [{"name": n, "value": v} for n, v in flags.items()]
        folders = sorted({v.rpartition("/")[0] for n, v in flags.items() if is_path(n, v)})
        volumes = [
            {"name": volume_name(p), "hostPath": p, "mountPath": p, "pathType": "DirectoryOrCreate"} for p in folders
        ]
        sections[COMPONENTS[component]] = {"extraArgs": arguments, "extraVolumes": volumes}
    if etcd := given.get("etcd"):
        sections["etcd"] = {"local": {"extraArgs": [{"name": n, "value": v} for n, v in etcd.items()]}}
    networking = {"podSubnet": "10.42.0.0/16", "serviceSubnet": "10.43.0.0/16"}
    body = {"apiVersion": "kubeadm.k8s.io/v1beta4", "kind": "ClusterConfiguration", "networking": networking}
    return HostFiles(distribution, {**tree, "kubeadm.yaml": dump({**body, **sections})})
