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
    """The life of an example by its name; one that went wrong is not lived again."""

    @cache
    def lived(example: str) -> Life | Exception:
        try:
            return live(example, tmp_path_factory.mktemp(example), tools)
        except Exception as bad:  # noqa: BLE001 # whatever it was, every test about this life fails by it
            return bad

    def of(example: str) -> Life:
        found = lived(example)
        if isinstance(found, Exception):
            raise found
        return found

    return of
