"""Shared by tests: trees on disk, clusters in a line, and golden files."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from ringfence.documents import dump

ROOT = Path(__file__).resolve().parent.parent
UPDATE = os.environ.get("RINGFENCE_UPDATE_GOLDENS") == "1"


def build_tree(root: Path, files: dict[str, str]) -> Path:
    """Write files, given as relative path → text, below `root`."""
    for name, text in files.items():
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    return root


def cluster(**changes: Any) -> dict[str, Any]:
    """A small valid cluster document; keyword arguments replace its top-level keys."""
    document: dict[str, Any] = {
        "apiVersion": "ringfence/v1alpha1",
        "kind": "Cluster",
        "name": "test",
        "profile": "baseline",
        "kubernetes": {"version": "1.36", "distribution": "kubeadm"},
        "tenants": [{"name": "shop", "owner": "shop@example.com", "namespaces": ["shop"]}],
    }
    document.update(changes)
    return document


def write_cluster(folder: Path, **changes: Any) -> Path:
    """`cluster(**changes)` as folder/cluster.yaml."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "cluster.yaml"
    file.write_text(dump(cluster(**changes)), encoding="utf-8")
    return file


def need_private(folder: Path) -> None:
    """Skip a test that needs a folder which nobody else can replace, below a TMPDIR where others can."""
    above = [place.stat() for place in folder.resolve().parents]
    if any(s.st_uid not in (0, os.getuid()) or (s.st_mode & 0o022 and not s.st_mode & 0o1000) for s in above):
        pytest.skip("others can replace a folder above the temporary one; TMPDIR with one of your own runs it")


def golden(file: Path, text: str) -> None:
    """Assert that `text` is what `file` holds; `make goldens` writes it instead."""
    if UPDATE:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    assert file.is_file(), f"{file.relative_to(ROOT)} is missing; `make goldens` writes it"
    assert text == file.read_text(encoding="utf-8"), f"{file.relative_to(ROOT)} is stale; `make goldens` refreshes it"
