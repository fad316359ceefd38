"""How tests are shared out between processes."""

from __future__ import annotations

from typing import Any

import pytest
import together


@pytest.hookimpl(optionalhook=True)  # xdist's, which need not be there
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    return together.scheduler(config, log) if config.getoption("dist") == "load" else None  # what -n alone means
