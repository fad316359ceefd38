"""Reviewed is applied: what a stack registers is, object by object, what the tree on disk holds."""

from __future__ import annotations

import copy
import runpy
import shutil
import subprocess
import sys
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pulumi
import pytest
from answering import kubeconfig
from catalogues import Command
from helpers import ROOT, need_private, write_cluster
from spying import Engine

from ringfence.documents import load_all
from ringfence.model import PROFILES
from ringfence.render.environment import Environment
from ringfence.sinks.pulumi import ClusterBaseline, ClusterBootstrap, Distribution, HardenedNamespace, Profile, source
from ringfence.sinks.pulumi.apiserver import Snapshot

EXAMPLES = sorted(f.parent for f in (ROOT / "examples").glob("*/cluster.yaml"))
INJECTED = {"pulumi.com/patchFieldManager", "pulumi.com/patchForce", "ringfence/stack"}
Key = tuple[str, str, str, str]


def key(body: dict[str, Any]) -> Key:
    metadata = body["metadata"]
    return (body["apiVersion"], body["kind"], metadata.get("namespace", ""), metadata["name"])


def tree(folder: Path) -> dict[Key, dict[str, Any]]:
    """Every Kubernetes object of a rendered tree."""
    found: dict[Key, dict[str, Any]] = {}
    for file in sorted(folder.glob("[0-9]-*/**/*.yaml")):
        for document in load_all(file.read_bytes(), file.name):
            if not document.value["apiVersion"].startswith("kustomize"):
                assert key(document.value) not in found
                found[key(document.value)] = document.value
    return found


@pytest.fixture
def copied(tmp_path: Path) -> Callable[[Path], Path]:
    """An example's cluster.yaml in a folder of its own, away from the lock beside it."""

    def copy_of(example: Path) -> Path:
        shutil.copytree(example, tmp_path / "work", ignore=shutil.ignore_patterns("rendered", "*.lock"))
        return tmp_path / "work" / "cluster.yaml"

    return copy_of


@pytest.fixture
def rendered(command: Command, tmp_path: Path) -> Callable[[Path], dict[Key, dict[str, Any]]]:
    """The tree that the command line writes for a cluster file; that examples/*/rendered is the same, others test."""

    def render(file: Path) -> dict[Key, dict[str, Any]]:
        done = command("render", str(file), "--as-of", "2026-01-01", "-o", str(tmp_path / "tree"))
        assert done.code == 0, done.err
        return tree(tmp_path / "tree")

    return render


def registered(engine: Engine) -> dict[Key, dict[str, Any]]:
    """Every registered object without what registering adds to it."""
    found: dict[Key, dict[str, Any]] = {}
    for name in engine.objects:
        body = engine.inputs(name)
        annotations = body["metadata"]["annotations"]
        body["metadata"]["annotations"] = {k: v for k, v in annotations.items() if k not in INJECTED}
        if not body["metadata"]["annotations"]:
            del body["metadata"]["annotations"]
        found[key(body)] = body
    return found


def args(file: Path, **further: Any) -> Any:
    return {"cluster": str(file), "preflight": False, "as_of": "2026-01-01", **further}


Rendered = Callable[[Path], dict[Key, dict[str, Any]]]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda e: e.name)
def test_a_bootstrap_registers_the_tree_of_every_example(
    engine: Engine, example: Path, copied: Callable[[Path], Path], rendered: Rendered
) -> None:
    file = copied(example)
    engine.run(lambda: ClusterBootstrap("bootstrap", args(file)))
    expected = rendered(file)
    assert registered(engine) == expected
    assert len(engine.objects) == len(expected), "an object is registered twice"


@pytest.mark.parametrize("profile", PROFILES)
def test_a_bootstrap_registers_the_tree_of_every_profile(
    engine: Engine, profile: str, tmp_path: Path, rendered: Rendered
) -> None:
    file = write_cluster(tmp_path / "work", profile=profile)
    engine.run(lambda: ClusterBootstrap("bootstrap", args(file)))
    assert registered(engine) == rendered(file)


def test_a_namespace_and_the_baseline_share_the_tree_without_overlap(
    engine: Engine, copied: Callable[[Path], Path], rendered: Rendered
) -> None:
    file = copied(ROOT / "examples" / "production")
    engine.run(lambda: HardenedNamespace("payments", args(file, name="payments")))
    expected, namespace = rendered(file), registered(engine)
    assert namespace == {
        k: v for k, v in expected.items() if k[2] == "payments" or k[1:] == ("Namespace", "", "payments")
    }

    beside = Engine()
    beside.run(lambda: ClusterBaseline("baseline", args(file)))
    tenants = {"argocd", "boutique", "boutique-staging", "payments", "payments-jobs"}
    assert registered(beside) == {k: v for k, v in expected.items() if not {k[2], k[3]} & tenants}


def test_a_namespace_that_stands_for_itself_is_what_a_cluster_with_it_alone_gives(
    engine: Engine, tmp_path: Path, rendered: Rendered
) -> None:
    alone: Any = {
        "name": "shop",
        "owner": "shop@example.com",
        "profile": Profile.RESTRICTED,
        "kubernetes": "1.36",
        "distribution": Distribution.KUBEADM,
        "preflight": False,
    }
    engine.run(lambda: HardenedNamespace("shop", alone))
    file = write_cluster(tmp_path / "work", name="shop", profile="restricted")
    assert registered(engine) == {k: v for k, v in rendered(file).items() if "shop" in (k[2], k[3])}


def test_an_inline_document_gives_what_its_file_gives(
    engine: Engine, copied: Callable[[Path], Path], rendered: Rendered
) -> None:
    file = copied(ROOT / "examples" / "minimal")
    document = load_all(file.read_bytes(), "cluster.yaml")[0].value
    inline: Any = {"document": copy.deepcopy(document), "preflight": False}
    engine.run(lambda: ClusterBootstrap("bootstrap", inline))
    assert registered(engine) == rendered(file)


def test_nothing_of_pulumi_is_in_any_tree() -> None:
    for file in sorted((ROOT / "examples").glob("*/rendered/**/*.yaml")):
        text = file.read_text(encoding="utf-8")
        assert "pulumi.com/" not in text, file
        assert "ringfence/stack" not in text, file


def test_the_digest_is_that_of_the_rendered_stream(
    engine: Engine, copied: Callable[[Path], Path], command: Command
) -> None:
    file, seen = copied(ROOT / "examples" / "minimal"), {}

    def program() -> pulumi.Output[None]:
        made = ClusterBootstrap("bootstrap", args(file))
        return made.model_digest.apply(lambda digest: seen.update(digest=digest))

    engine.run(program)
    stream = command("render", str(file), "-o", "-").out
    assert seen == {"digest": sha256(stream.encode()).hexdigest()}


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda e: e.name)
def test_the_stack_program_registers_the_tree(
    engine: Engine,
    example: Path,
    copied: Callable[[Path], Path],
    rendered: Rendered,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    file = copied(example)
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig(file.parent, "https://127.0.0.1:9").kubeconfig))
    monkeypatch.setattr(source, "snapshot", lambda objects, connection: empty_cluster(file))
    pulumi.runtime.set_all_config({"ringfence-bootstrap:cluster": str(file), "ringfence-bootstrap:asOf": "2026-01-01"})
    engine.run(lambda: runpy.run_path(str(ROOT / "stacks" / "bootstrap" / "__main__.py")))
    assert registered(engine) == rendered(file)
    assert len(set(engine.urns)) == len(engine.urns), "two resources have one URN"


def test_templates_that_a_run_has_compiled_are_not_compiled_again(
    engine: Engine, tmp_path: Path, copied: Callable[[Path], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    need_private(tmp_path)

    def compiled(*_: Any) -> None:
        raise AssertionError

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    arguments: Any = {"cluster": str(copied(ROOT / "examples" / "minimal")), "preflight": False}
    engine.run(lambda: ClusterBootstrap("bootstrap", arguments))
    monkeypatch.setattr(Environment, "_compile", compiled)
    engine.run(lambda: ClusterBootstrap("again", arguments))


def empty_cluster(file: Path) -> Snapshot:
    """What the pre-flight reads off an empty cluster of the right version."""
    document = load_all(file.read_bytes(), "cluster.yaml")[0].value
    return Snapshot(document["kubernetes"]["version"], {}, frozenset())


def test_the_stack_program_is_short() -> None:
    program = ROOT / "stacks" / "bootstrap" / "__main__.py"
    assert len(program.read_text(encoding="utf-8").splitlines()) <= 25


def test_ringfence_itself_never_imports_pulumi() -> None:
    for statement in (
        "import ringfence",
        "from ringfence.cli import main; main(['--help'])",
        "from ringfence.cli import main; main(['list'])",
    ):
        code = (
            f"import sys, atexit\natexit.register(lambda: print('pulumi' in sys.modules, file=sys.stderr))\n{statement}"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
        assert done.stderr.strip().endswith("False"), statement
