"""`pulumi preview --json` → its steps about Kubernetes objects, or an InputError for what is no complete plan.

The form is `PreviewDigest` of Pulumi's engine (pulumi/pkg, display/json.go).
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ringfence.errors import InputError, Place

_LIMIT = 256 * 1024 * 1024
_REMAKE = "write one with `pulumi preview --json --show-sames > plan.json`"

# Operations of Pulumi's engine (pulumi/pkg, resource/deploy, StepOp), by what they do to an object on the cluster.
_TAKES = frozenset({"delete", "delete-replaced", "replace", "create-replacement", "import-replacement"})
_LEAVES = frozenset({"create", "update", "same", "import", "read", "refresh", "diff"})
_STATE_ONLY = frozenset(
    {"discard", "discard-replaced", "read-replacement", "remove-pending-replace", "extend-parameterize"}
)
_KNOWN = _TAKES | _LEAVES | _STATE_ONLY

_URN = re.compile(r'"urn"\s*:\s*("(?:[^"\\]|\\.)*")')
_DEFAULT_PROVIDER = re.compile(r"default(_\d+_\d+_\d+.*)?")


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a plan, about one Kubernetes object."""

    op: str
    urn: str
    cluster: str  # the provider that carries it out, which stands for a cluster
    group: str  # of the API, "core" for the core group
    kind: str
    name: str
    namespace: str
    old: Mapping[str, Any]  # the object before the step; empty where there was none
    new: Mapping[str, Any]  # and after it; empty where none is left, or the plan does not tell
    patch: bool
    retained: bool

    @property
    def id(self) -> str:
        """Kind/name or Kind/namespace/name; a patch is called by what it patches."""
        return f"{self.kind}/{self.namespace}/{self.name}" if self.namespace else f"{self.kind}/{self.name}"

    @property
    def takes(self) -> bool:
        """Does the step take the object, or a patch's fields, off the cluster, if only to make it anew?"""
        return self.op in _TAKES and not (self.retained and self.op == "delete")

    @property
    def changes(self) -> bool:
        """Does the step leave the object there, in a form that the plan tells?"""
        return self.op in _LEAVES and bool(self.new)


@dataclass(frozen=True, slots=True)
class Plan:
    """The steps of a plan; `hidden` when it counts unchanged resources that it does not show."""

    steps: tuple[Step, ...]
    hidden: bool
    text: str
    shown: str

    def places(self, urns: Collection[str]) -> dict[str, Place]:
        """Where the steps about these URNs stand."""
        return places(self.text, self.shown, urns)


def read(file: Path, shown: str) -> Plan:
    """The plan in `file`; `shown` is its name in errors."""
    plan, text = _load(file, shown)
    rows = list(_rows(plan, text, shown))
    ops = Counter(op for op, _, _ in rows)
    same = _hold_to_summary(plan["changeSummary"], ops, Place(shown))
    steps = []
    for number, (op, urn, row) in enumerate(rows):
        provider, _, typed = urn.split("::")[2].rpartition("$")[2].partition(":")
        if provider == "kubernetes" and ":" in typed:
            step = _step(op, urn, row)
            if not (urn + step.id).isprintable():
                raise InputError(
                    f"steps.{number} has control characters in its names", place=Place(shown), hint="rename the object"
                )
            steps.append(step)
    return Plan(tuple(steps), same > ops["same"], text, shown)


def places(text: str, shown: str, urns: Collection[str]) -> dict[str, Place]:
    """Where each of these URNs is first named as a resource's own; one walk over the text, however many there are."""
    found = {urn: Place(shown) for urn in urns}
    missing = set(found)
    line, start, last = 1, 0, 0  # the line that `last` lies in, and where it starts
    for match in _URN.finditer(text):
        if not missing:
            break
        urn = json.loads(match[1])
        if urn in missing:
            missing.discard(urn)
            at = match.start(1)
            if breaks := text.count("\n", last, at):
                line, start = line + breaks, text.rfind("\n", last, at) + 1
            found[urn], last = Place(shown, line, at - start + 1), at
    return found


def plain(text: str) -> str:
    """Text from a plan as a terminal and a log may show it: what they would obey is escaped."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def mapping(value: Any) -> Mapping[str, Any]:
    """A mapping, empty for what is none: absent, or known only once the plan runs."""
    return value if isinstance(value, dict) else {}


def word(value: Any) -> str:
    """A text, empty for what is none."""
    return value if isinstance(value, str) else ""


def items(value: Any) -> list[Any]:
    """A list, empty for what is none."""
    return value if isinstance(value, list) else []


def _load(file: Path, shown: str) -> tuple[dict[str, Any], str]:
    """The document and its text, its outer form checked."""
    place = Place(shown)
    try:
        if file.stat().st_size > _LIMIT:
            raise InputError("the plan is too large", place=place, hint="preview fewer resources, with --target")
        text = file.read_text(encoding="utf-8")
        plan = json.loads(text, parse_constant=_refuse)
    except OSError as bad:
        raise InputError(
            f"can't read the plan: {(bad.strerror or str(bad)).lower()}", place=place, hint=_REMAKE
        ) from bad
    except (ValueError, RecursionError) as bad:
        if isinstance(bad, json.JSONDecodeError):
            place = Place(shown, bad.lineno, bad.colno)
        raise InputError("the plan is not JSON", place=place, hint=_REMAKE) from bad
    if isinstance(plan, dict) and "resourcePlans" in plan:
        raise InputError("this is an update plan of `pulumi preview --save-plan`", place=place, hint=_REMAKE)
    lists = [plan.get(key, []) for key in ("steps", "diagnostics")] if isinstance(plan, dict) else [None]
    if not all(isinstance(part, list) for part in lists) or not isinstance(plan.get("changeSummary"), dict):
        raise InputError("this is no plan of `pulumi preview --json`, or it ended early", place=place, hint=_REMAKE)
    for diagnostic in plan.get("diagnostics", ()):
        if mapping(diagnostic).get("severity") == "error":
            message = plain(" ".join(word(diagnostic.get("message")).split()))
            raise InputError(f"the preview failed: {message}", place=place, hint="mend that and preview again")
    return plan, text


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON (RFC 8259, section 6)")


def _rows(plan: Mapping[str, Any], text: str, shown: str) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """Operation, URN and all the rest of every step, whoever's resource it is about."""
    for number, row in enumerate(plan.get("steps", ())):
        op, urn = mapping(row).get("op"), mapping(row).get("urn")
        if not isinstance(op, str) or not isinstance(urn, str) or urn.count("::") < 3:
            raise InputError(f"steps.{number} has no op and urn", place=Place(shown), hint="preview again")
        if op not in _KNOWN:
            raise _unknown(op, places(text, shown, [urn])[urn])
        yield op, urn, row


def _unknown(op: str, place: Place) -> InputError:
    hint = "use a later ringfence for this plan"
    return InputError(f'"{plain(op)}" is no operation that ringfence knows', place=place, hint=hint)


def _hold_to_summary(summary: Mapping[str, Any], ops: Mapping[str, int], place: Place) -> int:
    """How many resources the summary counts as unchanged; an error where it counts losses that no step shows.

    Steps may be more: the engine counts none that failed, and of a replacement only one of its steps.
    """
    for op, count in summary.items():
        if op not in _KNOWN:
            raise _unknown(op, place)
        if type(count) is not int or count < 0:
            raise InputError(f"changeSummary.{op} is no number of resources", place=place, hint=_REMAKE)
        if op in _TAKES and count > ops[op]:
            problem = f'the summary counts {count} of "{op}", the steps show {ops[op]}'
            raise InputError(problem, place=place, hint="steps are missing; preview again, and keep all that it prints")
    return int(summary.get("same", 0))


def _step(op: str, urn: str, row: Mapping[str, Any]) -> Step:
    _, version, kind = urn.split("::")[2].rpartition("$")[2].split(":", 2)
    old, new = (_body(row.get(side)) for side in ("oldState", "newState"))
    named = old or new
    metadata = mapping(named.get("metadata")) or (named if version.startswith("helm.sh/") else {})
    provider = word(row.get("provider")).rpartition("::")[0]  # its id goes; it may not be known yet
    # All default providers, one a version of the plugin, take the one configuration of the stack.
    default = _DEFAULT_PROVIDER.fullmatch(provider.rpartition("::")[2])
    return Step(
        op=op,
        urn=urn,
        cluster="default" if default else provider,
        group=version.partition("/")[0],
        kind=kind.removesuffix("Patch"),
        name=word(metadata.get("name")) or urn.split("::", 3)[3].rpartition("/")[2],
        namespace=word(metadata.get("namespace")),
        old=old,
        new=new,
        patch=kind.endswith("Patch"),
        retained=bool(mapping(row.get("oldState")).get("retainOnDelete")),
    )


def _body(state: Any) -> Mapping[str, Any]:
    """The object in a resource's state: as it was asked for, else as the cluster answered."""
    inputs, outputs = (mapping(mapping(state).get(part)) for part in ("inputs", "outputs"))
    return next((b for b in (inputs, outputs) if "metadata" in b), inputs)
