"""kube-bench over a sandbox, alone in namespaces of its own: it looks at every process, and at files under /etc/kubernetes.

    unshare -Urmpf --mount-proc python tests/cluster/bench.py STATE KUBE_BENCH CFG CLUSTER.YAML|kubeadm|bare

`kubeadm` is what kubeadm makes of an empty configuration. `bare` has nothing but the flags without which no process
starts: the control of the judge. Prints kube-bench's JSON.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from ringfence.sandbox import ControlPlane, HostFiles, find_tools
from ringfence.sandbox.binaries import CORE, KMS

PLAIN = "apiVersion: kubeadm.k8s.io/v1beta4\nkind: ClusterConfiguration\nkubernetesVersion: v1.36.4\n"
FOLDERS = ("/etc/kubernetes", "/var/lib/etcd")
RUN = ("run", "--benchmark", "cis-1.12", "--targets", "master,etcd,controlplane", "--json")


def host_files(what: str) -> HostFiles:
    """Of a cluster.yaml, or of an empty configuration."""
    return HostFiles("plain", {"kubeadm.yaml": PLAIN}) if what == "kubeadm" else HostFiles.of_cluster(Path(what))


def mount(root: Path) -> None:
    """The sandbox's files where a host has them: over /etc and /var/lib, seen by this process and its children alone."""
    for folder in FOLDERS:
        below, over = root / folder.lstrip("/"), Path(folder).parent
        if not below.is_dir():
            continue
        upper, work = (root.parent / "over" / over.name / name for name in ("upper", "work"))
        upper.mkdir(parents=True)
        work.mkdir()
        layers = f"lowerdir={over},upperdir={upper},workdir={work}"
        subprocess.run(["mount", "-t", "overlay", "overlay", "-o", layers, str(over)], check=True)
        Path(folder).mkdir(exist_ok=True)
        subprocess.run(["mount", "--bind", str(below), folder], check=True)


def judge(program: str, cfg: str) -> int:
    """kube-bench's verdict on whatever runs here."""
    return subprocess.run(
        [program, *RUN, "--config-dir", cfg, "--config", f"{cfg}/config.yaml"], check=False
    ).returncode


def bare(state: Path, program: str, cfg: str) -> int:
    """A control plane as somebody's first script starts it, judged."""
    tools = find_tools(os.environ, (*CORE, "kube-scheduler"))
    state.mkdir(parents=True)
    key = state / "sa.key"
    subprocess.run(["openssl", "genrsa", "-out", str(key), "2048"], check=True, capture_output=True)
    lines = {
        "etcd": [f"--data-dir={state}/data"],
        "kube-apiserver": [
            "--etcd-servers=http://127.0.0.1:2379",
            f"--cert-dir={state}/certs",
            f"--service-account-signing-key-file={key}",
            f"--service-account-key-file={key}",
            "--service-account-issuer=https://kubernetes.default.svc",
            "--service-cluster-ip-range=10.0.0.0/24",
        ],
        "kube-controller-manager": ["--master=https://127.0.0.1:6443"],
        "kube-scheduler": ["--master=https://127.0.0.1:6443"],
    }
    running = []
    for name, flags in lines.items():
        with (state / f"{name}.log").open("wb") as log:
            running.append(subprocess.Popen([tools[name], *flags], stdout=log, stderr=log, cwd=state))
        time.sleep(0.5)
    time.sleep(2)
    ended = [p.args[0].name for p in running if p.poll() is not None]
    assert not ended, f"{', '.join(ended)} ended: see {state}"
    return judge(program, cfg)


def main(state: str, program: str, cfg: str, what: str) -> int:
    """Start it, look at it, end it: what runs in this namespace ends with its first process."""
    if what == "bare":
        return bare(Path(state), program, cfg)
    names = (*CORE, "kube-scheduler", *(() if what == "kubeadm" else (KMS,)))
    with ControlPlane(host_files(what), Path(state), find_tools(os.environ, names), scheduler=True) as plane:
        mount(plane.folder.root)
        return judge(program, cfg)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
