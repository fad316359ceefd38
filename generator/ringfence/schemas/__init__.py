"""Strict schemas of the Kubernetes kinds: would the API server of this version take this object.

The data beside this module is made by `tools/schemas.py`: `kubernetes/<minor>.json` for the built-in kinds,
`crds/<group>.json` for custom kinds, `index.json` for what is where, `DIGESTS` for their SHA-256. `host.json`, written
by hand, has ringfence's own kinds of the host plane.  Nothing is read
before it is asked for: a store parses one file, a CRD group when one of its kinds is wanted, and a kind is compiled
(and jsonschema_rs imported) at its first check.

CEL rules and what the API server checks in code are not in a schema; `status` may be any object.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ringfence.schemas.problems import Problem, cidr_like, describe, not_json
from ringfence.schemas.strings import is_free

if TYPE_CHECKING:
    import jsonschema_rs

__all__ = ["SUPPORTED", "KindSchema", "Problem", "SchemaStore"]

SUPPORTED: Final[tuple[str, ...]] = ("1.32", "1.33", "1.34", "1.35", "1.36", "1.37")
DATA: Final = Path(__file__).parent
DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"

Document = dict[str, Any]


@cache
def read(name: str) -> Document:
    """Parse a data file, once; the caller must not change it."""
    document: Document = json.loads((DATA / name).read_bytes())
    return document


class KindSchema:
    """One kind of one version, compiled at its first check."""

    def __init__(self, name: str, document: Document) -> None:
        """Take the key "<apiVersion>/<kind>" and the schema file that defines it."""
        self.name = name
        self._defs: Document = document["defs"]
        self._root = {"$ref": f"#/$defs/{document['kinds'][name]}"}
        scope = document.get("scopes", {}).get(name)
        self.namespaced: bool | None = None if scope is None else scope == "Namespaced"  # None: the source did not say

    def __repr__(self) -> str:
        """Name the kind."""
        return f"KindSchema({self.name})"

    @cached_property
    def schema(self) -> Document:
        """A closed JSON Schema document of this kind alone."""
        return {"$schema": DIALECT, **self._root, "$defs": reachable(self._defs, self._root)}

    @cached_property
    def _validator(self) -> jsonschema_rs.Draft202012Validator:
        import jsonschema_rs

        return jsonschema_rs.Draft202012Validator(
            self.schema, validate_formats=True, formats={"cidr": cidr_like}, offline=True
        )

    def is_valid(self, body: Mapping[str, Any]) -> bool:
        """Tell whether the object is valid; a value that JSON cannot carry makes it invalid."""
        try:
            return self._validator.is_valid(body if isinstance(body, dict) else dict(body))
        except ValueError:
            return False

    def problems(self, body: Mapping[str, Any]) -> list[Problem]:
        """Return what is wrong with the object, ordered by path; nothing when it is valid."""
        if self.is_valid(body):
            return []
        plain = body if isinstance(body, dict) else dict(body)
        found = set(not_json(plain))
        if not found:
            for error in self._validator.iter_errors(plain):
                found.update(describe(error, self.schema))
        return sorted(found, key=Problem.order)

    def is_free_string(self, path: tuple[str | int, ...]) -> bool:
        """Tell whether it is certain that every string at this path is as valid as any other, all else unchanged.

        False when in doubt.  It says nothing about a map's keys.
        """
        return is_free(self._defs, self._root, path)


class SchemaStore:
    """The kinds that a cluster of one Kubernetes version can have: its own, and the custom ones known here."""

    def __init__(self, kubernetes: str) -> None:
        """Take a minor version such as "1.36"; raises ValueError for one that is not in SUPPORTED."""
        if kubernetes not in SUPPORTED:
            raise ValueError(f"Kubernetes {kubernetes} is not supported: choose from {', '.join(SUPPORTED)}")
        self.kubernetes = kubernetes
        self._builtin = read(f"kubernetes/{kubernetes}.json")
        self._kinds: dict[tuple[str, str], KindSchema | None] = {}

    def kind(self, api_version: str, kind: str) -> KindSchema | None:
        """Return a kind's schema; None when this version has no such kind and no CRD known here defines it."""
        key = (api_version, kind)
        if key not in self._kinds:
            self._kinds[key] = self._find(api_version, f"{api_version}/{kind}")
        return self._kinds[key]

    def _find(self, api_version: str, name: str) -> KindSchema | None:
        if name in self._builtin["kinds"]:
            return KindSchema(name, self._builtin)
        if name in read("host.json")["kinds"]:
            return KindSchema(name, read("host.json"))
        group = api_version.rpartition("/")[0]
        if name in read("index.json")["crds"].get(group, ()):
            return KindSchema(name, read(f"crds/{group}.json"))
        return None

    def versions_of(self, api_version: str, kind: str) -> tuple[str, ...]:
        """Return the supported Kubernetes minors that have this built-in apiVersion and kind."""
        return tuple(read("index.json")["kubernetes"].get(f"{api_version}/{kind}", ()))

    def versions_with_kind(self, kind: str) -> list[str]:
        """Return the apiVersions under which this store has the kind, for a hint; built-in ones first."""
        custom = (name for names in read("index.json")["crds"].values() for name in names)
        names = [*sorted(self._builtin["kinds"]), *sorted(custom)]
        return [name.rpartition("/")[0] for name in names if name.rpartition("/")[2] == kind]

    def kinds(self) -> set[str]:
        """Return the names of the built-in kinds, for a hint."""
        return {name.rpartition("/")[2] for name in self._builtin["kinds"]}

    def groups(self) -> set[str]:
        """Return the API groups that Kubernetes itself owns in any supported version; the core group is empty."""
        return {name.rpartition("/")[0].rpartition("/")[0] for name in read("index.json")["kubernetes"]}

    def digest(self) -> str:
        """Return the SHA-256 of this version's and the CRDs' schema files, from the committed DIGESTS."""
        import hashlib

        mine = f"kubernetes/{self.kubernetes}.json"
        rows = (DATA / "DIGESTS").read_text(encoding="ascii").splitlines()
        kept = [row for row in rows if row.endswith((f"  {mine}", "  host.json")) or "  crds/" in row]
        return hashlib.sha256("\n".join(kept).encode("ascii")).hexdigest()


def reachable(defs: Document, root: Document) -> Document:
    """Return the definitions that a schema needs, theirs included."""
    needed: Document = {}
    waiting = list(references(root))
    while waiting:
        name = waiting.pop()
        if name not in needed:
            needed[name] = defs[name]
            waiting.extend(references(defs[name]))
    return needed


def references(node: Any) -> Iterator[str]:
    """Yield the names of the definitions that a schema refers to directly."""
    if isinstance(node, dict):
        target = node.get("$ref")
        if isinstance(target, str):  # a mapping here is a property that is called $ref
            yield target.removeprefix("#/$defs/")
        for child in node.values():
            yield from references(child)
    elif isinstance(node, list):
        for child in node:
            yield from references(child)
