"""No secret ever enters a tree: references only."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ringfence.invariants.rules import ObjectRule, Violation
from ringfence.model import Severity


def secret_material(tree: dict[str, Any]) -> Iterator[Violation]:
    """A Secret with contents in version control is no secret any more."""
    for key in ("data", "stringData"):
        if tree.get(key):
            yield Violation(
                (key,),
                "a Secret with contents in the tree",
                "keep a reference: External Secrets, Vault or Sealed Secrets",
            )


RULES = (ObjectRule("sec-iac-state", Severity.CRITICAL, frozenset({"Secret"}), secret_material),)
