"""What a sandbox runs: the files under `host/` of a rendered tree, as one control-plane host takes them.

With them go definitions of the custom kinds among the tree's objects, which nobody else registers there.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ringfence.documents import load_all
from ringfence.errors import InputError, Place
from ringfence.sandbox import definitions
from ringfence.sandbox.definitions import Definition

if TYPE_CHECKING:
    from ringfence.build import Builder

_MANAGED = {"eks": "Amazon EKS", "gke": "Google GKE", "aks": "Azure AKS"}
_KEYS_BY = {"talos": "Talos"}  # of `talosctl gen secrets`; its hosts run no scripts
KUBEADM, INSTALL, _FILES = "kubeadm.yaml", "install.sh", "files"


@dataclass(frozen=True, slots=True)
class HostFiles:
    """`tree` is path below `host/` → text; `name` is the cluster's; `definitions` are of custom kinds that it uses.

    `keys_by` names who makes the hosts' keys where no script of the host files does.
    """

    name: str
    tree: Mapping[str, str]
    definitions: tuple[Definition, ...] = ()
    keys_by: str = ""

    @classmethod
    def of_cluster(cls, file: Path, shown: str | None = None, builder: Builder | None = None) -> HostFiles:
        """From a cluster.yaml, in kubeadm's form whatever its distribution; InputError where there are no hosts."""
        from ringfence import host
        from ringfence.build import Builder
        from ringfence.cache import cache_folder
        from ringfence.host import kubeadm

        bundle = (builder or Builder(cache=cache_folder())).build(file, shown)
        cluster = bundle.cluster
        if cluster.distribution in _MANAGED:
            raise InputError(
                f"{cluster.name} has no host files: {_MANAGED[cluster.distribution]} runs its control plane",
                place=Place(shown or file.as_posix()),
                hint="start a sandbox from a cluster.yaml of another distribution, and apply this tree to it",
            )
        files = kubeadm.form(host.plan(bundle), cluster)
        tree = {f.path.removeprefix("host/"): f.text for f in files}
        return cls(cluster.name, tree, definitions.of_bundle(bundle), _KEYS_BY.get(cluster.distribution, ""))

    @property
    def kubeadm(self) -> str:
        """The configuration of `kubeadm init`."""
        return self.tree[KUBEADM]

    @property
    def install(self) -> bool:
        """Is there a script that puts files on a host?"""
        return INSTALL in self.tree

    @property
    def files(self) -> dict[str, str]:
        """Absolute path on the host → text."""
        return {p.removeprefix(_FILES): t for p, t in self.tree.items() if p.startswith(f"{_FILES}/")}

    def with_files(self, changes: Mapping[str, str]) -> HostFiles:
        """The same with other texts; keys are absolute paths on the host."""
        return replace(self, tree={**self.tree, **{f"{_FILES}{p}": t for p, t in changes.items()}})

    @property
    def digest(self) -> str:
        """The same files have the same digest."""
        return sha256(self.to_json().encode()).hexdigest()

    def to_json(self) -> str:
        """For the state folder."""
        whole = {"name": self.name, "tree": dict(sorted(self.tree.items())), "definitions": self.definitions}
        return json.dumps({**whole, "keys_by": self.keys_by}, indent=1)

    @classmethod
    def from_json(cls, text: str) -> HostFiles:
        """What `to_json` wrote."""
        found = json.loads(text)
        return cls(found["name"], found["tree"], tuple(found["definitions"]), found["keys_by"])


def is_structured(path: str) -> bool:
    """Is this a configuration file, and no script or unit?"""
    return path.endswith((".yaml", ".yml", ".json"))


def structured(path: str, text: str) -> list[Any] | None:
    """The documents of a configuration file; None for any other file."""
    if not is_structured(path):
        return None
    return [d.value for d in load_all(text, path)]
