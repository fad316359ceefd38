"""Where templates/, profiles/ and the JSON Schemas are: inside an installed wheel, or in a checkout."""

from __future__ import annotations

from pathlib import Path

from ringfence.errors import ToolError

_HERE = Path(__file__).resolve().parent


def root() -> Path:
    """The folder that holds `templates/` and `profiles/`; raises ToolError when the install is broken."""
    for folder in (_HERE / "_content", _HERE.parent.parent):
        if (folder / "templates").is_dir() and (folder / "profiles").is_dir():
            return folder
    raise ToolError(
        "templates/ and profiles/ are missing from this installation",
        hint="install the wheel again, or run from a checkout of the repository",
    )


def templates() -> Path:
    """The folder of controls."""
    return root() / "templates"


def profiles() -> Path:
    """The folder of shipped profiles."""
    return root() / "profiles"


def document_schema(kind: str) -> Path:
    """The JSON Schema of one of the user's documents, made from its pydantic model by `make docs`."""
    folder = root()
    inside = folder / "schema"
    return (inside if inside.is_dir() else folder / "docs" / "schema") / f"{kind}.json"
