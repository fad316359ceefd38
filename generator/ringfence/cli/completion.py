"""`ringfence completion`: a script that completes commands and options in a shell."""

from __future__ import annotations

import click

from ringfence.cli.console import console

_LINES = {
    "bash": 'eval "$(ringfence completion bash)"  # in ~/.bashrc',
    "zsh": 'eval "$(ringfence completion zsh)"   # in ~/.zshrc',
    "fish": "ringfence completion fish | source   # in ~/.config/fish/config.fish",
}


@click.command("completion", short_help="Shell completion.", epilog="\b\n" + "\n".join(_LINES.values()))
@click.argument("shell", type=click.Choice(list(_LINES)))
def command(shell: str) -> None:
    """Print a completion script for SHELL."""
    from click.shell_completion import get_completion_class

    from ringfence.cli.app import app

    made = get_completion_class(shell)
    assert made is not None  # noqa: S101 # Click knows the three shells
    console.data(made(app, {}, "ringfence", "_RINGFENCE_COMPLETE").source() + "\n")
