"""The command line. The only code that prints, reads the environment, asks the clock or exits."""

from __future__ import annotations

from ringfence.cli.app import main

__all__ = ["main"]
