"""`ringfence version`: of ringfence and of what it carries."""

from __future__ import annotations

import json
import platform

import click

from ringfence import __version__, bundled
from ringfence.cli.console import console
from ringfence.cli.inputs import json_option
from ringfence.model import PROFILES
from ringfence.schemas import SUPPORTED


@click.command("version", short_help="Version of ringfence and of what it carries.")
@json_option
def command(output: str) -> None:
    """Print the version of ringfence, of Python, and what this installation carries."""
    controls = sum(1 for _ in bundled.templates().glob("*/*/control.yaml"))
    facts = {
        "ringfence": __version__,
        "python": platform.python_version(),
        "kubernetes": list(SUPPORTED),
        "profiles": list(PROFILES),
        "controls": controls,
    }
    if output == "json":
        console.data(json.dumps(facts, indent=2) + "\n")
        return
    console.data(
        f"ringfence {__version__}, Python {platform.python_version()}\n"
        f"schemas of Kubernetes {SUPPORTED[0]} to {SUPPORTED[-1]}\n"
        f"{controls} controls in {len(PROFILES)} profiles: {', '.join(PROFILES)}\n"
    )
