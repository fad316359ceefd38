"""`ringfence schema`: the JSON Schema of a document."""

from __future__ import annotations

import click

from ringfence import bundled
from ringfence.cli.console import console
from ringfence.errors import UsageError, nearest

KINDS = ("cluster", "profile", "control", "probes", "findings", "verdicts")


@click.command("schema", short_help="JSON Schema of a document, for editors.")
@click.argument("kind", default="cluster", metavar="[" + "|".join(KINDS) + "]")
def command(kind: str) -> None:
    """Print the JSON Schema of cluster.yaml, or of another document.

    findings is what `ringfence check -o json` writes, verdicts what `ringfence verify -o json` does.
    """
    if kind not in KINDS:
        raise UsageError(f'there is no schema of "{kind}"', hint=nearest(kind, KINDS))
    console.data(bundled.document_schema(kind).read_text(encoding="utf-8"))
