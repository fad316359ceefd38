"""How tests are shared out between processes."""

from __future__ import annotations

import signal
from typing import Any

import pytest
import together

# A shell that starts us in the background has us ignore interrupts, and so would every program that a test interrupts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(optionalhook=True)  # xdist's, which need not be there
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    return together.scheduler(config, log) if config.getoption("dist") == "load" else None  # what -n alone means
