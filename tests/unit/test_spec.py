"""cluster.yaml → Cluster: defaults, derived facts, positions, and reading that costs nothing it does not need."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from helpers import ROOT, cluster, write_cluster

from ringfence.documents import dump, load
from ringfence.errors import Errors, InputError
from ringfence.spec import Cluster, judge
from ringfence.spec.quotas import QUOTA_SIZES
from ringfence.spec.read import cluster_of, read_cluster


def made(**changes: Any) -> Cluster:
    return cluster_of(load(dump(cluster(**changes)), "cluster.yaml"))


def test_defaults() -> None:
    found = made()
    assert (found.distribution, found.network["dns"]["mode"], found.components["mesh"], found.delivery["layout"]) == (
        "kubeadm",
        "coredns",
        "none",
        "plain",
    )
    assert (found.overrides, found.exemptions, found.registries, found.oidc) == ((), (), (), ())
    (namespace,) = found.namespaces
    assert (namespace.tier, namespace.api_access, namespace.ingress, namespace.metrics_ports) == (
        "production",
        False,
        True,
        (),
    )
    assert namespace.quota == QUOTA_SIZES["medium"]


def test_a_namespace_takes_its_tenants_values_and_may_have_its_own() -> None:
    groups = {"nsAdmin": ["a"], "viewer": ["v"]}
    entries = [
        "plain",
        {
            "name": "own",
            "tier": "development",
            "quota": {"pods": 3},
            "apiAccess": True,
            "ingress": False,
            "metricsPorts": [80],
        },
        {"name": "bare"},
    ]
    found = made(
        tenants=[
            {"name": "t", "owner": "o", "tier": "staging", "quota": "small", "groups": groups, "namespaces": entries}
        ]
    )
    plain, own, bare = found.namespaces
    assert (plain.tier, plain.quota, plain.production) == ("staging", QUOTA_SIZES["small"], False)
    assert (own.tier, own.api_access, own.ingress, own.metrics_ports) == ("development", True, False, (80,))
    assert own.quota == {**dict(found.namespaces[0].quota), **_custom(), "pods": 3}
    assert (bare.tier, bare.quota, bare.groups) == (plain.tier, plain.quota, plain.groups)
    assert (plain.groups.ns_admin, plain.groups.viewer, plain.groups.developer) == (("a",), ("v",), ())
    assert found.tenant_namespaces == {"plain", "own", "bare"}


def _custom() -> dict[str, Any]:
    """A custom quota's defaults, as the model has them."""
    from ringfence.spec.document import CustomQuota

    return CustomQuota().model_dump()


def test_every_quota_size_has_the_keys_of_a_custom_one() -> None:
    assert {frozenset(q) for q in QUOTA_SIZES.values()} == {frozenset(_custom())}


@pytest.mark.parametrize(
    ("dns", "cidrs", "ports"),
    [
        ({}, (), (53,)),
        ({"port": 5353}, (), (53, 5353)),
        ({"mode": "nodelocal"}, ("169.254.20.10/32",), (53,)),
        ({"mode": "custom", "addresses": ["10.0.0.10"]}, ("10.0.0.10/32",), (53,)),
    ],
)
def test_resolvers(dns: dict[str, Any], cidrs: tuple[str, ...], ports: tuple[int, ...]) -> None:
    found = made(network={"dns": dns})
    assert (found.dns_cidrs, found.dns_ports) == (cidrs, ports)


def test_both_families() -> None:
    found = made(network={"ipFamilies": ["IPv4", "IPv6"], "apiServer": {"addresses": ["10.0.0.1", "fd00::1"]}})
    assert found.api_server_cidrs == ("10.0.0.1/32", "fd00::1/128")
    assert found.anywhere == ("0.0.0.0/0", "::/0")
    assert found.metadata_cidrs == ("169.254.169.254/32", "fd00:ec2::254/128")


def test_components_and_reserved_names() -> None:
    found = made(
        components={
            "mesh": "istio-ambient",
            "runtime": ["falco"],
            "secrets": ["vault"],
            "monitoring": {"namespace": "watch"},
        }
    )
    assert found.enabled_components == {"istio-ambient", "falco", "vault", "monitoring"}
    assert {"istio-system", "falco", "vault", "watch", "kube-system", "default"} <= set(found.system_namespaces)
    with pytest.raises(InputError, match="is reserved by the platform"):
        made(components={"runtime": ["falco"]}, tenants=[{"name": "t", "owner": "o", "namespaces": ["falco"]}])


def test_overrides_and_exceptions_know_their_places() -> None:
    found = made(
        controls={"a-b": {"stage": "audit", "params": {"x": 1}, "reason": "r"}},
        exceptions=[
            {
                "name": "e",
                "control": "a-b",
                "owner": "o",
                "reason": "r",
                "ticket": "t",
                "expires": "2030-01-01",
                "scope": {"names": ["n"]},
            }
        ],
    )
    (override,), (exemption,) = found.overrides, found.exemptions
    text = dump(cluster(controls={"a-b": {"stage": "audit", "params": {"x": 1}, "reason": "r"}})).splitlines()
    assert override.place.line == text.index("  a-b:") + 1
    assert override.places["x"].line == text.index("      x: 1") + 1
    assert override.places["stage"].line == text.index("    stage: audit") + 1
    assert exemption.places["expires"].column == 5
    assert (exemption.names, exemption.namespaces) == (("n",), ())


def test_the_file_is_named_as_the_user_knows_it(tmp_path: Path) -> None:
    file = write_cluster(tmp_path)
    assert read_cluster(file, "here/cluster.yaml").file == "here/cluster.yaml"
    assert read_cluster(file).file == file.as_posix()
    file.write_text("kind: yes\n")
    with pytest.raises(InputError) as caught:
        read_cluster(file, "here/cluster.yaml")
    assert str(caught.value.place) == "here/cluster.yaml:1:7"


def test_errors_across_fields_come_together() -> None:
    with pytest.raises(Errors) as caught:
        made(
            network={"cni": "flannel", "podCIDRs": ["10.0.0.1/8"]},
            delivery={"layout": "argocd"},
            tenants=[{"name": "t", "owner": "o", "namespaces": ["a", "a", "kube-x"]}],
        )
    assert len(caught.value.errors) == 6


def test_a_valid_document_imports_no_pydantic(tmp_path: Path) -> None:
    """Importing the models costs a tenth of a second."""
    write_cluster(tmp_path)
    code = (
        "import sys; from pathlib import Path; from ringfence.spec.read import read_cluster;"
        "read_cluster(Path('cluster.yaml')); print('pydantic' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT / "generator")},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "False\n"


def test_json_schemas_are_closed_and_describe_themselves() -> None:
    for kind in judge.KINDS:
        schema = judge.json_schema(kind)
        assert schema["$id"] == f"ringfence/v1alpha1/{kind}.json"
        for name, part in {"": schema, **schema.get("$defs", {})}.items():
            if part.get("type") == "object" and "properties" in part:
                assert part["additionalProperties"] is False, (kind, name)


def test_big_documents_are_read_in_one_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    """Positions are worked out only for an error: they cost as much as reading."""
    passes: list[bool] = []
    from ringfence import documents

    real = documents.reading._read  # what is counted

    def counted(text: str, file: str, dialect: str, marks: Any) -> Any:
        passes.append(marks is not None)
        return real(text, file, dialect, marks)

    monkeypatch.setattr(documents.reading, "_read", counted)
    made(tenants=[{"name": "t", "owner": "o", "namespaces": [f"n{i}" for i in range(50)]}])
    assert passes == [False]
