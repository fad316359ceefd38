"""What a parameter's value may be, and which values are looser than others."""

from __future__ import annotations

import ipaddress
import json
import re
from typing import Any

from ringfence.model import Param

_SUFFIX = {"m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15}
_BINARY = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50}
_QUANTITY = re.compile(r"([0-9]+)(?:\.([0-9]+))?(m|k|M|G|T|P|Ki|Mi|Gi|Ti|Pi)?\Z")
_PATH = re.compile(r"(/[A-Za-z0-9_-][A-Za-z0-9._-]*)+\Z")  # nothing that a shell or a mount would read otherwise
_DURATION = re.compile(r"([0-9]+)(s|m|h|d)\Z")


def quantity(text: str) -> int:
    """A Kubernetes quantity in thousandths, rounded up; raises ValueError when it is none."""
    match = _QUANTITY.match(text)
    if not match:
        raise ValueError(text)
    whole, part, suffix = match[1], match[2] or "", match[3] or ""
    number = int(whole + part)
    scale: int = 1000 << _BINARY[suffix] if suffix in _BINARY else 10 ** (_SUFFIX[suffix] + 3)
    tenths: int = 10 ** len(part)
    return -(-number * scale // tenths)


def duration(text: str) -> int:
    """A duration such as 30m or 4h in seconds; raises ValueError when it is none."""
    match = _DURATION.match(text)
    if not match:
        raise ValueError(text)
    return int(match[1]) * {"s": 1, "m": 60, "h": 3600, "d": 86400}[match[2]]


def malformed(param: Param, value: Any) -> tuple[str, str | None] | None:
    """Why `value` is none of the parameter's type, with a hint; None when it is fine."""
    wanted, check = _TYPES[param.type]
    if not check(value):
        quotable = wanted in ("a string", "a quantity", "a duration") and isinstance(value, (int, float))
        hint = f'quote it: "{json.dumps(value)}"' if quotable else _HINTS.get(param.type)
        return f"expected {wanted}, got {_kind(value)}", hint
    if param.choices and param.type == "choice" and value not in param.choices:
        return f'"{value}" is not a valid choice', "choose one of: " + ", ".join(param.choices)
    if param.minimum is not None and isinstance(value, int) and value < param.minimum:
        return f"{value} is out of range", f"write at least {param.minimum}"
    if param.maximum is not None and isinstance(value, int) and value > param.maximum:
        return f"{value} is out of range", f"write at most {param.maximum}"
    return None


def loosened(param: Param, value: Any, before: Any) -> bool:
    """Does `value` loosen `before` against the parameter's floor? Both are well-formed."""
    match param.floor:
        case "deny":
            return bool(value != before)
        case "additive":
            return any(item not in value for item in before)
        case "subtractive":
            return any(item not in before for item in value)
        case "at-most":
            return _number(param, value) > _number(param, before)
        case "at-least":
            return _number(param, value) < _number(param, before)
        case "stricter":
            return param.choices.index(value) < param.choices.index(before)
    return False


def _number(param: Param, value: Any) -> int:
    if param.type == "quantity":
        return quantity(value)
    return duration(value) if param.type == "duration" else int(value)


def _parses(parse: Any, value: Any) -> bool:
    if not isinstance(value, str):
        return False
    try:
        parse(value)
    except ValueError:
        return False
    return True


def _all(kind: type, value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(v, kind) and not isinstance(v, bool) for v in value)


def _kind(value: Any) -> str:
    """A refused value: its kind, and of a scalar the value."""
    if isinstance(value, (list, dict)):
        return "a list" if isinstance(value, list) else "a mapping"
    kind = {int: "integer ", float: "number ", str: "string "}.get(type(value), "")
    return kind + brief(value)


def brief(value: Any) -> str:
    """A value as JSON, cut short."""
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else text[:57] + "..."


_TYPES: dict[str, tuple[str, Any]] = {
    "string": ("a string", lambda v: isinstance(v, str)),
    "choice": ("a string", lambda v: isinstance(v, str)),
    "integer": ("an integer", lambda v: isinstance(v, int) and not isinstance(v, bool)),
    "boolean": ("true or false", lambda v: isinstance(v, bool)),
    "strings": ("a list of strings", lambda v: _all(str, v)),
    "integers": ("a list of integers", lambda v: _all(int, v)),
    "mapping": ("a mapping", lambda v: isinstance(v, dict)),
    "mappings": ("a list of mappings", lambda v: _all(dict, v)),
    "quantity": ("a quantity", lambda v: _parses(quantity, v)),
    "duration": ("a duration", lambda v: _parses(duration, v)),
    "path": ("an absolute path", lambda v: isinstance(v, str) and bool(_PATH.match(v))),
    "cidrs": ("a list of address ranges", lambda v: _all(str, v) and all(_parses(ipaddress.ip_network, c) for c in v)),
}
_HINTS = {
    "quantity": 'write a quantity such as "500m", "2" or 4Gi',
    "duration": "write a duration such as 30m or 4h",
    "path": "write a path such as /mnt/safe, without a slash at its end",
    "cidrs": "write ranges such as 10.0.0.0/16",
}
