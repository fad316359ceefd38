"""`ringfence init`: a first cluster.yaml, from questions on a terminal or from flags."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import click

from ringfence.cli.choices import choices, default
from ringfence.cli.console import console
from ringfence.errors import Errors, Place, RingfenceError, ToolError, UsageError
from ringfence.model import PROFILES
from ringfence.schemas import SUPPORTED

_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?\Z")


def _several(*names: str, choice: tuple[str, ...] = (), help: str) -> Callable[..., Any]:
    kind = click.Choice(choice) if choice else None
    return click.option(
        *names, multiple=True, type=kind, metavar=None if choice else "TEXT", help=f"{help} Repeatable."
    )


def _options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Every question as a flag; None or nothing means: ask, or take the default."""
    decorators = (
        click.option("--name", help="Name of the cluster. Default: its folder's name."),
        click.option("--profile", type=click.Choice(PROFILES), help="Default: baseline."),
        click.option("--kubernetes", type=click.Choice(SUPPORTED), help=f"Default: {SUPPORTED[-1]}."),
        click.option("--distribution", type=click.Choice(choices("kubernetes", "distribution"))),
        click.option("--cni", type=click.Choice([c for c in choices("network", "cni") if c != "flannel"])),
        click.option("--dns", type=click.Choice(choices("network", "dns", "mode")), help="How pods resolve names."),
        _several("--dns-address", help="Resolver address, for custom or nodelocal DNS."),
        _several("--api-server", help="Address of an API server endpoint."),
        click.option("--api-server-port", type=click.IntRange(1, 65535), help="Port of the endpoints."),
        _several("--pod-cidr", help="Range of pod addresses."),
        _several("--service-cidr", help="Range of service addresses."),
        _several("--node-cidr", help="Range of node addresses."),
        _several("--registry", help="Image prefix to allow, ending in a slash."),
        _several("--admin-group", help="Group of platform administrators."),
        click.option("--mesh", type=click.Choice(choices("components", "mesh"))),
        click.option("--admission", type=click.Choice(choices("components", "admission"))),
        _several("--secrets", choice=choices("components", "secrets"), help="Secret manager."),
        _several("--runtime", choice=choices("components", "runtime"), help="Runtime detection."),
        click.option("--monitoring", metavar="NAMESPACE", help="Namespace of Prometheus."),
        _several("--ingress", help="Namespace of an ingress or gateway controller."),
        click.option(
            "--layout", type=click.Choice(choices("delivery", "layout")), help="For whom the tree is laid out."
        ),
        click.option("--path", help="The tree's folder in its repository, for flux and argocd."),
        click.option("--source", help="GitRepository of Flux, or repository address for Argo CD."),
        click.option("--tenant", help="A first team. Default: its first namespace."),
        click.option("--owner", help="Who answers for the team: a mailbox or chat channel."),
        _several("--namespace", help="Namespace of the team."),
    )
    for decorate in reversed(decorators):
        function = decorate(function)
    return function


@click.command("init", short_help="Write a first cluster.yaml.")
@click.argument("file", default="cluster.yaml", metavar="[FILE|FOLDER]")
@_options
@click.option("--force", is_flag=True, help="Write over an existing file.")
@click.option("--defaults", is_flag=True, help="Ask nothing: flags and defaults.")
def command(file: str, force: bool, defaults: bool, **given: Any) -> None:
    """Write a first cluster.yaml, and its JSON Schema beside it for editors.

    On a terminal, what no flag answers is asked; elsewhere it takes its default.
    """
    from ringfence.starter import SCHEMA_FILE, cluster_text

    target = Path(file)
    if target.is_dir() or target.suffix not in (".yaml", ".yml"):
        target /= "cluster.yaml"
    if target.exists() and not force:
        raise UsageError(f"{target.as_posix()} exists already", hint="edit it, or write over it with --force")
    answers = _answers(given, target, asking=not defaults and _terminal())
    text = cluster_text(answers)
    _read_back(text, target)
    _write(target, text, force)
    console.say(f"wrote {target.as_posix()}, and {SCHEMA_FILE} beside it for your editor")
    console.say(f"next: read it through, then `ringfence render {target.as_posix()}`")


def _terminal() -> bool:
    """Can questions be asked and answered?"""
    return sys.stdin.isatty() and sys.stderr.isatty()


class _Ask:
    """One source of answers: a flag, else a question on a terminal, else the default."""

    def __init__(self, given: dict[str, Any], asking: bool) -> None:
        self.given, self.asking = given, asking

    def one(self, key: str, question: str, fallback: Any, among: tuple[str, ...] = (), name: bool = False) -> Any:
        """A single value; `among` are its choices, `name` asks for a DNS label."""
        if (flag := self.given[key]) is not None:
            return flag
        if not self.asking:
            return fallback
        kind = click.Choice(among) if among else None
        check = _label if name else None
        return click.prompt(question, default=fallback, type=kind, value_proc=check, err=True)

    def many(
        self, key: str, question: str, fallback: tuple[str, ...] = (), among: tuple[str, ...] = ()
    ) -> tuple[str, ...]:
        """Several values, typed with commas or spaces between."""
        if flag := self.given[key]:
            return tuple(flag)
        if not self.asking:
            return fallback
        hint = f" ({', '.join(among)}; several with commas)" if among else " (several with commas)"
        answer: tuple[str, ...] = click.prompt(
            question + hint,
            default=" ".join(fallback),
            show_default=bool(fallback),
            value_proc=lambda text: _words(text, among),
            err=True,
        )
        return answer


def _label(text: str) -> str:
    if not _NAME.match(text):
        raise click.UsageError("use lower-case letters, digits and dashes, at most 63")
    return text


def _words(text: str, among: tuple[str, ...]) -> tuple[str, ...]:
    words = tuple(w for w in re.split(r"[,\s]+", text) if w)
    if among and (wrong := [w for w in words if w not in among]):
        raise click.UsageError(f'"{wrong[0]}" is none of {", ".join(among)}')
    return words


def _answers(given: dict[str, Any], target: Path, asking: bool) -> Any:
    """Every answer; the questions that most clusters need are asked, the rest are flags alone."""
    from ringfence.starter import Answers

    ask, flags = _Ask(given, asking), _Ask(given, False)
    name = ask.one("name", "Name of the cluster", _folder_name(target), name=True)
    return Answers(
        name=name, **_facts(ask, flags), **_components(ask), **_delivery(ask, flags, name), **_tenant(ask)
    )  # fmt: skip


def _facts(ask: _Ask, flags: _Ask) -> dict[str, Any]:
    """What the cluster is."""
    modes, plugins = choices("network", "dns", "mode"), tuple(c for c in choices("network", "cni") if c != "flannel")
    profile = ask.one("profile", "Profile", "baseline", PROFILES)
    kubernetes = ask.one("kubernetes", "Kubernetes", SUPPORTED[-1], SUPPORTED)
    distributions = choices("kubernetes", "distribution")
    distribution = ask.one("distribution", "Distribution", default("kubernetes", "distribution"), distributions)
    cni = ask.one("cni", "Network plugin", _cni(distribution), plugins)
    dns = ask.one("dns", "DNS", default("network", "dns", "mode"), modes)
    return {
        "profile": profile,
        "kubernetes": kubernetes,
        "distribution": distribution,
        "cni": cni,
        "dns": dns,
        "dns_addresses": (ask if dns == "custom" else flags).many("dns_address", "Addresses of the resolvers"),
        "api_servers": ask.many("api_server", "Addresses of the API server's endpoints, if you know them"),
        "api_port": flags.one("api_server_port", "", default("network", "apiServer", "port")),
        "pod_cidrs": flags.many("pod_cidr", ""),
        "service_cidrs": flags.many("service_cidr", ""),
        "node_cidrs": flags.many("node_cidr", ""),
        "registries": flags.many("registry", ""),
        "admin_groups": ask.many("admin_group", "Groups of platform administrators"),
    }


def _components(ask: _Ask) -> dict[str, Any]:
    """What runs on it beside workloads."""
    return {
        "mesh": ask.one("mesh", "Mesh", default("components", "mesh"), choices("components", "mesh")),
        "admission": ask.one(
            "admission", "Admission policies", default("components", "admission"), choices("components", "admission")
        ),
        "secrets": ask.many("secrets", "Secret managers", (), choices("components", "secrets")),
        "runtime": ask.many("runtime", "Runtime detection", (), choices("components", "runtime")),
        "monitoring": ask.one("monitoring", "Namespace of Prometheus, empty for none", ""),
        "ingress": ask.many("ingress", "Namespaces of ingress controllers"),
    }


def _delivery(ask: _Ask, flags: _Ask, name: str) -> dict[str, Any]:
    """How the tree is laid out, and where a GitOps engine finds it."""
    layout = ask.one("layout", "Layout of the tree", default("delivery", "layout"), choices("delivery", "layout"))
    if layout == "argocd" and not ask.asking and ask.given["source"] is None:
        raise UsageError("layout argocd needs --source", hint="give the address of the tree's repository")
    if layout not in _SOURCE:
        return {"layout": layout, "path": flags.one("path", "", ""), "source": flags.one("source", "", "")}
    return {
        "layout": layout,
        "path": ask.one("path", "Folder of the tree in its repository", f"clusters/{name}/rendered"),
        "source": ask.one("source", *_SOURCE[layout]),
    }


def _tenant(ask: _Ask) -> dict[str, Any]:
    """A first team."""
    namespaces = ask.many("namespace", "Namespaces of a first team", ("apps",))
    tenant = ask.one("tenant", "Name of the team", namespaces[0], name=True)
    owner = ask.one("owner", "Who answers for it: a mailbox or chat channel", f"{tenant}-team")
    return {"namespaces": namespaces, "tenant": tenant, "owner": owner}


_SOURCE = {
    "flux": ("Name of the GitRepository", "flux-system"),
    "argocd": ("Address of the repository", "https://git.example.com/platform.git"),
}


def _folder_name(target: Path) -> str:
    """The folder's name as a cluster's name."""
    name = re.sub(r"[^a-z0-9-]+", "-", target.resolve().parent.name.lower()).strip("-")[:63].strip("-")
    return name or "cluster"


def _cni(distribution: str) -> str:
    own = {"eks": "aws-vpc-cni", "gke": "gke-dataplane-v2", "aks": "azure-cni", "rke2": "canal", "k3s": "kube-router"}
    return own.get(distribution) or str(default("network", "cni"))


def _write(target: Path, text: str, force: bool) -> None:
    """Write both files whole, the schema first; never over a cluster.yaml that appeared meanwhile."""
    from ringfence import bundled
    from ringfence.starter import SCHEMA_FILE

    schema = target.with_name(f".{SCHEMA_FILE}.{os.getpid()}")
    beside = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        schema.write_bytes(bundled.document_schema("cluster").read_bytes())
        schema.replace(target.with_name(SCHEMA_FILE))
        beside.write_text(text, encoding="utf-8")
        _place(beside, target, force)
    except OSError as bad:
        raise ToolError(f"can't write: {(bad.strerror or str(bad)).lower()}", place=Place(target.as_posix())) from bad
    finally:
        for left in (schema, beside):
            with suppress(OSError):
                left.unlink(missing_ok=True)


def _place(beside: Path, target: Path, force: bool) -> None:
    """Give the finished file its name, whole and at once."""
    if force:
        beside.replace(target)
        return
    try:
        target.hardlink_to(beside)
    except FileExistsError as bad:
        raise UsageError(f"{target.as_posix()} exists already", hint="write over it with --force") from bad
    except OSError:  # a file system without hard links
        if target.exists():
            raise
        beside.replace(target)


def _read_back(text: str, target: Path) -> None:
    """Refuse answers that make no valid cluster, before anything is written."""
    from ringfence.build import Builder
    from ringfence.documents import load
    from ringfence.spec.read import cluster_of

    builder = Builder()
    try:
        builder.decide(cluster_of(load(text, target.name)), target.parent)
    except RingfenceError as bad:
        first = bad.errors[0] if isinstance(bad, Errors) else bad
        raise UsageError(f"these answers make no cluster: {first.message}", hint=first.hint) from bad
