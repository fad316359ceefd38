"""Everything in which a sandbox differs from the hosts that its files were generated for: this table, nothing else.

`docs/sandbox.md` shows it, `ringfence sandbox up -v` lists what of it took effect. `differences` compares what is
about to run with what was generated, and whatever the table doesn't explain is an error: the sandbox proves
something about the generated files only as long as it runs them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ringfence.errors import InputError

LOOPBACK = "127.0.0.1"
NODE = "sandbox"
# Documentation addresses (RFC 5737, RFC 3849): kubeadm and the API server's endpoints refuse loopback ones.
ADVERTISED = {4: "192.0.2.1", 6: "2001:db8::1"}


class Substitution(NamedTuple):
    """`what` at `where` becomes `form`; `where` is a component, or the kind of a document."""

    where: str
    what: str  # a flag, or a field with [*] for items of lists
    form: str  # {value} is the generated one, {root} the folder that stands for /
    reason: str
    added: bool = True  # also where it was not generated


_LOOPBACK = "it answers on loopback alone"
_PORT = "ports are chosen among free ones, so that several sandboxes run beside each other"
_ETCD = "one etcd member, on loopback and a free port"
_ALONE = "nobody else could lead, and the lease of a killed one would hold up the next for 15 seconds"
_HASTE = "it makes an account for each controller before any works, which its own rate stretches to five seconds"
_ISSUER = "its throwaway issuer stands in for the identity provider; the issuer's URL in tokens stays"
_PATH = "a folder stands in for the host's file system"

TABLE = (
    Substitution("ClusterConfiguration", "kubernetesVersion", "{version}", "the binaries that are here"),
    Substitution("ClusterConfiguration", "apiServer.certSANs[+]", LOOPBACK, "clients reach it on loopback"),
    Substitution(
        "InitConfiguration", "localAPIEndpoint.advertiseAddress", "{advertised}", "kubeadm refuses loopback addresses"
    ),
    Substitution("InitConfiguration", "nodeRegistration.name", NODE, "no node stands behind it"),
    Substitution("InitConfiguration", "nodeRegistration.criSocket", "unix:///none", "no containers are started"),
    Substitution("Config", "clusters[*].cluster.server", "https://127.0.0.1:{kube-apiserver}", _LOOPBACK),
    Substitution("*", "every flag that is a path on the host", "{root}{value}", _PATH),
    Substitution("kube-apiserver", "bind-address", LOOPBACK, _LOOPBACK),
    Substitution("kube-apiserver", "secure-port", "{kube-apiserver}", _PORT),
    Substitution("kube-apiserver", "etcd-servers", "https://127.0.0.1:{etcd}", _ETCD),
    Substitution("kube-controller-manager", "bind-address", LOOPBACK, _LOOPBACK),
    Substitution("kube-controller-manager", "secure-port", "{kube-controller-manager}", _PORT),
    Substitution("kube-controller-manager", "leader-elect", "false", _ALONE),
    Substitution("kube-controller-manager", "kube-api-qps", "200", _HASTE),
    Substitution("kube-controller-manager", "kube-api-burst", "400", _HASTE),
    Substitution("kube-scheduler", "bind-address", LOOPBACK, _LOOPBACK),
    Substitution("kube-scheduler", "secure-port", "{kube-scheduler}", _PORT),
    Substitution("kube-scheduler", "leader-elect", "false", _ALONE),
    Substitution("etcd", "advertise-client-urls", "https://127.0.0.1:{etcd}", _ETCD),
    Substitution("etcd", "listen-client-urls", "https://127.0.0.1:{etcd}", _ETCD),
    Substitution("etcd", "initial-advertise-peer-urls", "https://127.0.0.1:{etcd-peer}", _ETCD),
    Substitution("etcd", "initial-cluster", f"{NODE}=https://127.0.0.1:{{etcd-peer}}", _ETCD),
    Substitution("etcd", "listen-peer-urls", "https://127.0.0.1:{etcd-peer}", _ETCD),
    Substitution("etcd", "listen-metrics-urls", "http://127.0.0.1:{etcd-metrics}", _ETCD),
    Substitution(
        "AuthenticationConfiguration",
        "jwt[*].issuer.discoveryURL",
        "https://127.0.0.1:{issuer}/{index}/.well-known/openid-configuration",
        _ISSUER,
    ),
    Substitution("AuthenticationConfiguration", "jwt[*].issuer.certificateAuthority", "{issuer_ca}", _ISSUER),
    Substitution(
        "EncryptionConfiguration",
        "resources[*].providers[*].kms.endpoint",
        "unix://{sockets}/{socket}",
        "a test plugin listens there; paths of sockets must be short",
        added=False,
    ),
    Substitution("AdmissionConfiguration", "plugins[*].path", "{root}{value}", _PATH, added=False),
    Substitution(
        "AdmissionConfiguration", "plugins[*].configuration.staticManifestsDir", "{root}{value}", _PATH, added=False
    ),
    Substitution(
        "AuthorizationConfiguration",
        "authorizers[*].webhook.connectionInfo.kubeConfigFile",
        "{root}{value}",
        _PATH,
        added=False,
    ),
)
_FLAGS = {(s.where, s.what): s for s in TABLE}
_PATHS = _FLAGS["*", "every flag that is a path on the host"]
# Flags whose value begins with a slash and names no file (kube-apiserver and kube-controller-manager reference).
_NO_PATHS = frozenset({"authorization-always-allow-paths", "etcd-prefix"})

Flags = Sequence[tuple[str, str]]  # in order; a flag may come twice


class Applied(NamedTuple):
    """A substitution that took effect."""

    where: str
    what: str
    was: str
    now: str
    reason: str


@dataclass(frozen=True, slots=True)
class Setting:
    """What the forms are filled with."""

    root: str
    version: str = ""
    advertised: str = ADVERTISED[4]
    ports: Mapping[str, int] = field(default_factory=dict)
    issuer_ca: str = ""
    sockets: str = ""

    def fill(self, one: Substitution, value: Any = "", indices: Sequence[int] = ()) -> str:
        """The form of a substitution with this setting's values."""
        values = {
            "root": self.root,
            "version": self.version,
            "advertised": self.advertised,
            "issuer_ca": self.issuer_ca,
            "sockets": self.sockets,
            "value": value,
            "index": indices[0] if indices else "",
            "socket": socket_name(str(value)),
            **self.ports,
        }
        return re.sub(r"\{([a-z_-]+)\}", lambda m: str(values[m[1]]), one.form)


def socket_name(endpoint: str) -> str:
    """The name of the socket that stands in for a KMS endpoint."""
    return re.sub(r"[^a-z0-9]+", "-", endpoint.removeprefix("unix://").lower()).strip("-")[-24:] + ".sock"


# ------------------------------------------------------------------------------------------------------------ flags


def is_path(flag: str, value: str) -> bool:
    """Does this flag name a file or folder of the host?"""
    return value.startswith("/") and flag not in _NO_PATHS


def _expected(component: str, flag: str, value: str | None, setting: Setting) -> tuple[str | None, Substitution | None]:
    """What a flag becomes, and why; unchanged without a reason."""
    one = _FLAGS.get((component, flag))
    if one is not None:
        return setting.fill(one, value or ""), one
    if value is not None and is_path(flag, value):
        return setting.fill(_PATHS, value), _PATHS
    return value, None


def substitute_flags(component: str, flags: Flags, setting: Setting) -> list[tuple[str, str]]:
    """The flags as a sandbox runs them."""
    found = []
    for flag, value in flags:
        now, _ = _expected(component, flag, value, setting)
        found.append((flag, str(now)))
    given = {flag for flag, _ in flags}
    for (where, flag), one in _FLAGS.items():
        if where == component and flag not in given:
            found.append((flag, setting.fill(one)))
    return found


def differing_flags(component: str, generated: Flags, real: Flags, setting: Setting) -> list[Applied]:
    """Every flag that differs, with the reason; InputError for one that no substitution explains."""
    before, after = _by_flag(generated), _by_flag(real)
    found = []
    for flag in dict.fromkeys([*before, *after]):
        was, now = before.get(flag, []), after.get(flag, [])
        if was == now:
            continue
        pairs = [_expected(component, flag, value, setting) for value in (was or (None,))]
        reasons = [one for _, one in pairs if one is not None]
        if not reasons or now != [value for value, _ in pairs]:
            raise unexplained(component, f"--{flag}", _said(was), _said(now))
        found.append(Applied(component, f"--{flag}", _said(was), _said(now), reasons[0].reason))
    return found


def _by_flag(flags: Flags) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for flag, value in flags:
        found.setdefault(flag, []).append(value)
    return found


def _said(values: Sequence[str]) -> str:
    return ", ".join(values)


def unexplained(where: str, what: str, was: str, now: str) -> InputError:
    """The error of a difference that the table does not explain."""
    return InputError(
        f"{where}: {what} would run as {now or 'nothing'!r} where the host files give {was or 'nothing'!r}",
        hint="only what docs/sandbox.md lists may differ; report it, or add a substitution with its reason",
    )


# ------------------------------------------------------------------------------------------------------------ files


class _Place(NamedTuple):
    holder: Any
    key: str | int
    indices: tuple[int, ...]


def _places(value: Any, steps: Sequence[str], indices: tuple[int, ...] = ()) -> Iterator[_Place]:
    """Where a field such as jwt[*].issuer.discoveryURL stands, or would stand, in a document."""
    step, rest = steps[0], steps[1:]
    name = step.removesuffix("[*]")
    if not isinstance(value, dict) or (rest and name not in value):
        return
    if step.endswith("[*]"):
        for i, item in enumerate(value[name]):
            yield from _places(item, rest, (*indices, i))
    elif rest:
        yield from _places(value[name], rest, indices)
    else:
        yield _Place(value, name, indices)


def substitute_document(document: Any, setting: Setting) -> None:
    """Change a document in place, by its kind."""
    for one in _rows(document):
        for place in _places(document, one.what.split(".")):
            if one.added or place.key in place.holder:
                place.holder[place.key] = setting.fill(one, place.holder.get(place.key, ""), place.indices)


def touches(document: Any) -> bool:
    """Has the table anything about documents of this kind?"""
    return any(_rows(document))


def _rows(document: Any) -> Iterator[Substitution]:
    kind = document.get("kind") if isinstance(document, dict) else None
    return (s for s in TABLE if s.where == kind and "[+]" not in s.what)


def differing_fields(where: str, generated: Any, real: Any, setting: Setting) -> list[Applied]:
    """Every field in which two documents differ, with the reason; InputError for one that none explains."""
    before, after = dict(_leaves(generated)), dict(_leaves(real))
    rows = {re.sub(r"\[\*\]", "", s.what): s for s in _rows(generated)}
    found = []
    for path in dict.fromkeys([*before, *after]):
        was, now = before.get(path, ""), after.get(path, "")
        if was == now and (path in before) == (path in after):
            continue
        one = rows.get(re.sub(r"\[\d+\]", "", path))
        indices = [int(i) for i in re.findall(r"\[(\d+)\]", path)]
        if one is None or now != setting.fill(one, was, indices):
            raise unexplained(where, path, str(was), str(now))
        found.append(Applied(where, path, _short(was), _short(now), one.reason))
    return found


def _leaves(value: Any, path: str = "") -> Iterable[tuple[str, Any]]:
    if isinstance(value, dict) and value:
        for key, item in value.items():
            yield from _leaves(item, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list) and value:
        for i, item in enumerate(value):
            yield from _leaves(item, f"{path}[{i}]")
    else:
        yield path, value


def _short(value: Any) -> str:
    text = str(value)
    return "a certificate" if text.startswith("-----BEGIN CERTIFICATE") else text
