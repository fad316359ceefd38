"""What an API server serves: plural names to paths, by its discovery (KEP-3352, aggregated, v2 since 1.30)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from ringfence.errors import ToolError
from ringfence.probes.api import Api
from ringfence.probes.outcome import Unprovable

_AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json"


class Resource(NamedTuple):
    """One kind of object as it is served, in its preferred version."""

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool

    def path(self, namespace: str | None, name: str = "", sub: str = "") -> str:
        """The URL of an object, or of the collection when `name` is empty."""
        root = f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"
        place = f"/namespaces/{namespace}" if self.namespaced and namespace else ""
        return root + place + "".join(f"/{part}" for part in (self.plural, name, sub) if part)


class Resources:
    """Everything an API server serves; asked once a run."""

    def __init__(self, api: Api) -> None:
        self._plurals: dict[str, Resource] = {}
        self._kinds: dict[tuple[str, str], Resource] = {}
        self.group_versions: list[str] = []
        for root in ("/api", "/apis"):
            answer = api.call("GET", root, accept=_AGGREGATED)
            if not answer.ok or "items" not in (answer.data or {}):
                raise ToolError(f"can't discover what the API server serves at {root}: {answer.text}")
            for group in answer.data["items"]:
                self._take(group)

    def _take(self, group: Mapping[str, Any]) -> None:
        name = group.get("metadata", {}).get("name", "")
        for version in group["versions"]:
            self.group_versions.append(f"{name}/{version['version']}" if name else version["version"])
            for one in version.get("resources", ()):
                kind = one.get("responseKind", {}).get("kind", "")
                found = Resource(name, version["version"], one["resource"], kind, one["scope"] == "Namespaced")
                self._plurals.setdefault(found.plural, found)  # core comes first, preferred versions too
                self._plurals.setdefault(f"{found.plural}.{name}", found)
                self._kinds.setdefault((name, kind), found)

    def find(self, text: str) -> tuple[Resource, str]:
        """`plural[.group][/subresource]` as the resource and the subresource."""
        plural, _, sub = text.partition("/")
        if plural not in self._plurals:
            raise Unprovable(f"the API server serves no {plural}")
        return self._plurals[plural], sub

    def named(self, text: str, namespaced: bool) -> tuple[Resource, str]:
        """As `find`, but what is not served is taken as written: rules name what add-ons bring."""
        plural, _, sub = text.partition("/")
        if plural in self._plurals or "." not in plural:
            return self.find(text)
        name, _, group = plural.partition(".")
        return Resource(group, "", name, "", namespaced), sub

    def of(self, body: Mapping[str, Any]) -> Resource:
        """The resource of an object."""
        key = (body["apiVersion"].rpartition("/")[0], body["kind"])
        if key not in self._kinds:
            raise Unprovable(f"the API server serves no {body['kind']} of {body['apiVersion']}")
        return self._kinds[key]
