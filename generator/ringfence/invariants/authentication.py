"""Whoever signs in by an identity provider is somebody of that provider, and somebody can."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ringfence.invariants.rules import ObjectRule, Violation
from ringfence.model import Severity
from ringfence.shape import Path

_RESERVED = ("system:", "kubeadm:")  # prefixes of Kubernetes' own users and groups, and of the installer's


def people_of_the_provider(tree: dict[str, Any]) -> Iterator[Violation]:
    """Names carry a prefix that is not Kubernetes' own, and no rule refuses everybody."""
    content = tree.get("content") or {}
    if content.get("kind") != "AuthenticationConfiguration":
        return
    for number, entry in enumerate(content.get("jwt") or ()):
        here: Path = ("content", "jwt", number)
        yield from _unprefixed(entry.get("claimMappings") or {}, (*here, "claimMappings"))
        for index, rule in enumerate(entry.get("claimValidationRules") or ()):
            if rule.get("expression") == "false":
                yield Violation(
                    (*here, "claimValidationRules", index, "expression"),
                    f"nobody of {entry['issuer']['url']} could sign in: {rule.get('message')}",
                    "say under identity.oidc[].secondFactor which claim does, put a provider in front that has one, "
                    "or set the control to audit with a reason",
                )


def _unprefixed(mappings: dict[str, Any], here: Path) -> Iterator[Violation]:
    for what in ("username", "groups"):
        prefix = (mappings.get(what) or {}).get("prefix")
        if what in mappings and (not prefix or prefix.startswith(_RESERVED)):
            yield Violation(
                (*here, what, "prefix"),
                f"{what} of the identity provider can be taken for Kubernetes' own",
                'give identity.oidc[].prefix a value such as "oidc:"',
            )


RULES = (ObjectRule("apiserver-oidc-structured", Severity.HIGH, frozenset({"File"}), people_of_the_provider),)
