"""Exceptions that have expired. They fail a run, and never change what it makes."""

from __future__ import annotations

from ringfence.errors import ExceptionError
from ringfence.spec.facts import Cluster


def expired(cluster: Cluster, as_of: str) -> list[ExceptionError]:
    """One error for each exception whose last day is before `as_of` (ISO dates compare as text)."""
    return [
        ExceptionError(
            f'exception "{e.name}" of {e.owner} expired on {e.expires}',
            place=e.places["expires"],
            hint=f"fix the cause ({e.ticket}) and remove it, or renew it with a new date",
        )
        for e in cluster.exemptions
        if e.expires < as_of
    ]
