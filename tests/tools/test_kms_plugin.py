"""The KMS v2 plugin of the rig, spoken to as kube-apiserver does: gRPC on its socket.

Messages are those of k8s.io/kms/apis/v2/api.proto, of which fields 1 to 3 are used, all strings or bytes.
"""

from __future__ import annotations

import os
import signal
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from builder.families import KMS_PLUGIN
from builder.providing import Rig

SECONDS = 30


def _field(number: int, value: bytes) -> bytes:
    assert len(value) < 1 << 14
    length = [len(value)] if len(value) < 128 else [len(value) & 127 | 128, len(value) >> 7]
    return bytes([number << 3 | 2, *length]) + value


def _fields(message: bytes) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    while message:
        number, length, rest = message[0] >> 3, message[1], message[2:]
        if length > 127:
            length, rest = length & 127 | rest[0] << 7, rest[1:]
        found[number], message = rest[:length], rest[length:]
    return found


class Plugin:
    """A running plugin with a folder of keys."""

    def __init__(self, program: Path, folder: Path) -> None:
        self.program, self.keys, self.socket = program, folder / "keys", folder / "kms.sock"
        self.keys.mkdir()
        self.rotate("one")
        self.process = self.start()

    def start(self) -> subprocess.Popen[str]:
        self.process = subprocess.Popen(
            [self.program, "--listen", self.socket, "--keys", self.keys], text=True, stderr=subprocess.PIPE
        )
        return self.process

    def rotate(self, name: str) -> None:
        (self.keys / f"{name}.key").write_bytes(os.urandom(32))
        (self.keys / "next").write_text(f"{name}\n")
        (self.keys / "next").replace(self.keys / "current")

    def call(self, method: str, *values: bytes) -> dict[int, bytes]:
        with grpc.insecure_channel(f"unix:{self.socket}") as channel:
            ask = channel.unary_unary(f"/v2.KeyManagementService/{method}")
            request = b"".join(_field(number, value) for number, value in enumerate(values, 1) if value)
            return _fields(ask(request, wait_for_ready=True, timeout=SECONDS))

    def encrypt(self, plain: bytes) -> tuple[bytes, bytes]:
        """Ciphertext and key id."""
        answer = self.call("Encrypt", plain, b"uid")
        return answer[1], answer[2]

    def decrypt(self, cipher: bytes, key: bytes) -> bytes:
        return self.call("Decrypt", cipher, b"uid", key)[1]

    def stop(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        self.process.communicate(timeout=SECONDS)
        return self.process.returncode


@pytest.fixture
def program() -> Path:
    (tool,) = (Rig(print).locate(KMS_PLUGIN, part) for part in KMS_PLUGIN.parts)
    if not tool.path:
        pytest.skip("kms-plugin is not built; `make tools` builds it, with Go")
    return tool.path


@pytest.fixture
def plugin(program: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plugin]:
    running = Plugin(program, tmp_path_factory.mktemp("k"))  # a socket's path has to be short
    yield running
    running.process.kill()
    running.process.communicate()


def test_what_it_encrypts_it_decrypts_and_the_text_is_not_in_it(plugin: Plugin) -> None:
    assert plugin.call("Status") == {1: b"v2", 2: b"ok", 3: b"one"}
    cipher, key = plugin.encrypt(b"a seed of the API server")
    assert key == b"one"
    assert b"seed" not in cipher
    assert plugin.encrypt(b"a seed of the API server")[0] != cipher
    assert plugin.decrypt(cipher, key) == b"a seed of the API server"


def test_a_rotated_key_is_seen_without_a_restart_and_old_text_stays_readable_while_its_key_is_there(
    plugin: Plugin,
) -> None:
    old = plugin.encrypt(b"old")
    plugin.rotate("two")
    assert plugin.call("Status")[3] == b"two"
    assert plugin.encrypt(b"new")[1] == b"two"
    assert plugin.decrypt(*old) == b"old"
    (plugin.keys / "one.key").unlink()
    with pytest.raises(grpc.RpcError, match=r"one\.key"):
        plugin.decrypt(*old)


def test_changed_text_or_another_key_id_is_refused(plugin: Plugin) -> None:
    cipher, key = plugin.encrypt(b"secret")
    plugin.rotate("two")
    for text, name in ((cipher[:-1] + bytes([cipher[-1] ^ 1]), key), (cipher, b"two")):
        with pytest.raises(grpc.RpcError, match="authentication failed"):
            plugin.decrypt(text, name)
    with pytest.raises(grpc.RpcError, match="is not the name of a key"):
        plugin.decrypt(cipher, b"../one")


def test_a_key_that_cannot_be_used_makes_it_unhealthy(plugin: Plugin) -> None:
    plugin.call("Status")
    (plugin.keys / "one.key").write_bytes(b"short")
    with pytest.raises(grpc.RpcError, match="holds 5 bytes, not 32"):
        plugin.call("Status")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_cleanly_and_its_socket_is_gone(plugin: Plugin, number: int) -> None:
    plugin.call("Status")
    assert stat.S_IMODE(plugin.socket.stat().st_mode) & 0o077 == 0
    assert plugin.stop(number) == 0
    assert not plugin.socket.exists()


def test_the_socket_of_a_killed_one_is_taken_over_and_that_of_a_living_one_is_not(plugin: Plugin) -> None:
    plugin.call("Status")
    second = subprocess.run(
        [plugin.program, "--listen", plugin.socket, "--keys", plugin.keys], capture_output=True, text=True, check=False
    )
    assert (second.returncode, second.stderr) == (1, f"kms-plugin: {plugin.socket} is in use\n")
    plugin.stop(signal.SIGKILL)
    assert plugin.socket.exists()
    plugin.start()
    assert plugin.call("Status")[3] == b"one"


def test_without_a_key_it_does_not_start(program: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [program, "--listen", tmp_path / "s", "--keys", tmp_path], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr.startswith("kms-plugin: open ")
