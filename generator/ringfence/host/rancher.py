"""RKE2's and k3s' form: a configuration for servers, one for agents, and a drop-in file for the kubelet.

Sources: RKE2 docs, "Server Configuration Reference", "Agent Configuration Reference" and "Configuration Options"
(Kubelet configuration); K3s docs, "k3s server" and "k3s agent". Neither has an offline judge: a test holds the keys
to lists that are taken from these pages.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ringfence.documents import dump
from ringfence.host import proxy
from ringfence.host.files import host_files
from ringfence.host.owned import Owned, owned_file, split_fields, split_flags
from ringfence.host.ownership import RANCHER_FLAGS, RANCHER_KUBELET
from ringfence.host.placed import Placed, TreeFile
from ringfence.host.plan import CONTROL_PLANE, WORKER, HostFile, HostPlan
from ringfence.spec.facts import Cluster

_SERVER = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "etcd")
_AGENT = ("kubelet", "kube-proxy")
# RKE2 passes these two to kube-apiserver whether it is asked or not: as an argument they would stand there twice.
_KEYS: Mapping[str, Mapping[str, str]] = {
    "rke2": {
        "audit-policy-file": "audit-policy-file",
        "admission-control-config-file": "pod-security-admission-config-file",
    },
    "k3s": {},
}
_HEADER = (
    "# Configuration of {name} on {what}; install.sh puts it at {path}. Lists here replace those of config.yaml.\n"
)


def form(plan: HostPlan, cluster: Cluster) -> list[TreeFile]:
    """config.yaml, agent.yaml, and the files of the plan with the kubelet's as a drop-in."""
    name = cluster.distribution
    rows: list[Owned] = []
    agent = _agent(plan, rows)
    server = {**_server(plan, cluster, rows), **agent}
    path = f"/etc/rancher/{name}/config.yaml.d/50-ringfence.yaml"
    sources = tuple(f"Component/{c}" for c in sorted(plan.flags))
    files = [
        (TreeFile("host/config.yaml", _text(server, name, "servers", path), sources), CONTROL_PLANE, server),
        (TreeFile("host/agent.yaml", _text(agent, name, "agents", path), _sources(plan, _AGENT)), WORKER, agent),
    ]
    made = [file for file, _, body in files if body]
    placed = [
        Placed(file.path.removeprefix("host/"), path, "0600", "root:root", (role,), file.text)
        for file, role, body in files
        if body
    ]
    kubelets = [_drop_in(f, name, rows) for f in plan.files if f.name == "kubelet"]
    made += [file for file, _ in kubelets]
    placed += [place for _, place in kubelets]
    return [*made, *owned_file(name, rows), *host_files(plan, {"kubelet", "kube-proxy"}, placed)]


def _text(body: Mapping[str, Any], name: str, what: str, path: str) -> str:
    return _HEADER.format(name=name, what=what, path=path) + dump(dict(body))


def _sources(plan: HostPlan, components: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(f"Component/{c}" for c in sorted(plan.flags) if c in components)


def _server(plan: HostPlan, cluster: Cluster, rows: list[Owned]) -> dict[str, Any]:
    """Keys that servers alone know: the control plane's arguments and mounts, and the cluster's networks."""
    body: dict[str, Any] = {}
    keys = _KEYS[cluster.distribution]
    for key, ranges in (("cluster-cidr", cluster.pod_cidrs), ("service-cidr", cluster.network["serviceCIDRs"])):
        if ranges:
            body[key] = ",".join(ranges)
    for component in _SERVER:
        flags, own = split_flags(component, plan.flags.get(component, {}), RANCHER_FLAGS[component])
        rows += own
        if component == "kube-apiserver":
            body.update({keys[n]: v for n, v in flags.items() if n in keys})
            flags = {n: v for n, v in flags.items() if n not in keys}
        if flags:
            body[f"{component}-arg"] = [f"{n}={v}" for n, v in flags.items()]
        if cluster.distribution == "rke2" and (mounts := _mounts(plan, component, cluster)):
            body[f"{component}-extra-mount"] = mounts
    return body


def _mounts(plan: HostPlan, component: str, cluster: Cluster) -> list[str]:
    """Folders that a static pod needs, but for those that RKE2 mounts: certificates, data, and the audit log's."""
    audit = plan.flags.get("kube-apiserver", {}).get("audit-log-path", "").rpartition("/")[0]
    own = {audit, cluster.host.pki, cluster.host.etcd_pki, cluster.host.etcd_data}
    mounts = plan.mounts.get(component, {})
    return [f"{path}:{path}:{'ro' if read_only else 'rw'}" for path, read_only in mounts.items() if path not in own]


def _agent(plan: HostPlan, rows: list[Owned]) -> dict[str, Any]:
    """Keys that servers and agents know: arguments of what runs on every node."""
    body: dict[str, Any] = {}
    kubelet = plan.file("kubelet")
    if kubelet is not None and (kubelet.content or {}).get("protectKernelDefaults") is True:
        body["protect-kernel-defaults"] = True
    arguments = {c: dict(plan.flags.get(c, {})) for c in _AGENT}
    arguments["kube-proxy"].update(proxy.flags(plan, rows))
    for component, flags in arguments.items():
        if flags:
            body[f"{component}-arg"] = [f"{n}={v}" for n, v in sorted(flags.items())]
    return body


def _drop_in(file: HostFile, name: str, rows: list[Owned]) -> tuple[TreeFile, Placed]:
    """The kubelet's configuration as one of the files that the distribution's kubelet merges over its defaults."""
    content, own = split_fields("kubelet", file.content or {}, RANCHER_KUBELET)
    rows += [row for row in own if row.setting != "protectKernelDefaults" or row.wanted != "true"]
    path = f"/var/lib/rancher/{name}/agent/etc/kubelet.conf.d/50-ringfence.conf"
    text = dump(content)
    made = TreeFile(f"host/files{path}", text, (file.source,))
    return made, Placed(f"files{path}", path, file.mode, file.owner, file.roles, text)
