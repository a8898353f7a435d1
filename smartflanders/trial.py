"""Trial: what a source makes of its sample, held against what its pilot expects of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import orjson

from ingest.expectation import Expectation
from ingest.explain import SampleReport
from streams.record import Member
from vocab.cities import Box
from vocab.flat import compile_flat
from vocab.model import Model


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What became of a sample: `items` = `members` + `unchanged` + refusals, and what of it was not as expected.

    `outside` counts the values beyond their range by name; `values` those that have one. `elsewhere` counts the members
    whose place is outside the box, of `placed` that have one; None where there is no box to keep. `old` counts the
    members whose observation is older than the interval; None where that is not known.
    """

    items: int
    members: int
    unchanged: int
    refused: Mapping[str, int]
    outside: Mapping[str, int]
    values: Mapping[str, int]
    placed: int
    elsewhere: int | None
    old: int | None
    expected: float

    @property
    def ranges_kept(self) -> bool | None:
        """Whether every value is in its range; None where there was none to look at."""
        return None if not self.values else not self.outside

    @property
    def box_kept(self) -> bool | None:
        """Whether every place is in the box; None where there was none to look at."""
        return None if self.elsewhere is None or not self.placed else not self.elsewhere

    @property
    def complete(self) -> bool:
        """Whether as many items are members with an observation young enough as the pilot expects.

        A sample without any item is complete where nothing is expected: on a good day no train is cancelled.
        """
        good = self.members + self.unchanged - (self.old or 0)
        return good >= self.expected * self.items if self.items else self.expected == 0

    @property
    def met(self) -> bool:
        """Whether everything is as expected."""
        return self.complete and self.ranges_kept is not False and self.box_kept is not False

    def shortfalls(self) -> Iterator[str]:
        """Yield a sentence for everything that is not as expected."""
        if not self.items and not self.complete:
            yield "the sample holds no item"
        elif not self.complete:
            refused = ", ".join(f"{count} {reason}" for reason, count in self.refused.items())
            parts = [f"{sum(self.refused.values())} refused ({refused})" if refused else ""]
            parts.append(f"{self.old} older than the interval" if self.old else "")
            yield f"{' and '.join(filter(None, parts))} of {self.items} items; {self.expected:.0%} should be good"
        for name, count in self.outside.items():
            yield f"{name}: {count} of {self.values[name]} values outside the range expected"
        if self.elsewhere:
            yield f"{self.elsewhere} of {self.placed} places outside the box"


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """What a sample is held against: the model's names, what the pilot expects, and its box (None: none to keep).

    `now` is when the sample was made; None for a recording, whose observations are as old as they are.
    """

    model: Model
    expectation: Expectation
    box: Box | None
    now: datetime | None = None


def judge(reports: Sequence[SampleReport], measure: Measure) -> Verdict:
    """Hold what became of the payloads of a sample against its measure."""
    members = [member for report in reports for member in report.members]
    values, outside = _ranges(members, measure)
    points = [member.point for member in members if member.point is not None]
    box = measure.box
    away = None if box is None else sum(not box.holds(point.longitude, point.latitude) for point in points)
    return Verdict(
        items=sum(report.items for report in reports),
        members=len(members),
        unchanged=sum(report.unchanged for report in reports),
        refused=Counter(each.reason.value for report in reports for each in report.rejections),
        outside=outside,
        values=values,
        placed=len(points),
        elsewhere=away,
        old=_old(members, measure),
        expected=measure.expectation.completeness,
    )


def _old(members: Sequence[Member], measure: Measure) -> int | None:
    interval, now = measure.expectation.interval, measure.now
    return None if interval is None or now is None else sum(now - member.observed_at > interval for member in members)


def _ranges(members: Sequence[Member], measure: Measure) -> tuple[Counter[str], Counter[str]]:
    """Count the numbers of each name that has a range, and those outside of it; names of groups have several columns."""
    flat = compile_flat(measure.model)
    ranges = measure.expectation.ranges
    columns = [(number, column.field.name) for number, column in enumerate(flat.columns) if column.field.name in ranges]
    values: Counter[str] = Counter()
    outside: Counter[str] = Counter()
    for member in members if columns else ():
        row = flat.row(orjson.loads(member.body))
        for number, name in columns:
            cell = row[number]
            for value in cell if isinstance(cell, list) else (cell,):
                if isinstance(value, int | float):
                    values[name] += 1
                    outside[name] += not ranges[name].holds(value)
    return values, +outside
