"""The programs as they are pinned, and as others in the repository state them."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from builder import cache, fitting
from builder.families import ETCD, FAMILIES, HERE, KUBE, PROVIDER, Family
from helpers import ROOT

from ringfence.sandbox import binaries


def test_every_go_module_is_a_family_and_every_family_a_go_module() -> None:
    assert sorted(path.parent.name for path in HERE.glob("*/go.mod")) == sorted(family.name for family in FAMILIES)


def test_no_two_programs_share_a_name() -> None:
    names = [part.name for family in FAMILIES for part in family.parts]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_versions_are_read_from_go_mod(family: Family) -> None:
    for part in family.parts:
        assert re.fullmatch(r"v\d+\.\d+\.\d+", family.version_of(part))


def test_kubernetes_staging_modules_are_of_its_release() -> None:
    text = (HERE / "kube" / "go.mod").read_text(encoding="utf-8")
    replaced = re.findall(r"^\s*(k8s\.io/\S+) => (\S+) v0\.(\S+)$", text, re.MULTILINE)
    assert {(left == right, version) for left, right, version in replaced} == {(True, KUBE.version()[3:])}


def test_the_control_plane_says_its_release() -> None:
    flags = KUBE.ldflags().split()
    for package in ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version"):
        assert f"{package}.gitVersion={KUBE.version()}" in flags
        assert f"{package}.gitMinor={KUBE.version().split('.')[1]}" in flags
    assert PROVIDER.ldflags().endswith("version.Version=4.25.0"), "the provider writes no v"


def test_the_sandbox_looks_in_the_same_cache_for_the_same_releases(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, minor in binaries.MINORS.items():
        family = ETCD if name.startswith("etcd") else KUBE
        assert family.version().startswith(f"v{minor}."), name
    for env in (
        {"RINGFENCE_TOOLS_CACHE": "/a", "XDG_CACHE_HOME": "/b"},
        {"XDG_CACHE_HOME": "/b"},
        {"XDG_CACHE_HOME": "b", "HOME": "/c"},
        {"HOME": "/c"},
    ):
        for name in ("RINGFENCE_TOOLS_CACHE", "XDG_CACHE_HOME", "HOME"):
            monkeypatch.delenv(name, raising=False)
        for name, value in env.items():
            monkeypatch.setenv(name, value)
        assert binaries.cache(env) == cache.folder()
        assert cache.folder().is_absolute()


def test_what_fits_is_what_the_pulumi_extra_asks_for() -> None:
    extras = tomllib.loads(Path(ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"][
        "optional-dependencies"
    ]
    bounds = dict(requirement.split(">=") for requirement in extras["pulumi"])
    assert bounds == {
        "pulumi": ".".join(map(str, fitting.OLDEST_PULUMI)),
        "pulumi-kubernetes": ".".join(map(str, fitting.OLDEST_PROVIDER)),
    }
