"""Kubeconfigs as people have them: several contexts, several files, tokens, plugins; and what is wrong with one."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from ringfence.documents import dump
from ringfence.errors import RingfenceError
from ringfence.probes import kubeconfig


def write(file: Path, *contexts: str, current: str | None = None, user: dict[str, Any] | None = None) -> Path:
    data: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": c, "cluster": {"server": f"https://{c}.example"}} for c in contexts],
        "users": [{"name": "me", "user": user or {"token": "t"}}],
        "contexts": [{"name": c, "context": {"cluster": c, "user": "me"}} for c in contexts],
    }
    if current is not None:
        data["current-context"] = current
    file.write_text(dump(data))
    return file


def error(*files: Path, context: str | None = None) -> str:
    with pytest.raises(RingfenceError) as caught:
        kubeconfig.read(files, context)
    return caught.value.line()


def test_the_current_context(tmp_path: Path) -> None:
    access = kubeconfig.read((write(tmp_path / "c", "prod", "staging", current="staging"),))
    assert (access.name, access.server) == ('context "staging"', "https://staging.example")
    assert access.authorization() == "Bearer t"


def test_a_context_by_name(tmp_path: Path) -> None:
    assert kubeconfig.read((write(tmp_path / "c", "prod", "staging"),), "prod").server == "https://prod.example"


def test_the_only_context_needs_no_name(tmp_path: Path) -> None:
    assert kubeconfig.read((write(tmp_path / "c", "prod"),)).server == "https://prod.example"


def test_several_files_are_one_kubeconfig(tmp_path: Path) -> None:
    first, second = write(tmp_path / "a", "prod"), write(tmp_path / "b", "staging", current="staging")
    assert kubeconfig.read((first, second, tmp_path / "missing")).server == "https://staging.example"


def test_several_contexts_and_no_current_one(tmp_path: Path) -> None:
    file = write(tmp_path / "c", "prod", "staging")
    said = f"error: {file} has 2 contexts and no current one; choose with --context: prod, staging"
    assert error(file) == said


def test_a_context_that_is_not_there(tmp_path: Path) -> None:
    file = write(tmp_path / "c", "prod", "staging", current="prod")
    assert error(file, context="prdo") == f'error: there is no context "prdo" in {file}; did you mean "prod"?'


def test_a_current_context_that_is_gone(tmp_path: Path) -> None:
    assert "the current context is gone: there is no context" in error(write(tmp_path / "c", "prod", current="old"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "this is no kubeconfig"),
        ("[]", "this is no kubeconfig"),
        ("{}", "this kubeconfig has no context"),
        (": [", "not YAML"),
    ],
)
def test_what_is_no_kubeconfig(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "c").write_text(text)
    assert said in error(tmp_path / "c")


def test_no_file(tmp_path: Path) -> None:
    assert error(tmp_path / "c").startswith(f"error: there is no kubeconfig {tmp_path / 'c'}; name one")


def test_a_context_without_its_cluster(tmp_path: Path) -> None:
    file = write(tmp_path / "c", "prod")
    file.write_text(file.read_text().replace("cluster: prod", "cluster: other"))
    assert 'context "prod"' in error(file)


def plugin(folder: Path, script: str) -> dict[str, Any]:
    program = folder / "plugin"
    program.write_text(f"#!{sys.executable}\n{script}\n")
    program.chmod(0o755)
    return {
        "exec": {
            "apiVersion": "client.authentication.k8s.io/v1",
            "command": str(program),
            "interactiveMode": "Never",
        }
    }


def test_a_plugin_gives_the_token(tmp_path: Path) -> None:
    credential = {"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": {"token": "p"}}
    user = plugin(tmp_path, f"print({json.dumps(json.dumps(credential))})")
    assert kubeconfig.read((write(tmp_path / "c", "prod", user=user),)).authorization() == "Bearer p"


def test_a_plugin_that_fails(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    said = error(write(tmp_path / "c", "prod", user=plugin(tmp_path, "raise SystemExit(3)")))
    assert f'context "prod": its plugin {tmp_path}/plugin gave no credentials: exec: process returned 3' in said
    assert capfd.readouterr().err == ""
