"""YAML in, with a position for every value, and YAML out. The only importer of `yaml`."""

from ringfence.documents.reading import (
    FAST,
    MAX_BYTES,
    MAX_DEPTH,
    MAX_NODES,
    Document,
    Path,
    load,
    load_all,
    load_marked,
)
from ringfence.documents.writing import dump, emit, quote, scalar

__all__ = [
    "FAST",
    "MAX_BYTES",
    "MAX_DEPTH",
    "MAX_NODES",
    "Document",
    "Path",
    "dump",
    "emit",
    "load",
    "load_all",
    "load_marked",
    "quote",
    "scalar",
]
