"""How numbers, bounds and tables of a run are worded, the same on the terminal and in the report."""

from __future__ import annotations

import math
from collections.abc import Sequence

from loadtests.budget import Row, Verdict
from loadtests.outcome import Figure

# What stands behind a number; a ratio is written as a factor.
_UNITS = {"ratio": "×", "count": ""}


def number(value: float) -> str:
    """Write a number with three digits that count, whole above a thousand: 0.0123, 1.23, 123, 12,345."""
    if not math.isfinite(value):
        return "no number"
    if value == 0 or abs(value) >= 1000:
        return f"{value:,.0f}"
    digits = max(0, 2 - math.floor(math.log10(abs(value))))
    text = f"{value:.{min(digits, 9)}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def quantity(value: float, unit: str) -> str:
    """Write a number with its unit: `0.52×`, `12 ms`, `3,400/s`, `7`."""
    written = _UNITS.get(unit, "/s" if unit == "1/s" else f" {unit}")
    return f"{number(value)}{written}"


def bound(row: Row, limit: float) -> str:
    """Write what is asked for: `≥ 0.75×`."""
    return f"{'≥' if row.bound == 'least' else '≤'} {quantity(limit, row.unit)}"


def spread(figure: Figure) -> str:
    """Write the least and the greatest sample and their number; empty where there is but one."""
    if len(figure.samples) < 2:
        return ""
    return f"{number(min(figure.samples))} to {number(max(figure.samples))} of {len(figure.samples)}"


def columns(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Lay a table out in columns for a terminal, each as wide as its widest cell."""
    lines = [tuple(head), *map(tuple, rows)]
    widths = [max(len(line[at]) for line in lines) for at in range(len(head))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )


def budget_table(verdicts: Sequence[Verdict]) -> str:
    """Lay out the budget table: a line for each row, and one that counts."""
    rows = [
        (
            verdict.judgement.value.upper(),
            verdict.row.name,
            verdict.scenario,
            quantity(verdict.figure.value, verdict.figure.unit) if verdict.figure else "",
            bound(verdict.row, verdict.limit),
            spread(verdict.figure) if verdict.figure else "",
            verdict.row.what + (f" / {verdict.row.reference}" if verdict.row.reference else ""),
        )
        for verdict in verdicts
    ]
    return (
        f"{columns(('', 'row', 'scenario', 'figure', 'asked', 'spread', 'what / reference'), rows)}\n{tally(verdicts)}"
    )


def tally(verdicts: Sequence[Verdict]) -> str:
    """Count: `3 pass, 1 fail, 2 not measured`."""
    counts: dict[str, int] = {}
    for verdict in verdicts:
        counts[verdict.judgement.value] = counts.get(verdict.judgement.value, 0) + 1
    return ", ".join(f"{count} {word}" for word in ("pass", "fail", "not measured") if (count := counts.get(word)))
