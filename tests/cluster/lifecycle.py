"""One stack's whole life on a control plane of its own: up, again, destroy without and with the key, up once more, and the proofs."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from cluster.applying import Applier
from cluster.engine import Done, Engine
from helpers import ROOT
from up import AS_OF

from ringfence.build import Builder
from ringfence.cli.environment import joined
from ringfence.documents import load_all
from ringfence.probes import Session, kubeconfig, run_pairs
from ringfence.probes.api import Api
from ringfence.sandbox import ControlPlane, HostFiles, Tools
from ringfence.verdict import Verdict

Body = dict[str, Any]
EXAMPLES = ("minimal", "production", "zero-trust")
PATIENCE = 20.0  # seconds until policies are in force, as of `ringfence verify`


class Verified(NamedTuple):
    """What `ringfence verify` finds, and the enforced controls whose first proof is a request."""

    kubernetes: str
    verdicts: tuple[Verdict, ...]
    by_request: frozenset[str]


@dataclass(frozen=True)
class Life:
    """What each step left. Bodies are by `Kind/namespace/name`, as the API server holds them; None for what is gone."""

    tree: dict[str, Body]  # the committed tree
    patched: frozenset[str]  # what of it belongs to others
    first: Done
    held: dict[str, Body | None]  # after the first `up`
    outputs: dict[str, Any]
    state: str  # exported with its secrets shown, and every file of the backend
    credentials: tuple[str, ...]  # what the kubeconfig holds that is nobody else's business
    second: Done
    unchanged: dict[str, Body | None]  # after the second
    preview: Body
    refused: Done  # `destroy` without the key
    kept: dict[str, Body | None]
    lifted: Done  # `up` with the key
    lifted_held: dict[str, Body | None]
    destroyed: Done
    left: dict[str, Body | None]
    again: Done
    back: dict[str, Body | None]
    verified: Verified  # in the end


def tree(rendered: Path, folders: str = "[0-9]-*") -> dict[str, Body]:
    """Every Kubernetes object of a rendered tree, or of some of its folders: `*-patched` has what belongs to others."""
    found: dict[str, Body] = {}
    for file in sorted(rendered.glob(f"{folders}/**/*.yaml")):
        for document in load_all(file.read_bytes(), file.name):
            if not document.value["apiVersion"].startswith("kustomize"):
                found[name_of(document.value)] = document.value
    return found


def name_of(body: Body) -> str:
    """`Kind/namespace/name`, or `Kind/name`."""
    parts = (body["kind"], body["metadata"].get("namespace"), body["metadata"]["name"])
    return "/".join(p for p in parts if p)


def live(example: str, folder: Path, tools: Tools) -> Life:
    """Live it through on the host files of an example; a step that must work and doesn't fails the test."""
    file = ROOT / "examples" / example / "cluster.yaml"
    rendered = file.parent / "rendered"
    given = {"tree": tree(rendered), "patched": frozenset(tree(rendered, "[0-9]-*-patched"))}
    with ControlPlane(HostFiles.of_cluster(file), folder / "plane", tools) as plane:
        (folder / "engine").mkdir()
        engine = Engine(folder / "engine", plane.kubeconfig)
        engine.configure("cluster", str(file))
        engine.configure("asOf", AS_OF)
        api = Api(kubeconfig.read((plane.kubeconfig,)), None)
        try:
            given["credentials"] = tuple(credentials(plane))
            return Life(**_live(given, engine, Applier(api)), verified=verify(example, plane))
        finally:
            api.close()


def _live(steps: dict[str, Any], engine: Engine, cluster: Applier) -> dict[str, Any]:
    wanted = steps["tree"]
    steps["first"] = engine.up()
    steps["held"] = read(cluster, wanted.values())
    steps["outputs"] = engine.outputs()
    steps["state"] = engine.everything_kept()
    steps["preview"] = engine.preview()
    steps["second"] = engine.up("--expect-no-changes")
    steps["unchanged"] = read(cluster, wanted.values())
    steps["refused"] = engine.run("destroy", "--yes", ok=False)
    steps["kept"] = read(cluster, wanted.values())
    engine.configure("unprotect", "true")
    steps["lifted"] = engine.up()
    steps["lifted_held"] = read(cluster, wanted.values())
    steps["destroyed"] = engine.destroy()
    steps["left"] = read(cluster, wanted.values())
    engine.run("config", "rm", "unprotect")
    steps["again"] = engine.up()
    steps["back"] = read(cluster, wanted.values())
    return steps


def verify(example: str, plane: ControlPlane) -> Verified:
    """Ask every pair of an example that is in force on a control plane."""
    resolution = Builder().resolve(ROOT / "examples" / example / "cluster.yaml", f"examples/{example}/cluster.yaml")
    with Session(joined(plane.folder, plane.record, plane.access, resolution.cluster)) as session:
        verdicts = tuple(run_pairs(session, resolution, (), patience=PATIENCE))
    enforced = {v.control for v in verdicts if v.stage == "enforce"}
    first = {c.id for c in resolution.controls if c.control.proof[0] == "api"}
    return Verified(plane.record.kubernetes, verdicts, frozenset(enforced & first))


def read(cluster: Applier, bodies: Iterable[Body]) -> dict[str, Body | None]:
    """What the API server holds under the same names."""
    found: dict[str, Body | None] = {}
    for body in bodies:
        answer = cluster.api.call("GET", cluster.path(body))
        assert answer.ok or answer.code == 404, answer.text
        found[name_of(body)] = answer.data if answer.ok else None
    return found


def credentials(plane: ControlPlane) -> Iterable[str]:
    """Every line of an administrator's key and certificate and of the CA's key, and a piece of each in base64."""
    access = plane.access
    for file in (access.admin_key, access.ca_key, access.admin_cert):
        data = Path(file).read_bytes()
        yield base64.b64encode(data).decode()[40:120]
        yield from (line for line in data.decode().splitlines() if line and "-----" not in line)
