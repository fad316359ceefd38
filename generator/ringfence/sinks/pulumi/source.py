"""Arguments of a component → its cluster's validated bundle, by the one pipeline, and the terms on which it comes."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

import pulumi

from ringfence import __version__, host
from ringfence.build import Builder, Resolution
from ringfence.cache import cache_folder
from ringfence.documents import dump, load
from ringfence.emission import text
from ringfence.errors import InputError, StaleError, nearest, raise_all
from ringfence.model import Bundle
from ringfence.shape import Manifest
from ringfence.sinks import lock
from ringfence.sinks.pulumi.adoption import settle
from ringfence.sinks.pulumi.apiserver import snapshot
from ringfence.sinks.pulumi.connecting import Connection
from ringfence.sinks.pulumi.registration import Terms, stack_name
from ringfence.spec.expiry import expired
from ringfence.spec.read import cluster_of, read_cluster

_DOCUMENT = "document"  # the name of an inline cluster document in errors


@dataclass(frozen=True)
class Source:
    """One cluster's bundle and how a stack may register its objects: what every component is filled from."""

    bundle: Bundle
    arguments: Mapping[str, Any]

    @cached_property
    def tenants(self) -> tuple[str, ...]:
        """The tenants' namespaces, in the order of the cluster document."""
        return tuple(n.name for n in self.bundle.cluster.namespaces)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of what `ringfence render -o -` prints: ties what was reviewed to what was applied."""
        total = sha256()
        for manifest in self.bundle:
            total.update(f"---\n{text(manifest)}".encode())
        return total.hexdigest()

    def namespace(self, name: str) -> list[Manifest]:
        """What the tree holds for one of the tenants' namespaces: the Namespace and everything in it."""
        if name not in self.tenants:
            raise InputError(
                f'no tenant of cluster "{self.bundle.cluster.name}" has a namespace "{name}"',
                hint=nearest(name, self.tenants) or "add it under tenants in the cluster document",
            )
        return [m for m in self.bundle if self._owner(m) == name]

    def rest(self) -> list[Manifest]:
        """What the tree holds beside the tenants' namespaces."""
        return [m for m in self.bundle if self._owner(m) not in self.tenants]

    def _owner(self, manifest: Manifest) -> str:
        return manifest.name if manifest.kind == "Namespace" else manifest.namespace

    @property
    def looks_up(self) -> bool:
        """Is what exists on the cluster looked up first?"""
        return bool(self.arguments.get("preflight", True))

    def terms(self, objects: Sequence[Manifest], there: Connection | None) -> Terms:
        """Read what exists there, and refuse what is somebody else's and not adopted; None looks nowhere."""
        unprotect = bool(self.arguments.get("unprotect"))
        if there is None:
            return Terms(unprotect)
        found = snapshot(objects, there)
        adopt = [str(entry) for entry in self.arguments.get("adopt") or ()]
        declared = self.bundle.cluster.kubernetes
        if found.version != declared:
            pulumi.log.warn(f"the API server is Kubernetes {found.version}, and the cluster document says {declared}")
        return settle(objects, found, stack_name(), adopt, unprotect)

    def outputs(self) -> dict[str, Any]:
        """What a component says of its source."""
        return {
            "profile": self.bundle.cluster.profile,
            "generator_version": __version__,
            "model_digest": self.digest,
        }

    def host_files(self) -> dict[str, str]:
        """The host plane's files as the tree has them, by path; none holds key material."""
        return {f.path: f.text for f in host.forms(self.bundle)}


def source_of(arguments: Mapping[str, Any], known: Iterable[str]) -> Source:
    """Build the cluster that arguments name; raises InputError for arguments that can't be meant."""
    plain = {key: _plain(value, key) for key, value in arguments.items() if value is not None}
    raise_all(list(_unknown(plain, tuple(known))))
    date = _date(plain.get("as_of"))
    builder = Builder([_root() / folder for folder in plain.get("templates") or ()], cache_folder())
    resolution = _resolve(builder, plain)
    if "cluster" in plain:
        _hold(builder, resolution, _root() / plain["cluster"])
    raise_all(expired(resolution.cluster, date))
    return Source(builder.objects(resolution), plain)


def _date(given: Any) -> str:
    """The date that exceptions are held to; raises InputError for what is none, with which none would expire."""
    if not given:
        return datetime.datetime.now(datetime.UTC).date().isoformat()
    try:
        return datetime.date.fromisoformat(given).isoformat()
    except (TypeError, ValueError):
        raise InputError(f'asOf: "{given}" is no date', hint="write it as YYYY-MM-DD") from None


def _hold(builder: Builder, resolution: Resolution, file: Path) -> None:
    """Hold what is used against the lock beside cluster.yaml, when there is one: what it pins was reviewed."""
    templates = lock.templates_digest(builder.catalog.folders)
    held = lock.current(builder.store(resolution.cluster.kubernetes), templates, resolution.profile.files)
    try:
        lock.verify(lock.beside(file), held)
    except StaleError as bad:
        raise StaleError(
            f"{bad.message}, so what was reviewed is not what would be applied",
            place=bad.place,
            hint="use those (`templates` names folders of controls of your own), "
            "or run `ringfence render --update-lock` and review what changes",
        ) from bad


def name_of(arguments: Mapping[str, Any]) -> str:
    """The name of the cluster that arguments name; raises InputError when its document can't be read."""
    if "cluster" in arguments:
        return read_cluster(_root() / str(arguments["cluster"]), str(arguments["cluster"])).name
    document = arguments.get("document") or {}
    return str(document.get("name") or arguments.get("name") or "")


def _root() -> Path:
    """The folder of Pulumi.yaml; the current one where nobody says so, as mocks and old language hosts don't."""
    given = Path(pulumi.runtime.get_root_directory() or ".")
    return given if given.is_absolute() else Path()


def _resolve(builder: Builder, arguments: Mapping[str, Any]) -> Resolution:
    given = [key for key in ("cluster", "document", "owner") if key in arguments]
    if len(given) != 1:
        raise InputError(
            f"{' and '.join(given) or 'nothing'} given; one thing says which cluster this is",
            hint="give cluster (the path of a cluster.yaml) or document (its content)",
        )
    root = _root()
    if given == ["cluster"]:
        return builder.resolve(root / arguments["cluster"], arguments["cluster"])
    document = arguments["document"] if given == ["document"] else _single(arguments)
    return builder.decide(cluster_of(load(dump(document), _DOCUMENT)), root)


def _single(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The cluster document of one namespace that stands for itself."""
    kubernetes = {"version": arguments.get("kubernetes"), "distribution": arguments.get("distribution")}
    entry = {key: arguments[key] for key in ("name", "tier") if key in arguments}
    return {
        "apiVersion": "ringfence/v1alpha1",
        "kind": "Cluster",
        "name": arguments["name"],
        "profile": arguments.get("profile"),
        "kubernetes": {k: v for k, v in kubernetes.items() if v is not None},
        "tenants": [{"name": arguments["name"], "owner": arguments["owner"], "namespaces": [entry]}],
    }


def _unknown(arguments: Mapping[str, Any], known: Sequence[str]) -> Iterable[InputError]:
    for key in arguments:
        if key not in known:
            yield InputError(f'"{key}" is no argument of this component', hint=nearest(key, known))


def _plain(value: Any, where: str) -> Any:
    """A value without enums; raises InputError for one that is not known yet: it would decide what is generated."""
    if isinstance(value, pulumi.Output):
        raise InputError(
            f"{where} decides which objects there are, so it can't wait for another resource's output",
            hint="give it as a plain value, or from the stack's configuration",
        )
    if isinstance(value, Mapping):
        return {str(k): _plain(v, f"{where}.{k}") for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(v, f"{where}[{i}]") for i, v in enumerate(value)]
    if isinstance(value, float) and value.is_integer():
        return int(value)  # every number that comes through Pulumi is a double
    return getattr(value, "value", value)
