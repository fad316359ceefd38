"""Group-versions of one stability that the API server serves."""

from __future__ import annotations

import re

from ringfence.probes.outcome import Outcome
from ringfence.probes.pairs import Request
from ringfence.probes.scene import Scene

_STABILITY = {
    "alpha": re.compile(r"v\d+alpha\d+"),
    "beta": re.compile(r"v\d+beta\d+"),
    "stable": re.compile(r"v\d+"),
}


def perform(scene: Scene, request: Request) -> Outcome:
    """Refused when nothing of this stability is served but what is allowed."""
    wanted = request["discovery"]
    pattern = _STABILITY[wanted["stability"]]
    allowed = scene.fill(wanted["allowed"])
    found = [gv for gv in scene.resources.group_versions if pattern.fullmatch(gv.rpartition("/")[2])]
    served = [gv for gv in found if gv not in allowed]
    if not served:
        return Outcome(True, f"serves no {wanted['stability']} group-version")
    return Outcome(False, f"serves {', '.join(served)}")
