"""Placeholders of probe pairs: which namespaces of this cluster a pair is asked in, and as which groups."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from ringfence.spec import Cluster
from ringfence.spec.tenants import Groups, Namespace

_PLACEHOLDER = re.compile(r"<([a-z]+)(?:[:.]([^<>\s]*))?>")
TIERS: Mapping[str, tuple[str, ...]] = {
    "production": ("production",),
    "staging": ("staging",),
    "development": ("development",),
    "untrusted": ("untrusted",),
    "nonproduction": ("development", "staging"),
    "tenant": ("production", "staging", "development", "untrusted"),
    "other": ("production", "staging", "development", "untrusted"),
}
_OTHERS = (
    *("own", "probe", "marker", "group", "prefix", "registry", "version", "params", "csr", "uid", "claim"),
    *("namespace", "serviceaccount", "account", "ca"),
)
# persona -> the tenant's groups it stands for
TENANT_PERSONAS: Mapping[str, Callable[[Groups], tuple[str, ...]]] = {
    "ns-admin": lambda g: g.ns_admin,
    "developer": lambda g: g.developer,
    "viewer": lambda g: g.viewer,
    "ci-deployer": lambda g: g.ci_deployer,
}
CLUSTER_PERSONAS: Mapping[str, Callable[[Cluster], tuple[str, ...]]] = {
    "platform-admin": lambda c: c.platform_admin_groups,
    "auditor": lambda c: c.auditor_groups,
    "break-glass": lambda c: c.break_glass_groups,
}


class NotApplicable(Exception):
    """The pair has no place on this cluster, and why."""


def strings(value: Any) -> Iterator[str]:
    """Every text within a value, keys too."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from strings(key)
            yield from strings(inner)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from strings(inner)


def unknown_placeholder(value: Any) -> str | None:
    """The first placeholder within a value that nothing stands for."""
    found = (m for text in strings(value) for m in _PLACEHOLDER.finditer(text))
    return next((m[0] for m in found if m[1] not in TIERS and m[1] not in _OTHERS), None)


def mentions_tenants(value: Any) -> bool:
    """Does a placeholder within a value stand for a namespace of a tenant?"""
    return any(m[1] in TIERS for text in strings(value) for m in _PLACEHOLDER.finditer(text))


def substitute(value: Any, fill: Callable[[str, str], Any]) -> Any:
    """A value with `fill(name, argument)` in place of each placeholder, in every text of it.

    A text that is one placeholder and nothing else becomes what stands for it, whatever its type.
    """
    if isinstance(value, str):
        if "<" not in value:
            return value
        whole = _PLACEHOLDER.fullmatch(value)
        if whole:
            return fill(whole[1], whole[2] or "")
        return _PLACEHOLDER.sub(lambda m: str(fill(m[1], m[2] or "")), value)
    if isinstance(value, Mapping):
        return {substitute(k, fill): substitute(v, fill) for k, v in value.items()}
    return [substitute(v, fill) for v in value] if isinstance(value, (list, tuple)) else value


def personas(who: Any) -> tuple[str, ...]:
    """Personas that a `who` stands for: none for users of its own."""
    word = who.partition(" as ")[0] if isinstance(who, str) else ""
    return (word,) if word in TENANT_PERSONAS or word in CLUSTER_PERSONAS else ()


class Places:
    """The namespaces chosen for one pair, by role, and the groups of personas in them."""

    def __init__(self, cluster: Cluster, requests: Sequence[Mapping[str, Any]], excepted: frozenset[str]) -> None:
        """`requests` begin with the one that must be refused.

        Raises NotApplicable when the cluster has no namespace or group that the pair needs.
        """
        self._cluster = cluster
        self._needs = _needs(requests)
        self._excepted = excepted
        for request in requests[:1]:  # the one that must be refused; its twin may be in an excepted namespace
            if request["namespace"] in excepted:
                raise NotApplicable(f"{request['namespace']} is excepted from this control")
        for request in requests:
            for persona in personas(request["who"]):
                if persona in CLUSTER_PERSONAS and not CLUSTER_PERSONAS[persona](cluster):
                    raise NotApplicable(f"cluster.yaml names no group for {_words(persona)}")
        self._chosen = self._choose()

    def _choose(self) -> dict[str, Namespace]:
        """One namespace a role: all of one tenant where there is such a tenant, but for `other`."""
        found = {role: self._candidates(role, wanted) for role, wanted in self._needs.items()}
        together = [role for role in found if role != "other"]
        tenants = dict.fromkeys(n.tenant for role in together[:1] for n in found[role])
        for tenant in tenants:
            of_one = {role: [n for n in found[role] if n.tenant == tenant] for role in together}
            if all(of_one.values()):
                found.update(of_one)
                break
        chosen = {role: found[role][0] for role in together}
        if "other" in found:
            taken = {n.tenant for n in chosen.values()}
            others = [n for n in found["other"] if n.tenant not in taken]
            if not others:
                raise NotApplicable("cluster.yaml has one tenant, so none that is another's")
            chosen["other"] = others[0]
        return chosen

    def _candidates(self, role: str, wanted: frozenset[str]) -> list[Namespace]:
        tiers = TIERS[role]
        here = [n for n in self._cluster.namespaces if n.tier in tiers]
        tier = "" if len(tiers) > 2 else f" of tier {' or '.join(tiers)}"
        if not here:
            raise NotApplicable(f"cluster.yaml has no namespace{tier}")
        kept = [n for n in here if n.name not in self._excepted]
        if not kept:
            raise NotApplicable(f"every namespace{tier} is excepted from this control")
        found = [n for n in kept if all(TENANT_PERSONAS[p](n.groups) for p in wanted)]
        if not found:
            names = " and ".join(sorted(_words(p) for p in wanted))
            raise NotApplicable(f"no tenant with a namespace{tier} names a group for {names}")
        return sorted(found, key=lambda n: tiers.index(n.tier))

    def everywhere(self) -> list[Places]:
        """These places in each namespace that there is for their one role; they alone when they have more, or none."""
        if len(self._needs) != 1:
            return [self]
        ((role, wanted),) = self._needs.items()
        found = []
        for namespace in self._candidates(role, wanted):
            one = copy.copy(self)
            one._chosen = {role: namespace}
            found.append(one)
        return found

    @property
    def namespaces(self) -> frozenset[str]:
        """Names of all that were chosen."""
        return frozenset(n.name for n in self._chosen.values())

    def namespace(self, role: str) -> str:
        """The name of the namespace chosen for a role."""
        return self._chosen[role].name

    def groups(self, persona: str, namespace: str | None) -> tuple[str, ...]:
        """The groups of a persona; a tenant's is of the tenant that owns `namespace`, else of the first chosen."""
        if persona in CLUSTER_PERSONAS:
            return CLUSTER_PERSONAS[persona](self._cluster)[:1]
        here = [n for role, n in self._chosen.items() if role != "other"]  # whoever asks there is a stranger
        first = [n for n in here if n.name == namespace] or here
        return TENANT_PERSONAS[persona](first[0].groups)[:1]

    def fixed(self, name: str, argument: str) -> str | None:
        """What stands for a placeholder that hangs on the cluster alone; None for one of the run."""
        if name in TIERS:
            return self.namespace(name)
        match name:
            case "group":
                return self._group(argument)
            case "prefix":
                return self._cluster.issuers[0].prefix if self._cluster.issuers else ""
            case "claim":
                return self._claim(argument)
            case "registry":
                return self._cluster.registries[0] if self._cluster.registries else "registry.example.com/"
            case "version":
                return self._cluster.kubernetes
        return None

    def _group(self, persona: str) -> str:
        found = self.groups(persona, None)
        if not found:
            raise NotApplicable(f"cluster.yaml names no group for {_words(persona)}")
        return found[0]

    def _claim(self, what: str) -> str:
        """The claim of the first identity provider's tokens that says something."""
        found = self._cluster.issuers[0].claim(what) if self._cluster.issuers else ""
        if not found:
            raise NotApplicable(f"no claim of the identity provider's tokens says anything of {what}")
        return found


def _needs(requests: Sequence[Mapping[str, Any]]) -> dict[str, frozenset[str]]:
    """Roles that requests name, each with the tenant personas that ask there."""
    roles: dict[str, set[str]] = {}
    homeless: set[str] = set()
    for request in requests:
        named = [m[1] for text in strings(request) for m in _PLACEHOLDER.finditer(text) if m[1] in TIERS]
        for role in named:
            roles.setdefault(role, set())
        asked = {p for p in personas(request["who"]) if p in TENANT_PERSONAS}
        named_groups = {m[2] for t in strings(request) for m in _PLACEHOLDER.finditer(t) if m[1] == "group"}
        asked |= named_groups & set(TENANT_PERSONAS)
        here = _PLACEHOLDER.fullmatch(request["namespace"] or "")
        if here and here[1] in TIERS and here[1] != "other":
            roles[here[1]] |= asked
        else:
            homeless |= asked
    if homeless:
        first = next((r for r in roles if r != "other"), "tenant")
        roles.setdefault(first, set()).update(homeless)
    if "other" in roles and len(roles) == 1:
        roles = {"tenant": set(), **roles}
    return {role: frozenset(wanted) for role, wanted in roles.items()}


def _words(persona: str) -> str:
    return persona.replace("-", " ")
