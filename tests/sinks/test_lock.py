"""ringfence.lock: written with the first tree, held from then on, moved only on request."""

from __future__ import annotations

from pathlib import Path

import pytest
from catalogues import Command, demo, snapshot_of, write_control
from helpers import build_tree, write_cluster

from ringfence import __version__
from ringfence.errors import InputError, StaleError, ToolError
from ringfence.schemas import SchemaStore
from ringfence.sinks import lock
from ringfence.sinks.lock import Lock, templates_digest

HELD = Lock("1.2.3", "a" * 64, "b" * 64, "c" * 64)


def test_form_and_round_trip(tmp_path: Path) -> None:
    lock.write(tmp_path / "ringfence.lock", HELD)
    assert (tmp_path / "ringfence.lock").read_text() == (
        "# What the tree beside this file was rendered with. `ringfence render --update-lock` rewrites it.\n"
        "apiVersion: ringfence/v1alpha1\nkind: Lock\n"
        f'generator: "1.2.3"\nprofiles: {"a" * 64}\ntemplates: {"b" * 64}\nschemas: {"c" * 64}\n'
    )
    assert lock.verify(tmp_path / "ringfence.lock", HELD)
    assert not lock.verify(tmp_path / "other.lock", HELD)


@pytest.mark.parametrize(
    ("held", "line"),
    [
        (
            Lock("1.2.4", "a" * 64, "b" * 64, "c" * 64),
            "4:1: error: the lock pins other generator 1.2.3 (this is 1.2.4); ",
        ),
        (Lock("1.2.3", "x", "b" * 64, "c" * 64), "5:1: error: the lock pins other profiles; "),
        (Lock("1.2.3", "x", "y", "z"), "5:1: error: the lock pins other profiles, templates, schemas; "),
    ],
)
def test_what_differs_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, held: Lock, line: str) -> None:
    monkeypatch.chdir(tmp_path)
    lock.write(Path("ringfence.lock"), HELD)
    with pytest.raises(StaleError) as caught:
        lock.verify(Path("ringfence.lock"), held)
    assert caught.value.line() == f"ringfence.lock:{line}render with --update-lock and review what changes"


def test_what_is_no_lock_is_refused(tmp_path: Path) -> None:
    file = build_tree(tmp_path, {"ringfence.lock": "kind: Cluster\n"}) / "ringfence.lock"
    with pytest.raises(InputError, match="this is no lock of ringfence"):
        lock.verify(file, HELD)


def test_digests_follow_metadata_and_templates_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalogue = demo(tmp_path / "a", monkeypatch)
    first = templates_digest([str(catalogue)])
    build_tree(
        catalogue,
        {"demo/demo-each/cases/x.pass/cluster.yaml": "a", "demo/demo-each/probes.yaml": "b", "README.md": "c"},
    )
    assert templates_digest([str(catalogue)]) == first
    again = demo(tmp_path / "b", monkeypatch)
    assert templates_digest([str(again)]) == first, "where the folder lies does not matter"
    write_control(catalogue, "demo-each", {"configmap.yaml.j2": "{}"})
    assert templates_digest([str(catalogue)]) != first
    template = again / "demo/demo-each/configmap.yaml.j2"
    template.rename(template.with_name("configs.yaml.j2"))
    assert templates_digest([str(again)]) != first, "a name counts"


def test_a_lock_follows_version_profiles_templates_and_schemas(tmp_path: Path) -> None:
    profile = build_tree(tmp_path, {"p.yaml": "x"}) / "p.yaml"
    store = SchemaStore("1.36")
    first = lock.current(store, "digest", [profile])
    assert (first.generator, first.templates) == (__version__, "digest")
    assert lock.current(store, "digest", [profile]) == first
    assert lock.current(SchemaStore("1.35"), "digest", [profile]).schemas != first.schemas
    profile.write_text("y")
    assert lock.current(store, "digest", [profile]).profiles != first.profiles


@pytest.fixture
def ringfence(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    demo(tmp_path / "catalogue", monkeypatch)
    write_cluster(tmp_path / "work")
    return Command(tmp_path / "work", capsys, monkeypatch)


def test_update_lock_takes_the_new_templates(ringfence: Command, tmp_path: Path) -> None:
    assert ringfence("-q", "render").code == 0
    pinned = Path("ringfence.lock").read_bytes()
    write_control(tmp_path / "catalogue", "demo-more", {"x.yaml.j2": "{# nothing #}\n"})
    for arguments in ((), ("--check",), ("--check", "--update-lock")):
        assert ringfence("-q", "render", *arguments).code == 4
    assert Path("ringfence.lock").read_bytes() == pinned
    assert ringfence("-q", "render", "--update-lock").code == 0
    assert Path("ringfence.lock").read_bytes() != pinned
    assert ringfence("-q", "render", "--check").code == 0


def test_a_stream_needs_no_lock_and_writes_none(ringfence: Command) -> None:
    assert ringfence("-q", "render", "-o", "-").code == 0
    assert sorted(snapshot_of(Path())) == ["cluster.yaml"]


def test_a_tree_that_fails_leaves_no_lock_and_moves_none(ringfence: Command) -> None:
    build_tree(Path("rendered"), {"thesis.txt": "mine"})
    assert ringfence("-q", "render").code == 65
    assert not Path("ringfence.lock").exists()


def test_an_unwritable_lock_is_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ToolError) as caught:
        lock.write(Path("none/ringfence.lock"), HELD)
    assert caught.value.line() == (
        "none/ringfence.lock: error: can't write the lock: no such file or directory; mend it and render again"
    )


def test_an_interrupted_lock_leaves_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "ringfence.lock"
    lock.write(file, HELD)
    before = snapshot_of(tmp_path)

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", interrupt)
    with pytest.raises(KeyboardInterrupt):
        lock.write(file, Lock("2", "a", "b", "c"))
    assert snapshot_of(tmp_path) == before
    assert [f.name for f in tmp_path.iterdir()] == ["ringfence.lock"]
