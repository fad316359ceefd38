"""Pod Security's own fixtures, in namespaces that ringfence makes: who is refused, and by whom.

The files are those of k8s.io/pod-security-admission. Pod Security's own verdict counts; what another control refuses is
counted beside it, and so is what the API server finds invalid in any namespace, of which the privileged one is the control.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml
from cluster.applying import Applier
from cluster.story import inhabited
from helpers import ROOT, cluster

from ringfence.build import Builder
from ringfence.documents import dump, load
from ringfence.probes import kubeconfig
from ringfence.probes.api import Api
from ringfence.spec.read import cluster_of

LEVELS = ("baseline", "restricted")
PROOF = ROOT / ".proof"
VERSIONS = ("v1.32", "v1.33", "v1.34", "v1.35")


class Folder(NamedTuple):
    """How the fixtures of one folder came out, in the namespace of its level and version and in a privileged one."""

    here: Counter[str]
    privileged: Counter[str]
    odd: list[str]


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
    for name in found.values():
        inhabited(api, name)
    return found


_BUILDER: list[Builder] = []


def _builder() -> Builder:
    if not _BUILDER:
        _BUILDER.append(Builder())
    return _BUILDER[0]


ADMITTED, DENIED, INVALID, OTHERS = "admitted", "denied", "invalid", "others"


def verdict(api: Api, namespace: str, pod: dict[str, Any]) -> tuple[str, str]:
    """What became of one fixture (admitted, denied by Pod Security, invalid, refused by another control), and the answer."""
    metadata = {**pod["metadata"], "namespace": namespace, "name": "fixture"}  # some files have no valid name
    answer = api.call("POST", f"/api/v1/namespaces/{namespace}/pods", {**pod, "metadata": metadata}, {"dryRun": "All"})
    if answer.ok:
        return ADMITTED, ""
    if answer.code == 403 and "violates PodSecurity" in answer.text:
        return DENIED, ""
    return (INVALID if answer.code == 422 else OTHERS), answer.text


@pytest.fixture(scope="module")
def results(
    api: Api, namespaces: dict[tuple[str, str], str], pod_security_fixtures: Path
) -> dict[tuple[str, str, str], Folder]:
    """(level, version, what its files must do) → how they came out; for the record, too."""
    found: dict[tuple[str, str, str], Folder] = {}
    with ThreadPoolExecutor(4) as pool:
        for level, version, kind in product(LEVELS, VERSIONS, ("fail", "pass")):
            files = sorted((pod_security_fixtures / level / version / kind).glob("*.yaml"))
            assert files, f"no fixtures in {level}/{version}/{kind}"
            pods = [yaml.load(f.read_bytes(), Loader=yaml.CSafeLoader) for f in files]
            here = list(pool.map(partial(verdict, api, namespaces[level, version]), pods))
            free = list(pool.map(partial(verdict, api, namespaces["privileged", ""]), pods))
            found[level, version, kind] = Folder(
                Counter(h[0] if f[0] != INVALID else INVALID for h, f in zip(here, free, strict=True)),
                Counter(f[0] for f in free),
                [f"{file.stem}: {' '.join(h)}" for file, h in zip(files, here, strict=True) if h[1]],
            )
    record(found)
    return found


def record(found: dict[tuple[str, str, str], Folder]) -> None:
    rows = [
        {
            "folder": f"{level}/{version}/{kind}",
            "must_be": "denied" if kind == "fail" else "admitted",
            **{word: folder.here[word] for word in (DENIED, ADMITTED, OTHERS, INVALID)},
        }
        for (level, version, kind), folder in found.items()
    ]
    PROOF.mkdir(exist_ok=True)
    (PROOF / "pod-security.json").write_text(json.dumps(rows, indent=1) + "\n")


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("level", LEVELS)
def test_fail_fixtures_are_denied(results: dict[tuple[str, str, str], Folder], level: str, version: str) -> None:
    folder = results[level, version, "fail"]
    assert folder.here.keys() <= {DENIED, INVALID}, folder.odd
    assert folder.here[INVALID] <= 2, "procMount Unmasked without a user namespace, since 1.33"
    assert folder.here[DENIED] >= (25 if level == "baseline" else 60)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("level", LEVELS)
def test_pass_fixtures_are_admitted(results: dict[tuple[str, str, str], Folder], level: str, version: str) -> None:
    folder = results[level, version, "pass"]
    assert folder.here.keys() == {ADMITTED}, folder.odd
    assert folder.here[ADMITTED] >= (11 if level == "baseline" else 17)


def test_nothing_is_denied_in_a_privileged_namespace(results: dict[tuple[str, str, str], Folder]) -> None:
    """The control of the judge: the API server itself admits what Pod Security denies elsewhere."""
    for folder in results.values():
        assert folder.privileged.keys() <= {ADMITTED, INVALID}
