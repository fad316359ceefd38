"""The same tree by several processes: each builds, validates and stages a part of the namespaces.

Forked, so that catalogue, templates and schemas are loaded once. Only digests and errors come back.
"""

from __future__ import annotations

import os
import pickle
import signal
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from ringfence.errors import Errors, InputError, RingfenceError, ToolError, raise_all
from ringfence.model import Bundle
from ringfence.sinks.index import ShapeTable
from ringfence.sinks.tree import Changes, Row, Tree, companion_rows, disk_error, opened

Part = Callable[[tuple[int, int]], Bundle]
_Staged = tuple[list[Row], ShapeTable]


def write_parts(part: Part, directory: Path, check: bool, jobs: int) -> tuple[Changes, Bundle]:
    """Write (or compare) a tree in `jobs` processes; of the objects, the bundle has those of part 0."""
    children: list[tuple[int, int]] = []
    errors: list[RingfenceError] = []
    bundle: Bundle | None = None
    shapes = ShapeTable()
    rows: list[Row] = []
    with opened(directory, check) as tree:
        try:
            children.extend(_start(tree, part, (number, jobs)) for number in range(1, jobs))
            try:
                bundle = part((0, jobs))
                rows = tree.put_bundle(bundle, shapes)
            except RingfenceError as bad:
                errors.append(bad)
            while children:
                outcome = _collect(*children.pop())
                if isinstance(outcome, RingfenceError):
                    errors.append(outcome)
                else:
                    rows.extend(Row(*row) for row in outcome[0])
                    shapes.update(outcome[1])
        finally:
            _end(children)
        _raise_flat(errors)
        _raise_flat(_written_twice(rows))
        assert bundle is not None  # noqa: S101 # without errors there is one
        rows += companion_rows(tree, bundle, rows, shapes)
        unemitted = {id_: why for id_, why in bundle.unemitted.items() if id_ not in shapes.controls}
        return tree.finish(bundle.cluster.name, rows, shapes), replace(bundle, unemitted=unemitted)


def _end(children: list[tuple[int, int]]) -> None:
    """End those still at work: the parent was interrupted, and they would go on staging."""
    for pid, reader in children:
        os.close(reader)
        os.kill(pid, signal.SIGTERM)
        os.waitpid(pid, 0)


def _written_twice(rows: list[Row]) -> list[RingfenceError]:
    """Parts share out namespaces, so two of them never write one file; the later would undo the earlier."""
    twice = sorted(path for path, times in Counter(row.path for row in rows).items() if times > 1)
    return [
        InputError(
            f"several namespaces write into {path}",
            hint="a template with `each: namespace` writes into that namespace alone",
        )
        for path in twice
    ]


def _raise_flat(errors: list[RingfenceError]) -> None:
    """Parts of one cluster meet the same template error; each is said once."""
    flat: dict[str, RingfenceError] = {}
    for error in errors:
        for one in error.errors if isinstance(error, Errors) else (error,):
            flat.setdefault(one.line(), one)
    raise_all(list(flat.values()))


def _start(tree: Tree, part: Part, number: tuple[int, int]) -> tuple[int, int]:
    """A child at work: its pid and the pipe it will report on."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid:
        os.close(writer)
        return pid, reader
    status = 1
    try:
        os.close(reader)
        with os.fdopen(writer, "wb") as pipe:
            pickle.dump(_stage(tree, part, number), pipe, protocol=pickle.HIGHEST_PROTOCOL)
        status = 0
    finally:
        os._exit(status)  # no clean-up that belongs to the parent


def _stage(tree: Tree, part: Part, number: tuple[int, int]) -> _Staged | RingfenceError:
    shapes = ShapeTable()
    try:
        rows = tree.put_bundle(part(number), shapes)
    except RingfenceError as bad:
        return bad
    except OSError as bad:
        return disk_error(bad, tree.directory)
    return [tuple(row) for row in rows], shapes  # type: ignore[misc] # plain tuples pickle smaller


def _collect(pid: int, reader: int) -> _Staged | RingfenceError:
    with os.fdopen(reader, "rb") as pipe:
        data = pipe.read()
    _, status = os.waitpid(pid, 0)
    if status or not data:
        return ToolError("a worker process died", hint="render with --jobs 1 --debug to see why")
    outcome: _Staged | RingfenceError = pickle.loads(data)  # noqa: S301 # our own child wrote it
    return outcome
