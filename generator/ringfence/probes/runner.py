"""Pairs → verdicts: the refused twin is polled until its control refuses it, then its twin must pass."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Collection, Iterator, Sequence

from ringfence.build import Resolution
from ringfence.model import ResolvedControl, Stage
from ringfence.probes.bases import BASES
from ringfence.probes.channels import perform
from ringfence.probes.merge import difference, merged
from ringfence.probes.outcome import Outcome, Unprovable
from ringfence.probes.pairs import Pair, load_pairs
from ringfence.probes.places import NotApplicable, Places
from ringfence.probes.scene import Scene
from ringfence.probes.session import Session
from ringfence.render.renderer import in_range, selected
from ringfence.spec import Cluster
from ringfence.verdict import State, Verdict

PATIENCE = 20.0  # seconds from the start of a run within which every policy must have come into force
SETTLING = 5.0  # seconds until a role or ServiceAccount made for a probe works
TWIN = 1.0  # and within which a twin must pass that its other half's flood may have stood in the way of
RINGS = {
    "render": "the rendered objects show it: `ringfence check`",
    "engine": "ring engine: a cluster on which the policy engine runs",
    "node": "ring node: a cluster with a real node",
    "cni": "ring cni: a cluster whose network plugin enforces policies",
    "mesh": "ring mesh: a cluster with the mesh installed",
    "host": "ring host: a shell on the node",
    "cloud": "ring cloud: the provider's API",
}


def run_pairs(
    session: Session,
    resolution: Resolution,
    controls: Sequence[str] = (),
    *,
    patience: float = PATIENCE,
    settling: float = SETTLING,
    twin: float = TWIN,
    everywhere: bool = False,
    pairs: Collection[str] = (),
    seen: Callable[[Verdict], object] = id,
) -> list[Verdict]:
    """Verdicts on the pairs of these controls (all by default), in the catalogue's order; `seen` gets each at once.

    `everywhere` asks pairs of controls that emit something for each namespace in each of them, not in the first.
    `pairs` are names: none but those are asked. `patience`, `settling` and `twin` are seconds: see their defaults.
    """
    run = _Run(session, resolution, patience, settling, twin, everywhere, pairs)
    verdicts = []
    for control in resolution.controls:
        if controls and control.id not in controls:
            continue
        for verdict in run.control(control):
            seen(verdict)
            verdicts.append(verdict)
    return verdicts


def plan(
    cluster: Cluster, control: ResolvedControl, enforced: frozenset[str]
) -> Iterator[tuple[Pair | None, State | None, str]]:
    """What can be said before anything is asked: each pair, with a state and why where it is not to be run."""
    pairs = load_pairs(control.control)
    whole = _whole(cluster, control)
    if whole or not pairs:
        state, why = whole or (State.NOT_PROVABLE_HERE, _unprobed(control))
        for pair in pairs or (None,):
            yield pair, state, why
        return
    for pair in pairs:
        why = _elsewhere(cluster, control, pair, enforced)
        if why:
            yield pair, State.NOT_APPLICABLE, why
        elif pair.ring != "api":
            yield pair, State.NOT_PROVABLE_HERE, RINGS[pair.ring]
        else:
            yield pair, None, ""


def planned(resolution: Resolution, controls: Sequence[str] = ()) -> Iterator[tuple[Pair | None, State | None, str]]:
    """`plan` of every control, or of these."""
    enforced = frozenset(c.id for c in resolution.controls if c.stage is Stage.ENFORCE)
    for control in resolution.controls:
        if not controls or control.id in controls:
            yield from plan(resolution.cluster, control, enforced)


def _whole(cluster: Cluster, control: ResolvedControl) -> tuple[State, str] | None:
    """What holds for all pairs of a control: it is off, or somebody else's."""
    if control.stage is Stage.OFF:
        return State.NOT_APPLICABLE, f"its stage is off: {control.stage_source}"
    if list(selected(control, cluster)):
        return None
    managed = control.control.managed.get(cluster.distribution)
    if cluster.managed and managed:
        return State.PROVIDER_OWNED, str(managed)
    return State.NOT_APPLICABLE, f"it emits nothing on {cluster.distribution} with Kubernetes {cluster.kubernetes}"


def _unprobed(control: ResolvedControl) -> str:
    return f"it has no probe; {RINGS.get(control.control.proof[0], 'none is written yet')}"


def _elsewhere(cluster: Cluster, control: ResolvedControl, pair: Pair, enforced: frozenset[str]) -> str:
    if control.stage.value not in pair.stages:
        return f"for stage {' or '.join(pair.stages)}; here it is at {control.stage}"
    for name, value in pair.params.items():
        if control.params.get(name) != value:
            return f"for {name}: {value}; here it is {control.params.get(name)}"
    for name, items in pair.including.items():
        if difference(items, control.params.get(name)) is not None:
            return f"for {name} with {items}"
    for fact, values in pair.when.items():
        have = cluster.fact(fact)
        if not set(values) & ({have} if isinstance(have, str) else set(have)):
            return f"for {fact} {' or '.join(values)}"
    if not in_range(cluster.kubernetes, pair.kubernetes):
        return f"for Kubernetes {pair.kubernetes}"
    return next((f"{one} is enforced here, and refuses both twins" for one in pair.unless if one in enforced), "")


class _Run:
    """One call of `run_pairs`."""

    def __init__(
        self,
        session: Session,
        resolution: Resolution,
        patience: float,
        settling: float,
        twin: float,
        everywhere: bool,
        pairs: Collection[str],
    ) -> None:
        self._session, self._cluster, self._settling, self._twin = session, resolution.cluster, settling, twin
        self._everywhere, self._names = everywhere, pairs
        self._deadline = time.monotonic() + patience
        self._enforced = frozenset(c.id for c in resolution.controls if c.stage is Stage.ENFORCE)
        session.own_accounts = "sa-per-workload" in self._enforced

    def control(self, control: ResolvedControl) -> Iterator[Verdict]:
        for pair, state, why in plan(self._cluster, control, self._enforced):
            if self._names and (pair is None or pair.name not in self._names):
                continue
            start = time.monotonic()
            if pair is not None and state is None:
                state, why = self._pair(pair, control)
            about = (control.id, control.control.title, control.control.severity.value)
            name, ring = (pair.name, pair.ring) if pair else ("", "")
            yield Verdict(*about, name, state or State.FAILED, why, control.stage.value, ring, time.monotonic() - start)

    def _pair(self, pair: Pair, control: ResolvedControl) -> tuple[State, str]:
        """In one place, or in each until one has something else to say than that it is proved."""
        try:
            places = Places(self._cluster, (pair.refuse, pair.admit, *_as_requests(pair)), control.excepted_namespaces)
        except NotApplicable as reason:
            return State.NOT_APPLICABLE, str(reason)
        each = self._everywhere and any(row.each == "namespace" for row in selected(control, self._cluster))
        asked: list[str] = []
        for one in places.everywhere() if each else [places]:
            state, why = self._tried(pair, control, one)
            asked = [*(asked if state is State.PROVED else ()), *sorted(one.namespaces)]
            if state is not State.PROVED:
                break
        told = asked and state in (State.PROVED, State.FAILED)
        return state, f"{why}; asked in {', '.join(asked)}" if told else why

    def _tried(self, pair: Pair, control: ResolvedControl, places: Places) -> tuple[State, str]:
        began = time.monotonic()
        state, why = self._once(pair, control, places)
        if state is State.FAILED and pair.given and began < self._deadline:
            # What it is about may be how the given objects were made, and that was before policies were in force.
            state, why = self._once(pair, control, places)
        return state, why

    def _once(self, pair: Pair, control: ResolvedControl, places: Places) -> tuple[State, str]:
        given: list[str] = []
        before = self._session.fixtures.last_made
        try:
            scene = Scene(self._session, pair, control, places)
            given.extend(self._give(scene, pair))
            return self._twins(scene, pair, control.stage is Stage.AUDIT, before)
        except NotApplicable as reason:
            return State.NOT_APPLICABLE, str(reason)
        except Unprovable as reason:
            return State.NOT_PROVABLE_HERE, str(reason)
        finally:
            for path in reversed(given):
                self._session.fixtures.discard(path)

    def _give(self, scene: Scene, pair: Pair) -> Iterator[str]:
        for one in pair.given:
            namespace = scene.fill(one["namespace"]) if one["namespace"] else None
            raw = BASES[one["base"]] if one["base"] else one["object"]
            body = scene.fill(merged(raw, one["over"]), namespace)
            maker = scene.actor(one).connection()
            path = scene.fixtures.make(body, namespace, terminating=one["terminating"], maker=maker)
            yield path
            if one["patch"]:
                scene.fixtures.patch(path, scene.fill(one["patch"], namespace))

    def _twins(self, scene: Scene, pair: Pair, audit: bool, before: float) -> tuple[State, str]:
        """The refused twin, then the other; `before` is when the last thing was made that is not for this pair."""
        reason = scene.fill(pair.reason)
        wrong, refused = self._until(scene, pair, lambda outcome: _misses(outcome, reason, audit), "refuse")
        if wrong:
            return State.FAILED, wrong
        wrong, _ = self._until(scene, pair, lambda outcome: _fails(outcome, reason, audit), "admit")
        if not wrong and scene.fixtures.last_made > before and not pair.refuse["times"]:  # a burst spends what it wants
            # What was made may not have been known when this was refused; since the twin passed, it is.
            made = scene.fixtures.last_made
            refused = perform(scene, pair.refuse)
            wrong = _misses(refused, reason, audit)
            # Another refusal may be a hiccup, and what a try makes anew may not be known either.
            if wrong and (refused.refused or scene.fixtures.last_made > made):
                wrong, refused = self._until(scene, pair, lambda outcome: _misses(outcome, reason, audit), "refuse")
        return (State.FAILED, wrong) if wrong else (State.PROVED, _proof(refused, reason, audit))

    def _until(self, scene: Scene, pair: Pair, wrong: Callable[[Outcome], str], side: str) -> tuple[str, Outcome]:
        """Make a request until nothing is wrong with its outcome, or patience is over; at least once."""
        pause = 0.05
        late = max(self._deadline, time.monotonic() + self._twin if side == "admit" else 0.0)
        outcome = perform(scene, getattr(pair, side))
        late = max(late, self._session.fixtures.last_made + self._settling)  # of its first try: each may make some
        while (words := wrong(outcome)) and time.monotonic() < late:
            time.sleep(pause)
            pause = min(pause * 1.5, 0.5)
            outcome = perform(scene, getattr(pair, side))
        return words, outcome


def _as_requests(pair: Pair) -> Iterator[dict[str, object]]:
    for one in pair.given:
        yield {"who": None, **one}


def _misses(outcome: Outcome, reason: str, audit: bool) -> str:
    """What is wrong with the refused twin's outcome; nothing when it is as wanted."""
    if audit:
        if outcome.refused:
            return f"refused at stage audit: {outcome.text}"
        return "" if any(reason in w for w in outcome.warnings) else f'no warning says "{reason}"'
    if not outcome.refused:
        return f"not refused: {outcome.text}"
    return "" if _says(outcome.text, reason) else f'refused, and not because of "{reason}": {outcome.text}'


def _says(text: str, reason: str) -> bool:
    """Does a text hold a reason? One that is only a code it must begin with: names of a run hold such digits, too."""
    return text.startswith(f"{reason} ") if re.fullmatch("[0-9]{3}", reason) else reason in text


def _fails(outcome: Outcome, reason: str, audit: bool) -> str:
    """What is wrong with the admitted twin's outcome."""
    if outcome.refused:
        return f"its twin is refused too: {outcome.text}"
    if audit and any(reason in w for w in outcome.warnings):
        return f'its twin is warned too: "{reason}"'
    return ""


def _proof(refused: Outcome, reason: str, audit: bool) -> str:
    text = next((w for w in refused.warnings if reason in w), "") if audit else refused.text
    start = max(text.find(reason) - 60, 0)
    return ("warned: " if audit else "refused: ") + text[start : start + 240] + "; its twin passed"
