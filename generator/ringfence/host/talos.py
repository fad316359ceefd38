"""Talos' form: two machine-configuration patches, for control-plane hosts and for workers.

For Talos 1.12 and 1.13, whose machine configuration is one document. Source: Talos reference, "MachineConfig". Talos'
own configuration package judges the patches in the tests (tools/talos, machinery 1.12).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ringfence.documents import dump
from ringfence.host import proxy
from ringfence.host.owned import Owned, owned_file, split_fields, split_flags
from ringfence.host.ownership import ANONYMOUS, TALOS_FLAGS, TALOS_KUBELET
from ringfence.host.placed import TreeFile
from ringfence.host.plan import CONTROL_PLANE, WORKER, HostFile, HostPlan
from ringfence.spec.facts import Cluster

_NO_SHELL = "Talos has no shell and no files of ours outside /var: its image holds this, or its own configuration does"
_MODES = "Talos writes this with an owner and a mode of its own, below a file system that is read-only"
# Files that machine.files need not carry: Talos writes them from fields of its own.
_FIELDS = frozenset({"admission", "audit-policy", "authorization", "encryption", "kube-proxy", "kubelet"})
_READABLE = 0o644  # kube-apiserver runs as nobody, and the file's owner is root whatever we say
_HEADER = "# Machine-configuration patch for {what}: talosctl gen config --config-patch-{flag} @{file}\n"


def form(plan: HostPlan, cluster: Cluster) -> list[TreeFile]:
    """controlplane.yaml, worker.yaml, and the list of what Talos sees to."""
    rows: list[Owned] = [Owned("host", p.path, f"{p.mode} {p.owner}", _MODES) for p in plan.permissions]
    authentication = _authentication(plan.file("authentication"), rows)
    inside = _cluster(plan, cluster, authentication is not None, rows)
    machine = _kubelet(plan, rows)
    files = [_file(f, authentication, rows) for f in plan.files if f.name not in _FIELDS and not _is_sysctl(f)]
    bodies: dict[str, dict[str, Any]] = {
        role: {"machine": {**machine, **_sysctls(plan, role), **_files(files, role)}}
        for role in (CONTROL_PLANE, WORKER)
    }
    bodies[CONTROL_PLANE]["cluster"] = inside
    sources = tuple(sorted({*(f"Component/{c}" for c in plan.flags), *(f.source for f in plan.files)}))
    made = [
        _patch("host/controlplane.yaml", "control-plane hosts", "control-plane", bodies[CONTROL_PLANE], sources),
        _patch("host/worker.yaml", "workers", "worker", bodies[WORKER], _worker_sources(plan)),
    ]
    return [*(m for m in made if m), *owned_file("talos", rows)]


def _patch(path: str, what: str, flag: str, body: Mapping[str, Any], sources: tuple[str, ...]) -> TreeFile | None:
    given = {k: v for k, v in body.items() if v}
    if not given:
        return None
    header = _HEADER.format(what=what, flag=flag, file=path.removeprefix("host/"))
    return TreeFile(path, header + dump(given), sources)


def _worker_sources(plan: HostPlan) -> tuple[str, ...]:
    files = (f.source for f in plan.files if WORKER in f.roles)
    return tuple(sorted({*files, *(("Component/kubelet",) if "kubelet" in plan.flags else ())}))


def _cluster(plan: HostPlan, cluster: Cluster, authenticated: bool, rows: list[Owned]) -> dict[str, Any]:
    """`cluster`: every component of the control plane, and what Talos writes files for kube-apiserver from."""
    reasons = {**TALOS_FLAGS["kube-apiserver"], **({} if authenticated else {"authentication-config": ANONYMOUS})}
    sections = {
        "apiServer": ("kube-apiserver", reasons),
        "controllerManager": ("kube-controller-manager", TALOS_FLAGS["kube-controller-manager"]),
        "scheduler": ("kube-scheduler", TALOS_FLAGS["kube-scheduler"]),
        "etcd": ("etcd", TALOS_FLAGS["etcd"]),
    }
    found: dict[str, dict[str, Any]] = {}
    for section, (component, why) in sections.items():
        flags, own = split_flags(component, plan.flags.get(component, {}), why)
        rows += own
        if component == "kube-apiserver" and plan.file("authorization"):
            flags.pop("authorization-mode", None)
        found[section] = {"extraArgs": flags} if flags else {}
    if volumes := _volumes(plan, cluster, authenticated):
        found["apiServer"]["extraVolumes"] = volumes
    found["apiServer"].update(_fields(plan))
    if arguments := {**plan.flags.get("kube-proxy", {}), **proxy.flags(plan, rows)}:
        found["proxy"] = {"extraArgs": dict(sorted(arguments.items()))}
    return {k: v for k, v in found.items() if v}


def _fields(plan: HostPlan) -> dict[str, Any]:
    """Files of kube-apiserver as fields of its section."""
    found: dict[str, Any] = {}
    content = {f.name: f.content or {} for f in plan.files}
    if plugins := content.get("admission", {}).get("plugins"):
        found["admissionControl"] = [
            {"name": p["name"], "configuration": p["configuration"]} for p in plugins if "configuration" in p
        ]
    if "audit-policy" in content:
        found["auditPolicy"] = content["audit-policy"]
    if authorizers := content.get("authorization", {}).get("authorizers"):
        found["authorizationConfig"] = authorizers
    return found


def _volumes(plan: HostPlan, cluster: Cluster, authenticated: bool) -> list[dict[str, Any]]:
    """Our own folder where a file of ours lies in it. Talos mounts its secrets and the audit log's folder."""
    mounts = plan.mounts.get("kube-apiserver", {})
    given = {f.path.rpartition("/")[0] for f in plan.files if f.component and f.name not in _FIELDS}
    if not authenticated:
        given = {
            f.path.rpartition("/")[0] for f in plan.files if f.component and f.name not in {*_FIELDS, "authentication"}
        }
    own = (cluster.host.logs, cluster.host.pki, cluster.host.etcd_pki)
    return [
        {"hostPath": p, "mountPath": p, "readonly": read_only}
        for p, read_only in mounts.items()
        if p in given and p not in own
    ]


def _authentication(file: HostFile | None, rows: list[Owned]) -> str | None:
    """The authentication file's text without its part about anonymous requests; None where nothing else is in it."""
    if file is None or file.content is None:
        return None
    content, own = split_fields("kube-apiserver", file.content, {"anonymous": ANONYMOUS})
    rows += own
    return dump(content) if content.keys() - {"apiVersion", "kind"} else None


def _kubelet(plan: HostPlan, rows: list[Owned]) -> dict[str, Any]:
    """`machine.kubelet`, on every host."""
    found: dict[str, Any] = {}
    content = (plan.file("kubelet").content if plan.file("kubelet") else None) or {}  # type: ignore[union-attr] # just looked
    extra, own = split_fields("kubelet", content, TALOS_KUBELET)
    rows += [row for row in own if row.why]
    if extra:
        found["extraConfig"] = extra
    if flags := plan.flags.get("kubelet"):
        found["extraArgs"] = dict(flags)
    if content.get("seccompDefault") is True:
        found["defaultRuntimeSeccompProfileEnabled"] = True
    if content.get("staticPodPath") == "":
        found["disableManifestsDirectory"] = True
    return {"kubelet": found} if found else {}


def _is_sysctl(file: HostFile) -> bool:
    return file.path.startswith("/etc/sysctl.d/")


def _sysctls(plan: HostPlan, role: str) -> dict[str, Any]:
    """`machine.sysctls` of a role: the lines of files in sysctl.d."""
    lines = [
        line.split("=", 1)
        for file in plan.files
        if _is_sysctl(file) and role in file.roles
        for line in file.text.splitlines()
        if line.strip() and line.lstrip()[0] not in "#;"
    ]
    return {"sysctls": {name.strip(): value.strip() for name, value in lines}} if lines else {}


def _file(file: HostFile, authentication: str | None, rows: list[Owned]) -> tuple[HostFile, str] | None:
    """A file and its text, where Talos takes it."""
    text = authentication if file.name == "authentication" else file.text
    if text is None:
        return None
    if file.run or not file.path.startswith("/var/") or "/bin/sh" in text.partition("\n")[0]:
        rows.append(Owned("host", file.path, f"{file.mode} {file.owner}", _NO_SHELL))
        return None
    return file, text


def _files(files: list[tuple[HostFile, str] | None], role: str) -> dict[str, Any]:
    """`machine.files` of a role."""
    found = [
        {
            "content": text,
            "permissions": _READABLE if file.component else int(file.mode, 8),
            "path": file.path,
            "op": "create",
        }
        for file, text in filter(None, files)
        if role in file.roles
    ]
    return {"files": found} if found else {}
