"""How Pulumi treats each object: its token and name, what is protected, and what it was called before.

Everything here is a decision about one manifest; `registration` carries them out.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from ringfence.shape import Manifest, Wave

STACK_ANNOTATION = "ringfence/stack"  # which stack an object on the cluster belongs to
FIELD_MANAGER = "ringfence"  # as docs/usage.md has kubectl call itself, so that fields change hands without a conflict

# Kinds that give rights or names. To take one away closes something, so nobody has to lift a protection first.
_GRANTS = frozenset({"ClusterRole", "ClusterRoleBinding", "PriorityClass", "Role", "RoleBinding", "ServiceAccount"})


class Former(NamedTuple):
    """What an object was called in a state that an older release wrote; None for what has not changed."""

    name: str | None = None  # the logical name without the component's
    token: str | None = None


# Release by release: what it renamed or gave another version of its API, by `Kind/namespace/name`, `*` for any segment.
# Without its line here Pulumi would make the new object, which on the cluster is the old one, and then delete it.
FORMERLY: dict[str, dict[str, Former]] = {}


def token(manifest: Manifest) -> str:
    """The type token, `kubernetes:<group or core>/<version>:<Kind>`; `...Patch` for what somebody else owns."""
    api_version = manifest.shape.api_version
    versioned = api_version if "/" in api_version else f"core/{api_version}"
    return f"kubernetes:{versioned}:{manifest.kind}{'Patch' if patched(manifest) else ''}"


def local_name(manifest: Manifest) -> str:
    """The logical name within a component, `<namespace>/<kind>-<name>`; stable, whatever else the bundle holds."""
    own = f"{manifest.kind.lower()}-{manifest.name}"
    return f"{manifest.namespace}/{own}" if manifest.namespace else own


def cluster_id(manifest: Manifest) -> str:
    """The object's id in the Kubernetes provider, by which it is imported: `namespace/name` or `name`."""
    return f"{manifest.namespace}/{manifest.name}" if manifest.namespace else manifest.name


def patched(manifest: Manifest) -> bool:
    """Does the object belong to somebody else, so that only single fields are ours?"""
    return manifest.shape.mode == "patch"


def protected(manifest: Manifest) -> bool:
    """May no run delete or replace it until the stack's `unprotect` says so? Namespaces and guards."""
    return not patched(manifest) and manifest.wave != Wave.COMPONENTS and manifest.kind not in _GRANTS


def holds_others(manifest: Manifest) -> bool:
    """Does deleting the object delete objects that are not ours?"""
    return manifest.kind in ("CustomResourceDefinition", "Namespace")


def added_annotations(manifest: Manifest, stack: str, forced: bool) -> dict[str, str]:
    """What Pulumi's provider and the pre-flight read off the object on the cluster; never in the tree.

    `forced` takes over fields that another manager set, as a patch always does and an adoption may have to.
    """
    added = {"pulumi.com/patchFieldManager": FIELD_MANAGER}
    if not patched(manifest):
        added[STACK_ANNOTATION] = stack
    if forced or patched(manifest):
        added["pulumi.com/patchForce"] = "true"
    if manifest.kind == "CustomResourceDefinition":
        added["pulumi.com/waitFor"] = "condition=Established"  # the provider waits for no definition by itself
    return added


def formerly(manifest: Manifest) -> Iterator[Former]:
    """Every former identity of an object, the latest release first."""
    for release in reversed(FORMERLY.values()):
        yield from (former for pattern, former in release.items() if matches(pattern, manifest.id))


def matches(pattern: str, wanted: str) -> bool:
    """Is `wanted` (`Kind/name` or `Kind/namespace/name`) what `pattern` names? `*` stands for a whole segment."""
    named, given = pattern.split("/"), wanted.split("/")
    return len(named) == len(given) and all(n in ("*", g) for n, g in zip(named, given, strict=True))
