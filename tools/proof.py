"""Write docs/proof.md from what the cluster suite left in .proof/; with --check, fail when the page says anything else.

The page holds no times and no random names, so that two runs of the same tree give the same text.
"""

from __future__ import annotations

import json
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "generator"))

from ringfence import bundled  # noqa: E402 # needs the path above in a bare checkout
from ringfence.catalog import load_catalog  # noqa: E402
from ringfence.model import Control  # noqa: E402

RUN = ROOT / ".proof"
PAGE = ROOT / "docs" / "proof.md"
EXAMPLES = ("zero-trust", "production", "minimal")  # the first that proves a control is named
RINGS = {
    "render": "the rendered objects, in tests without a server",
    "engine": "the policy engine's own command line",
    "node": "a node with a kubelet",
    "cni": "traffic through a network plugin",
    "mesh": "traffic through the mesh",
    "host": "a shell on a host",
    "cloud": "the cloud's API",
}
HOW = {  # tests/cluster/bed.py
    "pair": "by a pair of their control",
    "start": "by a component, which refuses the setting and ends",
    "verify": "by `ringfence verify`, which is not let in any more",
    "files": "by the files that are kept beside the audit log",
}
REASONS = ("not-applicable", "provider-owned", "not-provable-here")
HEAD = """\
<!-- Made by `make proof` from a run of tests/cluster; change those. -->

# Proof

What the committed tree showed on real control planes, run from its own host files. A control is *proved* when every
pair of its probes came out right: a request that it must refuse was refused for its reason, and the twin that differs
in that one thing was admitted; it is *proved in part* where some pairs ask for what these control planes lack. A
*mutant* is the tree with one object, fragment, flag or file removed, or one setting flipped as a mistake would, in
force on a real control plane. It is noticed when a pair of its control fails; when a component refuses the setting and
ends; when `ringfence verify` itself is no longer let in; or by the files that are kept beside the audit log. The
figures tell these apart."""
ABOUT = {
    "Controls": "Removals and flips are those noticed, of all. Only controls whose first proof is a request have them.",
    "Survivors": "Mutants that nobody notices where they are in force, and why. Of some there is nothing to notice: "
    "another part of the tree enforces the same.",
    "Removals that change nothing": "The component's own default is the same value, in the version of the run.",
    "Pod Security": "The fixtures of k8s.io/pod-security-admission in namespaces that ringfence makes, each pinned to "
    "the version of its folder. Only Pod Security's own verdict is judged.",
    "kube-bench": "The benchmark cis-1.12 with its own, unmodified configuration, on the processes and files of "
    "examples/zero-trust; and, as the control of the judge, on a control plane that nobody hardened.",
    "Traps": "What makes hardening generators wrong in practice.",
    "Not made yet": "Rows of the catalogue that no folder of templates/ makes.",
}


class Missing(Exception):
    """A part of the run that is not there."""


def left(name: str) -> Any:
    """What the suite left in `.proof/<name>.json`."""
    file = RUN / f"{name}.json"
    if not file.is_file():
        raise Missing(f".proof/{name}.json: error: missing; run `make proof`, which runs the cluster suite")
    return json.loads(file.read_text(encoding="utf-8"))


def listed(path: str) -> Any:
    """A committed list."""
    return yaml.safe_load((ROOT / path).read_text(encoding="utf-8")) or []


@dataclass
class Proof:
    """What is known of one control: states of its pairs by example, mutants by kind."""

    pairs: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    why: dict[str, list[tuple[str, str]]] = field(default_factory=lambda: defaultdict(list))
    mutants: Counter[tuple[str, bool]] = field(default_factory=Counter)

    def killed(self, kind: str) -> str:
        """Killed of all, such as `4/4`; empty where there is none."""
        dead, alive = self.mutants[kind, True], self.mutants[kind, False]
        return f"{dead}/{dead + alive}" if dead + alive else ""


def proofs(runs: Mapping[str, Any], mutants: Iterable[Mapping[str, Any]]) -> dict[str, Proof]:
    """What is known by control."""
    found: dict[str, Proof] = defaultdict(Proof)
    for example, run in runs.items():
        for one in run["verdicts"]:
            found[one["control"]].pairs[example][one["state"]] += 1
            if one["state"] in REASONS:
                found[one["control"]].why[example].append((one["state"], one["detail"]))
    for one in mutants:
        found[one["control"]].mutants[one["kind"], bool(one["how"])] += 1
    return found


def row(control: Control, known: Proof) -> str:
    """A control's line of the table."""
    state, by = verdict(control, known)
    cells = (f"`{control.id}`", state, by, known.killed("removal"), known.killed("flip"))
    return f"| {' | '.join(cells)} |"


def verdict(control: Control, known: Proof) -> tuple[str, str]:
    """`proved` and by what, or what it is and why."""
    for example in EXAMPLES:
        if known.pairs[example]["failed"]:
            return "**failed**", f"see `ringfence verify examples/{example}`"
    for example in EXAMPLES:
        if number := known.pairs[example]["proved"]:
            unasked = [why for state, why in known.why[example] if state != "not-applicable"]
            if unasked:
                whole = number + len(unasked)
                return "proved in part", f"{number} of {whole} pairs of requests on {example}; {unasked[0]}"
            return "proved", f"{number} {'pair' if number == 1 else 'pairs'} of requests on {example}"
    ring = control.proof[0]
    if ring != "api":
        return "not here", f"{RINGS[ring]} would show it"
    reasons = [why for example in EXAMPLES for _, why in known.why[example]]
    return "not yet", reasons[0] if reasons else "no example has it"


def figures(runs: Mapping[str, Any], mutants: Mapping[str, Any]) -> Iterator[str]:
    """The page's first table."""
    yield from ("| what | figure |", "|---|---|")
    for example, run in runs.items():
        s = run["summary"]
        rest = ", ".join(f"{s[state]} {state.replace('-', ' ')}" for state in REASONS if s.get(state))
        yield f"| `ringfence verify` of examples/{example} | {s['proved']} proved, {s['failed']} failed, {rest} |"
    rows = {one["mutant"]: one for one in listed("tests/cluster/survivors.yaml")}
    for kind, name in (("removal", "removals"), ("flip", "flipped settings")):
        yield from _noticed(name, [m for m in mutants["mutants"] if m["kind"] == kind], rows)
    yield f"| removals that change nothing, not counted above | {len(mutants['defaults'])} |"


def _noticed(name: str, mine: list[Mapping[str, Any]], rows: Mapping[str, Any]) -> Iterator[str]:
    """Mutants of one kind, by who noticed them."""
    alive = [rows.get(f"{m['control']}: {m['what']}", {}) for m in mine if not m["how"]]
    same, elsewhere = (sum(key in one for one in alive) for key in ("equivalent", "noticed_by"))
    real, dead = len(mine) - same, len(mine) - len(alive)
    yield f"| {name} that something would notice | {real}, and {same} after which the same is enforced (below) |"
    yield f"| … noticed where they are in force | {dead}, {100 * dead / real:.1f} % |"
    for how, words in HOW.items():
        if number := sum(m["how"] == how for m in mine):
            yield f"| … … {words} | {number}, {100 * number / real:.1f} % |"
    yield f"| … noticed by another test, or by nobody | {elsewhere}, {real - dead - elsewhere} |"


def survivors() -> Iterator[str]:
    """Mutants that no probe notices, each with its reason and, where another test notices it, which."""
    yield from ("| mutant | why | noticed by |", "|---|---|---|")
    for one in listed("tests/cluster/survivors.yaml"):
        nobody = "nothing to notice" if one.get("equivalent") else "nobody"
        by = f"`{one['noticed_by']}`" if "noticed_by" in one else nobody
        yield f"| {one['mutant']} | {' '.join(one['reason'].split())} | {by} |"


def defaults(mutants: Mapping[str, Any]) -> Iterator[str]:
    """Removals that change nothing."""
    for one in sorted(mutants["defaults"], key=lambda m: (m["control"], m["what"])):
        yield f"- `{one['control']}`: {one['what']}"


def pod_security() -> Iterator[str]:
    """Pod Security's fixtures by folder."""
    yield from (
        "| folder | must be | denied by Pod Security | admitted | refused by another control | invalid anywhere |",
    )
    yield "|---|---|---|---|---|---|"
    for one in left("pod-security"):
        cells = (one["folder"], one["must_be"], one["denied"], one["admitted"], one["others"], one["invalid"])
        yield f"| {' | '.join(str(c) for c in cells)} |"


def traps() -> Iterator[str]:
    """What makes generators wrong in practice, and which test shows it."""
    yield from ("| trap | shown by |", "|---|---|")
    for one in listed("tests/traps.yaml"):
        shown = f"`{one['test']}`" if "test" in one else f"not here: {one['ring']}; {one['why']}"
        yield f"| {one['trap']}. {one['title']} | {shown} |"


def catalogue() -> Iterator[str]:
    """Rows that are not made yet."""
    yield from ("| control | asks | proved first by | waits for |", "|---|---|---|---|")
    for area in listed("docs/catalogue.yaml"):
        for id_, one in area["controls"].items():
            ring = RINGS.get(one["ring"], "requests to an API server")
            yield f"| `{id_}` | {one['asks']} | {ring} | {area['waits_for']} |"


def page() -> str:
    """The whole document."""
    runs = {example: left(f"verify-{example}") for example in EXAMPLES}
    mutants = left("mutants")
    known = proofs(runs, mutants["mutants"])
    controls = load_catalog((bundled.templates(),))
    bodies = {
        "": figures(runs, mutants),
        "Controls": chain(
            ("| control | state | by | removals | flips |", "|---|---|---|---|---|"),
            (row(c, known[c.id]) for c in controls),
        ),
        "Survivors": survivors(),
        "Removals that change nothing": defaults(mutants),
        "Pod Security": pod_security(),
        "kube-bench": kube_bench(),
        "Traps": traps(),
        "Not made yet": catalogue(),
    }
    parts = [HEAD]
    for title, body in bodies.items():
        parts += [f"## {title}", ABOUT[title]] if title else []
        parts.append("\n".join(body))
    return "\n\n".join(parts) + "\n"


def kube_bench() -> Iterator[str]:
    """What the judge said of the example, and of a control plane that nobody hardened."""
    run, reasons = left("kube-bench"), listed("tests/cluster/kube_bench.yaml")
    yield from ("| control plane | pass | fail | warn |", "|---|---|---|---|")
    for name, one in run.items():
        yield f"| {name} | {one['pass']} | {one['fail']} | {one['warn']} |"
    yield ""
    for one in reasons:
        yield f"- {one['check']} {one['state']}: {one['reason']}"


def main(arguments: list[str]) -> int:
    """Run as a command; returns the exit code."""
    if arguments not in ([], ["--check"]):
        sys.stderr.write("usage: proof.py [--check]\n")
        return 64
    try:
        text = page()
    except Missing as missing:
        sys.stderr.write(f"{missing}\n")
        return 1
    if not arguments:
        PAGE.write_text(text, encoding="utf-8")
        sys.stderr.write("wrote docs/proof.md\n")
    elif not PAGE.is_file() or PAGE.read_text(encoding="utf-8") != text:
        sys.stderr.write("docs/proof.md: error: not what this run showed; run `make proof` and read what changed\n")
        return 4
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
