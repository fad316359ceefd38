"""The audit log is read while it is written."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ringfence.probes.audit import AuditLog

ONE, TWO = (json.dumps({"auditID": i, "text": "x" * 100}).encode() + b"\n" for i in "12")


@pytest.mark.parametrize("cut", [0, 1, 50, len(TWO) - 1])
def test_a_line_that_is_half_written_is_read_when_it_is_whole(tmp_path: Path, cut: int) -> None:
    file = tmp_path / "audit.log"
    file.write_bytes(ONE + TWO[:cut])
    log = AuditLog(file)
    start = log.position()
    assert start == len(ONE)
    file.write_bytes(ONE + TWO)
    assert log.find({"auditID": "2"}, start) == json.loads(TWO)


def test_a_first_line_that_is_half_written_and_longer_than_a_block_begins_at_nothing(tmp_path: Path) -> None:
    file = tmp_path / "audit.log"
    assert AuditLog(file).position() == 0
    file.write_bytes(b"x" * 200_000)
    assert AuditLog(file).position() == 0
    file.write_bytes(b"\n" + b"x" * 200_000)
    assert AuditLog(file).position() == 1
