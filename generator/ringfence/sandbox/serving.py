"""What components read and are called with: generated files and flags with the substitutions, checked against both."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Mapping, Set
from pathlib import Path
from typing import Any, NamedTuple

from ringfence.documents import dump, load_all
from ringfence.sandbox.hostfiles import HostFiles, structured
from ringfence.sandbox.hostkeys import Keys, put_keys
from ringfence.sandbox.kubeadm import Pod
from ringfence.sandbox.substitutions import (
    Applied,
    Flags,
    Setting,
    differing_fields,
    differing_flags,
    substitute_document,
    substitute_flags,
    touches,
    unexplained,
)

Changes = Mapping[str, str | None]  # flag → value, None to leave it out
_COPIED = "etc"  # the part of a host that a second API server gets a copy of
_KUBECONFIGS = "etc/kubernetes"


class Issuer(NamedTuple):
    """An issuer that the AuthenticationConfiguration names."""

    url: str
    audiences: list[str]


def changed(flags: Flags, changes: Changes) -> list[tuple[str, str]]:
    """Flags with others in their place, for a mutant; a new one comes last."""
    kept = [(name, value) for name, value in flags if name not in changes]
    return kept + [(name, value) for name, value in changes.items() if value is not None]


def command(binary: Path, pod: Pod, flags: Flags, setting: Setting) -> tuple[list[str], list[Applied]]:
    """The command line of a component, and how it differs from `flags`."""
    real = substitute_flags(pod.component, flags, setting)
    line = [str(binary), *(f"--{name}={value}" for name, value in real)]
    return line, differing_flags(pod.component, flags, read_flags(line), setting)


def read_flags(line: list[str]) -> list[tuple[str, str]]:
    """The flags of a command line."""
    words = (word.removeprefix("--").partition("=") for word in line[1:])
    return [(name, value) for name, _, value in words]


def write_files(host: HostFiles, keys: Keys, root: Path, setting: Setting, anew: Set[str]) -> list[Applied]:
    """Put the host's files below `root` with keys and substitutions; how what then lies there differs.

    Files that the table doesn't concern are as the host's own script left them, but for those in `anew`.
    """
    applied: list[Applied] = []
    for path, text in sorted(host.files.items()):
        file = root / path.lstrip("/")
        if not file.is_file():
            continue  # a worker's
        documents = structured(path, text)
        if documents is None or not any(touches(d) for d in documents):
            if path in anew:
                file.write_text(text)
            elif file.read_text() != text:
                raise unexplained(path, "the file", "its text", "another")
            continue
        for document in documents:
            substitute_document(document, setting)
        template = file.with_name(f"{file.name}.template")
        if template.is_file():  # from which the host's script writes the file
            template.write_text(_text(documents))
        generated = structured(path, text) or []
        for document in (*documents, *generated):
            put_keys(document, keys)
        file.write_text(_text(documents))
        for was, now in zip(generated, structured(path, file.read_text()) or [], strict=True):
            applied += differing_fields(path, was, now, setting)
    return applied


def _text(documents: Iterable[Any]) -> str:
    return "---\n".join(dump(d) for d in documents)


def write_servers(made: Path, root: Path, setting: Setting) -> list[Applied]:
    """Point the kubeconfigs that kubeadm made at the sandbox; one that the host has sealed away stays away."""
    applied: list[Applied] = []
    for original in sorted(made.glob("*.conf")):
        file = root / _KUBECONFIGS / original.name
        if not file.is_file():
            continue
        documents = [d.value for d in load_all(original.read_bytes(), original.name, "kubectl")]
        for document in documents:
            substitute_document(document, setting)
        file.write_text(_text(documents))
        was = load_all(original.read_bytes(), original.name, "kubectl")
        now = load_all(file.read_bytes(), original.name, "kubectl")
        for before, after in zip(was, now, strict=True):
            applied += differing_fields(original.name, before.value, after.value, setting)
    return applied


def variant(root: Path, into: Path, changes: Mapping[str, str]) -> None:
    """A copy of the host for a second API server; files that only it has come into being."""
    shutil.rmtree(into, ignore_errors=True)
    shutil.copytree(root / _COPIED, into / _COPIED, symlinks=True)
    for path in changes:
        file = into / path.lstrip("/")
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        file.touch(mode=0o600)


def issuers(host: HostFiles) -> list[Issuer]:
    """Who the API server takes tokens from, in the order of the AuthenticationConfiguration."""
    return [
        Issuer(entry["issuer"]["url"], entry["issuer"]["audiences"])
        for document in _documents(host, "AuthenticationConfiguration")
        for entry in document.get("jwt", [])
    ]


def kms_endpoints(host: HostFiles) -> list[str]:
    """Sockets of the KMS plugins that the EncryptionConfiguration names."""
    found = [
        provider["kms"]["endpoint"]
        for document in _documents(host, "EncryptionConfiguration")
        for resource in document.get("resources", [])
        for provider in resource.get("providers", [])
        if "kms" in provider
    ]
    return list(dict.fromkeys(found))


def _documents(host: HostFiles, kind: str) -> list[dict[str, Any]]:
    texts = ((path, text) for path, text in sorted(host.files.items()) if kind in text)
    return [d for path, text in texts for d in structured(path, text) or [] if d.get("kind") == kind]


def discovery(www: Path, found: list[Issuer], port: int, keys: Mapping[str, Any]) -> None:
    """The documents that the throwaway issuer serves (OpenID Connect Discovery 1.0, section 3)."""
    for i, one in enumerate(found):
        base = f"https://127.0.0.1:{port}/{i}"
        folder = www / str(i) / ".well-known"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        document = {
            "issuer": one.url,
            "jwks_uri": f"{base}/jwks.json",
            "authorization_endpoint": f"{base}/authorize",
            "response_types_supported": ["id_token"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["ES256"],
        }
        (folder / "openid-configuration").write_text(json.dumps(document))
        (www / str(i) / "jwks.json").write_text(json.dumps(keys))
