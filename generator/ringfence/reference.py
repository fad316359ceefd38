"""The catalogue told to people: docs/controls.md, and the pieces of it that `explain` and `list` show."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ringfence.catalog import Catalog
from ringfence.documents import load
from ringfence.model import PROFILES, Control, Emit, Param, ResolvedControl, Stage
from ringfence.spec.judge import judge

FRAMEWORKS = {
    "cis-kubernetes-1.12": "CIS Kubernetes Benchmark 1.12",
    "cis-kubernetes-2.1": "CIS Kubernetes Benchmark 2.1",
    "cis-eks-1.8": "CIS Amazon EKS Benchmark 1.8",
    "cis-gke-1.9": "CIS GKE Benchmark 1.9",
    "cis-aks-1.8": "CIS AKS Benchmark 1.8",
    "kubescape": "Kubescape controls",
    "stig-kubernetes-v2r6": "DISA Kubernetes STIG V2R6",
    "nist-800-53r5": "NIST SP 800-53 Rev. 5",
    "nsa-cisa-1.2": "NSA/CISA Kubernetes Hardening Guide 1.2",
    "attack": "MITRE ATT&CK",
    "microsoft-threat-matrix": "Microsoft Threat Matrix for Kubernetes",
    "owasp-k8s-2025": "OWASP Kubernetes Top Ten 2025",
    "cve": "CVE",
    "kep": "Kubernetes Enhancement Proposals",
    "docs": "Documentation",
}
_FLOORS = {
    "free": "may be set freely",
    "deny": "can't be set",
    "additive": "can only be added to",
    "subtractive": "can only be removed from",
    "at-most": "can only be lowered",
    "at-least": "can only be raised",
    "stricter": "can only be made stricter",
}
_RINGS = {
    "render": "the rendered objects",
    "api": "requests to a real API server",
    "engine": "the policy engine",
    "node": "a real node",
    "cni": "traffic through a network plugin",
    "mesh": "traffic through the mesh",
    "host": "the host",
    "cloud": "the cloud's API",
}
_EACH = {
    "cluster": "once",
    "namespace": "for each tenant namespace",
    "platform-namespace": "for each platform namespace that ringfence makes",
    "existing-namespace": "for each platform namespace that exists already",
}
_HEADER = "<!-- Made by `make docs` from templates/*/*/control.yaml and probes.yaml; change those. -->\n"


def show(value: Any) -> str:
    """A parameter's value in one line, as it may be typed into YAML."""
    return json.dumps(value, ensure_ascii=False) if not isinstance(value, str) else value or '""'


def value_under(param: Param, profile: str) -> Any:
    """A parameter's value under a shipped profile, before overrides."""
    value = param.default
    for name in PROFILES[: PROFILES.index(profile) + 1]:
        value = param.by_profile.get(name, value)
    return value


def floor_of(param: Param) -> str:
    """How an override may move a parameter, in words."""
    words = _FLOORS[param.floor]
    return words + (f" ({' < '.join(param.choices)})" if param.floor == "stricter" else "")


def emit_line(emit: Emit) -> str:
    """One row of `emits`: its template (or the rule that stands in for one), and its conditions in words."""
    return f"{emit.template or f'rule {emit.invariant}'}: {emit_words(emit)}"


def emit_words(emit: Emit) -> str:
    """For what a row of `emits` is rendered, and under which conditions."""
    parts = [_EACH[emit.each] if emit.template else "emits nothing; the finished tree is held to it"]
    if emit.fragment:
        parts.append("part of an object that several controls write")
    if emit.plane == "host":
        parts.append("on hosts")
    if emit.mode == "patch":
        parts.append("patches an object that somebody else owns")
    if emit.kubernetes:
        parts.append(f"Kubernetes {emit.kubernetes}")
    parts.extend(f"{fact} {' or '.join(values)}" for fact, values in emit.when.items())
    if emit.beside:
        parts.append(f"where {emit.beside} is enforced")
    if emit.given:
        parts.append(f"where cluster.yaml gives {' and '.join(emit.given)}")
    if emit.unless:
        parts.append(f"unless {emit.unless} is enforced")
    if emit.needs:
        parts.append(f"needs {' and '.join(emit.needs)}")
    if len(emit.stages) == 1:
        parts.append(f"stage {emit.stages[0]} only")
    return ", ".join(parts) + (f"; wave {int(emit.wave)}" if emit.template else "")


def audit_line(control: Control) -> str:
    """What stage audit means for this control."""
    if control.audit_form:
        return f"none: {control.audit_form}"
    return "the same match set, reported and not refused"


def exceptions_line(control: Control) -> str:
    """What an exception from this control may name."""
    if control.exceptions == "none":
        return "takes none"
    what = {"namespaces": "namespaces", "names": "names of the objects themselves"}[control.exceptions]
    return f"by {what} (`scope.{control.exceptions}`)"


def proof_line(control: Control) -> str:
    """The rings in which the control is proved, the one that proves it best first."""
    return ", then ".join(_RINGS[ring] for ring in control.proof)


def change_snippet(one: ResolvedControl, params: Sequence[str] = ()) -> list[str]:
    """Lines for cluster.yaml that override this control: the stage, or the parameters given."""
    lines = ["controls:", f"  {one.id}:"]
    if params:
        lines.append("    params:")
        lines.extend(f"      {name}: {show_yaml(one.params[name])}{_note(one.control.params[name])}" for name in params)
    else:
        other = Stage.AUDIT if one.stage is not Stage.AUDIT else Stage.ENFORCE
        lines.append(f"    stage: {other}")
    lines.append("    reason: <why; reviewers read it>")
    return lines


def _note(param: Param) -> str:
    return "" if param.floor == "free" else f"  # {floor_of(param)}"


def show_yaml(value: Any) -> str:
    """A value in one line of YAML flow style; JSON is YAML."""
    from ringfence.documents import scalar

    return json.dumps(value, ensure_ascii=False) if isinstance(value, (dict, list)) else scalar(value)


def exception_snippet(control: Control) -> list[str]:
    """Lines for cluster.yaml that except something from this control; none when it takes no exception."""
    if control.exceptions == "none":
        return []
    return [
        "exceptions:",
        "- name: <short-name>",
        f"  control: {control.id}",
        "  owner: <who answers for it>",
        "  reason: <why>",
        "  ticket: <where it is tracked>",
        '  expires: "<YYYY-MM-DD>"',
        f"  scope: {{{control.exceptions}: [<name>]}}",
    ]


def natural(text: str) -> tuple[Any, ...]:
    """A sort key by which 5.2.10 comes after 5.2.9."""
    return tuple((0, int(p), "") if p.isdigit() else (1, 0, p) for p in re.findall(r"[0-9]+|[^0-9]+", text))


def coverage(catalog: Catalog, framework: str) -> dict[str, list[Control]]:
    """The framework's numbers that the catalogue names, in natural order, each with its controls."""
    found: dict[str, list[Control]] = {}
    for control in catalog:
        for number in control.references.get(framework, ()):
            found.setdefault(number, []).append(control)
    return dict(sorted(found.items(), key=lambda item: natural(item[0])))


def probes(control: Control) -> list[dict[str, Any]]:
    """The control's probe pairs; none when it has no probes.yaml."""
    file = Path(control.folder) / "probes.yaml"
    if not file.is_file():
        return []
    pairs: list[dict[str, Any]] = judge(load(file.read_bytes(), f"{control.id}/probes.yaml"), "probes")["pairs"]
    return pairs


# --------------------------------------------------------------------------------------- docs/controls.md


def page(catalog: Catalog) -> str:
    """docs/controls.md."""
    domains: dict[str, list[Control]] = {}
    for control in catalog:
        domains.setdefault(control.domain, []).append(control)
    lines = [_HEADER, "# Controls\n", _introduction(catalog)]
    for domain in sorted(domains):
        lines.append(f"- **{domain}**")
        lines.extend(f"  - [{c.id}](#{c.id}): {_escape(c.title)}" for c in domains[domain])
    for domain in sorted(domains):
        lines.append(f"\n## {domain.capitalize()}")
        for control in domains[domain]:
            lines.extend(_section(control))
    return "\n".join(lines) + "\n"


def _introduction(catalog: Catalog) -> str:
    return (
        f"{len(catalog.controls)} controls. A profile selects a control at a stage: `audit` reports, `enforce` "
        "refuses. `ringfence explain ID` tells how one stands in your cluster and how to change it.\n"
    )


def _section(control: Control) -> Iterator[str]:
    yield f"\n### {control.id}\n"
    yield f"**{_escape(control.title)}** (severity {control.severity})\n"
    yield f"{_escape(control.rationale)}\n"
    yield f"| | {' | '.join(PROFILES)} |"
    yield f"|---|{'---|' * len(PROFILES)}"
    yield f"| stage | {' | '.join(control.stage(p) for p in PROFILES)} |"
    for param in control.params.values():
        values = (f"`{_cell(show(value_under(param, p)))}`" for p in PROFILES)
        yield f"| `{param.name}` | {' | '.join(values)} |"
    yield ""
    for param in control.params.values():
        yield f"- `{param.name}` ({param.type}; {floor_of(param)}): {_escape(param.description)}"
    yield f"- Least stage: {control.floor}"
    yield f"- Audit form: {_escape(audit_line(control))}"
    yield f"- Exceptions: {exceptions_line(control)}"
    if control.requires:
        yield "- Requires: " + ", ".join(f"[{id_}](#{id_})" for id_ in control.requires)
    yield "- Emits:"
    for emit in control.emits:
        link = f"[`{emit.template}`](../templates/{control.domain}/{control.id}/{emit.template})"
        yield f"  - {link if emit.template else f'rule `{emit.invariant}`'}: {_escape(emit_words(emit))}"
    if control.managed:
        yield "- Where others own the hosts:"
    for name, said in control.managed.items():
        yield f"  - {name}: {_escape(str(said))}"
    yield f"- Proved by: {proof_line(control)}"
    for pair in probes(control):
        yield f"  - {_escape(pair['name'])}: refused because of `{_cell(pair['reason'])}`; its twin is admitted"
    yield "- References:"
    for framework, numbers in control.references.items():
        yield f"  - {FRAMEWORKS[framework]}: {', '.join(_escape(n) for n in numbers)}"


def _escape(text: str) -> str:
    """Text that Markdown shows as it is, wherever code spans leave it alone."""
    parts = text.split("`")
    for i in range(0, len(parts), 2):
        parts[i] = re.sub(r"([\\*_<>\[\]|])", r"\\\1", parts[i])
    return "`".join(parts)


def _cell(text: str) -> str:
    """A code span's text for a table cell."""
    return text.replace("|", "\\|").replace("`", "'").replace("\n", " ")
