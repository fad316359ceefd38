"""kubeadm's own phases, run offline and without root, and what they leave: certificates, kubeconfigs, static pods.

`kubeadm init phase ... --dry-run` writes into KUBEADM_INIT_DRYRUN_DIR all that it would put below /etc/kubernetes, with
the host's paths inside (cmd/kubeadm/app/cmd/init.go of v1.36). Nothing of it is made up here.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ringfence.documents import dump, load, load_all
from ringfence.errors import InputError, Place, ToolError
from ringfence.sandbox.processes import environment, last_lines
from ringfence.sandbox.substitutions import (
    LOOPBACK,
    Applied,
    Flags,
    Setting,
    differing_fields,
    is_path,
    substitute_document,
    unexplained,
)

PHASES = ("certs all", "kubeconfig all", "control-plane all", "etcd local")
COMPONENTS = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")
_API = "kubeadm.k8s.io/v1beta4"
_SECTIONS = {  # where ClusterConfiguration holds a component's flags
    "etcd": ("etcd", "local"),
    "kube-apiserver": ("apiServer",),
    "kube-controller-manager": ("controllerManager",),
    "kube-scheduler": ("scheduler",),
}
_KUBECONFIGS = "etc/kubernetes"
_PKI = "etc/kubernetes/pki"
_SECONDS = 60  # kubeadm's phases take two


def substituted(text: str, setting: Setting) -> tuple[str, list[Applied]]:
    """The configuration that kubeadm is given, and how it differs from the generated one."""
    generated = [d.value for d in load_all(text, "host/kubeadm.yaml")]
    real = [d.value for d in load_all(text, "host/kubeadm.yaml")]
    for kind in ("ClusterConfiguration", "InitConfiguration"):
        for documents in (generated, real):
            if not any(d["kind"] == kind for d in documents):
                documents.append({"apiVersion": _API, "kind": kind})
    applied = []
    for was, now in zip(generated, real, strict=True):
        if now["kind"] == "InitConfiguration":
            now.setdefault("localAPIEndpoint", {})
            now.setdefault("nodeRegistration", {})
        substitute_document(now, setting)
        applied += differing_fields(f"host/kubeadm.yaml, {was['kind']}", was, now, setting)
        if now["kind"] == "ClusterConfiguration":
            applied += _reached_on_loopback(now)
    return "".join(f"---\n{dump(d)}" for d in real), applied


def _reached_on_loopback(configuration: dict[str, Any]) -> list[Applied]:
    server = configuration.setdefault("apiServer", {})
    names = server.get("certSANs", [])
    if LOOPBACK in names:
        return []
    server["certSANs"] = [*names, LOOPBACK]
    now = ", ".join(server["certSANs"])
    where = "host/kubeadm.yaml, ClusterConfiguration"
    return [Applied(where, "apiServer.certSANs", ", ".join(names), now, "clients reach it on loopback")]


def generated_flags(text: str) -> dict[str, list[tuple[str, str]]]:
    """Component → the flags that the host files set."""
    configurations = (d.value for d in load_all(text, "host/kubeadm.yaml") if d.value["kind"] == "ClusterConfiguration")
    configuration: Mapping[str, Any] = next(configurations, {})
    if configuration.get("etcd", {}).get("external"):
        raise InputError(
            "the sandbox runs no external etcd",
            place=Place("host/kubeadm.yaml"),
            hint="use etcd.local for it",
        )
    found = {}
    for component, path in _SECTIONS.items():
        section: Any = configuration
        for key in path:
            section = section.get(key, {})
        found[component] = [(a["name"], a["value"]) for a in section.get("extraArgs", [])]
    return found


def run_phases(kubeadm: Path, configuration: Path, into: Path, home: Path) -> None:
    """Write what kubeadm makes of `configuration` into the folder `into`; ToolError with what it said."""
    into.mkdir(mode=0o700)
    env = {**environment(home), "KUBEADM_INIT_DRYRUN_DIR": str(into)}
    _run([str(kubeadm), "config", "validate", "--config", str(configuration)], env)
    for phase in PHASES:
        _run([str(kubeadm), "init", "phase", *phase.split(), "--config", str(configuration), "--dry-run"], env)


def _run(command: Sequence[str], env: Mapping[str, str]) -> None:
    done = subprocess.run(  # noqa: S603 # a binary that `binaries` found
        command, env=dict(env), capture_output=True, text=True, timeout=_SECONDS, check=False
    )
    if done.returncode:
        said = last_lines(done.stderr or done.stdout, 3)
        raise ToolError(f"`kubeadm {' '.join(command[1:])}` refused the host files:\n{said}")


def lay_out(made: Path, root: Path) -> None:
    """Put kubeadm's files where a host has them, below `root`."""
    for file in sorted(made.rglob("*")):
        if file.is_dir():
            continue
        inside = file.relative_to(made)
        if file.suffix == ".conf":
            place = root / _KUBECONFIGS / inside
        elif file.suffix == ".yaml":
            place = root / _KUBECONFIGS / "manifests" / inside
        else:
            place = root / _PKI / inside
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        shutil.copy2(file, place)


# ------------------------------------------------------------------------------------------------------ static pods


@dataclass(frozen=True, slots=True)
class Pod:
    """A static pod as far as it matters without containers: flags, and what it can see of the host."""

    component: str
    flags: Flags
    volumes: Mapping[str, tuple[str, bool]]  # path on the host → its type, may it be written

    @classmethod
    def read(cls, component: str, made: Path) -> Pod:
        """The pod that kubeadm wrote."""
        document = load((made / f"{component}.yaml").read_bytes(), f"{component}.yaml").value
        spec = document["spec"]
        container = spec["containers"][0]
        mounts = {m["name"]: m for m in container["volumeMounts"]}
        volumes = {}
        for volume in spec["volumes"]:
            path, mount = volume["hostPath"]["path"], mounts[volume["name"]]
            if mount["mountPath"] != path:
                raise InputError(
                    f"{component}: {path} is mounted at {mount['mountPath']}",
                    place=Place("host/kubeadm.yaml"),
                    hint="the sandbox has no containers; mount it where it lies on the host",
                )
            volumes[path] = (volume["hostPath"].get("type", ""), not mount.get("readOnly", False))
        flags = [_flag(word) for word in container["command"][1:]]
        return cls(component, flags, volumes)

    def check(self, generated: Flags) -> None:
        """Does the pod carry every generated flag as it was generated, and see every path that its flags name?"""
        for name in dict(generated):
            was = [v for n, v in generated if n == name]
            now = [v for n, v in self.flags if n == name]
            if was != now:
                raise unexplained(self.component, f"--{name}", ", ".join(was), ", ".join(now))
        for name, value in self.flags:
            if is_path(name, value) and not any(_inside(value, v) for v in self.volumes):
                raise InputError(
                    f"{self.component}: --{name}={value} names a path that its static pod doesn't mount",
                    place=Place("host/kubeadm.yaml"),
                    hint="add it to extraVolumes: on a host the component would not start",
                )

    def make_volumes(self, root: Path) -> None:
        """Make what the kubelet would make; refuse what it would wait for in vain."""
        for path, (kind, _) in self.volumes.items():
            place = root / path.lstrip("/")
            if kind == "DirectoryOrCreate":
                place.mkdir(mode=0o700, parents=True, exist_ok=True)
            elif kind == "FileOrCreate":
                place.touch(mode=0o600)
            elif kind in ("File", "Directory") and not os.path.lexists(place):
                raise InputError(
                    f"{self.component}: the {kind.lower()} {path} that its static pod mounts is not there",
                    place=Place("host/kubeadm.yaml"),
                    hint="the host files must bring it, or its pathType must be DirectoryOrCreate",
                )


def _inside(path: str, volume: str) -> bool:
    return path == volume or path.startswith(f"{volume.rstrip('/')}/")


def _flag(word: str) -> tuple[str, str]:
    name, _, value = word.removeprefix("--").partition("=")
    return name, value
