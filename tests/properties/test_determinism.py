"""Same inputs, same bytes: whatever the directory, hash seed, locale, time zone, clock, processes or order of keys."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from catalogues import snapshot_of
from helpers import ROOT, build_tree
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import UNSHRUNK, clusters

from ringfence.build import Builder
from ringfence.documents import dump, load
from ringfence.emission import text
from ringfence.errors import ExceptionError
from ringfence.sinks.parallel import write_parts
from ringfence.sinks.tree import write
from ringfence.spec.read import cluster_of

EXAMPLES = sorted(ROOT.glob("examples/*/cluster.yaml"))
GENERATED = {
    "apiVersion": "ringfence/v1alpha1",
    "kind": "Cluster",
    "name": "generated",
    "profile": "restricted",
    "kubernetes": {"version": "1.36", "distribution": "kubeadm"},
    "network": {"apiServer": {"addresses": ["10.0.0.1"]}, "podCIDRs": ["10.1.0.0/16"], "nodeCIDRs": ["10.0.0.0/16"]},
    "identity": {"groups": {"platformAdmin": ["admins"], "auditor": ["auditors"], "breakGlass": ["emergency"]}},
    "tenants": [
        {
            "name": f"t{t}",
            "owner": f"o{t}@example.com",
            "tier": ("production", "staging", "development", "untrusted")[t % 4],
            "groups": {"developer": [f"devs-{t}"]},
            "namespaces": [f"t{t}-a", {"name": f"t{t}-b", "apiAccess": True, "quota": {"pods": 7}}],
        }
        for t in range(9)
    ],
}
WORLDS: list[dict[str, str]] = [
    {"PYTHONHASHSEED": "1", "LC_ALL": "C", "LANG": "C", "TZ": "UTC"},
    {
        "PYTHONHASHSEED": "4242",
        "LC_ALL": "tr_TR.UTF-8",
        "LANG": "de_DE.UTF-8",
        "TZ": "Asia/Kathmandu",
        "PYTHONUTF8": "0",
    },
]


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every example and a generated cluster, each in its folder, without trees."""
    folder = tmp_path_factory.mktemp("sources")
    files = {f"{f.parent.name}/cluster.yaml": f.read_text(encoding="utf-8") for f in EXAMPLES}
    return build_tree(folder, {**files, "generated/cluster.yaml": dump(GENERATED)})


def command(folder: Path, sources: Path, world: dict[str, str], *arguments: str) -> tuple[int, dict[str, bytes]]:
    """Exit code and trees of `ringfence render` in a process and a folder of its own."""
    folder.mkdir()
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT / "generator"),
        "XDG_CACHE_HOME": str(folder / ".cache"),
        **world,
    }
    main = "from ringfence.cli import main; main()"
    copies = {f.relative_to(sources).as_posix(): f.read_text(encoding="utf-8") for f in sources.rglob("*.yaml")}
    build_tree(folder, copies)
    done = subprocess.run(
        [sys.executable, "-c", main, "-q", "render", ".", *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert "Traceback" not in done.stderr
    return done.returncode, snapshot_of(folder)


def test_seed_locale_zone_clock_directory_and_jobs_change_no_byte(sources: Path, tmp_path: Path) -> None:
    first_code, first = command(tmp_path / "one", sources, WORLDS[0], "--as-of", "2020-02-29")
    assert first_code == 0
    assert any(path.endswith("ringfence.index") for path in first)
    (tmp_path / "deeper").mkdir()
    code, second = command(tmp_path / "deeper" / "two", sources, WORLDS[1], "--as-of", "2099-12-31", "--jobs", "2")
    assert second == first
    late = any(cluster_of(load(f.read_bytes(), f.name)).exemptions for f in EXAMPLES)
    assert code == (ExceptionError.exit_code if late else 0), "the clock decides pass or fail"


def rendered(builder: Builder, folder: Path, document: dict[str, Any]) -> str:
    build_tree(folder, {"cluster.yaml": dump(document)})
    return "".join(text(m) for m in builder.build(folder / "cluster.yaml", "cluster.yaml"))


def shuffled(value: Any, random: Any) -> Any:
    """Equal data with the keys of every mapping in another order; lists keep theirs."""
    if isinstance(value, dict):
        keys = list(value)
        random.shuffle(keys)
        return {key: shuffled(value[key], random) for key in keys}
    return [shuffled(item, random) for item in value] if isinstance(value, list) else value


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda f: f.parent.name)
@settings(max_examples=3, phases=UNSHRUNK)
@given(random=st.randoms(use_true_random=False))
def test_the_order_of_keys_changes_nothing(
    tmp_path_factory: pytest.TempPathFactory, builders: tuple[Builder, Builder], file: Path, random: Any
) -> None:
    document = load(file.read_bytes(), "cluster.yaml").value
    document.setdefault("controls", {}).update(
        {id_: {"reason": "written out", "stage": "enforce"} for id_ in ("psa-labels", "ns-dedicated")}
    )
    folder = tmp_path_factory.mktemp("order")
    other = shuffled(document, random)
    assert rendered(builders[0], folder / "a", document) == rendered(builders[1], folder / "b", other)


@settings(max_examples=8, phases=UNSHRUNK)
@given(document=clusters())
def test_any_cluster_renders_twice_and_in_parts_to_the_same_tree(
    tmp_path_factory: pytest.TempPathFactory, builders: tuple[Builder, Builder], document: dict[str, Any]
) -> None:
    folder = tmp_path_factory.mktemp("any")
    file = build_tree(folder, {"cluster.yaml": dump(document)}) / "cluster.yaml"
    first, second = (b.resolve(file, "cluster.yaml") for b in builders)
    write(builders[0].objects(first), folder / "one")
    changes, _ = write_parts(lambda part: builders[1].objects(second, part), folder / "two", False, 2)
    assert snapshot_of(folder / "one") == snapshot_of(folder / "two")
    assert len(changes.new) == len(snapshot_of(folder / "two")) - 1


@pytest.fixture(scope="module")
def builders() -> tuple[Builder, Builder]:
    """Two of them, so that neither sees what the other has cached."""
    return Builder(), Builder()
