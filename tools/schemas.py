"""Derive the compact strict schemas in generator/ringfence/schemas (`make schemas`).

    python tools/schemas.py --crds ../shared/crds

Built-in kinds come from the development dependency kubernetes-validate, custom kinds from a folder of CRDs.  What is
kept: names, types, bounds, enums, patterns, the formats the API server checks, combinators.  What is made stricter, as
the API server is: no nulls, no unknown fields, `apiVersion` and `kind` constant, `metadata.name` required.  What is
looser: a top-level `status` is any object (controllers write it) and CEL rules (x-kubernetes-validations) are dropped.
The output is a function of the inputs, one definition a line, so that an update reads well as a diff.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.metadata
import importlib.util
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import yaml
from schemas_compact import TEXT, Schema, compact, dump, hoist, reachable, short, top_level

OUT = Path(__file__).resolve().parents[1] / "generator" / "ringfence" / "schemas"
MINORS = ("1.32", "1.33", "1.34", "1.35", "1.36", "1.37")

NUMBER = r"(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))"
QUANTITY = rf"^[+-]?{NUMBER}(([KMGTPE]i)|[numkMGTPE]|([eE][+-]?{NUMBER}))?$"  # apimachinery's resource.Quantity

# Definitions whose text in the OpenAPI document says less than the Go type does.
OPAQUE: dict[str, Schema] = {
    "resource.Quantity": {"type": ["string", "number"], "pattern": QUANTITY},
    "intstr.IntOrString": {"type": ["integer", "string"]},
    "v1.JSONSchemaPropsOrArray": {"type": ["object", "array"]},
    "v1.JSONSchemaPropsOrBool": {"type": ["object", "boolean"]},
    "v1.JSONSchemaPropsOrStringArray": {"type": ["object", "array"]},
}
# Enums of closed sets that the API server's validation knows and its OpenAPI document does not say.
PROTOCOLS = ("TCP", "UDP", "SCTP")
ENUMS: dict[str, dict[str, tuple[str, ...]]] = {
    r"networking\.v1\.NetworkPolicySpec": {"policyTypes": ("Ingress", "Egress")},
    r"networking\.v1\.NetworkPolicyPort|core\.v1\.(ServicePort|ContainerPort)": {"protocol": PROTOCOLS},
    r"core\.v1\.ServiceSpec": {"type": ("ClusterIP", "NodePort", "LoadBalancer", "ExternalName")},
    r"core\.v1\.(SeccompProfile|AppArmorProfile)": {"type": ("RuntimeDefault", "Localhost", "Unconfined")},
    r"core\.v1\.Container": {"imagePullPolicy": ("Always", "IfNotPresent", "Never")},
    r"rbac\.v1\.RoleRef": {"apiGroup": ("rbac.authorization.k8s.io",), "kind": ("ClusterRole", "Role")},
    r"rbac\.v1\.Subject": {"kind": ("Group", "ServiceAccount", "User")},
    r"meta\.v1\.LabelSelectorRequirement": {"operator": ("In", "NotIn", "Exists", "DoesNotExist")},
    r"admissionregistration\.\w+\.\w*(PolicySpec|Webhook)": {"failurePolicy": ("Fail", "Ignore")},
    r"admissionregistration\.\w+\.(MatchResources|\w*Webhook)": {"matchPolicy": ("Equivalent", "Exact")},
    r"admissionregistration\.\w+\.ValidatingAdmissionPolicyBindingSpec": {
        "validationActions": ("Audit", "Deny", "Warn")
    },
    r"admissionregistration\.v1\.\w*Webhook": {"sideEffects": ("None", "NoneOnDryRun")},
    r"admissionregistration\.\w+\.ParamRef": {"parameterNotFoundAction": ("Allow", "Deny")},
    r"admissionregistration\.\w+\.(NamedRuleWithOperations|RuleWithOperations)": {
        "operations": ("*", "CONNECT", "CREATE", "DELETE", "UPDATE"),
        "scope": ("*", "Cluster", "Namespaced"),
    },
}
NAMELESS = ("authentication.", "authorization.")  # requests, not stored objects: TokenReview, SubjectAccessReview…

# ObjectMeta for custom resources: the same fields that the API server decodes for every object.
TEXTS: Schema = {"additionalProperties": TEXT, "type": "object"}
INSTANT: Schema = {"format": "date-time", "type": "string"}
INTEGER: Schema = {"type": "integer"}
OBJECTS: Schema = {"items": {"type": "object"}, "type": "array"}
METADATA: Schema = {
    "additionalProperties": False,
    "properties": {
        **dict.fromkeys(("generateName", "name", "namespace", "resourceVersion", "selfLink", "uid"), TEXT),
        **dict.fromkeys(("annotations", "labels"), TEXTS),
        **dict.fromkeys(("creationTimestamp", "deletionTimestamp"), INSTANT),
        **dict.fromkeys(("deletionGracePeriodSeconds", "generation"), INTEGER),
        **dict.fromkeys(("managedFields", "ownerReferences"), OBJECTS),
        "finalizers": {"items": TEXT, "type": "array"},
    },
    "required": ["name"],
    "type": "object",
}

# The CRDs-catalog's file names are lower case and its schemas do not say their kind.
CATALOG = """
    BGPConfiguration BGPFilter BGPPeer BackendLBPolicy BackendTLSPolicy BlockAffinity CalicoNodeStatus Certificate
    CertificateRequest CiliumCIDRGroup CiliumClusterwideNetworkPolicy CiliumEgressGatewayPolicy CiliumNetworkPolicy
    ClusterInformation ClusterIssuer FelixConfiguration GRPCRoute Gateway GatewayClass GitRepository
    GlobalNetworkPolicy GlobalNetworkSet HTTPRoute HelmRelease HelmRepository HostEndpoint IPAMBlock
    IPAMConfiguration IPAMHandle IPPool IPReservation Issuer KubeControllersConfiguration Kustomization ListenerSet
    NetworkPolicy NetworkSet OCIRepository PodMonitor Profile PrometheusRule ReferenceGrant ServiceMonitor
    StagedGlobalNetworkPolicy StagedKubernetesNetworkPolicy StagedNetworkPolicy TCPRoute TLSRoute Tier UDPRoute
"""
KINDS = {kind.lower(): kind for kind in CATALOG.split()}


# ---- built-in kinds -------------------------------------------------------------------------------------------------


def builtin(definitions: Schema, source: str, version: str) -> Schema:
    """Return one Kubernetes minor's document: every stored kind and the definitions it reaches."""
    defs: Schema = {}
    for name, schema in definitions.items():
        if defs.setdefault(short(name), tightened(short(name), schema)) != tightened(short(name), schema):
            raise SystemExit(f"two definitions are called {short(name)}")
    defs["metadata"] = {**defs["meta.v1.ObjectMeta"], "required": ["name"]}
    kinds: dict[str, str] = {}
    for name, schema in definitions.items():
        group_kinds = schema.get("x-kubernetes-group-version-kind", [])
        reference = schema.get("properties", {}).get("metadata", {}).get("$ref", "")
        if len(group_kinds) != 1 or not reference.endswith(".ObjectMeta"):
            continue
        group, ver, kind = (group_kinds[0][key] for key in ("group", "version", "kind"))
        api_version = f"{group}/{ver}" if group else ver
        metadata = None if short(name).startswith(NAMELESS) else {"$ref": "#/$defs/metadata"}
        kinds[f"{api_version}/{kind}"] = f"{short(name)}!"
        defs[f"{short(name)}!"] = top_level(defs[short(name)], api_version, kind, metadata)
    return {"source": source, "version": version, "kinds": kinds, "defs": reachable(defs, kinds.values())}


def tightened(name: str, schema: Schema) -> Schema:
    """Compact one built-in definition and add what its Go type or validation says: OPAQUE, ENUMS."""
    for ending, known in OPAQUE.items():
        if name.endswith(ending):
            return known
    opened = "properties" not in schema  # RawExtension, FieldsV1: any object
    out: Schema = compact({"additionalProperties": opened, **schema})
    for pattern, enums in ENUMS.items():
        for field in enums.keys() & out.get("properties", {}).keys() if re.fullmatch(pattern, name) else ():
            target = out["properties"][field]
            target = target.get("items", target)
            target["enum"] = list(enums[field])
    return out


def builtin_files() -> dict[str, str]:
    """Return path → text for every supported minor; raises SystemExit without kubernetes-validate."""
    found = importlib.util.find_spec("kubernetes_validate")
    if found is None or not found.submodule_search_locations:
        raise SystemExit("kubernetes-validate is not installed: pip install kubernetes-validate")
    release = importlib.metadata.version("kubernetes-validate")
    files = {}
    for minor in MINORS:
        folder = f"v{minor}.0-local-strict"
        path = Path(found.submodule_search_locations[0]) / "kubernetes-json-schema" / folder / "_definitions.json"
        definitions = json.loads(path.read_text(encoding="utf-8"))["$defs"]
        source = f"kubernetes-validate {release}, {folder} (Kubernetes, Apache-2.0)"
        files[f"kubernetes/{minor}.json"] = dump(builtin(definitions, source, f"{minor}.0"))
    return files


# ---- custom kinds ---------------------------------------------------------------------------------------------------


def custom_files(crds: Path) -> dict[str, str]:
    """Return path → text for every API group under a folder of CRDs, each with the commits it was made from."""
    groups: dict[str, dict[str, tuple[Schema, str | None]]] = {}
    sources: dict[str, set[str]] = {}
    folders = [path.parent for path in crds.glob("*/SOURCE.md")]
    for folder in sorted(folders, key=lambda folder: (any(folder.rglob("*.json")), folder)):  # real CRDs come first
        source = (folder / "SOURCE.md").read_text(encoding="utf-8").replace("Data copied unchanged from ", "").strip()
        if "do not ship" in source:
            print(f"skipped {folder.name}: {source}", file=sys.stderr)
            continue
        for group, version, kind, schema, scope in custom_kinds(folder):
            kinds = groups.setdefault(group, {})
            key = f"{group}/{version}/{kind}"
            if key.lower() in map(str.lower, kinds):
                continue
            if kind.islower():
                raise SystemExit(f"{folder}: add the kind that is spelled {kind!r} to KINDS")
            sources.setdefault(group, set()).add(source)
            kinds[key] = (top_level(compact(schema), f"{group}/{version}", kind, {"$ref": "#/$defs/metadata"}), scope)
    return {f"crds/{group}.json": dump(custom(kinds, sources[group])) for group, kinds in groups.items()}


def custom_kinds(folder: Path) -> Iterator[tuple[str, str, str, Schema, str | None]]:
    """Yield (group, version, kind, OpenAPI schema, scope) of a folder: CRDs' served versions, or ready JSON schemas."""
    for path in sorted(folder.rglob("*.yaml"), key=lambda path: ("experimental" in path.parts, path)):
        for crd in yaml.load_all(path.read_bytes(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
            spec = (crd or {}).get("spec", {})
            for version in (item for item in spec.get("versions", ()) if item["served"]):
                schema = {"properties": {}, **version["schema"]["openAPIV3Schema"]}
                yield spec["group"], version["name"], spec["names"]["kind"], schema, spec["scope"]
    for path in sorted(folder.rglob("*.json")):
        name, version = path.stem.split("_")
        yield path.parent.name, version, KINDS.get(name, name), json.loads(path.read_bytes()), None


def custom(kinds: dict[str, tuple[Schema, str | None]], sources: set[str]) -> Schema:
    """Return one API group's document, its repeated subschemas hoisted into definitions."""
    defs, names = hoist({key: schema for key, (schema, _) in sorted(kinds.items())})
    scopes = {key: scope for key, (_, scope) in kinds.items() if scope}
    version = sorted(re.findall(r"commit ([0-9a-f]{12})", " ".join(sources)))
    return {
        "source": " ".join(sorted(sources)),
        "version": " ".join(version),
        "scopes": scopes,
        "kinds": names,
        "defs": {**defs, "metadata": METADATA},
    }


def index(files: dict[str, str]) -> str:
    """Return index.json: built-in kind → the minors that have it, API group → its custom kinds."""
    builtins: dict[str, list[str]] = {}
    customs: dict[str, list[str]] = {}
    for path in sorted(files):
        folder, name = path.removesuffix(".json").split("/")
        for key in json.loads(files[path])["kinds"]:
            if folder == "kubernetes":
                builtins.setdefault(key, []).append(name)
            else:
                customs.setdefault(name, []).append(key)
    return dump({"kubernetes": builtins, "crds": customs})


def main() -> None:
    """Write the schema files, index.json and DIGESTS."""
    parser = argparse.ArgumentParser(description="Derive generator/ringfence/schemas.")
    parser.add_argument("--crds", type=Path, help="folder of CRDs: <project>/SOURCE.md and its YAML or JSON files")
    crds: Path | None = parser.parse_args().crds
    files = builtin_files()
    if crds is not None and crds.is_dir():
        files |= custom_files(crds)
    else:
        print(f"no CRDs: {crds} is not a folder; the custom kinds' files stay as they are", file=sys.stderr)
        files |= {f"crds/{path.name}": path.read_text(encoding="utf-8") for path in (OUT / "crds").glob("*.json")}
    files["index.json"] = index(files)
    files["host.json"] = (OUT / "host.json").read_text(encoding="utf-8")  # written by hand: ringfence's own kinds
    digests = (f"{hashlib.sha256(files[path].encode()).hexdigest()}  {path}\n" for path in sorted(files))
    files["DIGESTS"] = "".join(digests)
    for stale in set(OUT.rglob("*.json")) - {OUT / path for path in files}:
        stale.unlink()
    for name, text in files.items():
        (OUT / name).parent.mkdir(parents=True, exist_ok=True)
        (OUT / name).write_text(text, encoding="utf-8")
    print(f"{len(files)} files, {sum(map(len, files.values())) / 1e6:.2f} MB in {OUT}")


if __name__ == "__main__":
    main()
