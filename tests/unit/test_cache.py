"""What is kept between runs saves time and decides nothing."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from catalogues import bodies, demo
from helpers import need_private, write_cluster

from ringfence.build import Builder
from ringfence.cache import cache_folder, remembered
from ringfence.errors import RingfenceError


class Maker:
    """Makes values, and counts how often."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self) -> dict[str, list[int]]:
        self.calls += 1
        return {"made": [self.calls]}


def test_made_once_per_key(tmp_path: Path) -> None:
    make = Maker()
    assert [remembered(tmp_path, key, make) for key in ("a", "a", "b", "a")] == [{"made": [n]} for n in (1, 1, 2, 1)]


def test_without_a_folder_nothing_is_kept() -> None:
    make = Maker()
    assert [remembered(None, "a", make) for _ in range(2)] == [{"made": [1]}, {"made": [2]}]


@pytest.mark.parametrize("damage", [b"", b"\xff", b"["])
def test_what_is_damaged_is_made_again(tmp_path: Path, damage: bytes) -> None:
    make = Maker()
    remembered(tmp_path, "a", make)
    (kept,) = tmp_path.iterdir()
    kept.write_bytes(damage)
    assert remembered(tmp_path, "a", make) == remembered(tmp_path, "a", make) == {"made": [2]}
    assert list(tmp_path.iterdir()) == [kept], "nothing half-written stays"


def test_a_folder_that_is_gone_costs_time_alone(tmp_path: Path) -> None:
    make = Maker()
    assert [remembered(tmp_path / "none", "a", make) for _ in range(2)] == [{"made": [1]}, {"made": [2]}]


def test_a_changed_control_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    catalogue, cache = demo(tmp_path / "c", monkeypatch), tmp_path / "cache"
    cache.mkdir()
    file = write_cluster(tmp_path)
    cold = [m.body for m in Builder(cache=cache).build(file)]
    assert [m.body for m in Builder(cache=cache).build(file)] == cold == bodies(file)
    control = catalogue / "demo/demo-once/control.yaml"
    control.write_text(control.read_text().replace('default: "none"', "default: other"))
    assert [m.body for m in Builder(cache=cache).build(file)] == bodies(file) != cold
    control.write_text("title: 1\n")
    for _ in range(2):
        with pytest.raises(RingfenceError):
            Builder(cache=cache)


def test_a_user_without_a_home_has_no_cache_and_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", homeless)
    assert cache_folder() is None


def test_a_folder_that_others_can_write_is_none_of_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    need_private(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "ringfence"
    (tmp_path / "ringfence").chmod(0o770)
    assert cache_folder() is None


def test_a_folder_that_others_can_replace_is_none_of_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As of another user's home that `sudo` has kept: they rename ours, and put theirs in its place."""
    need_private(tmp_path)
    above = tmp_path / "above"
    (above / "cache").mkdir(parents=True)
    (above / "cache").chmod(0o700)
    monkeypatch.setenv("XDG_CACHE_HOME", str(above / "cache"))
    above.chmod(0o777)
    assert cache_folder() is None
    above.chmod(0o1777)
    assert cache_folder() == above / "cache" / "ringfence", "as /tmp is: nobody renames what isn't theirs"


def test_folders_that_a_careless_umask_makes_are_not_trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "new"))
    before = os.umask(0)
    try:
        assert cache_folder() is None
    finally:
        os.umask(before)


@pytest.mark.skipif(os.getuid() != 0, reason="only root can make another user's folder; run the tests as root")
def test_nothing_is_made_in_another_users_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.chown(tmp_path, 12345, 12345)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder() is None
    assert list(tmp_path.iterdir()) == []


def test_a_link_in_place_of_the_folder_is_none_of_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "theirs").mkdir(mode=0o700)
    (tmp_path / "ringfence").symlink_to(tmp_path / "theirs")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() is None


def test_no_cache_is_taken_from_the_folder_that_we_are_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    need_private(tmp_path)
    (tmp_path / "work" / "cache" / "ringfence").mkdir(parents=True, mode=0o700)
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setenv("XDG_CACHE_HOME", "cache")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder() == tmp_path / ".cache" / "ringfence"


def test_a_home_that_is_no_absolute_path_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    need_private(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", ".")
    assert cache_folder() is None
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.name != "posix" or os.getuid() != 0, reason="only root gives files away")
def test_what_somebody_else_owns_is_none_of_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    need_private(tmp_path)
    make = Maker()
    remembered(tmp_path, "a", make)
    (kept,) = tmp_path.iterdir()
    os.chown(kept, 12345, -1)
    assert remembered(tmp_path, "a", make) == {"made": [2]}
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    folder = tmp_path / "ringfence"
    folder.mkdir(mode=0o700)
    assert cache_folder() == folder
    os.chown(folder, 12345, -1)
    assert cache_folder() is None


@pytest.mark.parametrize("how", ["writable", "a link"])
def test_a_file_that_others_may_have_written_is_made_again(tmp_path: Path, how: str) -> None:
    make = Maker()
    remembered(tmp_path, "a", make)
    (kept,) = tmp_path.iterdir()
    if how == "writable":
        kept.chmod(0o666)
    else:
        kept.rename(tmp_path / "elsewhere")
        kept.symlink_to(tmp_path / "elsewhere")
    assert remembered(tmp_path, "a", make) == {"made": [2]}
    assert remembered(tmp_path, "a", make) == {"made": [2]}, "and is ours again"
