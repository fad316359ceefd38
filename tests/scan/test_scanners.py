"""Other people's scanners over every example: each first fails a bad tree, then finds nothing here.

What is accepted stands in waivers.yaml, at most ten lines, each naming object, check and reason; a waiver that
matches nothing fails. The scanners live in an environment of their own (`make scan`), kube-score is
built with Go.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from fnmatch import fnmatch
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml
from helpers import ROOT

BAD = Path(__file__).parent / "bad"
EXAMPLES = sorted(p.parent for p in (ROOT / "examples").glob("*/cluster.yaml"))
BIN = Path(os.environ.get("RINGFENCE_SCAN_BIN", ROOT / ".venv-scan" / "bin"))
MAX_WAIVERS = 10


class Hit(NamedTuple):
    """One finding of a scanner."""

    check: str
    object: str
    message: str


Scanner = Callable[[Path], list[Hit]]


@cache
def waivers() -> list[dict[str, str]]:
    return yaml.safe_load((Path(__file__).parent / "waivers.yaml").read_text())


def tool(name: str) -> str:
    """The scanner's command; skips, saying what would run it, where it isn't installed."""
    if not (BIN / name).exists():
        pytest.skip(f"{name} is not installed: `make scan` installs it")
    return str(BIN / name)


def run(*command: str) -> str:
    env = {**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(command, capture_output=True, text=True, env=env, check=False)
    assert done.stdout or done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def files(tree: Path) -> list[str]:
    return sorted(str(f) for f in tree.rglob("*.yaml") if f.name != "kustomization.yaml")


def documents(tree: Path) -> Iterator[tuple[str, dict]]:
    for file in files(tree):
        for document in yaml.safe_load_all(Path(file).read_text()):
            if document:
                yield file, document


def checkov(tree: Path) -> list[Hit]:
    command = (
        tool("checkov"),
        "-d",
        str(tree),
        "--framework",
        "kubernetes",
        "-o",
        "json",
        "--compact",
        "--quiet",
        "--skip-download",
    )
    report = json.loads(run(*command))
    return [
        Hit(f["check_id"], f["resource"], f["check_name"]) for f in report.get("results", {}).get("failed_checks", [])
    ]


def trivy(tree: Path) -> list[Hit]:
    command = (
        tool("trivy"),
        "config",
        "--quiet",
        "--skip-check-update",
        "--skip-version-check",
        "-f",
        "json",
        str(tree),
    )
    report = json.loads(run(*command))
    return [
        Hit(m["ID"], m.get("Message", ""), m["Title"])
        for result in report.get("Results") or []
        for m in result.get("Misconfigurations") or []
    ]


def kubernetes_validate(tree: Path) -> list[Hit]:
    """Built-in kinds against upstream's schemas, unknown fields refused; custom kinds have none there.

    What lies below host/ is for no API server, and has judges of its own (tests/host, tests/cluster).
    """
    cluster = tree.parent / "cluster.yaml"
    version = yaml.safe_load(cluster.read_text())["kubernetes"]["version"] if cluster.is_file() else "1.36"
    code = (
        "import json, sys, yaml, kubernetes_validate as k\n"
        "for f in sys.argv[2:]:\n"
        "    for d in yaml.safe_load_all(open(f)):\n"
        "        if not d: continue\n"
        "        try: k.validate(d, sys.argv[1], strict=True)\n"
        "        except k.ValidationError as e: print(json.dumps(['invalid', d['kind'], str(e.message)[:200]]))\n"
        "        except (k.SchemaNotFoundError, k.InvalidSchemaError): print(json.dumps(['no-schema', d['apiVersion'] + ' ' + d['kind'], '']))\n"
    )
    tool("kubernetes-validate")
    objects = [file for file in files(tree) if not file.startswith(f"{tree / 'host'}/")]
    lines = run(str(BIN / "python"), "-c", code, version, *objects).splitlines()
    hits = [Hit(*json.loads(line)) for line in lines]
    custom = {h.object for h in hits if h.check == "no-schema"}
    assert all(
        "." in c.split("/")[0] and ".k8s.io/" not in c.replace("policy.networking.k8s.io/", "") for c in custom
    ), custom
    return [h for h in hits if h.check == "invalid"]


def yamllint(tree: Path) -> list[Hit]:
    command = (tool("yamllint"), "-f", "parsable", "-c", str(ROOT / ".yamllint.yaml"), str(tree))
    return [Hit("yamllint", line.split(":")[0], line) for line in run(*command).splitlines()]


def kube_score(tree: Path) -> list[Hit]:
    built = subprocess.run(
        [sys.executable, str(ROOT / "tools" / "build.py"), "kube-score"], capture_output=True, text=True, check=False
    )
    if built.returncode == 3:
        pytest.skip(built.stderr.strip())
    assert built.returncode == 0, built.stderr
    report = json.loads(run(built.stdout.strip(), "score", "--output-format", "json", *files(tree)) or "[]")
    return [
        Hit(check["check"]["id"], item["object_name"], check["check"]["name"])
        for item in report or []
        for check in item["checks"]
        if not check["skipped"] and check["grade"] < 7
    ]


SCANNERS = [checkov, trivy, kubernetes_validate, yamllint, kube_score]


def waiver_of(scanner: str, hit: Hit) -> int | None:
    """Which waiver, if any, names this finding's check and object."""
    for number, waiver in enumerate(waivers()):
        named = waiver["object"]
        if waiver["check"] == f"{scanner}:{hit.check}" and (fnmatch(hit.object, named) or hit.object.startswith(named)):
            return number
    return None


@pytest.mark.parametrize("scanner", SCANNERS)
def test_scanner_fails_a_bad_tree(scanner: Scanner) -> None:
    assert scanner(BAD), f"{scanner.__name__} finds nothing in {BAD}: it proves nothing elsewhere"


@pytest.mark.parametrize("scanner", SCANNERS)
def test_scanner_finds_nothing_in_the_examples_but_what_is_waived(scanner: Scanner) -> None:
    name = scanner.__name__
    hits = {(example.name, hit) for example in EXAMPLES for hit in scanner(example / "rendered")}
    unwaived = [f"{example}: {h.check} {h.object}: {h.message}" for example, h in hits if waiver_of(name, h) is None]
    assert not unwaived, "\n".join(sorted(unwaived))
    used = {waiver_of(name, hit) for _, hit in hits}
    idle = [w for n, w in enumerate(waivers()) if w["check"].startswith(f"{name}:") and n not in used]
    assert not idle, f"waivers that match nothing: {idle}"


def test_waivers_are_few_and_say_why() -> None:
    assert len(waivers()) <= MAX_WAIVERS
    for waiver in waivers():
        assert set(waiver) == {"object", "check", "reason"}
        assert waiver["check"].split(":")[0] in {s.__name__ for s in SCANNERS}
        assert len(waiver["reason"]) > 20
