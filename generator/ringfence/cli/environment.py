"""Which running cluster a command asks: a context of a kubeconfig, or a sandbox."""

from __future__ import annotations

import os
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from ringfence.errors import ToolError, UsageError, nearest

if TYPE_CHECKING:
    from ringfence.probes import Access, Issuer
    from ringfence.sandbox import Access as Keys
    from ringfence.sandbox import Folder
    from ringfence.sandbox.state import Record
    from ringfence.spec import Cluster


def _extra() -> None:
    """Raise ToolError unless what talks to a cluster is installed."""
    if find_spec("kubernetes") is None or find_spec("cryptography") is None:
        raise ToolError("talking to a cluster needs the extra `cluster`", hint="pip install cryptography kubernetes")


def of_kubeconfig(file: str | None, context: str | None) -> Access:
    """The context of a kubeconfig, found as kubectl finds it: the option, KUBECONFIG, ~/.kube/config."""
    _extra()
    from ringfence.probes import kubeconfig

    given = file or os.environ.get("KUBECONFIG") or ""
    files = tuple(Path(f).expanduser() for f in given.split(os.pathsep) if f) if given else ()
    return kubeconfig.read(files or (Path.home() / ".kube" / "config",), context)


def of_sandbox(name: str, cluster: Cluster) -> Access:
    """The running sandbox called `name`; of this cluster when it is empty."""
    _extra()
    from ringfence.cli.sandbox import all_folders
    from ringfence.sandbox import Access as Keys

    known = {f.path.name: f for f in all_folders()}
    wanted = name or cluster.name
    if wanted not in known:
        hint = nearest(wanted, known) or f"start one with `ringfence sandbox up {cluster.file}`"
        raise UsageError(f'there is no sandbox "{wanted}"', hint=hint)
    record = known[wanted].read()
    if record is None or not record.healthy or not record.access:
        raise ToolError(f'the sandbox "{wanted}" does not run', hint=f"ringfence sandbox up {cluster.file}")
    return joined(known[wanted], record, Keys(**record.access), cluster)


def joined(folder: Folder, record: Record, keys: Keys, cluster: Cluster) -> Access:
    """A sandbox's way in, and the keys and files behind it."""
    from ringfence.probes import Etcd, KeyPair, kubeconfig

    return replace(
        kubeconfig.read((Path(keys.kubeconfig),)),
        name=f'the sandbox "{folder.path.name}"',
        client_ca=KeyPair(Path(keys.ca_cert), Path(keys.ca_key)),
        issuer=_issuer(keys, cluster),
        etcd=Etcd(
            keys.etcd_endpoint,
            f"https://127.0.0.1:{record.ports['etcd-peer']}",
            Path(keys.etcd_ca),
            KeyPair(Path(keys.etcd_cert), Path(keys.etcd_key)),
        ),
        audit_log=Path(keys.audit_log) if keys.audit_log else None,
        root=Path(keys.root),
        version=".".join(record.kubernetes.removeprefix("v").split(".")[:2]),
    )


def _issuer(keys: Keys, cluster: Cluster) -> Issuer | None:
    """The first identity provider of cluster.yaml, whose tokens the sandbox's own issuer signs."""
    from ringfence.probes import Issuer

    if not keys.issuers or not cluster.issuers:
        return None
    first, told = cluster.issuers[0], keys.issuers[0]
    return Issuer(
        url=told["url"],
        audience=told["audiences"][0],
        key=Path(keys.issuer_key),
        key_id=keys.issuer_key_id,
        claims=tuple(first.good_claims.items()),
        backdated=first.backdated,
    )
