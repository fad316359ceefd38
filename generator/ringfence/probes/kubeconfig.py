"""A kubeconfig as an environment; the only importer of `kubernetes`, for exec plugins and all the forms there are."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from ringfence.errors import InputError, Place, UsageError, nearest
from ringfence.probes.access import Access, KeyPair


def read(files: tuple[Path, ...], context: str | None = None) -> Access:
    """The environment that a context of these kubeconfig files (merged as kubectl does) names.

    Raises what is wrong: no file, no such context, several and none current, an exec plugin that fails.
    """
    from kubernetes import client
    from kubernetes.config import ConfigException, kube_config

    known = [f for f in files if f.is_file()]
    shown = os.pathsep.join(map(str, files))
    if not known:
        raise UsageError(f"there is no kubeconfig {shown}", hint="name one with --kubeconfig, or set KUBECONFIG")
    place = Place(shown)
    joined = os.pathsep.join(map(str, known))
    try:
        contexts, active = kube_config.list_kube_config_contexts(joined)  # type: ignore[no-untyped-call]
    except ConfigException as bad:
        contexts, active = _contexts(joined, kube_config), None
        if not contexts:
            raise InputError(f"no usable kubeconfig: {bad}", place=place, hint="fetch it again") from None
    name = _chosen([c["name"] for c in contexts], context, active["name"] if active else None, place)
    found = client.Configuration()
    try:
        kube_config.load_kube_config(joined, name, found, persist_config=False)  # type: ignore[no-untyped-call]
    except ConfigException as bad:
        raise InputError(f'context "{name}": {bad}', place=place) from None
    except (OSError, ValueError) as bad:
        raise InputError(f'context "{name}" can\'t be used: {bad}', place=place) from None
    return _access(found, name)


def _contexts(joined: str, kube_config: Any) -> list[Any]:
    """The contexts of files that have no current one, which the client's own listing refuses."""
    merger = kube_config.KubeConfigMerger(joined)
    node = merger.config and merger.config.value.get("contexts")
    return [c for c in node or () if isinstance(c, dict) and "name" in c]


def _chosen(names: list[str], wanted: str | None, current: str | None, place: Place) -> str:
    if wanted is not None:
        if wanted not in names:
            raise UsageError(f'there is no context "{wanted}" in {place}', hint=nearest(wanted, names))
        return wanted
    if current:
        return current
    if len(names) == 1:
        return names[0]
    raise UsageError(
        f"{place} has {len(names)} contexts and no current one",
        hint=f"choose with --context: {', '.join(sorted(names))}",
    )


def _access(found: Any, name: str) -> Access:
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
        proxy=found.proxy or None,
        client=pair,
        authorization=authorization,
    )
