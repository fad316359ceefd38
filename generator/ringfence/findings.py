"""Manifests of anybody's → findings: strict schemas and the rules of `invariants`, each at its place in its file.

Nothing is passed over in silence: an object without a schema here, or one too malformed for the rules, is
listed as not analysed, with the reason.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from ringfence.documents import Document
from ringfence.errors import InputError, Place
from ringfence.invariants import Violation, object_rules, set_rules
from ringfence.model import Finding, Severity
from ringfence.schemas import SUPPORTED, SchemaStore
from ringfence.shape import Manifest, Path, Shape, Wave
from ringfence.validate import unknown_kind

SCHEMA = "schema"  # stands for the control in findings about an object's form
_MALFORMED = (AttributeError, IndexError, KeyError, TypeError, ValueError)
# Configuration of tools and of the components themselves, which no API server ever sees.
_TOOLS = frozenset(
    {
        "apiserver.config.k8s.io",
        "apiserver.k8s.io",
        "audit.k8s.io",
        "eventratelimit.admission.k8s.io",
        "kubeadm.k8s.io",
        "kubelet.config.k8s.io",
        "kubeproxy.config.k8s.io",
        "kubescheduler.config.k8s.io",
        "kustomize.config.k8s.io",
        "pod-security.admission.config.k8s.io",
        "podnodeselector.admission.k8s.io",
        "podtolerationrestriction.admission.k8s.io",
        "resourcequota.admission.k8s.io",
        "ringfence",
    }
)
_GONE = frozenset({"extensions"})  # Kubernetes' own groups that no supported version serves
_NO_OBJECT = "no Kubernetes object: apiVersion, kind or metadata is missing"


class Unanalysed(NamedTuple):
    """An object that could not be judged, and why."""

    object: str
    reason: str
    place: Place


@dataclass(frozen=True, slots=True)
class Report:
    """What `examine` found; findings in the order of files and lines."""

    kubernetes: tuple[str, ...]
    files: int
    objects: int
    findings: tuple[Finding, ...]
    unanalysed: tuple[Unanalysed, ...]


class _Subject(NamedTuple):
    """An object under examination; `path` is where it stands in its document."""

    manifest: Manifest
    document: Document
    path: Path

    def place(self, path: Path = ()) -> Place:
        return self.document.place(self.path + path)


def examine(documents: Sequence[Document], store: SchemaStore) -> Report:
    """Judge every object of these documents as the Kubernetes of `store` and the security rules would."""
    subjects: list[_Subject] = []
    unanalysed: list[Unanalysed] = []
    for document in documents:
        for body, path in _objects(document.value, ()):
            if _is_object(body):
                if _group(body) not in _TOOLS:
                    subjects.append(_Subject(_manifest(_without_nulls(body)), document, path))
            else:
                unanalysed.append(Unanalysed(_label(body), _NO_OBJECT, document.place(path)))
    findings = [*_schema_findings(subjects, store, unanalysed), *_rule_findings(subjects, store, unanalysed)]
    return Report(
        (store.kubernetes,),
        len({d.file for d in documents}),
        len(subjects),
        tuple(sorted(dict.fromkeys(findings), key=_order)),
        tuple(sorted(dict.fromkeys(unanalysed), key=lambda u: u.place)),
    )


def _order(finding: Finding) -> tuple[Any, ...]:
    return (finding.place, finding.control, finding.message)


def _objects(value: Any, path: Path) -> Iterator[tuple[Any, Path]]:
    """Every object of a document; a List gives its items, an empty document nothing."""
    if isinstance(value, dict) and str(value.get("kind", "")).endswith("List") and isinstance(value.get("items"), list):
        for number, item in enumerate(value["items"]):
            yield from _objects(item, (*path, "items", number))
    elif value is not None:
        yield value, path


def _is_object(body: Any) -> bool:
    if not isinstance(body, dict) or not all(isinstance(body.get(k), str) and body[k] for k in ("apiVersion", "kind")):
        return False
    return isinstance(body.get("metadata"), dict) or _group(body) in _TOOLS


def _group(body: dict[str, Any]) -> str:
    return str(body["apiVersion"]).rpartition("/")[0]


def _label(body: Any) -> str:
    return str(body.get("kind") or "document") if isinstance(body, dict) else "document"


def _without_nulls(value: Any) -> Any:
    """A null field is an absent one to the API server."""
    if isinstance(value, dict):
        return {k: _without_nulls(v) for k, v in value.items() if v is not None}
    if isinstance(value, list):
        return [_without_nulls(v) for v in value]
    return value


def _manifest(body: dict[str, Any]) -> Manifest:
    """The body as the rules expect it: a structure of its own, with no open string."""
    metadata = body["metadata"]
    name = str(metadata.get("name") or metadata.get("generateName") or "")
    namespace = str(metadata.get("namespace") or "")
    shape = Shape(
        tree=body,
        api_version=body["apiVersion"],
        kind=body["kind"],
        name=name,
        namespace=namespace or None,
        origins={},
        controls=(),
        area="",
        wave=Wave.GUARDS,
        mode="own",
        fragment=False,
        lists={},
        slots=0,
    )
    return Manifest(Wave.GUARDS, shape.kind, namespace, name, shape, ())


def _schema_findings(
    subjects: Iterable[_Subject], store: SchemaStore, unanalysed: list[Unanalysed]
) -> Iterator[Finding]:
    owned = store.groups() | _GONE
    for subject in subjects:
        shape = subject.manifest.shape
        schema = store.kind(shape.api_version, shape.kind)
        if schema is not None:
            for problem in schema.problems(shape.tree):
                broken = Violation(problem.path, problem.message, problem.hint or "write it as the API defines it")
                yield _finding(SCHEMA, Severity.HIGH, subject, broken)
        elif shape.group in owned:
            error = unknown_kind(store, shape.api_version, shape.kind, None)
            yield _finding(SCHEMA, Severity.HIGH, subject, _as_violation(error))
        else:
            reason = f"no schema of {shape.api_version} {shape.kind} here"
            unanalysed.append(Unanalysed(subject.manifest.id, reason, subject.place()))


def _as_violation(error: InputError) -> Violation:
    return Violation(("apiVersion",), error.message, error.hint or f"supported: Kubernetes {', '.join(SUPPORTED)}")


def _rule_findings(subjects: Sequence[_Subject], store: SchemaStore, unanalysed: list[Unanalysed]) -> Iterator[Finding]:
    """The rules' findings; an object that they can't read is left out of the rules about many."""
    sound: list[_Subject] = []
    for subject in subjects:
        try:
            found = list(_object_findings(subject))
        except _MALFORMED as bad:
            unanalysed.append(_malformed(subject, bad))
            continue
        sound.append(subject)
        yield from found
    try:
        yield from list(_set_findings(sound))
    except _MALFORMED as bad:
        valid = [s for s in sound if _is_valid(s, store)]
        unanalysed.extend(_malformed(s, bad) for s in sound if s not in valid)
        yield from _set_findings(valid)


def _set_findings(subjects: Sequence[_Subject]) -> Iterator[Finding]:
    by_manifest = {id(s.manifest): s for s in subjects}
    manifests = [s.manifest for s in subjects]
    for rule in set_rules():
        for manifest, violation in rule.check(manifests):
            yield _finding(rule.control, rule.severity, by_manifest[id(manifest)], violation)


def _is_valid(subject: _Subject, store: SchemaStore) -> bool:
    shape = subject.manifest.shape
    schema = store.kind(shape.api_version, shape.kind)
    return schema is None or schema.is_valid(shape.tree)


def _object_findings(subject: _Subject) -> Iterator[Finding]:
    shape = subject.manifest.shape
    for rule in object_rules():
        if shape.kind in rule.kinds:
            for violation in rule.check(shape.tree):
                yield _finding(rule.control, rule.severity, subject, violation)


def _malformed(subject: _Subject, bad: Exception) -> Unanalysed:
    return Unanalysed(subject.manifest.id, f"too malformed for the rules ({type(bad).__name__})", subject.place())


def _finding(control: str, severity: Severity, subject: _Subject, violation: Violation) -> Finding:
    return Finding(
        control,
        severity,
        violation.message,
        violation.remedy,
        subject.manifest.id,
        violation.path,
        subject.place(violation.path),
    )


def at_or_over(findings: Iterable[Finding], gate: str) -> int:
    """How many findings a gate refuses; `never` refuses none."""
    if gate == "never":
        return 0
    return sum(f.severity.rank >= Severity(gate).rank for f in findings)


def counts(findings: Iterable[Finding]) -> dict[str, int]:
    """Number of findings by severity, the worst first."""
    found = {s.value: 0 for s in sorted(Severity, key=lambda s: -s.rank)}
    for finding in findings:
        found[finding.severity.value] += 1
    return found
