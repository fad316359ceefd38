"""Regenerate docs/schema/*.json and docs/controls.md; with --check, fail when one of them is stale.

The schemas come from the pydantic models of `ringfence.spec`, the page from the catalogue.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "generator"))

from ringfence import bundled  # noqa: E402 # needs the path above in a bare checkout
from ringfence.catalog import load_catalog  # noqa: E402
from ringfence.errors import RingfenceError  # noqa: E402
from ringfence.reference import page  # noqa: E402
from ringfence.spec import judge  # noqa: E402


def schemas() -> Iterator[tuple[Path, str]]:
    """Path and text of every JSON Schema."""
    for kind in judge.KINDS:
        yield ROOT / "docs" / "schema" / f"{kind}.json", json.dumps(judge.json_schema(kind), indent=2) + "\n"


def controls() -> Iterator[tuple[Path, str]]:
    """Path and text of the reference of controls."""
    yield ROOT / "docs" / "controls.md", page(load_catalog((bundled.templates(),)))


def stale(path: Path, text: str) -> bool:
    """Does the file differ from what it is made from?"""
    return not path.is_file() or path.read_text(encoding="utf-8") != text


def main(arguments: list[str]) -> int:
    """Run as a command; returns the exit code."""
    if arguments not in ([], ["--check"]):
        sys.stderr.write("usage: docs.py [--check]\n")
        return 64
    try:
        return refresh(check=bool(arguments))
    except RingfenceError as bad:
        sys.stderr.write(bad.line() + "\n")
        return bad.exit_code


def refresh(check: bool) -> int:
    """Write what is stale, schemas first: the catalogue is judged by them. With `check` only name it; exit code."""
    found = 0
    for made in (schemas, controls):
        for path, text in made():
            if not stale(path, text):
                continue
            found += 1
            shown = path.relative_to(ROOT).as_posix()
            if check:
                sys.stderr.write(f"{shown}: error: stale; run `make docs`\n")
            else:
                path.write_text(text, encoding="utf-8")
                sys.stderr.write(f"wrote {shown}\n")
    return 4 if check and found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
