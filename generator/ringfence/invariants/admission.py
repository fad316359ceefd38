"""placeholder"""

from __future__ import annotations

from ringfence.invariants.rules import ObjectRule, SetRule

RULES: tuple[ObjectRule | SetRule, ...] = ()
