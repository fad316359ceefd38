"""No key material in the host plane, whatever the distribution and the profile: placeholders, and scripts that make keys."""

from __future__ import annotations

import base64
import binascii
import re
from functools import cache
from pathlib import Path

import pytest
from helpers import ROOT, cluster
from hostplane import tree_of

from ringfence.build import Builder
from ringfence.documents import dump, load
from ringfence.spec.read import cluster_of

DISTRIBUTIONS = ("kubeadm", "generic", "rke2", "k3s", "talos", "eks", "gke", "aks")
PROFILES = ("baseline", "restricted", "zero-trust")
_RUN = re.compile(r"[A-Za-z0-9+/_-]{22,}={0,2}")
_SIZES = (16, 24, 32, 48, 64)  # of keys
_PEM = re.compile(r"-----BEGIN [A-Z ]+-----")
_ADDRESS = re.compile(r"(/[A-Za-z0-9._*-]+)+")


@cache
def builder() -> Builder:
    return Builder()


def keys(text: str) -> list[str]:
    """What could be key material: PEM, and base64 of as many bytes as keys have that is no word and no path."""
    found = _PEM.findall(text)
    for run in _RUN.findall(text):
        if re.fullmatch(r"[0-9a-f]{64}", run) and f'sha256: "{run}"' in text.replace(
            f"sha256: {run}", f'sha256: "{run}"'
        ):
            continue  # a digest of files.yaml
        try:
            size = len(base64.b64decode(run.replace("-", "+").replace("_", "/"), validate=True))
        except binascii.Error:
            continue
        if (
            size in _SIZES
            and sum(c.isdigit() for c in run) >= 2
            and re.search("[a-z]", run)
            and re.search("[A-Z]", run)
        ):
            found.append(run)
    return [f for f in found if not _ADDRESS.fullmatch(f) and not f.startswith("TLS_")]


@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
@pytest.mark.parametrize("profile", PROFILES)
def test_no_key_material(profile: str, distribution: str) -> None:
    network = {"apiServer": {"addresses": ["10.0.0.1"]}, "podCIDRs": ["10.1.0.0/16"], "nodeCIDRs": ["10.0.0.0/16"]}
    document = cluster(profile=profile, network=network, kubernetes={"version": "1.36", "distribution": distribution})
    bundle = builder().objects(builder().decide(cluster_of(load(dump(document), "cluster.yaml")), ROOT))
    tree = tree_of(bundle)
    assert tree
    assert {path: found for path, file in tree.items() if (found := keys(file.text))} == {}


@pytest.mark.parametrize("example", sorted(p.parent.name for p in ROOT.glob("examples/*/cluster.yaml")))
def test_no_key_material_in_the_examples(example: str) -> None:
    folder = ROOT / "examples" / example / "rendered" / "host"
    files = [f for f in folder.rglob("*") if f.is_file()] if folder.is_dir() else []
    assert {f.name: found for f in files if (found := keys(f.read_text()))} == {}


@pytest.mark.parametrize(
    "secret",
    [
        base64.b64encode(bytes(range(0, 256, 8))).decode(),
        base64.b64encode(bytes(range(7, 135, 8))).decode(),
        base64.urlsafe_b64encode(bytes(range(3, 256, 8))).decode().rstrip("=") + "=",
        "-----BEGIN EC PRIVATE KEY-----",
    ],
)
def test_control_of_the_scan(secret: str, tmp_path: Path) -> None:
    assert keys(f"secretbox:\n  keys:\n    - name: key1\n      secret: {secret}\n") == [secret]
