"""Flags of the API server that would take back what a file or another flag promises, whoever writes them.

Sources: kube-apiserver reference, "Options"; k8s.io/kubernetes pkg/kubeapiserver/options (which flags exclude a file).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import wraps
from typing import Any

from ringfence.invariants.rules import ObjectRule, Violation
from ringfence.model import Severity
from ringfence.shape import HOST_API

_STATIC = ("basic-auth-file", "token-auth-file")
_AUTHORIZATION = ("authorization-mode", "authorization-policy-file", "authorization-webhook-")
_AUTHENTICATION = ("anonymous-auth", "oidc-")
_CORE = frozenset(
    {
        "CertificateSubjectRestriction",
        "LimitRanger",
        "NamespaceLifecycle",
        "NodeRestriction",
        "PodSecurity",
        "ResourceQuota",
        "ServiceAccount",
        "ValidatingAdmissionPolicy",
        "ValidatingAdmissionWebhook",
    }
)
_ALPHA = {"feature-gates": ("AllAlpha",), "runtime-config": ("api/all", "api/alpha")}

Flags = Mapping[str, Any]


def _of_api_server(check: Callable[[Flags], Iterator[Violation]]) -> Callable[[dict[str, Any]], Iterator[Violation]]:
    @wraps(check)
    def read(tree: dict[str, Any]) -> Iterator[Violation]:
        if tree.get("apiVersion") == HOST_API and tree["metadata"]["name"] == "kube-apiserver":
            yield from check(tree.get("flags", {}))

    return read


def _set(value: Any) -> frozenset[str]:
    """The names that a flag's value switches on, as a mapping, list or text."""
    if isinstance(value, Mapping):
        return frozenset(name for name, on in value.items() if on)
    names = value if isinstance(value, (list, tuple)) else str(value).split(",")
    pairs = (name.partition("=") for name in names)
    return frozenset(name for name, _, on in pairs if on.lower() != "false")


@_of_api_server
def static_credentials(flags: Flags) -> Iterator[Violation]:
    """Nobody comes in by a word that stands in a file."""
    for name in flags:
        if name in _STATIC:
            yield Violation(("flags", name), f"--{name} lets in whoever knows a word of that file", "leave it out")


@_of_api_server
def authorization_flags(flags: Flags) -> Iterator[Violation]:
    """Who decides stands in a file, and in it alone."""
    yield from _excluded(flags, _AUTHORIZATION, "authorization.yaml")


@_of_api_server
def authentication_flags(flags: Flags) -> Iterator[Violation]:
    """Who is let in stands in a file, and in it alone."""
    yield from _excluded(flags, _AUTHENTICATION, "authentication.yaml")


def _excluded(flags: Flags, starts: tuple[str, ...], file: str) -> Iterator[Violation]:
    for name in flags:
        if name.startswith(starts):
            yield Violation(("flags", name), f"--{name} and {file} exclude each other", f"say it in {file}")


@_of_api_server
def core_admission(flags: Flags) -> Iterator[Violation]:
    """No plugin that controls rely on is taken away, and none that stands for no check is there."""
    for flag, names, words in (
        ("disable-admission-plugins", _CORE, "takes away what other controls rely on"),
        ("enable-admission-plugins", ("AlwaysAdmit",), "stands for no check at all"),
    ):
        for name in sorted(_set(flags.get(flag, {})).intersection(names)):
            yield Violation(("flags", flag), f"{name} in --{flag} {words}", f"leave {name} out")


@_of_api_server
def alpha_switches(flags: Flags) -> Iterator[Violation]:
    """No word turns on all that is alpha."""
    for flag, names in _ALPHA.items():
        for name in sorted(_set(flags.get(flag, {})).intersection(names)):
            yield Violation(("flags", flag), f"{name} in --{flag} turns on everything alpha", "name what is needed")


def _rule(control: str, severity: Severity, check: Callable[[dict[str, Any]], Iterator[Violation]]) -> ObjectRule:
    return ObjectRule(control, severity, frozenset({"Component"}), check)


RULES = (
    _rule("apiserver-no-static-tokens", Severity.CRITICAL, static_credentials),
    _rule("apiserver-authz-chain", Severity.CRITICAL, authorization_flags),
    _rule("apiserver-anon-health-only", Severity.HIGH, authentication_flags),
    _rule("apiserver-admission-core", Severity.HIGH, core_admission),
    _rule("apiserver-alpha-off", Severity.MEDIUM, alpha_switches),
)
