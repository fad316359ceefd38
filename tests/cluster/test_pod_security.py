"""Pod Security's own fixtures, in namespaces that ringfence makes: who is refused, and by whom.

The files are those of k8s.io/pod-security-admission. Pod Security's own verdict counts; what another control refuses is
counted beside it, and so is what the API server finds invalid in any namespace, of which the privileged one is the control.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml
from cluster.applying import Applier
from helpers import cluster

from ringfence.build import Builder
from ringfence.documents import dump, load
from ringfence.probes import kubeconfig
from ringfence.probes.api import Api
from ringfence.spec.read import cluster_of

LEVELS = ("baseline", "restricted")
VERSIONS = ("v1.32", "v1.33", "v1.34", "v1.35")


class Tally(NamedTuple):
    """How the fixtures of one folder came out."""

    admitted: int
    denied: int  # by Pod Security
    invalid: int  # in any namespace
    others: int  # refused by another control


@pytest.fixture(scope="module")
def api(control_plane: Any) -> Iterator[Api]:
    found = Api(kubeconfig.read((control_plane.kubeconfig,)), None)
    yield found
    found.close()


@pytest.fixture(scope="module")
def namespaces(api: Api) -> dict[tuple[str, str], str]:
    """(level, version) → a namespace that ringfence made at that level, pinned to that version; and a privileged one."""
    applier, found = Applier(api), {}
    for level in LEVELS:
        for version in VERSIONS:
            name = f"psa-{level}-{version.replace('.', '-')}"
            document = cluster(
                profile=level,
                tenants=[{"name": "shop", "owner": "shop@example.com", "namespaces": [name]}],
                controls={"psa-version-pin": {"params": {"minor": version}, "reason": "The fixtures' own version."}},
            )
            made = Builder().decide(cluster_of(load(dump(document), "cluster.yaml")), Path())
            bundle = _builder().objects(made)
            answer = applier.apply(bundle.find(f"Namespace/{name}").body)
            assert answer.ok, answer.text
            found[level, version] = name
    privileged = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "psa-privileged"}}
    privileged["metadata"]["labels"] = {"pod-security.kubernetes.io/enforce": "privileged"}
    assert applier.apply(privileged).ok
    found["privileged", ""] = "psa-privileged"
    return found


_BUILDER: list[Builder] = []


def _builder() -> Builder:
    if not _BUILDER:
        _BUILDER.append(Builder())
    return _BUILDER[0]


def pods(fixtures: Path, level: str, version: str, verdict: str) -> list[tuple[str, dict[str, Any]]]:
    files = sorted((fixtures / level / version / verdict).glob("*.yaml"))
    assert files, f"no fixtures in {level}/{version}/{verdict}"
    return [(f.stem, yaml.safe_load(f.read_text())) for f in files]


def verdict(api: Api, namespace: str, pod: dict[str, Any]) -> str:
    """What became of one fixture: admitted, denied by Pod Security, invalid, or refused by another control."""
    body = {**pod, "metadata": {**pod["metadata"], "namespace": namespace}}
    answer = api.call("POST", f"/api/v1/namespaces/{namespace}/pods", body, {"dryRun": "All"})
    if answer.ok:
        return "admitted"
    if answer.code == 403 and "violates PodSecurity" in answer.text:
        return "denied"
    return "invalid" if answer.code == 422 else f"others: {answer.text}"


def tally(api: Api, namespace: str, found: list[tuple[str, dict[str, Any]]]) -> tuple[Tally, list[str]]:
    results = [(name, verdict(api, namespace, pod)) for name, pod in found]
    count = Counter(r.partition(":")[0] for _, r in results)
    odd = [f"{name}: {r}" for name, r in results if r.startswith("others")]
    return Tally(count["admitted"], count["denied"], count["invalid"], count["others"]), odd


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("level", LEVELS)
def test_fail_fixtures_are_denied_and_pass_fixtures_admitted(
    api: Api, namespaces: dict[tuple[str, str], str], pod_security_fixtures: Path, level: str, version: str
) -> None:
    here = namespaces[level, version]
    bad = pods(pod_security_fixtures, level, version, "fail")
    nowhere = {name for name, pod in bad if verdict(api, namespaces["privileged", ""], pod) == "invalid"}
    judged = [(name, pod) for name, pod in bad if name not in nowhere]
    denied, odd = tally(api, here, judged)
    assert denied == Tally(0, len(judged), 0, 0), odd
    good = pods(pod_security_fixtures, level, version, "pass")
    admitted, odd = tally(api, here, good)
    assert admitted == Tally(len(good), 0, 0, 0), odd
    assert len(nowhere) <= 2  # procMount Unmasked without a user namespace, since 1.33


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("level", LEVELS)
def test_nothing_is_denied_in_a_privileged_namespace(
    api: Api, namespaces: dict[tuple[str, str], str], pod_security_fixtures: Path, level: str, version: str
) -> None:
    """The control of the judge: the API server itself admits what Pod Security denies elsewhere."""
    for kind in ("fail", "pass"):
        found = pods(pod_security_fixtures, level, version, kind)
        count, odd = tally(api, namespaces["privileged", ""], found)
        assert (count.denied, count.others) == (0, 0), odd
