"""From host files to a host: kubeadm's phases, the host's own install script, and the keys that it made.

Nothing runs yet and no port is taken. The result is `root/`, a host's file system as `kubeadm init` would find and
leave it, and a record in the phase `prepared`.
"""

from __future__ import annotations

import base64
import ipaddress
import subprocess
from pathlib import Path

from ringfence.documents import load, load_all
from ringfence.errors import Place, ToolError
from ringfence.sandbox import kubeadm, surroundings
from ringfence.sandbox.binaries import Tools
from ringfence.sandbox.hostfiles import INSTALL, HostFiles
from ringfence.sandbox.hostkeys import make_keys, verify_installed
from ringfence.sandbox.processes import environment, last_lines
from ringfence.sandbox.state import Folder, Record
from ringfence.sandbox.substitutions import ADVERTISED, Setting

_INSTALL_SECONDS = 60
_ADMINS = ("admin", "super-admin")


def prepare(folder: Folder, host: HostFiles, tools: Tools, *, source: str = "", scheduler: bool = False) -> Record:
    """Make the host; what an earlier sandbox left in the folder is removed first."""
    folder.claim()
    folder.clear(keep=("lock",))
    folder.claim()
    paths = {n: p.as_posix() for n, p in tools.paths.items()}
    record = Record(cluster=host.name, source=source, digest=host.digest, kubernetes=tools.kubernetes, tools=paths)
    record.scheduler = scheduler
    folder.write(record)
    _private(folder / "host.json", host.to_json())
    setting = Setting(folder.root.as_posix(), tools.kubernetes, _advertised(host))
    text, applied = kubeadm.substituted(host.kubeadm, setting)
    record.substitutions = [a._asdict() for a in applied]
    _private(folder / "host" / "kubeadm-substituted.yaml", text)
    made = folder / "kubeadm"
    kubeadm.run_phases(tools["kubeadm"], folder / "host" / "kubeadm-substituted.yaml", made, folder.path)
    kubeadm.lay_out(made, folder.root)
    _administrators(made, folder)
    surroundings.make(folder)
    generated = kubeadm.generated_flags(host.kubeadm)
    for component in kubeadm.COMPONENTS:
        pod = kubeadm.Pod.read(component, made)
        pod.check(generated[component])
        pod.make_volumes(folder.root)
    _install(folder, host)
    if host.keys_by:
        make_keys(host, folder.root)
    verify_installed(host, folder.root)
    record.phase = "prepared"
    folder.write(record)
    return record


def _private(file: Path, text: str) -> None:
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    file.touch(mode=0o600)
    file.write_text(text)


def _advertised(host: HostFiles) -> str:
    """An address of the family that the first service CIDR has: the API server wants them to agree."""
    for document in load_all(host.kubeadm, "host/kubeadm.yaml"):
        if document.value["kind"] == "ClusterConfiguration":
            subnet = document.value.get("networking", {}).get("serviceSubnet", "")
            if subnet:
                return ADVERTISED[ipaddress.ip_network(subnet.split(",")[0]).version]
    return ADVERTISED[4]


def _administrators(made: Path, folder: Folder) -> None:
    """Take the administrators' certificates out of kubeconfigs that a host may seal away; leave no CA twice."""
    for name in _ADMINS:
        user = load((made / f"{name}.conf").read_bytes(), f"{name}.conf").value["users"][0]["user"]
        for suffix, field in (("crt", "client-certificate-data"), ("key", "client-key-data")):
            _private(folder / "pki" / f"{name}.{suffix}", base64.b64decode(user[field]).decode())
    for file in made.rglob("*"):
        if file.is_file() and file.suffix not in (".yaml", ".conf"):
            file.unlink()


def _install(folder: Folder, host: HostFiles) -> None:
    """Run the host's own script below `root/`."""
    for path, text in host.tree.items():
        _private(folder / "host" / path, text)
    if not host.install:
        return
    env = {**environment(folder.path), "RINGFENCE_ROOT": folder.root.as_posix()}
    done = subprocess.run(  # noqa: S603 # the generated script is what is to be run
        ["/bin/sh", str(folder / "host" / INSTALL), "control-plane"],
        env=env,
        capture_output=True,
        text=True,
        timeout=_INSTALL_SECONDS,
        check=False,
    )
    if done.returncode:
        said = last_lines(done.stderr or done.stdout, 3)
        raise ToolError(
            f"the host files' install.sh ended with exit code {done.returncode}",
            place=Place((folder / "host" / INSTALL).as_posix()),
            hint=f"it said\n{said}",
        )
