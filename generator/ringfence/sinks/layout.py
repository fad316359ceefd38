"""Which file an object lies in, and the files that GitOps engines need beside them.

Folders are waves, so that reading or applying them by name is the apply order. Objects that only patch
what somebody else owns have folders of their own (`-patched`): removing the tree's other folders never
deletes them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from hashlib import sha256
from typing import Any

from ringfence.documents import dump
from ringfence.shape import Manifest, Shape, Wave
from ringfence.spec.facts import Cluster

CLUSTER_SCOPE = "_cluster"  # no namespace can be called this
_UNSAFE = re.compile(r"[^a-z0-9.-]+")
_FLUX_INTERVAL, _FLUX_TIMEOUT = "10m0s", "5m0s"


def folder_of(manifest: Manifest) -> str:
    """The wave folder of an object, such as `2-guards` or `1-namespaces-patched`."""
    plans = manifest.shape.plans
    if "folder" not in plans:
        patched = "-patched" if manifest.shape.mode == "patch" else ""
        plans["folder"] = f"{int(manifest.wave)}-{Wave(manifest.wave).name.lower().replace('_', '-')}{patched}"
    folder: str = plans["folder"]
    return folder


def file_of(manifest: Manifest, files: str) -> str:
    """The object's file below the tree, `/`-separated; `files` is `area` or `object`."""
    folder = folder_of(manifest)
    if manifest.kind == "Namespace":
        return f"{folder}/{manifest.name}.yaml"
    scope = manifest.namespace or CLUSTER_SCOPE
    if files == "area":
        return f"{folder}/{scope}/{manifest.shape.area}.yaml"
    return f"{folder}/{scope}/{manifest.shape.area}/{_kind(manifest.shape)}-{_slug(manifest.name)}.yaml"


def _kind(shape: Shape) -> str:
    """The kind, and for a custom one its group: Calico's NetworkPolicy is not Kubernetes' own."""
    kind, group = shape.kind.lower(), shape.group
    return f"{kind}.{group}" if "." in group and not group.endswith(".k8s.io") else kind


def _slug(name: str) -> str:
    """The name as a file may be called on any disk; of names that would read alike each has its own."""
    slug = _UNSAFE.sub("-", name.lower())
    return slug if slug == name else f"{slug}-{sha256(name.encode()).hexdigest()[:8]}"


def companions(cluster: Cluster, paths: Iterable[str]) -> dict[str, str]:
    """The layout's own files, path → text, given the paths of the objects' files."""
    layout = cluster.delivery["layout"]
    if layout == "plain":
        return {}
    folders: dict[str, list[str]] = {}
    for path in sorted(paths):
        folder, _, rest = path.partition("/")
        folders.setdefault(folder, []).append(rest)
    files = {f"{folder}/kustomization.yaml": _kustomization(inside) for folder, inside in folders.items()}
    names = sorted(folders)
    if layout == "kustomize":
        files["kustomization.yaml"] = _kustomization(names)
    elif layout == "flux":
        files.update({f"flux/{name}.yaml": dump(_flux(cluster, name, names)) for name in names})
        files["flux/kustomization.yaml"] = _kustomization([f"{name}.yaml" for name in names])
    else:
        files = {f"argocd/{name}.yaml": dump(_argocd(cluster, name)) for name in names}
    return files


def _kustomization(resources: list[str]) -> str:
    return dump({"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization", "resources": resources})


def _before(name: str, names: list[str]) -> list[str]:
    """The folders of the nearest earlier wave; their own dependencies cover the rest."""
    earlier = [n for n in names if n[0] < name[0]]
    return [n for n in earlier if n[0] == max(e[0] for e in earlier)]


def _flux(cluster: Cluster, name: str, names: list[str]) -> Mapping[str, Any]:
    """A Flux Kustomization; patched folders are never pruned (fluxcd.io, Kustomization API v1)."""
    delivery, source = cluster.delivery, cluster.delivery["flux"]
    prefix = f"{cluster.name}-"
    spec: dict[str, Any] = {
        "interval": _FLUX_INTERVAL,
        "timeout": _FLUX_TIMEOUT,
        "path": f"./{delivery['path']}/{name}",
        "prune": not name.endswith("-patched"),
        "wait": True,
        "sourceRef": {"kind": source["kind"], "name": source["name"]},
    }
    if before := _before(name, names):
        spec["dependsOn"] = [{"name": prefix + n} for n in before]
    return {
        "apiVersion": "kustomize.toolkit.fluxcd.io/v1",
        "kind": "Kustomization",
        "metadata": {"name": prefix + name, "namespace": source["namespace"]},
        "spec": spec,
    }


def _argocd(cluster: Cluster, name: str) -> Mapping[str, Any]:
    """An Argo CD Application; its sync wave orders it within an app of apps."""
    delivery, source = cluster.delivery, cluster.delivery["argocd"]
    patched = name.endswith("-patched")
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Application",
        "metadata": {
            "name": f"{cluster.name}-{name}",
            "namespace": "argocd",
            "annotations": {"argocd.argoproj.io/sync-wave": name[0]},
        },
        "spec": {
            "project": source["project"],
            "source": {
                "repoURL": source["repoURL"],
                "targetRevision": source["revision"],
                "path": f"{delivery['path']}/{name}",
                "directory": {"recurse": True},
            },
            "destination": {"server": "https://kubernetes.default.svc"},
            "syncPolicy": {
                "automated": {"prune": not patched, "selfHeal": True},
                "syncOptions": ["ServerSideApply=true", *(["Prune=false"] if patched else [])],
            },
        },
    }
