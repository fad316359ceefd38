"""A control plane's host as somebody at its shell sees it: its encryption scripts, what etcd holds, and its API server started again."""

from __future__ import annotations

import base64
import json
import os
import secrets
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from helpers import write_cluster

from ringfence.sandbox import ControlPlane, HostFiles
from ringfence.sandbox.apiserver import SHORT_LIVED, ApiServer
from ringfence.sandbox.binaries import KMS
from ringfence.sandbox.processes import Child, environment

FILE = "etc/kubernetes/ringfence/encryption.yaml"
FOLDER = "etc/kubernetes/ringfence-keys"
KEYS, ROTATE = "ringfence-encryption-keys", "ringfence-rotate-encryption"
SECRETS, CONFIGMAPS = "/api/v1/namespaces/default/secrets", "/api/v1/namespaces/default/configmaps"
_READY = 90.0  # seconds for an API server on a busy machine
# In place of mv, kubectl and etcdctl. Before and after whatever changes something it kills the run that it is part of, each once.
_KILLER = """\
#!/bin/sh
name=${0##*/}
PATH=$REAL_PATH
for last; do :; done
step=$(sed -n 's/^step=//p' "$STATE" 2>/dev/null)
case "$name $*" in
"mv "*/rotation) what="step=$(sed -n 's/^step=//p' "$last.new")" ;;
"mv "*) what=${last##*/} ;;
"kubectl patch "*) [ -z "${NO_PATCH:-}" ] || exit 0; what=patch ;;
"etcdctl snapshot "*) what=snapshot ;;
*) exec "$name" "$@" ;;
esac
kill_once() { [ -z "$KILLED" ] || grep -qxF "$1" "$KILLED" || { echo "$1" >>"$KILLED"; kill -9 0; }; }
kill_once "${step:-none}: before $what"
"$name" "$@"
code=$?
kill_once "${step:-none}: after $what"
exit "$code"
"""


class Host:
    """The host of a control plane, and perhaps a second one of the same cluster."""

    def __init__(self, plane: ControlPlane, etcdctl: Path, folder: Path) -> None:
        self.plane, self.folder, self.etcdctl = plane, folder, etcdctl
        self.root = plane.folder.root
        self.servers: list[ApiServer] = [plane.api]
        self.file, self.state = self.root / FILE, self.root / FOLDER / "rotation"

    # ------------------------------------------------------------------------------------------------------ its shell

    def run(self, script: str, *words: str, root: Path | None = None, stdin: str = "", **env: str) -> Any:
        """A script of the host; `root` is that of another host."""
        command = ["sh", str(self.root / "usr/local/sbin" / script), *words]
        return subprocess.run(
            command,
            env={**self.env(), "RINGFENCE_ROOT": str(root or self.root), **env},
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            start_new_session=True,  # what kills a run kills its process group
            timeout=300,
        )

    def env(self) -> dict[str, str]:
        access = self.plane.access
        places = [str(self.etcdctl.parent), str(Path(sys.executable).parent), os.environ["PATH"]]
        return {
            "PATH": os.pathsep.join(places),
            "HOME": str(self.folder),
            "KUBECONFIG": access.kubeconfig,
            "RINGFENCE_API_SERVERS": " ".join(s.server for s in self.servers),
            "RINGFENCE_TIMEOUT": "100",
            "ETCDCTL_ENDPOINTS": access.etcd_endpoint,
            "ETCDCTL_CACERT": access.etcd_ca,
            "ETCDCTL_CERT": access.etcd_cert,
            "ETCDCTL_KEY": access.etcd_key,
        }

    def killer(self) -> dict[str, str]:
        """Settings under which a run of a script is killed at the next place where none was yet."""
        shims = self.folder / "killer"
        if not shims.is_dir():
            shims.mkdir()
            for name in ("mv", "kubectl", "etcdctl"):
                (shims / name).write_text(_KILLER)
                (shims / name).chmod(0o755)
            self.killed_at.touch()
        path = self.env()["PATH"]
        places = {"STATE": str(self.state), "KILLED": str(self.killed_at)}
        return {"PATH": f"{shims}{os.pathsep}{path}", "REAL_PATH": path, **places}

    @property
    def killed_at(self) -> Path:
        return self.folder / "killed"

    def word(self, name: str) -> str:
        """What the state file of a rotation says of `name`."""
        lines = self.state.read_text().splitlines() if self.state.is_file() else []
        return dict(line.partition("=")[::2] for line in lines).get(name, "")

    def key_names(self, root: Path | None = None) -> list[str]:
        """Names of the keys, the one that seals first."""
        return [line.split()[1] for line in self.run(KEYS, "list", root=root).stdout.splitlines()]

    def give(self, **controls: Mapping[str, Any]) -> None:
        """Lay down what a cluster.yaml with these controls renders of encryption, as install.sh would; the scripts are left to run."""
        changed = {c: {"reason": "A test.", **settings} for c, settings in controls.items()}
        host = HostFiles.of_cluster(write_cluster(self.folder / "given", controls=changed))
        self.file.with_name("encryption.yaml.template").write_text(host.files[f"/{FILE}"])
        self.plane._parts.host = self.plane._parts.host.with_files({f"/{FILE}": host.files[f"/{FILE}"]})

    # ---------------------------------------------------------------------------------------------------- its servers

    def root_of(self, one: ApiServer) -> Path:
        """The file system of a second API server's host."""
        return next(p for p in (self.plane.folder / "variants").iterdir() if f"{p}/" in " ".join(one.child.command))

    def reload(self) -> None:
        """Start the API servers again, so that they read a changed file: they would by themselves within a minute."""
        with ThreadPoolExecutor() as pool:
            list(pool.map(self._again, self.servers))

    @contextmanager
    def rereading(self) -> Iterator[None]:
        """Start the API server again whenever the file changes, while somebody waits for it to be read."""
        ended = threading.Event()

        def watch() -> None:
            seen = self.file.read_bytes()
            while not ended.wait(0.1):
                if (now := self.file.read_bytes()) != seen:
                    seen = now
                    self.reload()

        thread = threading.Thread(target=watch)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()

    def _again(self, one: ApiServer) -> None:
        self.start(one)
        one.wait(time.monotonic() + _READY)

    def start(self, one: ApiServer) -> None:
        one.child.stop(0)
        one.child.start({**environment(self.plane.folder.path), **SHORT_LIVED})

    # ------------------------------------------------------------------------------------------------------- its data

    def write(self, name: str, marker: str, one: ApiServer | None = None) -> tuple[int, str]:
        """A Secret and a ConfigMap with this text; code and body of the worse answer."""
        client = (one or self.plane.api).client
        found = []
        for path, kind in ((SECRETS, "Secret"), (CONFIGMAPS, "ConfigMap")):
            text = {"stringData": {"text": marker}} if kind == "Secret" else {"data": {"text": marker}}
            code, body = client.request(
                "POST", path, {"apiVersion": "v1", "kind": kind, "metadata": {"name": name}, **text}
            )
            found.append((code, body.decode()))
        return max(found)

    def read(self, name: str, one: ApiServer | None = None) -> tuple[str, str] | int:
        """The texts of the Secret and the ConfigMap; the code of a refusal."""
        texts = []
        for path in (SECRETS, CONFIGMAPS):
            code, body = (one or self.plane.api).client.request("GET", f"{path}/{name}")
            if code != 200:
                return code
            texts.append(json.loads(body)["data"]["text"])
        return base64.b64decode(texts[0]).decode(), texts[1]

    def values(self) -> dict[str, bytes]:
        """Every value below /registry."""
        command = [str(self.etcdctl), "get", "--prefix", "/registry/", "-w", "json"]
        done = subprocess.run(command, env=self.env(), capture_output=True, check=True, timeout=60)
        decode = base64.b64decode
        return {decode(kv["key"]).decode(): decode(kv["value"]) for kv in json.loads(done.stdout)["kvs"]}

    def seals(self) -> set[str]:
        """What Secrets and ConfigMaps start with, up to the bytes."""
        found = (v for k, v in self.values().items() if k.startswith(("/registry/secrets/", "/registry/configmaps/")))
        return {seal(v) for v in found}


def seal(value: bytes) -> str:
    """`<provider>:<version>:<key or plugin>` of a sealed value, else plain."""
    parts = value.split(b":", 5)
    return b":".join(parts[2:5]).decode() if value.startswith(b"k8s:enc:") else "plain"


class Plugin:
    """The test rig's KMS v2 plugin, its socket and its keys."""

    def __init__(self, program: Path, log: Path) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="ringfence-"))  # a socket's path must be short
        self.new_key("first")
        command = [program, "--listen", self.folder / "kms.sock", "--keys", self.folder]
        self._child = Child(KMS, command, log)

    def new_key(self, name: str) -> None:
        (self.folder / f"{name}.key").write_bytes(secrets.token_bytes(32))
        (self.folder / "next").write_text(name)
        (self.folder / "next").rename(self.folder / "current")

    def start(self) -> None:
        self._child.start(environment(self.folder))
        limit = time.monotonic() + 20
        while not (self.folder / "kms.sock").exists() and time.monotonic() < limit:
            time.sleep(0.05)

    def stop(self) -> None:
        self._child.stop(5)


@contextmanager
def reading(look: Iterable[Callable[[], Any]]) -> Iterator[list[Any]]:
    """Look at things all along; yields what came back other than the first time, when somebody answered at all."""
    ended, odd = threading.Event(), []
    looks = list(look)
    first = [one() for one in looks]

    def again() -> None:
        while not ended.wait(0.2):
            for one, wanted in zip(looks, first, strict=True):
                try:
                    found = one()
                except OSError:
                    continue  # it is being started again
                if found != wanted:
                    odd.append(found)

    thread = threading.Thread(target=again)
    thread.start()
    try:
        yield odd
    finally:
        ended.set()
        thread.join()
