"""Draws two kinds of chart as SVG files without a library: bars, and a line with a limit."""

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path

IMAGES = Path(__file__).with_name("images")
_WIDTH, _HEIGHT, _LEFT, _TOP, _BOTTOM = 720, 300, 60, 40, 40
_STYLE = "font-family='sans-serif' font-size='12' fill='#333'"


def bars(name: str, title: str, values: Mapping[str, float], unit: str) -> None:
    highest = max(values.values())
    row = (_HEIGHT - _TOP) / len(values)
    shapes = []
    for number, (label, value) in enumerate(values.items()):
        y = _TOP + number * row
        width = (_WIDTH - 320) * value / highest
        shapes.append(f"<rect x='200' y='{y:.0f}' width='{width:.0f}' height='{row * 0.6:.0f}' fill='#4f7cac'/>")
        shapes.append(f"<text x='190' y='{y + row * 0.4:.0f}' text-anchor='end' {_STYLE}>{escape(label)}</text>")
        shown = f"{value:,.3g} {unit}" if value < 1000 else f"{value:,.0f} {unit}"
        shapes.append(f"<text x='{208 + width:.0f}' y='{y + row * 0.4:.0f}' {_STYLE}>{escape(shown)}</text>")
    _write(name, title, shapes)


def line(name: str, title: str, points: Sequence[tuple[float, float]], limit: float) -> None:
    """Draw points over seconds, with `limit` as a dashed line."""
    last, highest = points[-1][0], max(limit, *(value for _, value in points)) * 1.15

    def place(x: float, y: float) -> tuple[float, float]:
        return (
            _LEFT + (_WIDTH - _LEFT - 20) * x / last,
            _HEIGHT - _BOTTOM - (_HEIGHT - _TOP - _BOTTOM) * y / highest,
        )

    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in (place(*point) for point in points))
    _, level = place(0, limit)
    shapes = [
        f"<polyline points='{path}' fill='none' stroke='#4f7cac' stroke-width='1.5'/>",
        f"<line x1='{_LEFT}' x2='{_WIDTH - 20}' y1='{level:.0f}' y2='{level:.0f}' "
        "stroke='#b33' stroke-dasharray='6 4'/>",
        f"<text x='{_LEFT - 8}' y='{level + 4:.0f}' text-anchor='end' {_STYLE}>{limit:g}</text>",
        f"<text x='{_LEFT - 8}' y='{_HEIGHT - _BOTTOM}' text-anchor='end' {_STYLE}>0</text>",
        f"<text x='{_WIDTH - 20}' y='{_HEIGHT - 15}' text-anchor='end' {_STYLE}>{last:.0f} s</text>",
    ]
    _write(name, title, shapes)


def _write(name: str, title: str, shapes: list[str]) -> None:
    IMAGES.mkdir(exist_ok=True)
    heading = f"<text x='{_LEFT}' y='22' font-weight='bold' {_STYLE}>{escape(title)}</text>"
    svg = f"<svg xmlns='http://www.w3.org/2000/svg' width='{_WIDTH}' height='{_HEIGHT}'>"
    background = f"<rect width='{_WIDTH}' height='{_HEIGHT}' fill='white'/>"
    (IMAGES / f"{name}.svg").write_text("\n".join([svg, background, heading, *shapes, "</svg>\n"]), encoding="utf-8")
