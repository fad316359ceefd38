"""What holds for every command: instant help, one-line errors, exit codes, streams."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from helpers import ROOT

from ringfence.cli import app
from ringfence.cli.app import COMMANDS

ENV = {k: v for k, v in os.environ.items() if k != "PYTHONUNBUFFERED"} | {"PYTHONPATH": str(ROOT / "generator")}
HEAVY = ("jinja2", "pydantic", "rich", "jsonschema_rs", "yaml")
CALL = "from ringfence.cli import main; main()"


def run(*arguments: str, **options: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", CALL, *arguments]
    return subprocess.run(command, env=ENV, capture_output=True, text=True, check=False, **options)  # type: ignore[call-overload,no-any-return]


@pytest.mark.parametrize("arguments", [[], *([c] for c in COMMANDS)], ids=lambda a: " ".join(a) or "ringfence")
def test_help_is_instant(arguments: list[str]) -> None:
    code = (
        "import sys; from ringfence.cli.app import run; code = run([*sys.argv[1:], '--help'])\n"
        f"print([m for m in {HEAVY} if m in sys.modules], file=sys.stderr); sys.exit(code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], env=ENV, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "[]\n")
    assert done.stdout.startswith("Usage: ringfence ")


@pytest.mark.parametrize("name", COMMANDS)
def test_a_module_keeps_its_command(name: str) -> None:
    command = app.app.get_command(app.click.Context(app.app), name)
    assert command is not None
    assert command.name == name
    assert command.short_help == COMMANDS[name]


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["rendr"], 'error: unknown command "rendr"; did you mean "render"?'),
        (["check", "--fail-on", "x"], "error: Invalid value for '--fail-on': 'x' is not one of"),
        (["explain"], "error: Missing argument 'WHAT'; see `ringfence explain --help`"),
        (["completion"], "error: Missing argument '{bash|zsh|fish}'. Choose from: bash, zsh, fish; see"),
        (["render", "--frob"], "error: No such option"),
        (["list", "x"], 'error: can\'t list "x"; choose one of: '),
        (["list", "framework"], "error: list framework needs its name"),
        (["list", "profiles", "x"], 'error: "x" is one word too many'),
        (["list", "--as-of", "1.2."], 'error: --as-of: "1.2." is no date; write it as YYYY-MM-DD'),
        (["schema", "clustr"], 'error: there is no schema of "clustr"; did you mean "cluster"?'),
    ],
    ids=lambda v: " ".join(v) if isinstance(v, list) else "",
)
def test_a_usage_error_is_one_line_and_64(arguments: list[str], line: str, capsys: pytest.CaptureFixture[str]) -> None:
    code = app.run(arguments)
    out, err = capsys.readouterr()
    assert (code, out, err.count("\n")) == (64, "", 1)
    assert err.startswith(line)


def test_no_command_shows_the_help_and_is_a_usage_error() -> None:
    done = run()
    assert (done.returncode, done.stdout) == (64, "")
    assert done.stderr.startswith("Usage: ringfence ")


def test_a_bug_is_one_line_without_debug(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    from ringfence.cli import schema

    def broken(kind: str) -> Path:
        raise ZeroDivisionError(kind)

    monkeypatch.setattr(schema.bundled, "document_schema", broken)
    assert app.run(["schema"]) == 1
    line = "error: ZeroDivisionError: cluster; this is a bug in ringfence: run again with --debug and report it\n"
    assert capsys.readouterr().err == line
    assert app.run(["--debug", "schema"]) == 1
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize("pipe", ["schema cluster | head -c 1 >/dev/null", "version | true"])
def test_a_closed_pipe_ends_quietly(pipe: str) -> None:
    done = subprocess.run(
        ["/bin/sh", "-c", f'"$0" -c "$1" {pipe}', sys.executable, CALL],
        env=ENV,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""


def test_interrupting_is_one_line() -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", CALL, "check", "-"],
        env=ENV,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        time.sleep(1.5)  # it reads stdin by now
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)
    assert (process.returncode, out, err.strip()) == (1, "", "error: interrupted")


@pytest.mark.parametrize("environment", [{"NO_COLOR": "1"}, {"TERM": "dumb"}], ids=str)
def test_colour_stays_away(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    from ringfence.cli.console import Console

    class Terminal:
        def isatty(self) -> bool:
            return True

    for name in ("NO_COLOR", "TERM"):
        monkeypatch.delenv(name, raising=False)
    console = Console()
    assert console.color(Terminal())
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert not console.color(Terminal())
    console.configure(quiet=False, verbose=False, color="always", debug=False)
    assert console.color(Terminal())


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_script(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert app.run(["completion", shell]) == 0
    assert "_RINGFENCE_COMPLETE" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "offered"),
    [("ringfence ex", "plain,explain"), ("ringfence check --fail", "plain,--fail-on"), ("ringfence nothing x", "")],
)
def test_completion_offers(words: str, offered: str) -> None:
    env = {
        **ENV,
        "COMP_WORDS": words,
        "COMP_CWORD": str(len(words.split()) - 1),
        "_RINGFENCE_COMPLETE": "bash_complete",
    }
    done = subprocess.run([sys.executable, "-c", CALL], env=env, capture_output=True, text=True, check=False)
    assert (done.stdout.strip(), done.stderr) == (offered, "")
