"""Keys: the generated files hold placeholders, and the host's own script puts keys in their place."""

from __future__ import annotations

import base64
import re
import secrets
from collections.abc import Mapping
from pathlib import Path

from ringfence.errors import InputError, Place
from ringfence.sandbox.hostfiles import HostFiles, is_structured

PLACEHOLDER = re.compile(r"<generated-on-host:[^>]+>")
_KEY_BYTES = 32  # AES-256 and secretbox alike


def made_keys(host: HostFiles, root: Path) -> dict[str, str]:
    """Placeholder → key that the host's script made; InputError when the script changed anything else."""
    keys: dict[str, str] = {}
    for path, text in host.files.items():
        file = root / path.lstrip("/")
        if not file.is_file():
            continue  # a worker's
        installed = file.read_text()
        found = _filled(text, installed) if is_structured(path) else {} if text == installed else None
        if found is None:
            raise InputError(
                f"{path} on the host is not what was generated",
                place=Place(file.as_posix()),
                hint="scripts of the host files may put keys in place of <generated-on-host:NAME>, nothing else",
            )
        if unmade := next((name for name, key in found.items() if name == key), None):
            raise InputError(
                f"no script of the host files made {unmade}", place=Place(file.as_posix()), hint="see its install.sh"
            )
        keys |= found
    return keys


def _filled(generated: str, installed: str) -> dict[str, str] | None:
    """What stands in place of each placeholder; None when the texts differ elsewhere."""
    names = PLACEHOLDER.findall(generated)
    around = [re.escape(part) for part in PLACEHOLDER.split(generated)]
    match = re.fullmatch(r"([^\n]*?)".join(around), installed)
    return None if match is None else dict(zip(names, match.groups(), strict=True))


def with_keys(path: str, text: str, keys: Mapping[str, str]) -> str:
    """A generated file with keys in its placeholders; a key that the host has none for is made up."""
    if not is_structured(path):
        return text
    return PLACEHOLDER.sub(lambda m: keys.get(m[0]) or _new_key(), text)


def _new_key() -> str:
    return base64.b64encode(secrets.token_bytes(_KEY_BYTES)).decode()
