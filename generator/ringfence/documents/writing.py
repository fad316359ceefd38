"""YAML out: text that means the same to PyYAML, ruamel, go-yaml and js-yaml."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

_FLOAT = re.compile(r"-?(0|[1-9][0-9]{0,30})\.[0-9]{0,30}[1-9]\Z")  # those that every reader takes for a float
_PLAIN = re.compile(r"[A-Za-z_/][A-Za-z0-9_/.\-]*\Z")
_RESERVED = frozenset(("y", "n", "yes", "no", "on", "off", "true", "false", "null", "none", "nan", "inf"))
_CLEAN = "[\x20-\x7e\u00a0-\u2027\u202a-\ud7ff\uf900-\ufefe\uff00-\ufffd\U00010000-\U0001ffff\n]+\\Z"
_ESCAPED = "[\x7f-\x9f\u2028\u2029\ufeff\ud800-\udfff\ue000-\uf8ff\ufffe\uffff]"


def scalar(value: Any) -> str:
    """A scalar as one line of YAML that every reader takes for the same value."""
    if value.__class__ is str:
        return quote(value)
    if value is True:
        return "true"
    if value is False:
        return "false"
    if value is None:
        return "null"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float) and value == value and abs(value) != float("inf"):
        text = repr(value)
        if _FLOAT.match(text):
            return text
    raise TypeError(f"{type(value).__name__} has no YAML form")


def quote(text: str) -> str:
    """A string, plain where that is safe in YAML 1.1 and 1.2, else double-quoted."""
    if _PLAIN.match(text) and text.lower() not in _RESERVED:
        return text
    quoted = json.dumps(text, ensure_ascii=False)
    if quoted.isascii() and "\x7f" not in quoted:
        return quoted
    return re.sub(_ESCAPED, lambda m: f"\\u{ord(m[0]):04x}", quoted)


def _is_block(text: str) -> bool:
    """Can `text` stand as a literal block: several clean lines, no odd white space at the edges?"""
    return (
        "\n" in text
        and (text.replace("\n", "").isprintable() if text.isascii() else bool(re.match(_CLEAN, text)))
        and text.strip("\n") != ""
        and text[0] not in " \n"
        and not re.search(r"[ \t]\n|[ \t]\Z|\n\n\Z|\t", text)
    )


def emit(value: Any, write: Any, indent: int = 0) -> None:
    """Write `value` as block YAML through `write(piece)`.

    Pieces are strings; a value that is none of dict, list or scalar (a slot of a shape) is passed to
    `write` as it is, so that the caller can fill it later with one line of text.
    """
    pad = "  " * indent
    if isinstance(value, Mapping):
        for key, item in value.items():
            write(f"{pad}{quote(key)}:")
            _emit_item(item, write, indent + 1)
    else:
        for item in value:
            write(f"{pad}-")
            if isinstance(item, Mapping) and item:
                _emit_first(item, write, indent + 1)
            else:
                _emit_item(item, write, indent + 1)


def _emit_first(item: Mapping[str, Any], write: Any, indent: int) -> None:
    """A mapping in a list: its first key stands on the line of the dash."""
    pad = ""
    for key, value in item.items():
        write(f"{pad or ' '}{quote(key)}:")
        _emit_item(value, write, indent + 1)
        pad = "  " * indent


def _emit_item(item: Any, write: Any, indent: int) -> None:
    if isinstance(item, (dict, list)):
        if item:
            write("\n")
            emit(item, write, indent)
        else:
            write(" {}\n" if isinstance(item, dict) else " []\n")
    elif isinstance(item, str) and item.__class__ is str and _is_block(item):
        pad = "  " * indent
        write(" |\n" if item.endswith("\n") else " |-\n")
        write("".join(f"{pad}{line}\n" if line else "\n" for line in item.removesuffix("\n").split("\n")))
    else:
        write(" ")
        write(scalar(item) if item is None or isinstance(item, (str, int, float)) else item)
        write("\n")


def dump(value: Any) -> str:
    """`value` as one YAML document, keys in their own order."""
    if not isinstance(value, (dict, list)) or not value:
        return (
            scalar(value) if not isinstance(value, (dict, list)) else "{}" if isinstance(value, dict) else "[]"
        ) + "\n"
    pieces: list[str] = []
    emit(value, pieces.append)
    return "".join(pieces)
