"""What was reviewed is what a stack applies: with the controls that the lock pins, one's own among them, or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pulumi
import pytest
from catalogues import CONFIG_MAP, Command, write_control
from helpers import write_cluster
from spying import Engine

from ringfence.sinks.pulumi import ClusterBootstrap


@pytest.fixture
def house(tmp_path: Path, command: Command) -> Path:
    """A folder of one control of one's own, and a cluster.yaml rendered with it."""
    folder = write_control(tmp_path / "house", "house-settings", {"configmap.yaml.j2": CONFIG_MAP})
    write_cluster(tmp_path / "work")
    assert command("-q", "render", "work", "--templates", str(folder)).code == 0
    return folder


def bootstrap(engine: Engine, tmp_path: Path, *templates: Path) -> None:
    arguments: Any = {"cluster": str(tmp_path / "work" / "cluster.yaml"), "preflight": False}
    if templates:
        arguments["templates"] = [str(t) for t in templates]
    engine.run(lambda: ClusterBootstrap("bootstrap", arguments))


def refusal(engine: Engine, tmp_path: Path, *templates: Path) -> str:
    with pytest.raises(pulumi.RunError) as raised:
        bootstrap(engine, tmp_path, *templates)
    assert engine.objects == {}
    return str(raised.value)


def test_controls_of_one_s_own_are_applied_as_they_were_rendered(engine: Engine, house: Path, tmp_path: Path) -> None:
    bootstrap(engine, tmp_path, house)
    assert "bootstrap/shop/shop/configmap-settings" in engine.objects


def test_without_them_nothing_is_applied(engine: Engine, house: Path, tmp_path: Path) -> None:
    assert refusal(engine, tmp_path) == (
        f"{tmp_path}/work/ringfence.lock:6:1: error: the lock pins other templates, so what was reviewed is not what "
        "would be applied; use those (`templates` names folders of controls of your own), or run "
        "`ringfence render --update-lock` and review what changes"
    )


def test_controls_changed_since_are_not_applied_until_the_lock_is_renewed(
    engine: Engine, house: Path, tmp_path: Path, command: Command
) -> None:
    write_control(house, "house-settings", {"configmap.yaml.j2": CONFIG_MAP.replace("owner:", "answers:")})
    assert "the lock pins other templates" in refusal(engine, tmp_path, house)
    assert command("-q", "render", "work", "--templates", str(house), "--update-lock").code == 0
    bootstrap(engine, tmp_path, house)
    assert engine.inputs("bootstrap/shop/shop/configmap-settings")["data"] == {"answers": "shop@example.com"}


def test_another_version_of_ringfence_is_named(engine: Engine, house: Path, tmp_path: Path) -> None:
    lock = tmp_path / "work" / "ringfence.lock"
    text = lock.read_text(encoding="utf-8")
    lock.write_text(text.replace('generator: "', 'generator: "7.'), encoding="utf-8")
    assert "the lock pins other generator 7." in refusal(engine, tmp_path, house)


def test_a_cluster_without_a_lock_needs_none(engine: Engine, house: Path, tmp_path: Path) -> None:
    (tmp_path / "work" / "ringfence.lock").unlink()
    bootstrap(engine, tmp_path)
    assert "bootstrap/shop" in engine.components


def test_a_folder_of_controls_that_is_not_there_is_one_line(engine: Engine, house: Path, tmp_path: Path) -> None:
    (tmp_path / "work" / "ringfence.lock").unlink()
    assert refusal(engine, tmp_path, tmp_path / "none").startswith(f"{tmp_path}/none: error: there is no such folder")
