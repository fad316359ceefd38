"""A kubeconfig as an environment; imports `kubernetes`, for exec plugins and all the forms that credentials have."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ringfence.documents import load_all
from ringfence.errors import InputError, Place, UsageError, nearest
from ringfence.probes import private
from ringfence.probes.access import Access, KeyPair


def read(files: tuple[Path, ...], context: str | None = None) -> Access:
    """The environment that a context of these kubeconfig files (merged as kubectl does) names.

    Raises what is wrong: no file, no such context, several and none current, an exec plugin that fails.
    """
    known = [f for f in files if f.is_file()]
    place = Place(os.pathsep.join(map(str, files)))
    if not known:
        raise UsageError(f"there is no kubeconfig {place}", hint="name one with --kubeconfig, or set KUBECONFIG")
    documents = [_document(f) for f in known]
    names = [str(c["name"]) for d in documents for c in d.get("contexts") or () if isinstance(c, dict) and "name" in c]
    current = next((str(d["current-context"]) for d in documents if d.get("current-context")), None)
    name = _chosen(names, context, current, place)

    from kubernetes import client
    from kubernetes.config import ConfigException, kube_config

    found = client.Configuration()
    joined = os.pathsep.join(map(str, known))
    with _said() as words:
        try:
            kube_config.load_kube_config(  # type: ignore[no-untyped-call]
                joined, name, found, persist_config=False, temp_file_path=str(private.of_process())
            )
        except ConfigException as bad:
            raise InputError(f'context "{name}": {_line(bad)}', place=place) from None
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as bad:
            raise InputError(f'context "{name}" can\'t be used: {_line(bad)}', place=place) from None
    plugin = _plugin(documents, name)
    if plugin and not found.cert_file and not found.auth_settings():
        why = f": {_line(words[0])}" if words else ""
        raise InputError(
            f'context "{name}": its plugin {plugin} gave no credentials{why}', place=place, hint="run it by hand"
        )
    if not found.host.startswith("https://"):
        raise InputError(f'context "{name}": server "{found.host}" is no https address', place=place)
    proxy = _proxy(found)
    if proxy and urlsplit(proxy).scheme not in ("http", "https"):
        kind = f"is {proxy.partition('://')[0]}://..." if "://" in proxy else "begins with neither http:// nor https://"
        raise InputError(
            f'context "{name}": its proxy (proxy-url, or HTTPS_PROXY) {kind}, and verify takes http ones alone',
            place=place,
            hint=f"name one; where the server can be reached without: `export NO_PROXY={_host(found)}`",
        )
    return _access(found, name, proxy)


def _host(found: Any) -> str:
    return urlsplit(str(found.host)).hostname or ""


def _proxy(found: Any) -> str | None:
    """The proxy on the way to the server: as the Kubernetes client decides, no_proxy first."""
    from kubernetes.client.rest import should_bypass_proxies

    if not found.proxy or should_bypass_proxies(found.host, found.no_proxy or ""):
        return None
    return str(found.proxy)


@contextmanager
def _said() -> Iterator[list[str]]:
    """What the client logs meanwhile: failures of plugins, which it does not raise."""
    words: list[str] = []
    handler = logging.Handler(logging.ERROR)
    handler.emit = lambda record: words.append(record.getMessage())  # type: ignore[method-assign]
    root = logging.getLogger()
    root.addHandler(handler)
    try:
        yield words
    finally:
        root.removeHandler(handler)


def _plugin(documents: list[dict[str, Any]], context: str) -> str | None:
    """The command by which the user of a context gets credentials."""
    entries = {
        kind: {e["name"]: e.get(one) or {} for d in documents for e in d.get(kind) or () if isinstance(e, dict)}
        for kind, one in (("contexts", "context"), ("users", "user"))
    }
    user = entries["users"].get(entries["contexts"].get(context, {}).get("user"), {})
    command: str | None = user.get("exec", {}).get("command")
    return command


def _document(file: Path) -> dict[str, Any]:
    """One file's content; its errors say where."""
    documents = load_all(file.read_bytes(), str(file), "kubectl")
    if not documents or not isinstance(documents[0].value, dict):
        raise InputError("this is no kubeconfig", place=Place(str(file)), hint="fetch it again from the cluster")
    found: dict[str, Any] = documents[0].value
    return found


def _chosen(names: list[str], wanted: str | None, current: str | None, place: Place) -> str:
    if not names:
        raise InputError("this kubeconfig has no context", place=place, hint="fetch it again from the cluster")
    if wanted is not None or current:
        name = wanted if wanted is not None else current or ""
        if name not in names:
            what = "there is no" if wanted is not None else "the current context is gone: there is no"
            raise UsageError(f'{what} context "{name}" in {place}', hint=nearest(name, names))
        return name
    if len(names) == 1:
        return names[0]
    raise UsageError(
        f"{place} has {len(names)} contexts and no current one",
        hint=f"choose with --context: {', '.join(sorted(names))}",
    )


def _line(bad: object) -> str:
    return " ".join(str(bad).split())


def _access(found: Any, name: str, proxy: str | None) -> Access:
    def authorization() -> str | None:
        settings = found.auth_settings().values()  # asking renews what an exec plugin gave
        return next((s["value"] for s in settings if s["key"] == "authorization"), None)

    pair = KeyPair(Path(found.cert_file), Path(found.key_file)) if found.cert_file and found.key_file else None
    return Access(
        name=f'context "{name}"',
        server=str(found.host),
        ca=Path(found.ssl_ca_cert) if found.ssl_ca_cert else None,
        verify=bool(found.verify_ssl),
        server_name=found.tls_server_name or None,
        proxy=proxy,
        client=pair,
        authorization=authorization,
    )
