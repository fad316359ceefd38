"""A plan → findings, but for the objects that may go."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from ringfence.errors import Place, UsageError, nearest, raise_all
from ringfence.findings import Report
from ringfence.model import Finding, Severity
from ringfence.plans.losses import losses
from ringfence.plans.network import openings
from ringfence.plans.reading import Step, plain, read
from ringfence.plans.weakening import weakenings

CONTROL = "plan"  # stands for the control in findings about a plan
_VERBS = {"create": "creates", "delete": "deletes", "import": "imports"}


def read_plan(file: Path, shown: str, allowed: Sequence[str] = ()) -> Report:
    """Findings on the plan in `file`; objects that `allowed` names as Kind/name, Kind/namespace/name or URN may go.

    Raises InputError for what is no complete plan, and UsageError for an allowance that the plan does not need or
    that several objects answer to.
    """
    plan = read(file, shown)
    steps = plan.steps
    found = {
        (step.urn, why): (step, severity, why)
        for step, severity, why in (*losses(steps), *weakenings(steps), *openings(steps, plan.hidden))
    }
    touched = [*(s for s in steps if s.takes), *(step for step, _, _ in found.values())]
    raise_all([bad for name in dict.fromkeys(allowed) for bad in _misplaced(name, touched)])
    left = [(s, severity, why) for s, severity, why in found.values() if s.id not in allowed and s.urn not in allowed]
    places = plan.places({step.urn for step, _, _ in left})
    findings = tuple(_finding(step, severity, why, places[step.urn]) for step, severity, why in left)
    return Report((), 1, len({s.urn for s in steps}), findings, ())


def _finding(step: Step, severity: Severity, why: str, place: Place) -> Finding:
    verb = "replaces" if "replace" in step.op else _VERBS.get(step.op, "updates")
    keep = "keep it, or say that it may go" if step.takes else "keep what it refuses, or say that it may go"
    remedy = f"{keep}: --allow-delete {step.id}"
    return Finding(CONTROL, severity, f"the plan {verb} it: {plain(why)}", remedy, step.id, place=place)


def _misplaced(name: str, touched: Sequence[Step]) -> Iterable[UsageError]:
    """Why this allowance can't stand: nothing answers to it, or more than one object."""
    urns = sorted({s.urn for s in touched if name in (s.id, s.urn)})
    if not urns:
        hint = nearest(name, [s.id for s in touched]) or "leave it out, or write Kind/name or Kind/namespace/name"
        yield UsageError(f"--allow-delete: the plan neither deletes, replaces nor weakens {name}", hint=hint)
    elif len(urns) > 1:
        problem = f"--allow-delete: {name} is {len(urns)} objects of the plan: {', '.join(urns)}"
        yield UsageError(problem, hint="allow each by its URN")
