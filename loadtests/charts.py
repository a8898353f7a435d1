"""Charts as inline SVG with a title, a description and a table of their values: lines over time, and percentiles."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise

from loadtests.outcome import Latency, Series
from loadtests.wording import number, quantity

# In units of the drawing, which is as wide as a telephone: text of 11 units stays readable there.
_WIDTH, _HEIGHT = 400.0, 210.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 50.0, 8.0, 8.0, 24.0
# Colours of the page's style, told apart by a dash as well.
COLOURS = 8
# More points than this in a line are drawn as the least and the greatest of each stretch; a table shows so many rows.
_DRAWN, _LISTED = 240, 40
_SHARES = (50.0, 90.0, 99.0, 99.9)
# Stands for 100 % on a scale on which it has no place.
_LAST = 99.99


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """One direction: the least and greatest value, the values marked, and where in the drawing a value stands."""

    low: float
    high: float
    marks: tuple[float, ...]
    place: Callable[[float], float]


def over_time(title: str, key: str, series: Sequence[Series]) -> str:
    """Draw series of one unit over the seconds of a run; `key` is unique in the page."""
    series = [each for each in series if each.points]
    if not series:
        return ""
    unit = series[0].unit
    seconds = _linear(0.0, max(at for each in series for at, _ in each.points), _LEFT, _WIDTH - _RIGHT)
    top = max(value for each in series for _, value in each.points)
    values = _linear(0.0, top or 1.0, _HEIGHT - _BOTTOM, _TOP)
    lines = [
        _line(at, thinned(part), seconds, values) for at, each in enumerate(series) for part in stretches(each.points)
    ]
    frame = _frame(seconds, values, tuple(number(mark) for mark in seconds.marks), "s")
    told = "; ".join(f"{each.name} from {_least(each)} to {_most(each)}" for each in series)
    drawing = _svg(title, key, f"Over {number(seconds.high)} seconds, in {unit}: {told}.", [*frame, *lines])
    return _figure(title + f" ({unit})", drawing, _legend([each.name for each in series]), _values(series, unit))


def of_percentiles(title: str, key: str, latencies: Sequence[Latency]) -> str:
    """Draw times by percentile, each step to the right a tenth as many requests, on a logarithmic scale of time."""
    latencies = [each for each in latencies if each.percentiles]
    if not latencies:
        return ""
    shares = _shares()
    found = [value for each in latencies for _, value in each.percentiles]
    times = _logarithmic(min(found), max(found), _HEIGHT - _BOTTOM, _TOP)
    lines = [_line(at, each.percentiles, shares, times) for at, each in enumerate(latencies)]
    frame = _frame(shares, times, tuple(f"{mark:g}" for mark in _SHARES), "%")
    told = "; ".join(f"{each.name}: {_told(each)}" for each in latencies)
    drawing = _svg(title, key, f"Milliseconds by percentile. {told}.", [*frame, *lines])
    return _figure(title + " (ms)", drawing, _legend([each.name for each in latencies]), _percentiles(latencies))


def stretches(points: Sequence[tuple[float, float]]) -> list[Sequence[tuple[float, float]]]:
    """Part points where nothing was noted for long: for five times the usual step and more than two seconds."""
    steps = sorted(after[0] - before[0] for before, after in pairwise(points))
    usual = steps[len(steps) // 2] if steps else 0.0
    parts, start = [], 0
    for at, (before, after) in enumerate(pairwise(points), 1):
        if after[0] - before[0] > max(5 * usual, 2.0):
            parts.append(points[start:at])
            start = at
    return [*parts, points[start:]]


def thinned(points: Sequence[tuple[float, float]], most: int = _DRAWN) -> list[tuple[float, float]]:
    """Keep so many points at most: of each stretch the least and the greatest, in their order; peaks are not lost."""
    if len(points) <= most:
        return list(points)
    size = math.ceil(len(points) / (most // 2))
    kept: list[tuple[float, float]] = []
    for start in range(0, len(points), size):
        stretch = points[start : start + size]
        ends = {min(stretch, key=lambda point: point[1]), max(stretch, key=lambda point: point[1])}
        kept += sorted(ends)
    return kept


def marks(low: float, high: float, count: int = 4) -> tuple[float, ...]:
    """Return about so many round values from `low` on that reach `high` or pass it: steps of 1, 2 or 5 and zeros."""
    rough = (high - low) / count or 1.0
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * 0.999999)
    last = math.ceil((high - low) / step - 1e-9)
    return tuple(round(low + each * step, 12) for each in range(last + 1))


def _linear(low: float, high: float, start: float, end: float) -> Axis:
    found = marks(low, high)
    top = found[-1] if found[-1] > low else low + 1.0
    return Axis(
        low=low, high=high, marks=found, place=lambda value: start + (value - low) / (top - low) * (end - start)
    )


def _logarithmic(low: float, high: float, start: float, end: float) -> Axis:
    least = math.floor(math.log10(max(low, 0.001)))
    most = max(math.ceil(math.log10(max(high, 0.001))), least + 1)

    def place(value: float) -> float:
        return start + (math.log10(max(value, 10.0**least)) - least) / (most - least) * (end - start)

    step = max(1, (most - least) // 4)
    found = tuple(10.0**power for power in range(least, most + 1, step))
    return Axis(low=10.0**least, high=10.0**most, marks=found, place=place)


def _shares() -> Axis:
    def place(percentile: float) -> float:
        nines = -math.log10(1 - min(percentile, _LAST) / 100)
        return _LEFT + nines / -math.log10(1 - _LAST / 100) * (_WIDTH - _RIGHT - _LEFT)

    return Axis(low=0.0, high=100.0, marks=_SHARES, place=place)


def _line(at: int, points: Sequence[tuple[float, float]], across: Axis, up: Axis) -> str:
    placed = [(round(across.place(x), 1), round(up.place(y), 1)) for x, y in points]
    if len(placed) == 1:
        return f'<circle class="c{at % COLOURS}" cx="{placed[0][0]}" cy="{placed[0][1]}" r="3"/>'
    joined = " ".join(f"{x},{y}" for x, y in placed)
    return f'<polyline class="c{at % COLOURS}" points="{joined}"/>'


def _frame(across: Axis, up: Axis, names: Sequence[str], unit: str) -> list[str]:
    floor = _HEIGHT - _BOTTOM
    parts = []
    for mark in up.marks:
        y = round(up.place(mark), 1)
        parts.append(f'<path class="grid" d="M{_LEFT} {y}H{_WIDTH - _RIGHT}"/>')
        parts.append(f'<text class="y" x="{_LEFT - 5}" y="{y + 4}">{number(mark)}</text>')
    for mark, name in zip(across.marks, names, strict=True):
        x = round(across.place(mark), 1)
        if x <= _WIDTH:
            parts.append(f'<path class="grid" d="M{x} {_TOP}V{floor}"/>')
            parts.append(f'<text class="x" x="{min(x, _WIDTH - 14)}" y="{_HEIGHT - 9}">{name} {unit}</text>')
    return parts


def _svg(title: str, key: str, description: str, parts: Sequence[str]) -> str:
    return (
        f'<svg viewBox="0 0 {_WIDTH:.0f} {_HEIGHT:.0f}" role="img" aria-labelledby="{key}-t {key}-d">'
        f'<title id="{key}-t">{escape(title)}</title><desc id="{key}-d">{escape(description)}</desc>'
        f"{''.join(parts)}</svg>"
    )


def _figure(title: str, drawing: str, legend: str, table: str) -> str:
    return (
        f"<figure><figcaption>{escape(title)}</figcaption>{drawing}{legend}"
        f"<details><summary>Values</summary>{table}</details></figure>"
    )


def _legend(names: Sequence[str]) -> str:
    swatch = '<svg class="swatch" viewBox="0 0 24 8" aria-hidden="true"><path class="c{0}" d="M0 4H24"/></svg>'
    items = "".join(f"<li>{swatch.format(at % COLOURS)}{escape(name)}</li>" for at, name in enumerate(names))
    return f'<ul class="legend">{items}</ul>'


def _values(series: Sequence[Series], unit: str) -> str:
    rows = []
    for each in series:
        step = math.ceil(len(each.points) / _LISTED)
        rows += [(each.name, number(at), quantity(value, unit)) for at, value in each.points[::step]]
        if step > 1:
            rows.append((each.name, "", f"every {step}th of {len(each.points)} values"))
    return html_table(("Series", "Second", "Value"), rows)


def _percentiles(latencies: Sequence[Latency]) -> str:
    rows = [
        (each.name, f"{each.count:,}", f"{share:g} %", quantity(value, "ms"))
        for each in latencies
        for share, value in each.percentiles
    ]
    return html_table(("Times", "Taken", "Percentile", "Value"), rows)


def html_table(head: Sequence[str], rows: Sequence[Sequence[str]], *, kind: str = "values") -> str:
    """Write a table; every cell is escaped, and says its column for screens where cells stand below each other."""
    top = "".join(f'<th scope="col" role="columnheader">{escape(cell)}</th>' for cell in head)
    lines = [
        "".join(
            f'<td role="cell" data-head="{escape(name)}">{escape(cell)}</td>'
            for name, cell in zip(head, row, strict=True)
        )
        for row in rows
    ]
    body = "".join(f'<tr role="row">{line}</tr>' for line in lines)
    return (
        f'<table role="table" class="{kind}"><thead role="rowgroup"><tr role="row">{top}</tr></thead>'
        f'<tbody role="rowgroup">{body}</tbody></table>'
    )


def _least(series: Series) -> str:
    return number(min(value for _, value in series.points))


def _most(series: Series) -> str:
    return number(max(value for _, value in series.points))


def _told(latency: Latency) -> str:
    told = ", ".join(f"p{share:g} {number(value)}" for share, value in latency.percentiles if share >= 50)
    return f"{told}, of {latency.count:,}"
