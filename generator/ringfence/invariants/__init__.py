"""Security promises as code: one module a promise, each a list of rules over arranged objects.

A rule about one object reads its *tree*, in which a `Slot` or `Joined` stands for a string that differs
from object to object: so it runs once per structure. Where a decision may not hang on a value at all
(a verb, a role, a policy type), an open string is itself a violation. A rule about many objects gets them
all. Rules are run on what ringfence renders, where a violation is an error, and by `ringfence check` on
any manifests, where it is a finding.
"""

from __future__ import annotations

from ringfence.invariants.rules import ObjectRule, SetRule, Violation, object_rules, set_rules

__all__ = ["ObjectRule", "SetRule", "Violation", "object_rules", "set_rules"]
