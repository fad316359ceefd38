"""cluster.yaml → Cluster: judged, then checked across fields. Every error of the stage is reported at once."""

from __future__ import annotations

import ipaddress
from pathlib import Path as FilePath
from typing import Any

from ringfence.documents import Document, Path, load
from ringfence.errors import InputError, Place, RingfenceError, raise_all
from ringfence.model import PROFILES
from ringfence.spec import oidc
from ringfence.spec.facts import RESERVED_NAMESPACES, Cluster, Exemption, Override
from ringfence.spec.judge import judge
from ringfence.spec.quotas import QUOTA_SIZES
from ringfence.spec.tenants import Groups, Namespace, Tenant


def read_cluster(file: FilePath, shown: str | None = None) -> Cluster:
    """The cluster that `file` describes; `shown` is the name used in errors and provenance."""
    name = shown or file.as_posix()
    try:
        data = file.read_bytes()
    except OSError as bad:
        raise InputError(
            f"can't read the file: {(bad.strerror or str(bad)).lower()}",
            place=Place(name),
            hint="write one with `ringfence init`",
        ) from bad
    return cluster_of(load(data, name))


def cluster_of(document: Document) -> Cluster:
    """The cluster of a parsed document."""
    cluster = _build(judge(document, "cluster"), document)
    network = document.value.get("network", {})
    raise_all(
        [
            *_tenant_errors(cluster, document),
            *_component_errors(cluster, document),
            *_exemption_errors(cluster, document),
            *_network_errors(network, document),
            *oidc.problems(cluster.oidc, document),
            *_delivery_errors(cluster, document),
        ]
    )
    return cluster


def _build(data: dict[str, Any], document: Document) -> Cluster:
    groups, network = data["identity"]["groups"], data["network"]
    return Cluster(
        name=data["name"],
        profile=data["profile"],
        profile_place=Place(document.file) if data["profile"] in PROFILES else document.place(("profile",)),
        kubernetes=data["kubernetes"]["version"],
        patch=data["kubernetes"]["patch"],
        distribution=data["kubernetes"]["distribution"],
        cni=network["cni"],
        network=network,
        ip_families=tuple(network["ipFamilies"]),
        oidc=tuple(data["identity"]["oidc"]),
        platform_admin_groups=tuple(groups["platformAdmin"]),
        auditor_groups=tuple(groups["auditor"]),
        break_glass_groups=tuple(groups["breakGlass"]),
        registries=tuple(data["images"]["registries"]),
        components=data["components"],
        delivery=data["delivery"],
        tenants=tuple(_tenant(t) for t in data["tenants"]),
        overrides=tuple(_override(id_, o, document) for id_, o in data["controls"].items()),
        exemptions=tuple(_exemption(i, e, document) for i, e in enumerate(data["exceptions"])),
        file=document.file,
    )


def _tenant(data: dict[str, Any]) -> Tenant:
    raw = data["groups"]
    groups = Groups(tuple(raw["nsAdmin"]), tuple(raw["developer"]), tuple(raw["viewer"]), tuple(raw["ciDeployer"]))
    tier, quota = data["tier"], _quota(data["quota"])
    name, owner = data["name"], data["owner"]
    namespaces = tuple(
        Namespace(entry, name, owner, tier, quota, groups, False, True, ())
        if entry.__class__ is str
        else Namespace(
            entry["name"],
            name,
            owner,
            entry["tier"] or tier,
            _quota(entry["quota"]) if entry["quota"] else quota,
            groups,
            entry["apiAccess"],
            entry["ingress"],
            tuple(entry["metricsPorts"]),
        )
        for entry in data["namespaces"]
    )
    return Tenant(name, owner, groups, namespaces)


def _quota(value: Any) -> dict[str, Any]:
    return QUOTA_SIZES[value] if isinstance(value, str) else value


def _override(control: str, data: dict[str, Any], document: Document) -> Override:
    path: Path = ("controls", control)
    params = data.get("params", {})
    places = {p: document.place((*path, "params", p)) for p in params}
    places["stage"] = document.place((*path, "stage"))
    return Override(control, data.get("stage"), params, data["reason"], document.place(path), places)


def _exemption(index: int, data: dict[str, Any], document: Document) -> Exemption:
    path: Path = ("exceptions", index)
    scope = data["scope"]
    places = {key: document.place((*path, key)) for key in ("control", "expires", "scope")}
    return Exemption(
        data["name"], data["control"], data["owner"], data["reason"], data["ticket"], data["expires"],
        tuple(scope["namespaces"]), tuple(scope["names"]), document.place(path), places,
    )  # fmt: skip


def _tenant_errors(cluster: Cluster, document: Document) -> list[RingfenceError]:
    """Tenants and their namespaces: names given twice, and names that belong to the platform."""
    errors: list[RingfenceError] = []
    seen: dict[str, Path] = {}
    tenants: dict[str, Path] = {}
    system = frozenset(cluster.system_namespaces)
    for t, tenant in enumerate(cluster.tenants):
        _once(errors, "tenant", tenant.name, ("tenants", t, "name"), tenants, document)
        for n, namespace in enumerate(tenant.namespaces):
            path: Path = ("tenants", t, "namespaces", n)
            _once(errors, "namespace", namespace.name, path, seen, document)
            kubernetes = namespace.name in RESERVED_NAMESPACES or namespace.name.startswith("kube-")
            if kubernetes or namespace.name in system:
                errors.append(
                    InputError(
                        f'namespace "{namespace.name}" is reserved by {"Kubernetes" if kubernetes else "the platform"}',
                        place=document.place(path),
                        hint="choose another name",
                    )
                )
    return errors


def _component_errors(cluster: Cluster, document: Document) -> list[RingfenceError]:
    """Namespaces of components: names given twice, and Kubernetes' own."""
    errors: list[RingfenceError] = []
    seen: dict[str, Path] = {}
    for i, entry in enumerate(cluster.components["namespaces"]):
        path: Path = ("components", "namespaces", i)
        _once(errors, "namespace", entry["name"], path, seen, document)
        if entry["name"] in RESERVED_NAMESPACES:
            errors.append(
                InputError(
                    f'namespace "{entry["name"]}" is Kubernetes\' own',
                    place=document.place(path),
                    hint="list namespaces that installers or you make",
                )
            )
    return errors


def _exemption_errors(cluster: Cluster, document: Document) -> list[RingfenceError]:
    """Exceptions: names given twice, scopes that cover nothing, and last days that are no date."""
    errors: list[RingfenceError] = []
    seen: dict[str, Path] = {}
    for i, exemption in enumerate(cluster.exemptions):
        _once(errors, "exception", exemption.name, ("exceptions", i, "name"), seen, document)
        if not exemption.namespaces and not exemption.names:
            errors.append(
                InputError(
                    f'exception "{exemption.name}" has an empty scope',
                    place=exemption.places["scope"],
                    hint="list the namespaces or the names it covers",
                )
            )
        errors.extend(_date_errors(exemption))
    return errors


def _once(
    errors: list[RingfenceError], what: str, name: str, path: Path, seen: dict[str, Path], document: Document
) -> None:
    if name in seen:
        first = document.place(seen[name])
        errors.append(
            InputError(
                f'{what} "{name}" is listed twice',
                place=document.place(path),
                hint=f"it stands first on line {first.line}",
            )
        )
    seen.setdefault(name, path)


def _date_errors(exemption: Exemption) -> list[RingfenceError]:
    import datetime

    try:
        datetime.date.fromisoformat(exemption.expires)
    except ValueError:
        return [
            InputError(
                f'exception "{exemption.name}": "{exemption.expires}" is no date',
                place=exemption.places["expires"],
                hint='write a date as "YYYY-MM-DD"',
            )
        ]
    return []


def _delivery_errors(cluster: Cluster, document: Document) -> list[RingfenceError]:
    """A layout for a GitOps engine needs to know where the engine reads it from."""
    delivery = cluster.delivery
    layout = delivery["layout"]
    needed = {"flux": ("path", "flux"), "argocd": ("path", "argocd")}.get(layout, ())
    return [
        InputError(
            f"delivery: layout {layout} needs {key}",
            place=document.place(("delivery", "layout")),
            hint=f"add delivery.{key}",
        )
        for key in needed
        if not delivery[key]
    ]


def _network_errors(network: dict[str, Any], document: Document) -> list[RingfenceError]:
    """Addresses that don't parse, families that don't fit, and a plugin that enforces nothing."""
    errors: list[RingfenceError] = []
    families = network.get("ipFamilies", ["IPv4"])
    for key in ("podCIDRs", "serviceCIDRs", "nodeCIDRs"):
        for i, text in enumerate(network.get(key, [])):
            errors.extend(_address_errors(text, families, document, ("network", key, i), ipaddress.ip_network))
    for outer in ("dns", "apiServer"):
        for i, text in enumerate(network.get(outer, {}).get("addresses", [])):
            errors.extend(
                _address_errors(text, families, document, ("network", outer, "addresses", i), ipaddress.ip_address)
            )
    mode = network.get("dns", {}).get("mode")
    if not network.get("dns", {}).get("addresses") and (
        mode == "custom" or (mode in ("nodelocal", "gke-clouddns") and "IPv4" not in families)
    ):
        errors.append(
            InputError(
                f"network.dns: mode {mode} needs addresses{'' if mode == 'custom' else ' where IPv4 is not in use'}",
                place=document.place(("network", "dns", "mode")),
                hint="list the resolvers under network.dns.addresses",
            )
        )
    if network.get("cni") == "flannel":
        errors.append(
            InputError(
                "network.cni: flannel accepts NetworkPolicies and enforces none",
                place=document.place(("network", "cni")),
                hint="choose one that enforces them, such as calico, cilium or canal (flannel with calico's policies)",
            )
        )
    return errors


def _address_errors(text: str, families: list[str], document: Document, path: Path, parse: Any) -> list[RingfenceError]:
    where = ".".join(str(p) for p in path[:-1])
    try:
        parsed = parse(text)
    except ValueError:
        return [_unparsed(text, f'{where}: "{text}"', document.place(path))]
    if (family := f"IPv{parsed.version}") not in families:
        return [
            InputError(
                f'{where}: "{text}" is {family}, which network.ipFamilies does not list',
                place=document.place(path),
                hint=f"add {family} to network.ipFamilies",
            )
        ]
    return []


def _unparsed(text: str, what: str, place: Place) -> InputError:
    """An address or a range that is none, or that names a host where a range is wanted."""
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        example = "10.0.0.0/16 or fd00::/48" if "/" in text else "10.0.0.1 or fd00::1"
        return InputError(f"{what} does not parse", place=place, hint=f"write it such as {example}")
    return InputError(f"{what} has host bits set", place=place, hint=f"write {network}")
