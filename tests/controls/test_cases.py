"""Every control's cases: what it emits, byte for byte, and what it refuses.

`cases/<what>.pass/` holds cluster.yaml and expected.yaml (the objects as this control alone writes them);
`cases/<what>.fail/` holds cluster.yaml and error.txt. `make goldens` writes both kinds of expectation.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest
from helpers import ROOT, golden

from ringfence.arrange import arrange
from ringfence.build import Builder
from ringfence.emission import text
from ringfence.errors import RingfenceError
from ringfence.render import Renderer

CASES = sorted((ROOT / "templates").glob("*/*/cases/*"))
CONTROLS = sorted(f.parent for f in (ROOT / "templates").glob("*/*/control.yaml"))


@cache
def builder() -> Builder:
    return Builder()


def named(path: Path) -> str:
    return f"{path.parent.parent.name}/{path.name}" if path.parent.name == "cases" else path.name


@pytest.mark.parametrize("case", [c for c in CASES if c.name.endswith(".pass")], ids=named)
def test_pass_case_renders_as_expected(case: Path) -> None:
    control_id = case.parent.parent.name
    resolution = builder().resolve(case / "cluster.yaml", "cluster.yaml")
    builder().objects(resolution)  # valid as a whole
    own = [c for c in resolution.controls if c.id == control_id]
    manifests = arrange(Renderer().render(resolution.cluster, own))
    golden(case / "expected.yaml", "".join(f"---\n{text(m)}" for m in manifests))


@pytest.mark.parametrize("case", [c for c in CASES if c.name.endswith(".fail")], ids=named)
def test_fail_case_is_refused(case: Path) -> None:
    with pytest.raises(RingfenceError) as caught:
        builder().build(case / "cluster.yaml", "cluster.yaml")
    golden(case / "error.txt", caught.value.line() + "\n")


@pytest.mark.parametrize("folder", CONTROLS, ids=named)
def test_control_has_a_passing_case_and_probes(folder: Path) -> None:
    assert list((folder / "cases").glob("*.pass")), f"{folder.name} has no passing case"
    assert (folder / "probes.yaml").is_file(), f"{folder.name} has no probes.yaml"


@pytest.mark.parametrize("case", CASES, ids=named)
def test_case_is_named_by_its_verdict(case: Path) -> None:
    assert case.suffix in (".pass", ".fail")
    assert {f.name for f in case.iterdir()} <= {"cluster.yaml", "expected.yaml", "error.txt"}
