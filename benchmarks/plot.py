"""A log-log line plot as SVG text: no library, no font, readable on a light and a dark page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil, floor, log10

WIDTH, HEIGHT = 820, 470
LEFT, RIGHT, TOP, BOTTOM = 62, 200, 40, 48
COLOURS = ("#c25e00", "#8a5a00", "#a3342f", "#6b7280", "#7a4fa3", "#2f7d4f", "#b0307a")
OWN = "#1257b8"
GAP = 15  # between labels, so that they can be read

Points = Sequence[tuple[float, float]]


def svg(series: Mapping[str, Points], title: str, x_name: str, y_name: str) -> str:
    """Lines by name; those whose name begins with `ringfence` stand out."""
    xs = [x for points in series.values() for x, _ in points]
    ys = [y for points in series.values() for _, y in points]
    x_low, x_high = log10(min(xs)), log10(max(xs))
    y_low, y_high = floor(log10(min(ys))), ceil(log10(max(ys)))

    def at(x: float, y: float) -> tuple[float, float]:
        right = (log10(x) - x_low) / ((x_high - x_low) or 1)
        up = (log10(y) - y_low) / ((y_high - y_low) or 1)
        return LEFT + right * (WIDTH - LEFT - RIGHT), HEIGHT - BOTTOM - up * (HEIGHT - TOP - BOTTOM)

    parts = [_frame(title, x_name, y_name), *_grid(sorted(set(xs)), y_low, y_high, at)]
    ends: list[tuple[float, float, str, str]] = []
    for number, (name, points) in enumerate(series.items()):
        own = name.startswith("ringfence")
        colour = OWN if own else COLOURS[number % len(COLOURS)]
        places = [at(x, y) for x, y in points]
        line = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        dashes = ' stroke-dasharray="6 3"' if own and "," in name else ""
        parts.append(
            f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="{3 if own else 1.6}"{dashes}/>'
        )
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in places]
        ends.append((*places[-1], name, colour))
    return "\n".join([*parts, *_labels(ends), "</svg>", ""])


def _frame(title: str, x_name: str, y_name: str) -> str:
    middle = (LEFT + WIDTH - RIGHT) / 2
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}"'
        ' font-family="sans-serif" font-size="12">\n'
        f"<title>{title}</title>\n"
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>\n'
        f'<text x="{LEFT}" y="22" font-size="15" fill="#111827">{title}</text>\n'
        f'<text x="{middle}" y="{HEIGHT - 10}" text-anchor="middle" fill="#374151">{x_name}</text>\n'
        f'<text x="14" y="{HEIGHT / 2}" text-anchor="middle" fill="#374151"'
        f' transform="rotate(-90 14 {HEIGHT / 2})">{y_name}</text>'
    )


def _grid(xs: Sequence[float], y_low: int, y_high: int, at: object) -> list[str]:
    assert callable(at)
    parts = []
    for x in xs:
        place, _ = at(x, 10**y_low)
        parts.append(
            f'<line x1="{place:.1f}" y1="{TOP}" x2="{place:.1f}" y2="{HEIGHT - BOTTOM}" stroke="#e5e7eb"/>'
            f'<text x="{place:.1f}" y="{HEIGHT - BOTTOM + 16}" text-anchor="middle" fill="#374151">{x:,.0f}</text>'
        )
    for power in range(y_low, y_high + 1):
        _, place = at(xs[0], 10**power)
        parts.append(
            f'<line x1="{LEFT}" y1="{place:.1f}" x2="{WIDTH - RIGHT}" y2="{place:.1f}" stroke="#e5e7eb"/>'
            f'<text x="{LEFT - 6}" y="{place + 4:.1f}" text-anchor="end" fill="#374151">{10**power:g}</text>'
        )
    return parts


def _labels(ends: Sequence[tuple[float, float, str, str]]) -> list[str]:
    """Names beside the last points, pushed apart where they would overlap."""
    parts = []
    lowest: dict[float, float] = {}  # label of a column so far
    for x, y, name, colour in sorted(ends, key=lambda end: end[1]):
        last = lowest[x] = max(y + 4, lowest.get(x, -GAP) + GAP)
        weight = ' font-weight="bold"' if name.startswith("ringfence") else ""
        parts.append(f'<text x="{x + 8:.1f}" y="{last:.1f}" fill="{colour}"{weight}>{name}</text>')
    return parts
