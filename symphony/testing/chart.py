"""Drawings of numbers: SVG written by hand, and the numbers beside it as CSV and JSON.

A drawing needs no library and no fonts of its own; it is text, so a repository can hold it and a
browser shows it. Lines differ by colour and by dash, for those who don't see colours.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

WIDTH, HEIGHT = 880, 440
LEFT, RIGHT, TOP, BOTTOM = 70, 150, 50, 60
STYLES = (
    ("#555555", "2 3"),
    ("#1b6ca8", ""),
    ("#c8553d", "8 3"),
    ("#7a9e3b", "3 2 8 2"),
    ("#8e5aa8", "5 5"),
)
MAX_POINTS = 400  # per line: more can't be told apart on a screen


@dataclass(frozen=True, slots=True)
class Line:
    """One line: its values stand at 0, 1, 2 …, none of them below 0 or above 1."""

    name: str
    values: Sequence[float]


def line_chart(
    title: str, across: str, up: str, lines: Sequence[Line], marks: Mapping[int, str]
) -> str:
    """Shares from 0 to 1 over whole numbers, with upright `marks` at some of them."""
    length = max(2, *(len(line.values) for line in lines))
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        _text(LEFT, 28, title, size=16),
        _text(WIDTH // 2 - RIGHT // 2, HEIGHT - 16, across),
        f'<g transform="translate(20 {HEIGHT // 2}) rotate(-90)">',
        _text(0, 0, up, at="middle"),
        "</g>",
    ]
    for tenth in range(0, 11, 2):
        y = _y(tenth / 10)
        parts.append(_stroke(LEFT, y, WIDTH - RIGHT, y, "#dddddd"))
        parts.append(_text(LEFT - 8, y + 4, f"{tenth / 10:.1f}", at="end"))
    for fifth in range(6):
        at = round((length - 1) * fifth / 5)
        parts.append(_text(_x(at, length), HEIGHT - BOTTOM + 18, str(at), at="middle"))
    for at, name in marks.items():
        x = _x(at, length)
        parts.append(_stroke(x, TOP, x, HEIGHT - BOTTOM, "#999999"))
        parts.append(_text(x + 4, TOP + 10, name))
    for number, line in enumerate(lines):
        colour, dash = STYLES[number % len(STYLES)]
        step = max(1, len(line.values) // MAX_POINTS)
        points = " ".join(
            f"{_x(at, length):.1f},{_y(line.values[at]):.1f}"
            for at in range(0, len(line.values), step)
        )
        parts.append(
            f'<polyline fill="none" stroke="{colour}" stroke-width="2" '
            f'stroke-dasharray="{dash}" points="{points}"/>'
        )
        y = TOP + 20 + 20 * number
        x = WIDTH - RIGHT + 15
        parts.append(_stroke(x, y - 4, x + 30, y - 4, colour, dash))
        parts.append(_text(x + 36, y, line.name))
    return "\n".join([*parts, "</svg>", ""])


def _x(at: float, length: int) -> float:
    return LEFT + (WIDTH - LEFT - RIGHT) * at / (length - 1)


def _y(share: float) -> float:
    return TOP + (HEIGHT - TOP - BOTTOM) * (1 - min(1.0, max(0.0, share)))


def _text(x: float, y: float, text: str, *, at: str = "start", size: int = 12) -> str:
    return (
        f'<text x="{x:.0f}" y="{y:.0f}" text-anchor="{at}" font-family="sans-serif" '
        f'font-size="{size}">{escape(text)}</text>'
    )


def _stroke(x1: float, y1: float, x2: float, y2: float, colour: str, dash: str = "") -> str:
    return (
        f'<line x1="{x1:.0f}" y1="{y1:.0f}" x2="{x2:.0f}" y2="{y2:.0f}" '
        f'stroke="{colour}" stroke-dasharray="{dash}"/>'
    )


def write_csv(path: Path, index: str, columns: Mapping[str, Sequence[float]]) -> Path:
    """One row per number, one column per line."""
    rows = [",".join([index, *columns])]
    for at, values in enumerate(zip(*columns.values(), strict=True)):
        rows.append(",".join([str(at), *(f"{value:.4f}" for value in values)]))
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return path


def write_json(path: Path, found: Mapping[str, object]) -> Path:
    path.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    return path
