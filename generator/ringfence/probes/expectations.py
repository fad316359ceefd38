"""What an answer is held to beyond its code: fields, headers, a token's lifetime, its audit event."""

from __future__ import annotations

from collections.abc import Iterator

from ringfence.probes.api import Answer
from ringfence.probes.merge import difference
from ringfence.probes.outcome import Outcome
from ringfence.probes.pairs import Request
from ringfence.probes.scene import Scene


def judge(scene: Scene, request: Request, answer: Answer, start: int, namespace: str | None = None) -> Outcome:
    """An answer as outcome: refused when it is not as the request wants it.

    `start` is where the audit log ended before the request.
    """
    text = next(_differences(scene, request, answer, start, namespace), None)
    return Outcome(text is not None, text or answer.text, answer.warnings)


def _differences(scene: Scene, request: Request, answer: Answer, start: int, namespace: str | None) -> Iterator[str]:
    if request["returns"] is not None:
        found = difference(scene.fill(request["returns"], namespace), answer.data)
        if found:
            yield f"returned {found}"
    if request["contains"]:
        wanted = scene.fill(request["contains"], namespace)
        if wanted.encode() not in answer.body:
            yield f'the answer holds no "{wanted}"'
    for name, value in scene.fill(request["header"], namespace).items():
        if answer.headers.get(name) != value:
            yield f"header {name}: {answer.headers.get(name)}"
    if request["lifetime"] is not None:
        issued, seconds = _lifetime(answer)
        if seconds != request["lifetime"]:
            yield f"the {issued} lives {seconds} s" if seconds else f"no {issued} is issued yet"
    if request["warned"] and not any(scene.fill(request["warned"], namespace) in w for w in answer.warnings):
        yield f"warned: {'; '.join(answer.warnings) or 'of nothing'}"
    if request["audited"]:
        yield from _audited(scene, request, answer, start, namespace)


def _lifetime(answer: Answer) -> tuple[str, int]:
    """What a TokenRequest or a CertificateSigningRequest was given, and the seconds from its start to its end."""
    from ringfence.probes import pki

    status = answer.data.get("status", {})
    if answer.data.get("kind") == "CertificateSigningRequest":
        return "certificate", pki.lifetime(status["certificate"]) if status.get("certificate") else 0
    claims = pki.claims_of(status["token"])
    return "token", int(claims["exp"]) - int(claims["iat"])


def _audited(scene: Scene, request: Request, answer: Answer, start: int, namespace: str | None) -> Iterator[str]:
    wanted = scene.fill(request["audited"], namespace)
    event = scene.audit_event(answer.headers.get("Audit-Id", ""), wanted, start)
    if event is None:
        yield "no audit event"
        return
    bodies = [b for b in ("requestObject", "responseObject") if b in event]
    differs = difference(wanted["event"], event)
    if differs:
        yield f"audited {differs}"
    if set(wanted["has"]) - set(bodies):
        yield f"audited at {event['level']} with {' and '.join(bodies) or 'no body'}"
