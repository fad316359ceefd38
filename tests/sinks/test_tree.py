"""The tree on disk: complete or untouched, never a file of somebody else's, only changed files rewritten."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from catalogues import Command, demo, snapshot_of
from helpers import build_tree, cluster, write_cluster

from ringfence.build import Builder
from ringfence.errors import InputError, RingfenceError, ToolError
from ringfence.model import Bundle
from ringfence.sinks import tree as sink
from ringfence.sinks.index import read_index
from ringfence.sinks.tree import write

TENANTS = [
    {"name": "a", "owner": "ann", "namespaces": ["a-one", "a-two"]},
    {"name": "b", "owner": "bob", "namespaces": ["b-one"]},
]


@pytest.fixture(autouse=True)
def catalogue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return demo(tmp_path / "catalogue", monkeypatch)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "work"


def bundle(home: Path, **changes: Any) -> Bundle:
    return Builder().build(write_cluster(home, **{"tenants": TENANTS, **changes}), "cluster.yaml")


def stats(tree: Path) -> dict[str, tuple[int, int]]:
    return {
        f.relative_to(tree).as_posix(): (f.stat().st_ino, f.stat().st_mtime_ns) for f in tree.rglob("*") if f.is_file()
    }


def strays(home: Path) -> list[str]:
    """What a run left beside the tree."""
    return sorted(
        f.name for f in home.iterdir() if f.name not in ("cluster.yaml", "rendered", "ringfence.lock", ".cache")
    )


FILES = [f"2-guards/{ns}/demo.yaml" for ns in ("a-one", "a-two", "b-one", "kube-system")]


def test_fresh_write(home: Path) -> None:
    changes = write(bundle(home), home / "rendered")
    assert (changes.new, changes.changed, changes.removed, changes.same) == (FILES, [], [], 0)
    assert sorted(snapshot_of(home / "rendered")) == [*FILES, "ringfence.index"]
    assert (home / "rendered/2-guards/b-one/demo.yaml").read_text() == (
        "# Rendered by ringfence from cluster.yaml; change that and render again.\n"
        "---\napiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: settings\n  namespace: b-one\n"
        "  labels:\n    app.kubernetes.io/managed-by: ringfence\n"
        "  annotations:\n    ringfence/controls: demo-each\n"
        "data:\n  owner: bob\n"
    )
    assert strays(home) == []


@pytest.mark.parametrize("made", ["absent", "empty", "parents absent"])
def test_fresh_write_into_an_absent_or_empty_directory(home: Path, made: str) -> None:
    target = home / ("deep/er/tree" if made == "parents absent" else "rendered")
    if made == "empty":
        target.mkdir(parents=True)
        inode = target.stat().st_ino
    write(bundle(home), target)
    assert sorted(snapshot_of(target)) == [*FILES, "ringfence.index"]
    if made == "empty":
        assert target.stat().st_ino == inode, "a mount point or a shell's directory is not replaced"


def test_the_working_directory_can_be_the_tree(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = bundle(home)
    (home / "here").mkdir()
    monkeypatch.chdir(home / "here")
    write(made, Path())
    assert sorted(snapshot_of(Path())) == [*FILES, "ringfence.index"]
    assert write(made, Path("..") / "here").stale is False
    assert strays(home) == ["here"]


def test_second_write_touches_nothing(home: Path) -> None:
    write(bundle(home), home / "rendered")
    before = stats(home / "rendered")
    changes = write(bundle(home), home / "rendered")
    assert (changes.stale, changes.same) == (False, 4)
    assert stats(home / "rendered") == before


def test_update_rewrites_only_changed_files(home: Path) -> None:
    write(bundle(home), home / "rendered")
    before = stats(home / "rendered")
    other = [TENANTS[0], {**TENANTS[1], "owner": "eve"}]
    changes = write(bundle(home, tenants=other), home / "rendered")
    assert (changes.new, changes.changed, changes.removed, changes.same) == ([], [FILES[2]], [], 3)
    after = stats(home / "rendered")
    assert {f for f in after if after[f] != before[f]} == {FILES[2], "ringfence.index"}
    assert "owner: eve" in (home / "rendered" / FILES[2]).read_text()


def test_removal_takes_only_what_the_old_index_lists_and_prunes_empty_folders(home: Path) -> None:
    tree = home / "rendered"
    write(bundle(home), tree)
    build_tree(tree, {"README.md": "mine", "2-guards/a-two/notes.txt": "mine too"})
    changes = write(bundle(home, tenants=[{**TENANTS[0], "namespaces": ["a-one"]}]), tree)
    assert changes.removed == [FILES[1], FILES[2]]
    assert sorted(snapshot_of(tree)) == [
        "2-guards/a-one/demo.yaml", "2-guards/a-two/notes.txt", "2-guards/kube-system/demo.yaml", "README.md", "ringfence.index",
    ]  # fmt: skip
    assert not (tree / "2-guards/b-one").exists()


def test_a_removed_file_that_is_gone_already_is_no_error(home: Path) -> None:
    write(bundle(home), home / "rendered")
    (home / "rendered" / FILES[2]).unlink()
    changes = write(bundle(home, tenants=TENANTS[:1]), home / "rendered")
    assert (changes.removed, changes.stale) == ([], False)
    assert FILES[2] not in read_index(home / "rendered").files  # type: ignore[union-attr] # it is there


def test_an_edited_or_deleted_file_of_ours_is_restored(home: Path) -> None:
    write(bundle(home), home / "rendered")
    before = snapshot_of(home / "rendered")
    (home / "rendered" / FILES[0]).write_text("edited")
    (home / "rendered" / FILES[1]).unlink()
    changes = write(bundle(home), home / "rendered")
    assert (changes.changed, changes.new) == ([FILES[0]], [FILES[1]])
    assert snapshot_of(home / "rendered") == before


def refused(made: Bundle, tree: Path, kind: type[RingfenceError] = InputError) -> str:
    """Refusal of a write that leaves everything as it was."""
    before = snapshot_of(tree.parent) if tree.parent.exists() else {}
    with pytest.raises(kind) as caught:
        write(made, tree)
    assert snapshot_of(tree.parent) == before
    return caught.value.line().replace(tree.parent.as_posix() + "/", "")


def test_a_directory_that_is_not_ours_is_refused(home: Path) -> None:
    build_tree(home / "rendered", {"thesis.txt": "mine"})
    assert refused(bundle(home), home / "rendered") == (
        "rendered: error: the directory holds files and no ringfence.index: it is not ours to write; choose an empty or new"
        " directory"
    )


def test_what_is_no_directory_is_refused(home: Path, tmp_path: Path) -> None:
    made = bundle(home)
    build_tree(home, {"file": "mine"})
    (home / "link").symlink_to(tmp_path)
    for name in ("file", "link"):
        assert refused(made, home / name) == f"{name}: error: not a directory; choose another output directory"
    assert refused(made, home / "file" / "below", ToolError).endswith(
        "below: error: can't write the tree: not a directory; nothing was left half-written; mend it and render again"
    )


def test_a_foreign_file_where_one_of_ours_belongs_is_refused(home: Path) -> None:
    write(bundle(home, tenants=TENANTS[:1]), home / "rendered")
    build_tree(home / "rendered", {FILES[2]: "mine"})
    assert refused(bundle(home), home / "rendered") == (
        f"rendered/{FILES[2]}: error: the tree needs this file, and ringfence.index does not list it: it is not ours to write;"
        " move it out of the tree, or remove it"
    )


def test_a_foreign_file_where_a_folder_belongs_changes_nothing(home: Path) -> None:
    write(bundle(home, tenants=TENANTS[:1]), home / "rendered")
    build_tree(home / "rendered", {"2-guards/b-one": "mine"})
    assert "can't write the tree: file exists" in refused(bundle(home, name="other"), home / "rendered", ToolError)


@pytest.mark.parametrize("linked", ["2-guards", "2-guards/b-one", "2-guards/b-one/demo.yaml"])
def test_links_inside_the_tree_are_refused(home: Path, tmp_path: Path, linked: str) -> None:
    write(bundle(home), home / "rendered")
    here, there = home / "rendered" / linked, tmp_path / "elsewhere"
    here.rename(there)
    here.symlink_to(there)
    outside = snapshot_of(tmp_path / "elsewhere") if there.is_dir() else {"": there.read_bytes()}
    line = f"rendered/{linked}: error: a symbolic link stands in the tree; remove the link"
    assert refused(bundle(home, tenants=[TENANTS[0], {**TENANTS[1], "owner": "eve"}]), home / "rendered") == line
    assert refused(bundle(home, tenants=TENANTS[:1]), home / "rendered") == line
    assert outside == (snapshot_of(there) if there.is_dir() else {"": there.read_bytes()})


def full_disk(after: int) -> Any:
    """An `os.write` that writes `after` times and then finds the disk full, having written a part."""
    left, real = iter(range(after)), os.write

    def write_some(target: int, data: bytes) -> int:
        if next(left, None) is None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(target, data)

    return write_some


@pytest.mark.parametrize("after", range(5))
@pytest.mark.parametrize("existing", [True, False])
def test_full_disk_leaves_the_old_tree(home: Path, monkeypatch: pytest.MonkeyPatch, after: int, existing: bool) -> None:
    made = bundle(
        home,
        tenants=[{**t, "owner": "new"} for t in TENANTS],
        controls={"demo-once": {"reason": "r", "params": {"note": "x"}}},
    )
    if existing:
        write(bundle(home), home / "rendered")
    write_cluster(home)
    with monkeypatch.context() as patch:
        patch.setattr("ringfence.sinks.tree.os.write", full_disk(after))
        assert refused(made, home / "rendered", ToolError) == (
            "rendered: error: can't write the tree: no space left on device; nothing was left half-written; mend it and render"
            " again"
        )
    assert strays(home) == []


def test_a_disk_that_takes_a_part_at_a_time_gets_all_of_it(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.write
    monkeypatch.setattr("ringfence.sinks.tree.os.write", lambda target, data: real(target, data[:7]))
    made = bundle(home)
    write(made, home / "rendered")
    monkeypatch.undo()
    assert write(made, home / "rendered", check=True).stale is False


@pytest.mark.parametrize("call", ["open", "mkdir"])
def test_an_unwritable_directory_leaves_the_old_tree(home: Path, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    write(bundle(home, tenants=TENANTS[:1]), home / "rendered")
    made = bundle(home)

    real = os.open

    def refuse(path: Any, flags: int = os.O_CREAT, *rest: Any, **more: Any) -> int:
        if flags & os.O_CREAT or call == "mkdir":
            raise PermissionError(errno.EACCES, "Permission denied", "rendered/x")
        return real(path, flags, *rest, **more)

    with monkeypatch.context() as patch:
        patch.setattr(f"ringfence.sinks.tree.os.{call}", refuse)
        assert refused(made, home / "rendered", ToolError).startswith(
            "rendered/x: error: can't write the tree: permission denied;"
        )
    assert strays(home) == []


@pytest.mark.skipif(os.getuid() == 0, reason="root writes anywhere")
def test_a_read_only_parent_is_refused(home: Path) -> None:
    made = bundle(home)
    home.chmod(0o500)
    try:
        assert "permission denied" in refused(made, home / "rendered", ToolError)
    finally:
        home.chmod(0o700)


@pytest.mark.parametrize("existing", [True, False])
def test_interruption_after_staging_leaves_the_old_tree(
    home: Path, monkeypatch: pytest.MonkeyPatch, existing: bool
) -> None:
    if existing:
        write(bundle(home, tenants=TENANTS[:1]), home / "rendered")
    made = bundle(home)
    before = snapshot_of(home)

    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(sink.Tree, "finish", interrupt)
        with pytest.raises(KeyboardInterrupt):
            write(made, home / "rendered")
    assert snapshot_of(home) == before
    assert strays(home) == []


def test_interruption_while_swapping_leaves_whole_files_that_the_next_run_completes(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(bundle(home, tenants=TENANTS[:1]), home / "rendered")
    made = bundle(home)
    real = os.replace

    def once(source: Any, target: Any) -> None:
        real(source, target)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("ringfence.sinks.tree.os.replace", once)
        with pytest.raises(KeyboardInterrupt):
            write(made, home / "rendered")
    assert strays(home) == []
    assert write(made, home / "rendered", check=True).stale
    write(made, home / "rendered")
    assert write(made, home / "rendered", check=True).stale is False


def test_interruption_while_filling_an_empty_directory_leaves_a_tree_that_is_known_as_ours(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = bundle(home)
    (home / "rendered").mkdir()
    real = Path.rename

    def once(source: Path, target: Path) -> Path:
        real(source, target)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", once)
        with pytest.raises(KeyboardInterrupt):
            write(made, home / "rendered")
    assert strays(home) == []
    assert write(made, home / "rendered").new == FILES
    assert write(made, home / "rendered", check=True).stale is False


def test_check_reports_and_writes_nothing(home: Path) -> None:
    tree = home / "rendered"
    write(bundle(home), tree)
    (tree / FILES[0]).write_text("edited")
    (tree / FILES[1]).unlink()
    build_tree(tree, {"2-guards/a-one/extra.yaml": "x"})
    (tree / "linked").symlink_to("2-guards")
    before = snapshot_of(home)
    changes = write(bundle(home, tenants=TENANTS[:1]), tree, check=True)
    assert snapshot_of(home) == {**before, "cluster.yaml": (home / "cluster.yaml").read_bytes()}
    assert (changes.new, changes.changed, changes.removed, changes.unknown, changes.same) == (
        [FILES[1]], [FILES[0]], [FILES[2]], ["2-guards/a-one/extra.yaml", "linked"], 1,
    )  # fmt: skip


def test_check_finds_an_edited_index(home: Path) -> None:
    write(bundle(home), home / "rendered")
    index = home / "rendered/ringfence.index"
    index.write_text(index.read_text().replace(": 5", ": 6") + " ")
    assert write(bundle(home), home / "rendered", check=True).changed == ["ringfence.index"]


@pytest.fixture
def ringfence(home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Command]:
    write_cluster(home, tenants=TENANTS)
    return Command(home, capsys, monkeypatch)  # type: ignore[return-value] # pytest takes both


def test_check_on_the_command_line(ringfence: Command, home: Path) -> None:
    assert ringfence("-q", "render", "--check") == (
        4,
        "",
        "error: there is no ringfence.lock; run `ringfence render cluster.yaml`\n",
    )
    assert snapshot_of(home).keys() == {"cluster.yaml"}
    assert ringfence("-q", "render") == (0, "", "")
    assert ringfence("-q", "render", "--check") == (0, "", "")
    (home / "rendered" / FILES[0]).write_text("edited")
    (home / "rendered" / FILES[1]).unlink()
    build_tree(home / "rendered", {"extra.yaml": "x"})
    write_cluster(home, tenants=TENANTS[:1])
    assert ringfence("-q", "render", "--check") == (
        4,
        "",
        f"error: rendered is stale: 1 missing ({FILES[1]}), 1 changed ({FILES[0]}), 1 left over ({FILES[2]}), 1 unknown"
        " (extra.yaml); run `ringfence render cluster.yaml`\n",
    )


def test_stream_and_tree_hold_the_same_objects(ringfence: Command, home: Path) -> None:
    ringfence("-q", "render")
    stream = ringfence("render", "-o", "-")
    assert (stream.code, stream.err) == (0, "")
    tree = "".join(f.read_text().partition("\n")[2] for f in sorted((home / "rendered").rglob("*.yaml")))
    assert sorted(stream.out.split("---\n")) == sorted(tree.split("---\n"))
    assert not (home / "-").exists()


def test_usage_errors(ringfence: Command) -> None:
    assert ringfence("render", "-o", "-", "--check") == (64, "", "error: --check compares a tree; -o - has none\n")
    assert ringfence("render", "--as-of", "soon") == (
        64,
        "",
        'error: --as-of: "soon" is no date; write it as YYYY-MM-DD\n',
    )
    assert ringfence("render", "--jobs", "0").code == 64


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("{", "1:2: error: the index is not JSON; restore it from version control"),
        ("[" * 100_000, " error: the index is not JSON; restore it from version control"),
        ("[]", " error: this is no index of ringfence; render into another directory"),
        ('{"apiVersion": "ringfence/v2", "files": {}}', " error: this is no index of ringfence; render into another directory"),
        ('{"apiVersion": "ringfence/v1alpha1", "files": {"a": 5}}', " error: this is no index of ringfence; render into another directory"),
        ('{"apiVersion": "ringfence/v1alpha1", "files": {"a": {"sha256": "", "objects": []}}}', " error: this is no index of ringfence; render into another directory"),
    ],
    ids=lambda value: value[:60],
)  # fmt: skip
def test_an_index_that_is_not_to_be_trusted(home: Path, text: str, line: str) -> None:
    made = bundle(home)
    build_tree(home / "rendered", {"ringfence.index": text})
    assert refused(made, home / "rendered") == f"rendered/ringfence.index:{line}"


def test_index_names_digests_objects_and_origins(home: Path) -> None:
    write(bundle(home), home / "rendered")
    index = read_index(home / "rendered")
    assert index is not None
    assert (index.cluster, sorted(index.files)) == (cluster()["name"], FILES)
    entry = index.files[FILES[2]]
    assert list(entry.objects) == ["ConfigMap/b-one/settings"]
    file = "templates/demo/demo-each/configmap.yaml.j2"
    assert index.origin(FILES[2], "ConfigMap/b-one/settings", ("data", "owner")) == f"{file}:7"
    assert index.origin(FILES[2], "ConfigMap/b-one/settings", ("data", "other")) == f"{file}:6"
    assert index.origin(FILES[2], "ConfigMap/none", ("data",)) == ""
