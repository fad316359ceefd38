"""Draw docs/demo.svg: what a terminal shows when the production example is rendered and explained.

`python tools/picture.py` really runs the commands, in a temporary copy of the example.
"""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.text import Text

ROOT = Path(__file__).resolve().parent.parent
COMMANDS = (
    "render production",
    "explain NetworkPolicy/payments/allow-dns:spec.egress --cluster production/cluster.yaml",
    "check production/rendered",
)
WIDTH = 118
# rich's own template names a font server; this one uses the reader's monospace font.
_FORMAT = """\
<svg class="rich-terminal" viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
<style>
.{unique_id}-matrix {{
  font-family: ui-monospace, Menlo, Consolas, monospace; font-size: {char_height}px; line-height: {line_height}px;
}}
.{unique_id}-title {{ font-size: 18px; font-family: sans-serif; }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}"/></clipPath>
{lines}</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">{backgrounds}
<g class="{unique_id}-matrix">{matrix}</g></g>
</svg>
"""


def main() -> int:
    """Run the commands and write the picture."""
    console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True)
    with tempfile.TemporaryDirectory() as work:
        shutil.copytree(ROOT / "examples" / "production", Path(work) / "production")
        shutil.rmtree(Path(work) / "production" / "rendered", ignore_errors=True)
        for command in COMMANDS:
            console.print(Text(f"$ ringfence {command}", style="bold"))
            code = "import sys; from ringfence.cli import main; main(['--color', 'always', *sys.argv[1:]])"
            env = {**os.environ, "COLUMNS": str(WIDTH), "PYTHONPATH": str(ROOT / "generator")}
            done = subprocess.run(
                [sys.executable, "-c", code, *command.split()], cwd=work, env=env, check=False,
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            )  # fmt: skip
            console.print(Text.from_ansi(done.stdout))
    svg = console.export_svg(title="ringfence", code_format=_FORMAT, unique_id="demo")
    (ROOT / "docs" / "demo.svg").write_text(svg, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
