"""One stack that everything happens to, on a control plane: what was there before it, a kill, an older state, a lost one."""

from __future__ import annotations

import json
import os
import shlex
import signal
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cluster.applying import APPLY, Applier
from cluster.engine import Done, Engine
from cluster.lifecycle import Body, read

from ringfence.build import Builder
from ringfence.documents import dump
from ringfence.probes.api import Api

STACK = "ringfence-bootstrap/dev"
COMPONENT, NAME, FORMER = "bootstrap/stall", "stall/limitrange-defaults", "stall/limits"  # as an older release had it
FOREIGN: tuple[Body, ...] = (
    {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": "shop", "labels": {"team": "blue", "pod-security.kubernetes.io/enforce": "privileged"}},
    },
    {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "theirs", "namespace": "shop"},
        "data": {"kept": "yes"},
    },
    {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {"name": "default", "namespace": "shop"},
        "automountServiceAccountToken": True,
        "imagePullSecrets": [{"name": "theirs"}],
    },
    {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": "ringfence:viewer"},
        "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}],
    },
)
Held = dict[str, Body | None]


def document(folder: Path, *namespaces: str) -> Path:
    """A small cluster.yaml; its objects fit on the control plane of any."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "cluster.yaml"
    tenant = {"name": "shop", "owner": "shop@example.com", "namespaces": list(namespaces)}
    kubernetes = {"version": "1.36", "distribution": "kubeadm"}
    head = {"apiVersion": "ringfence/v1alpha1", "kind": "Cluster", "name": "faults", "profile": "baseline"}
    file.write_text(dump({**head, "kubernetes": kubernetes, "tenants": [tenant]}), encoding="utf-8")
    return file


@dataclass
class Story:
    """What came out, in the order in which it happened. Bodies are by name; None for what is not there."""

    refused: Done  # `up` where others' objects are in the way
    untouched: Held
    second: Done  # an `up` beside a running one
    killed_with: Held  # when the running one was killed
    locked: Done  # the next `up`
    recovered: Done  # and the one after `pulumi cancel`
    adopted: Held
    settled: Body  # a preview after that
    cut_off: Done  # `up` when what stands beside the state's file is empty
    put_right: Done  # and without it
    after_cut_off: Held
    forced: Done  # `destroy --skip-preview` without the key
    after_forced: Held
    mended: Done
    older: Done  # `up` on the state of an older ringfence
    after_older: Held
    version: str  # what that stack says of its generator afterwards
    lost: Done  # `up` without the state
    after_lost: Held
    found: Body  # a preview after that
    protected_plan: str  # `preview --json` of a namespace's removal, without and with the key
    plan: str
    destroyed: Done
    left: Held


class Telling:
    """The story as it is told."""

    def __init__(self, engine: Engine, cluster: Applier, folder: Path) -> None:
        self.engine, self.cluster, self.folder = engine, cluster, folder
        self.file = document(folder, "shop", "stall")
        self.bodies = [m.body for m in Builder().build(self.file)]
        self.told: dict[str, Any] = {}
        engine.configure("cluster", str(self.file))

    def tell(self) -> Story:
        self.meet_others()
        self.break_off()
        self.cut_off()
        self.told["forced"] = self.engine.destroy(ok=False)
        self.told["after_forced"] = self.held()
        self.told["mended"] = self.engine.up()
        self.come_from_older()
        self.lose_the_state()
        self.end()
        return Story(**self.told)

    def held(self) -> Held:
        return read(self.cluster, [*self.bodies, *FOREIGN])

    def meet_others(self) -> None:
        for body in FOREIGN:
            query = {"fieldManager": "somebody", "force": "true"}
            answer = self.cluster.api.call("PATCH", self.cluster.path(body), body, query, content=APPLY)
            assert answer.ok, answer.text
        before = self.held()
        self.told["refused"] = self.engine.up(ok=False)
        self.told["untouched"] = {n: b for n, b in self.held().items() if b != before[n]}
        for command in commands(self.told["refused"].text):
            self.engine.run(*command)

    def break_off(self) -> None:
        """Kill the first `up` that gets anywhere, with another one beside it."""
        running = self.engine.popen("up", "--yes", "--skip-preview")
        wait(lambda: self.engine.locks())
        self.told["second"] = self.engine.up(ok=False)
        wait(lambda: self.cluster.api.call("GET", "/api/v1/namespaces/stall").ok)  # of the first that it makes
        plugins = descendants(running.pid)  # provider and program have groups of their own, and outlive a killed engine
        os.killpg(running.pid, signal.SIGKILL)
        for plugin in plugins:
            with suppress(ProcessLookupError):
                os.kill(plugin, signal.SIGKILL)
        running.communicate()
        assert running.returncode == -signal.SIGKILL, "it was through before it could be killed"
        self.told["killed_with"] = self.held()
        self.told["locked"] = self.engine.up(ok=False)
        assert not self.engine.attributes.exists(), "it may have been cut off: see `cut_off`"
        self.engine.run("cancel", "--yes")
        self.told["recovered"] = self.engine.up()
        self.told["adopted"] = self.held()
        self.told["settled"] = self.engine.preview()

    def cut_off(self) -> None:
        """Leave what a kill leaves that comes while the state is written to a folder without `metadata=skip`."""
        self.engine.attributes.write_bytes(b"")
        self.told["cut_off"] = self.engine.up(ok=False)
        self.engine.attributes.unlink()
        self.told["put_right"] = self.engine.up()
        self.told["after_cut_off"] = self.held()

    def come_from_older(self) -> None:
        """Let the state say what an older release would have written: another name, another version, fewer outputs."""
        state = json.loads(self.engine.run("stack", "export").out)
        text = json.dumps(state["deployment"])
        assert f"::{COMPONENT}/{NAME}" in text
        state["deployment"] = json.loads(text.replace(f"::{COMPONENT}/{NAME}", f"::{COMPONENT}/{FORMER}"))
        for resource in state["deployment"]["resources"]:
            if "generatorVersion" in resource.get("outputs", {}):
                resource["outputs"] = {"generatorVersion": "0.0.1"}
        file = self.folder / "older.json"
        file.write_text(json.dumps(state), encoding="utf-8")
        self.engine.run("stack", "import", "--file", str(file))
        program = self.engine.project / "__main__.py"
        text = program.read_text(encoding="utf-8")
        line = f"treatment.FORMERLY['0.0.1'] = {{'LimitRange/stall/*': treatment.Former(name={FORMER!r})}}"
        program.write_text(f"from ringfence.sinks.pulumi import treatment\n{line}\n{text}", encoding="utf-8")
        self.told["older"] = self.engine.up()
        program.write_text(text, encoding="utf-8")
        self.told["after_older"] = self.held()
        self.told["version"] = self.engine.outputs()["generatorVersion"]

    def lose_the_state(self) -> None:
        other = Engine(self.folder / "found", Path(self.engine.env["KUBECONFIG"]))
        other.configure("cluster", str(self.file))
        for command in commands(self.told["refused"].text):
            other.run(*command)
        self.told["lost"] = other.up()
        self.told["after_lost"] = self.held()
        self.told["found"] = other.preview()

    def end(self) -> None:
        document(self.folder, "shop")
        self.told["protected_plan"] = self.engine.run("preview", "--json", "--show-sames", ok=False).out
        document(self.folder, "shop", "stall")
        self.engine.configure("unprotect", "true")
        self.engine.up()
        document(self.folder, "shop")
        self.told["plan"] = self.engine.run("preview", "--json", "--show-sames").out
        self.told["destroyed"] = self.engine.destroy()
        self.told["left"] = self.held()


def descendants(pid: int) -> list[int]:
    """The processes that a process has started, and those that they have, which still run."""
    parents = {}
    for file in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            parent = file.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[1]
            parents[int(file.parent.name)] = int(parent)
    found = [pid]
    for one in found:
        found += [child for child, parent in parents.items() if parent == one]
    return found[1:]


def remove(cluster: Applier, *bodies: Body) -> None:
    """Delete objects, and wait until they are gone with all that is in them."""
    for body in bodies:
        cluster.delete(body)
    wait(lambda: not any(cluster.api.call("GET", cluster.path(b)).ok for b in bodies))


def commands(text: str) -> Iterable[list[str]]:
    """The arguments of every `pulumi` command that an error tells to type."""
    for line in text.splitlines():
        if line.strip().startswith("pulumi "):
            yield shlex.split(line)[1:]


def wait(ready: Callable[[], object], seconds: float = 60) -> None:
    """Poll until something is so."""
    limit = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < limit, "it never was"
        time.sleep(0.05)


def inhabited(api: Api, namespace: str) -> None:
    """Wait until a new namespace takes pods: they are refused for want of its ServiceAccount before anything else looks at them."""
    wait(lambda: api.call("GET", f"/api/v1/namespaces/{namespace}/serviceaccounts/default").ok)


def present(held: Held) -> set[str]:
    """The names of what is there."""
    return {name for name, body in held.items() if body}


def uids(held: Held) -> dict[str, str]:
    """Who each object is: one that was deleted and made again has another uid."""
    return {name: body["metadata"]["uid"] for name, body in held.items() if body}
