"""Which API server a stack means, and a client for it. The provider is told the same, so that no two are meant."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ringfence.errors import InputError, ToolError


@dataclass(frozen=True, slots=True)
class Connection:
    """How the stack reaches its cluster: as kubectl does, but for what its configuration says."""

    context: str | None = None
    kubeconfig: str | None = None  # a path; the content of one never gets here

    @property
    def files(self) -> str:
        """The kubeconfig to read: one path, or several as $KUBECONFIG has them."""
        return self.kubeconfig or os.environ.get("KUBECONFIG") or str(Path.home() / ".kube" / "config")

    @property
    def inside(self) -> bool:
        """Is it the cluster that this runs in? So it is for a pod without a kubeconfig, as for kubectl."""
        there = any(Path(f).is_file() for f in self.files.split(os.pathsep))
        return not (there or self.context or self.kubeconfig) and "KUBERNETES_SERVICE_HOST" in os.environ

    def __str__(self) -> str:
        return f"the context {self.context}" if self.context else "the cluster that this runs in"


def resolve(connection: Connection) -> Connection:
    """The same, by the name of its context; raises InputError when it isn't said which, or can't be read."""
    if connection.inside:
        return connection
    _, config = _library()
    with _readable(connection):
        return replace(connection, context=_context(config, connection))


def connect(connection: Connection) -> tuple[Any, str]:
    """A client for the cluster of a connection, and what to call that cluster in an error."""
    client, config = _library()
    settings = client.Configuration()
    settings.retries = 1
    with _readable(connection):
        if connection.inside:
            config.load_incluster_config(client_configuration=settings)
            return client.ApiClient(settings), f"the API server {settings.host}"
        context = _context(config, connection)
        config.load_kube_config(connection.files, context, settings, persist_config=False)
    return client.ApiClient(settings), f"the API server {settings.host} (context {context})"


def plain(reason: object) -> str:
    """urllib3's reason without the object that it names first."""
    text = " ".join(str(reason).split())
    return text.rpartition(">: ")[2] or text


def _library() -> tuple[Any, Any]:
    """The client and its reader of kubeconfigs, which bring no types; raises ToolError without them."""
    try:
        from kubernetes import client, config
    except ModuleNotFoundError as bad:
        raise ToolError(
            "reading what exists on the cluster needs the package kubernetes",
            hint="pip install cryptography kubernetes",
        ) from bad
    return client, config


@contextmanager
def _readable(connection: Connection) -> Iterator[None]:
    """Words what is wrong with a kubeconfig, or with the credentials of a pod."""
    from kubernetes.config.config_exception import ConfigException

    try:
        yield
    except (ConfigException, OSError, ValueError) as bad:
        if connection.inside:
            raise InputError(
                f"there is no kubeconfig, and this pod has no credentials: {plain(bad)}",
                hint="name a kubeconfig: export KUBECONFIG=PATH; or give the pod its ServiceAccount's token",
            ) from bad
        raise InputError(
            f"can't use the kubeconfig {connection.files}: {plain(bad)}",
            hint="name a good one: export KUBECONFIG=PATH",
        ) from bad


def _context(config: Any, connection: Connection) -> str:
    """The context to use: as configured, or the only one there is. A guess might harden somebody else's cluster."""
    contexts, _ = config.list_kube_config_contexts(connection.files)
    names = [c["name"] for c in contexts]
    wanted = connection.context
    if wanted is None and len(names) == 1:
        return str(names[0])
    if wanted in names:
        return str(wanted)
    shown = ", ".join(names[:8]) + (", ..." if len(names) > 8 else "")
    problem = f'no context "{wanted}"' if wanted else "several contexts, and the stack names none"
    raise InputError(
        f"the kubeconfig {connection.files} has {problem}; it has {shown}",
        hint="choose one: pulumi config set kubernetes:context NAME",
    )
