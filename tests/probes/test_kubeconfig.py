"""Kubeconfigs as people have them: several contexts, several files, tokens, plugins; and what is wrong with one."""

from __future__ import annotations

import base64
import fcntl
import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from helpers import ROOT

from ringfence.documents import dump, load
from ringfence.errors import RingfenceError
from ringfence.probes import Access, kubeconfig, private
from ringfence.probes.channels import handshake
from ringfence.probes.outcome import Unprovable


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


# ------------------------------------------------------------------------------------------------------------ proxies


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    return monkeypatch


@pytest.mark.parametrize(
    ("excepted", "proxy"),
    [
        (None, "http://proxy:3128"),
        ("elsewhere.example", "http://proxy:3128"),
        ("prod.example", None),
        (".example", None),
        ("a,*", None),
    ],
)
def test_the_proxy_of_the_environment_and_who_is_excepted_from_it(
    tmp_path: Path, environment: pytest.MonkeyPatch, excepted: str | None, proxy: str | None
) -> None:
    environment.setenv("HTTPS_PROXY", "http://proxy:3128")
    if excepted:
        environment.setenv("NO_PROXY", excepted)
    assert kubeconfig.read((write(tmp_path / "c", "prod"),)).proxy == proxy


def test_a_sandbox_is_excepted_by_its_address(tmp_path: Path, environment: pytest.MonkeyPatch) -> None:
    environment.setenv("HTTPS_PROXY", "socks5://proxy:1080")
    environment.setenv("NO_PROXY", "localhost,127.0.0.0/8")
    file = write(tmp_path / "c", "prod")
    file.write_text(file.read_text().replace("https://prod.example", "https://127.0.0.1:6443"))
    assert kubeconfig.read((file,)).proxy is None


@pytest.mark.parametrize(
    ("proxy", "said"),
    [
        ("socks5://me:secret@proxy:1080", "is socks5://..."),
        ("proxy:3128", "begins with neither http:// nor https://"),
    ],
)
@pytest.mark.parametrize("by", ["kubeconfig", "environment"])
def test_a_proxy_that_is_no_http_proxy_is_one_error_without_its_password(
    tmp_path: Path, environment: pytest.MonkeyPatch, proxy: str, said: str, by: str
) -> None:
    file = write(tmp_path / "c", "prod")
    if by == "environment":
        environment.setenv("HTTPS_PROXY", proxy)
    else:
        data = load(file.read_bytes(), "c").value
        data["clusters"][0]["cluster"]["proxy-url"] = proxy
        file.write_text(dump(data))
    assert error(file) == (
        f'{file}: error: context "prod": its proxy (proxy-url, or HTTPS_PROXY) {said}, and verify takes http ones alone; '
        "name one; where the server can be reached without: `export NO_PROXY=prod.example`"
    )


def test_no_handshake_goes_through_a_proxy_and_none_ends_the_run() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        server = f"https://127.0.0.1:{free.getsockname()[1]}"
    request = {"tls": {"server": "api", "min": "TLSv1.2", "max": "TLSv1.3", "ciphers": None}}
    scene = SimpleNamespace(access=Access("x", "https://name.invalid"))
    with pytest.raises(Unprovable, match=r"no connection to name\.invalid:443 for a handshake of our own: "):
        handshake.perform(scene, request)  # type: ignore[arg-type]
    scene = SimpleNamespace(access=Access("x", server, proxy="http://proxy:3128"))
    with pytest.raises(Unprovable, match="goes through no proxy; somewhere without one would show it"):
        handshake.perform(scene, request)  # type: ignore[arg-type]


# --------------------------------------------------------------------------------------------------------------- keys


def test_keys_of_a_kubeconfig_lie_in_a_folder_that_the_next_run_knows(tmp_path: Path) -> None:
    user = {name: base64.b64encode(b"k").decode() for name in ("client-certificate-data", "client-key-data")}
    client = kubeconfig.read((write(tmp_path / "c", "prod", user=user),)).client
    assert client is not None
    folder = client.key.parent
    assert folder.name.startswith(private.PREFIX)
    assert (folder.stat().st_mode & 0o777, client.key.stat().st_mode & 0o777) == (0o700, 0o600)
    with (folder / private.LOCK).open() as lock, pytest.raises(BlockingIOError):
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_a_process_that_ends_takes_its_keys_along(tmp_path: Path) -> None:
    script = "from ringfence.probes import private; print(private.of_process())"
    env = {**os.environ, "TMPDIR": str(tmp_path), "PYTHONPATH": str(ROOT / "generator")}
    done = subprocess.run([sys.executable, "-c", script], env=env, capture_output=True, text=True, check=True)
    assert done.stdout.startswith(f"{tmp_path}/{private.PREFIX}")
    assert list(tmp_path.iterdir()) == []
