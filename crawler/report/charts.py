"""Numbers to places: what is drawn where. Pure; every place is a share of the drawing in percent, so that it fits any width."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

MOST_POINTS = 240
"""Points of one line: more cannot be told apart on a screen."""
FEW_TICKS = 4
ENOUGH_DIGITS = 10


class Bar(NamedTuple):
    """One bar: how long it is in percent of the longest, and what it says."""

    label: str
    value: int
    percent: float
    note: str = ""


class Part(NamedTuple):
    """A part of a stacked bar, in percent of the longest bar."""

    kind: str
    value: int
    percent: float


class Stack(NamedTuple):
    """A bar of parts."""

    label: str
    total: int
    parts: tuple[Part, ...]


class Tick(NamedTuple):
    """A mark on an axis."""

    label: str
    percent: float


class Line(NamedTuple):
    """One line of a chart: points of an SVG that is 1000 wide and 300 high."""

    kind: str
    points: str
    area: str
    last: int


class Chart(NamedTuple):
    """Lines over time with their axes."""

    lines: tuple[Line, ...]
    ticks: tuple[Tick, ...]
    times: tuple[Tick, ...]
    breaks: tuple[Tick, ...]
    """Where a further run begins."""


WIDTH, HEIGHT = 1000, 300


def bars(rows: Sequence[tuple[str, int]], notes: Sequence[str] = ()) -> tuple[Bar, ...]:
    """Return bars for values, the largest of which is full."""
    most = max((value for _, value in rows), default=0) or 1
    told = [*notes, *[""] * (len(rows) - len(notes))]
    return tuple(Bar(label, value, _percent(value, most), note) for (label, value), note in zip(rows, told, strict=True))


def stacks(rows: Sequence[tuple[str, Sequence[tuple[str, int]]]]) -> tuple[Stack, ...]:
    """Return stacked bars: label, and the value of each kind of part."""
    most = max((sum(value for _, value in parts) for _, parts in rows), default=0) or 1
    return tuple(
        Stack(label, sum(value for _, value in parts), tuple(Part(kind, value, _percent(value, most)) for kind, value in parts if value))
        for label, parts in rows
    )


def _percent(value: float, most: float) -> float:
    return round(100 * max(value, 0) / most, 2)


def ticks(most: int) -> tuple[int, ...]:
    """Return round numbers from 0 to at least *most*."""
    if most <= FEW_TICKS:
        return tuple(range(max(most, 1) + 1))
    rough = most / FEW_TICKS
    unit = 10 ** math.floor(math.log10(rough))
    step = max(next(unit * factor for factor in (1, 2, 5, 10) if unit * factor >= rough), 1)
    return tuple(range(0, step * math.ceil(most / step) + 1, step))


def short(number: float) -> str:
    """Return a number as an axis has room for: `950`, `1.5k`, `2.5M`."""
    for unit, name in ((10**9, "G"), (10**6, "M"), (10**3, "k")):
        if number >= unit:
            return _plain(number / unit) + name
    return f"{number:.0f}"


def span(seconds: float) -> str:
    """Return a time from the beginning: `40 s`, `12 min`, `3 h`."""
    for unit, name in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * unit:
            return f"{_plain(seconds / unit)} {name}"
    return f"{_plain(seconds)} s"


def _plain(value: float) -> str:
    """Return a number with the digits that say something: `2.5`, `33`."""
    return f"{value:.0f}" if value >= ENOUGH_DIGITS else f"{value:.1f}".removesuffix(".0")


def chart(moments: Sequence[float], series: Sequence[tuple[str, Sequence[int]]], breaks: Sequence[tuple[str, float]] = ()) -> Chart | None:
    """Return lines over time; None for fewer than two moments. *moments* are seconds of work from the beginning, in order."""
    if len(moments) < 2 or moments[-1] <= moments[0]:
        return None
    begin, length = moments[0], moments[-1] - moments[0]
    marks = ticks(max(max(values, default=0) for _, values in series))
    top = marks[-1]
    lines = []
    for kind, values in series:
        points = [(WIDTH * (at - begin) / length, HEIGHT * (1 - value / top)) for at, value in zip(moments, values, strict=True)]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        lines.append(Line(kind, path, f"0,{HEIGHT} {path} {WIDTH},{HEIGHT}", values[-1]))
    times = [Tick(span(length * quarter / 4), 25 * quarter) for quarter in range(5)]
    return Chart(
        tuple(lines),
        tuple(Tick(short(mark), 100 * (1 - mark / top)) for mark in marks),
        tuple(times),
        tuple(Tick(label, _percent(at - begin, length)) for label, at in breaks),
    )
