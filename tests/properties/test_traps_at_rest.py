"""Traps about what lies in etcd and on the wire between pods, each shown not to be so on what is rendered or refused."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import pytest
from helpers import write_cluster

from ringfence.build import Builder
from ringfence.errors import RingfenceError
from ringfence.host import plan
from ringfence.probes.pairs import load_pairs

PROFILES = pytest.mark.parametrize("profile", ["baseline", "restricted", "zero-trust"])


@cache
def builder() -> Builder:
    return Builder()


def sealed(folder: Path, **changes: Any) -> list[dict[str, Any]]:
    """The EncryptionConfiguration's resources."""
    file = plan(builder().build(write_cluster(folder, **changes))).file("encryption")
    assert file is not None
    assert file.content is not None
    found: list[dict[str, Any]] = file.content["resources"]
    return found


def providers(rows: list[dict[str, Any]]) -> list[list[str]]:
    """By row, the providers in order, but for rows of what is not to be sealed."""
    return [[next(iter(p)) for p in row["providers"]] for row in rows if "events" not in row["resources"]]


def choose(provider: str) -> dict[str, Any]:
    return {"sec-encrypt-rest": {"params": {"provider": provider}, "reason": "To see."}}


def test_trap_10_the_provider_is_secretbox_aescbc_for_fips_or_kms_and_never_aesgcm(tmp_path: Path) -> None:
    assert providers(sealed(tmp_path, profile="baseline"))[0][0] == "secretbox"
    assert providers(sealed(tmp_path, profile="baseline", controls=choose("aescbc")))[0][0] == "aescbc"
    assert providers(sealed(tmp_path, profile="zero-trust"))[0][0] == "kms"
    with pytest.raises(RingfenceError, match="aesgcm"):
        sealed(tmp_path, profile="baseline", controls=choose("aesgcm"))


@PROFILES
def test_trap_11_what_is_sealed_has_identity_last_or_not_at_all(tmp_path: Path, profile: str) -> None:
    for order in providers(sealed(tmp_path, profile=profile)):
        assert order[0] != "identity"
        assert "identity" not in order[:-1]


def test_trap_6_no_policy_about_traffic_counts_as_proved_where_nothing_enforces_it() -> None:
    traffic = [c for c in builder().catalog if c.domain == "network" and c.proof[0] == "cni"]
    assert len(traffic) >= 8
    for control in traffic:
        assert any(pair.ring == "cni" for pair in load_pairs(control)), f"{control.id} would be green without a CNI"
