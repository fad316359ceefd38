"""The same objects for everybody: cluster.yaml for ringfence, and what each peer renders them from.

    python benchmarks/inputs.py FOLDER PROFILE NAMESPACES      write FOLDER/{ringfence,helm,jsonnet,...}
    python benchmarks/inputs.py --same FILE_OR_FOLDER ...      exit 1 unless all hold the same objects

A peer's template is ringfence's own output for one namespace with its name and its tenant's swapped for
template expressions, so a peer does less than ringfence: nothing is decided, folded, checked or explained.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "generator"))

from ringfence.build import Builder  # noqa: E402
from ringfence.documents import dump, load_all  # noqa: E402
from ringfence.schemas import SchemaStore  # noqa: E402

KUBERNETES = "1.36"
PER_TENANT = 10
_NAMESPACE, _TENANT = "qq-namespace-qq", "qq-tenant-qq"  # stand for any; nothing else is called so
_FACTS = {
    "kubernetes": {"version": KUBERNETES, "distribution": "kubeadm"},
    "network": {
        "cni": "calico",
        "dns": {"mode": "coredns"},
        "apiServer": {"addresses": ["10.10.0.11", "10.10.0.12", "10.10.0.13"], "port": 6443},
        "podCIDRs": ["10.244.0.0/16"],
        "serviceCIDRs": ["10.96.0.0/12"],
        "nodeCIDRs": ["10.10.0.0/20"],
    },
    "identity": {"groups": {"platformAdmin": ["platform-admins"], "auditor": ["auditors"]}},
    "images": {"registries": ["registry.example.com/"]},
    "components": {
        "monitoring": {"namespace": "monitoring", "podLabels": {"app.kubernetes.io/name": "prometheus"}},
        "ingressControllers": [{"namespace": "ingress", "podLabels": {"app.kubernetes.io/name": "ingress"}}],
    },
}


def cluster(name: str, profile: str, tenants: dict[str, list[str]], layout: str = "plain") -> dict[str, Any]:
    """A cluster.yaml as data; tenants are name → namespaces."""
    return {
        "apiVersion": "ringfence/v1alpha1",
        "kind": "Cluster",
        "name": name,
        "profile": profile,
        **_FACTS,
        "delivery": {"layout": layout},
        "tenants": [
            {
                "name": tenant,
                "owner": f"{tenant}@example.com",
                "groups": {
                    "nsAdmin": [f"{tenant}-admins"],
                    "developer": [f"{tenant}-developers"],
                    "viewer": [f"{tenant}-viewers"],
                    "ciDeployer": [f"{tenant}-ci"],
                },
                "namespaces": namespaces,
            }
            for tenant, namespaces in tenants.items()
        ],
    }


def tenants(namespaces: int) -> dict[str, list[str]]:
    """So many namespaces, ten a tenant."""
    found: dict[str, list[str]] = {}
    for number in range(namespaces):
        found.setdefault(f"team-{number // PER_TENANT:05d}", []).append(f"app-{number:06d}")
    return found


def write(folder: Path, profile: str, namespaces: int) -> dict[str, int]:
    """Every contender's input below `folder`; returns how many objects that gives."""
    named = tenants(namespaces)
    _put(folder / "ringfence/cluster.yaml", dump(cluster("bench", profile, named)))
    _put(folder / "kustomize/cluster.yaml", dump(cluster("bench", profile, named, "kustomize")))
    each, whole = _objects(folder, profile)
    rows = [{"name": n, "tenant": t} for t, ns in named.items() for n in ns]
    _helm(folder / "helm", each, whole, rows)
    _jsonnet(folder / "jsonnet", each, whole, rows)
    _cdk8s(folder / "cdk8s", each, whole, rows)
    _kapitan(folder / "kapitan", each, whole, rows)
    _schemas(folder / "schemas", [*each, *whole])
    return {"namespace": len(each), "cluster": len(whole), "objects": len(each) * namespaces + len(whole)}


def _objects(folder: Path, profile: str) -> tuple[list[Any], list[Any]]:
    """One namespace's objects with the stand-in names, and the cluster's own."""
    file = _put(folder / "one/cluster.yaml", dump(cluster("bench", profile, {_TENANT: [_NAMESPACE]})))
    each: list[Any] = []
    whole: list[Any] = []
    for manifest in Builder().build(file):
        mine = _NAMESPACE in (manifest.namespace, manifest.name)
        (each if mine else whole).append(manifest.body)
        if not mine and (_NAMESPACE in json.dumps(manifest.body) or _TENANT in json.dumps(manifest.body)):
            raise SystemExit(f"{manifest.id} depends on what namespaces there are: no peer's template can say that")
    return each, whole


def _named(text: str, namespace: str, tenant: str) -> str:
    return text.replace(_NAMESPACE, namespace).replace(_TENANT, tenant)


def _stream(objects: list[Any]) -> str:
    return "".join(f"---\n{dump(o)}" for o in objects)


def _helm(folder: Path, each: list[Any], whole: list[Any], rows: list[Any]) -> None:
    """A chart with a range over the namespaces of values.yaml."""
    _put(folder / "Chart.yaml", dump({"apiVersion": "v2", "name": "bench", "version": "0.1.0"}))
    _put(folder / "values.yaml", dump({"namespaces": rows}))
    body = _named(_stream(each).replace("{{", '{{ "{{" }}'), "{{ .name }}", "{{ .tenant }}")
    _put(folder / "templates/namespaces.yaml", "{{- range .Values.namespaces }}\n" + body + "{{- end }}\n")
    _put(folder / "templates/cluster.yaml", _stream(whole).replace("{{", '{{ "{{" }}'))


def _jsonnet(folder: Path, each: list[Any], whole: list[Any], rows: list[Any]) -> None:
    """JSON is Jsonnet; strings with a name in them become concatenations."""
    body = _named(json.dumps(each, indent=1), '" + n.name + "', '" + n.tenant + "')
    text = f"local rows = {json.dumps(rows)};\nstd.flatMap(function(n) {body}, rows) + {json.dumps(whole)}\n"
    _put(folder / "main.jsonnet", text)
    _put(
        folder / "main.py",
        "import sys, _gojsonnet\nsys.stdout.write(_gojsonnet.evaluate_file(sys.argv[1]))\n",
    )


def _cdk8s(folder: Path, each: list[Any], whole: list[Any], rows: list[Any]) -> None:
    """One chart of untyped ApiObjects, each with the JSON patch that puts its fields in: no generated classes."""
    _put(folder / "objects.json", json.dumps({"each": each, "whole": whole, "rows": rows}))
    _put(folder / "main.py", _CDK8S.replace("NAMESPACE", _NAMESPACE).replace("TENANT", _TENANT))


_CDK8S = """\
import json, sys
from pathlib import Path
from cdk8s import ApiObject, ApiObjectMetadata, App, Chart, JsonPatch

data = json.loads((Path(__file__).parent / "objects.json").read_text())
app = App(outdir=sys.argv[1])
chart = Chart(app, "bench", disable_resource_name_hashes=True)
count = 0


def add(body):
    global count
    count += 1
    meta = body["metadata"]
    kept = {k: meta.get(k) for k in ("name", "namespace", "labels", "annotations")}
    metadata = ApiObjectMetadata(**kept)
    api = ApiObject(chart, f"o{count}", api_version=body["apiVersion"], kind=body["kind"], metadata=metadata)
    for key, value in body.items():
        if key not in ("apiVersion", "kind", "metadata"):
            api.add_json_patch(JsonPatch.add(f"/{key}", value))


each = json.dumps(data["each"])
for row in data["rows"]:
    for body in json.loads(each.replace("NAMESPACE", row["name"]).replace("TENANT", row["tenant"])):
        add(body)
for body in data["whole"]:
    add(body)
app.synth()
"""


def _kapitan(folder: Path, each: list[Any], whole: list[Any], rows: list[Any]) -> None:
    """One target: a kadet component that makes an object of every body, with the namespaces in the inventory."""
    compile_ = [{"output_path": ".", "input_type": "kadet", "output_type": "yaml", "input_paths": ["components/bench"]}]
    parameters = {"kapitan": {"vars": {"target": "bench"}, "compile": compile_}, "namespaces": rows}
    _put(folder / "inventory/targets/bench.yml", dump({"classes": ["common"], "parameters": parameters}))
    _put(folder / "inventory/classes/common.yml", dump({"parameters": {"namespace_count": len(rows)}}))
    _put(folder / "components/bench/objects.json", json.dumps({"each": each, "whole": whole}))
    _put(folder / "components/bench/__init__.py", _KADET.replace("NAMESPACE", _NAMESPACE).replace("TENANT", _TENANT))


_KADET = """\
import json
from pathlib import Path
from kapitan.inputs import kadet

data = json.loads((Path(__file__).parent / "objects.json").read_text())


def main():
    output = kadet.BaseObj()
    each = json.dumps(data["each"])
    objects = list(data["whole"])
    for row in kadet.inventory().parameters.namespaces:
        objects += json.loads(each.replace("NAMESPACE", row["name"]).replace("TENANT", row["tenant"]))
    output.root.bench = [kadet.BaseObj.from_dict(o) for o in objects]
    return output
"""


def _schemas(folder: Path, objects: list[Any]) -> None:
    """The schemas that ringfence checks with, in the file names that kubeconform looks for."""
    store = SchemaStore(KUBERNETES)
    for api_version, kind in {(o["apiVersion"], o["kind"]) for o in objects}:
        schema = store.kind(api_version, kind)
        if schema is not None:
            group, _, version = api_version.rpartition("/")
            suffix = f"{group.partition('.')[0]}-{version}".lstrip("-")
            _put(folder / f"{kind.lower()}-{suffix}.json", json.dumps(schema.schema))


def fleet(folder: Path, profile: str, clusters: int, namespaces: int) -> None:
    """Many small clusters: a cluster.yaml and a values.yaml each, one chart."""
    each, whole = _objects(folder, profile)
    named = tenants(namespaces)
    rows = [{"name": n, "tenant": t} for t, ns in named.items() for n in ns]
    _helm(folder / "helm", each, whole, rows)
    for number in range(clusters):
        name = f"cluster-{number:03d}"
        _put(folder / "clusters" / name / "cluster.yaml", dump(cluster(name, profile, named)))


def _put(file: Path, text: str) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    return file


def objects(place: Path) -> set[str]:
    """Every object of a file or below a folder, as canonical JSON."""
    return {json.dumps(o, sort_keys=True) for o in _documents(place)}


def _documents(place: Path) -> Iterator[Any]:
    files = sorted(f for f in place.rglob("*") if f.suffix in (".yaml", ".yml", ".json")) if place.is_dir() else [place]
    for file in files:
        text = file.read_text(encoding="utf-8")
        found = [json.loads(text)] if text.startswith("[") else [d.value for d in load_all(text, file.name, "kubectl")]
        for value in found:
            if isinstance(value, list):
                yield from value
            elif value is not None and value.get("kind") not in ("Kustomization", "Lock"):
                yield value


def same(places: list[Path]) -> int:
    """Say which places hold other objects than the first."""
    first = objects(places[0])
    differing = 0
    for place in places[1:]:
        other = objects(place)
        if other != first:
            differing += 1
            example = next(iter(other ^ first))
            counts = f"{len(other - first)} objects more, {len(first - other)} less"
            sys.stderr.write(f"{place}: {counts}, such as {example[:2000]}\n")
    return 1 if differing or not first else 0


def main(arguments: list[str]) -> int:
    """See the module's text."""
    if arguments[0] == "--same":
        return same([Path(a) for a in arguments[1:]])
    if arguments[0] == "--fleet":
        fleet(Path(arguments[1]), arguments[2], int(arguments[3]), int(arguments[4]))
        return 0
    sys.stdout.write(json.dumps(write(Path(arguments[0]), arguments[1], int(arguments[2]))) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
