"""Keys of encryption at rest: generated files hold placeholders, and the host's own script puts keys in their place.

The host owns its keys: scripts may rotate them while a sandbox runs. So they are read off the host each time before its
files are written again, and never taken from an earlier look.
"""

from __future__ import annotations

import base64
import re
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ringfence.documents import load_all
from ringfence.errors import InputError, Place
from ringfence.sandbox.hostfiles import HostFiles, is_structured

PLACEHOLDER = re.compile(r"<generated-on-host:[^>]+>")
_KEY_BYTES = 32  # AES-256 and secretbox alike
Keys = dict[str, list[dict[str, str]]]  # provider → its keys, the first of which seals


def make_keys(host: HostFiles, root: Path) -> None:
    """Put keys where no script of the host files does: `keys_by` names whom the sandbox stands in for."""
    for path in _keyed(host):
        file = root / path.lstrip("/")
        template = file.with_name(f"{file.name}.template")
        if template.is_file() and not file.exists():
            text = PLACEHOLDER.sub(_made, template.read_text())
            file.touch(mode=0o600)
            file.write_text(text)


def _made(placeholder: re.Match[str]) -> str:
    """A key for `<generated-on-host:PROVIDER-secret>`, the provider's own name for its key's name."""
    label = placeholder[0].strip("<>").partition(":")[2]
    return label.removesuffix("-name") if label.endswith("-name") else _new_key()


def stand_ins(host: HostFiles) -> list[dict[str, str]]:
    """What `make_keys` made, for the sandbox's record."""
    reason = "no script of ours runs on its hosts"
    paths = _keyed(host) if host.keys_by else []
    return [
        {"what": f"the keys of {p}", "for": f"{host.keys_by}, which makes its own", "reason": reason} for p in paths
    ]


def _keyed(host: HostFiles) -> list[str]:
    return [path for path, text in host.files.items() if is_structured(path) and PLACEHOLDER.search(text)]


def verify_installed(host: HostFiles, root: Path) -> None:
    """InputError where the host's scripts made anything but keys of the generated files, or not all of them."""
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


def _filled(generated: str, installed: str) -> dict[str, str] | None:
    """What stands in place of each placeholder; None when the texts differ elsewhere."""
    names = PLACEHOLDER.findall(generated)
    around = [re.escape(part) for part in PLACEHOLDER.split(generated)]
    match = re.fullmatch(r"([^\n]*?)".join(around), installed)
    return None if match is None else dict(zip(names, match.groups(), strict=True))


def keys_on_host(host: HostFiles, root: Path) -> Keys:
    """The keys that lie on the host now."""
    keys: Keys = {}
    for path, text in host.files.items():
        file = root / path.lstrip("/")
        if PLACEHOLDER.search(text) and is_structured(path) and file.is_file():
            for document in load_all(file.read_bytes(), path):
                for name, provider in _providers(document.value):
                    keys.setdefault(name, provider["keys"])
    return keys


def put_keys(document: Any, keys: Keys) -> None:
    """Put keys where the document has placeholders for them; where the host has none, new ones are made up."""
    for name, provider in _providers(document):
        if PLACEHOLDER.search(str(provider["keys"])):
            provider["keys"] = keys.setdefault(name, [{"name": "made-up", "secret": _new_key()}])


def _providers(document: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    if not isinstance(document, dict) or document.get("kind") != "EncryptionConfiguration":
        return
    for resource in document.get("resources", []):
        for one in resource.get("providers", []):
            for name, provider in one.items():
                if isinstance(provider, dict) and "keys" in provider:
                    yield name, provider


def _new_key() -> str:
    return base64.b64encode(secrets.token_bytes(_KEY_BYTES)).decode()
