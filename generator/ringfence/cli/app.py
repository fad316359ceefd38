"""The `ringfence` command: its commands by name, loaded when one is called."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from typing import Any

import click

from ringfence import __version__
from ringfence.cli.console import console
from ringfence.errors import RingfenceError

USAGE = 64

# name -> what it does, in the order of a first day's work. Modules are `cli/<name>.py`.
COMMANDS = {
    "init": "Write a first cluster.yaml.",
    "render": "cluster.yaml to a tree of hardened objects.",
    "check": "Findings on a tree or any manifests.",
    "explain": "Why a control, object or field is as it is, and how to change it.",
    "verify": "What a running cluster refuses, control by control.",
    "list": "Profiles, controls, frameworks, components, exceptions.",
    "sandbox": "A disposable control plane that runs a cluster's host files.",
    "schema": "JSON Schema of a document, for editors.",
    "doctor": "What this machine and this directory have and lack.",
    "version": "Version of ringfence and of what it carries.",
    "completion": "Shell completion.",
}


class _Commands(click.Group):
    """Commands whose modules are imported when they run, so that --help is instant."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(f"ringfence.cli.{cmd_name}").command
        return command

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        if args and args[0] not in COMMANDS and not args[0].startswith("-") and not ctx.resilient_parsing:
            from ringfence.errors import UsageError, nearest

            raise UsageError(f'unknown command "{args[0]}"', hint=nearest(args[0], COMMANDS))
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, "-V", "--version", message="ringfence %(version)s")
@click.option("-q", "--quiet", is_flag=True, help="Only data and errors.")
@click.option("-v", "--verbose", is_flag=True, help="Say more.")
@click.option("--color", type=click.Choice(["auto", "always", "never"]), default="auto", help="NO_COLOR is honoured.")
@click.option("--debug", is_flag=True, help="Tracebacks.")
def app(quiet: bool, verbose: bool, color: str, debug: bool) -> None:
    """Hardened Kubernetes cluster bootstraps from a named profile.

    stdout is data, stderr is talk. Exit codes: 0 fine, 1 tool error, 3 findings, 4 stale tree or lock,
    5 expired or unmatched exception, 6 not everything analysed, under --strict, 64 usage, 65 invalid input.
    """
    console.configure(quiet=quiet, verbose=verbose, color=color, debug=debug)


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit with its code."""
    sys.exit(run(arguments))


def run(arguments: list[str] | None = None) -> int:
    """Run the command line; returns the exit code of the table in docs/usage.md."""
    try:
        result = app.main(args=arguments, prog_name="ringfence", standalone_mode=False)
        sys.stdout.flush()
    except RingfenceError as bad:
        return _fail(bad, bad.exit_code, bad.line())
    except click.exceptions.Abort:
        return _fail(None, 1, "error: interrupted")
    except click.UsageError as bad:
        return _usage(bad)
    except click.ClickException as bad:
        return _fail(bad, 1, f"error: {bad.format_message()}")
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the interpreter flushes once more at exit
        return 1
    except RecursionError as bad:
        return _fail(bad, 65, "error: the input is nested too deeply")
    except OSError as bad:
        place = f"{bad.filename}: " if bad.filename else ""
        return _fail(bad, 1, f"{place}error: {(bad.strerror or str(bad)).lower()}")
    except Exception as bad:  # noqa: BLE001 # the last resort of a program
        message = (
            f"error: {type(bad).__name__}: {bad}; this is a bug in ringfence: run again with --debug and report it"
        )
        return _fail(bad, 1, message)
    return result if isinstance(result, int) else 0


def _usage(bad: click.UsageError) -> int:
    """Click's refusal on one line; bare `ringfence` gets the help it asks for."""
    if isinstance(bad, click.exceptions.NoArgsIsHelpError):
        sys.stderr.write(bad.format_message() + "\n")
        return USAGE
    message = " ".join(bad.format_message().split()).rstrip(".")
    hint = f"; see `{bad.ctx.command_path} --help`" if bad.ctx else ""
    return _fail(None, USAGE, f"error: {message}{hint}")


def _fail(bad: BaseException | None, code: int, line: str) -> int:
    if bad is not None and console.debug:
        import traceback

        traceback.print_exception(bad, file=sys.stderr)
    console.error(line)
    return code
