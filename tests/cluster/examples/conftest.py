"""The lives of the examples, each lived once."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import pytest
from cluster.lifecycle import Life, live

from ringfence.sandbox import Tools

Lives = Callable[[str], Life]


@pytest.fixture(scope="package")
def life(tools: Tools, pulumi: None, tmp_path_factory: pytest.TempPathFactory) -> Lives:
    """The life of an example by its name."""
    return cache(lambda example: live(example, tmp_path_factory.mktemp(example), tools))
