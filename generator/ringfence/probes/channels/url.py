"""A URL that is no resource."""

from __future__ import annotations

from ringfence.probes import expectations
from ringfence.probes.outcome import Outcome
from ringfence.probes.pairs import Request
from ringfence.probes.scene import Scene


def perform(scene: Scene, request: Request) -> Outcome:
    """Refused on any answer over 299, or when the answer is not as expected."""
    api = scene.actor(request).connection()
    start = scene.audit_position()
    answer = api.call(request["method"] or "GET", scene.fill(request["path"]), accept="*/*")
    if not answer.ok:
        return Outcome(True, answer.text, answer.warnings)
    return expectations.judge(scene, request, answer, start)
