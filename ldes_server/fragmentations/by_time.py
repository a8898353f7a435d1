"""ByTime as a fragmentation: half-open windows in UTC that close some time after their end."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

from ldes_server.definition import LEVELS, ByTime
from ldes_server.fragmentations.trails import NONE
from ldes_server.model import Bound, Published, RelationType, Step, Trail
from streams.record import format_time, parse_time
from vocab.places import Place
from vocab.terms import XSD_DATETIME

LATE = Step(key="late")
# What nearly every time looks like: UTC; anything else is read by the calendar. The date is read once per window.
_UTC = re.compile(r"\d{4}-\d\d-\d\dT(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d+)?Z", re.ASCII)
# Of all that Python reads as a time, what is an xsd:dateTime with a zone (TREE-32, TREE-34).
_ZONED = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)", re.ASCII)
# One writer sees a few windows at a time, a builder's history a few more; a window with its steps is about 2 kB.
_REMEMBERED = 1024


class TimeFragmentation:
    """Sends a member to the window of its time, and below `late` once that window has closed (LDES-35).

    Members without a time that carries a zone (TREE-32) go to `none`, several times to several windows.
    """

    def __init__(self, view: ByTime, place: Place) -> None:
        self._find = place.find
        self._path = place.predicates
        self._levels = tuple(LEVELS.index(level) for level in view.levels)
        self._lateness = view.lateness
        # `2026-11-23T20:15` up to the finest level says which window a time in UTC is in; the day always counts, so that
        # the calendar is asked whether there is such a day.
        self._cut = (10, 10, 10, 13, 16)[self._levels[-1]]
        self._window: Callable[[str], tuple[datetime, Trail, Trail] | None] = lru_cache(_REMEMBERED)(self._make)

    def trails(self, member: Published, body: Mapping[str, Any]) -> tuple[Trail, ...]:
        """Return the window of each time of the member."""
        found = self._find(body)
        if len(found) == 1:
            return (self._trail(found[0].raw, member.published_at),)
        # In the order found, each window once.
        return tuple(dict.fromkeys(self._trail(raw, member.published_at) for _, raw in found)) or (NONE,)

    def ways(self, text: str) -> tuple[Trail, ...]:
        """Return every way that a member with this time may go, whenever it is published."""
        window = self._window((text if _UTC.fullmatch(text) else _in_utc(text))[: self._cut])
        return (NONE,) if window is None else window[1:]

    def _trail(self, raw: object, published_at: datetime) -> Trail:
        if type(raw) is not str:
            return NONE
        window = self._window(raw[: self._cut] if _UTC.fullmatch(raw) else _in_utc(raw)[: self._cut])
        if window is None:
            return NONE
        closes_at, trail, late = window
        return trail if published_at < closes_at else late

    def _make(self, start: str) -> tuple[datetime, Trail, Trail] | None:
        """Return when the finest window closes, the way to it, and the way of those who come after that."""
        # Empty: no time. And before the year 1000 strftime writes years that xsd:dateTime does not know.
        if start < "1000":
            return None
        try:
            moment = datetime.fromisoformat(start + "0001-01-01T00:00"[len(start) :]).replace(tzinfo=UTC)
            pairs = zip(self._levels, (-1, *self._levels[:-1]), strict=True)
            steps = [self._step(moment, level, above) for level, above in pairs]
            last = self._step(moment, self._levels[-1], -1)
        except (ValueError, OverflowError):
            # No date of the calendar, or its window or closing time is beyond the year 9999.
            return None
        assert last.closes_at is not None
        return last.closes_at, tuple(steps), (LATE, Step(key=last.key, bounds=last.bounds))

    def _step(self, moment: datetime, level: int, above: int) -> Step:
        start, end = _begin(moment, level), _end(moment, level)
        return Step(
            key=_key(start, level, above),
            bounds=(
                self._bound(RelationType.GREATER_OR_EQUAL, start),
                self._bound(RelationType.LESS, end),
            ),
            closes_at=end + self._lateness,
        )

    def _bound(self, kind: RelationType, moment: datetime) -> Bound:
        return Bound(type=kind, path=self._path, value=format_time(moment), datatype=XSD_DATETIME)


def _in_utc(text: str) -> str:
    """Return the time in UTC as far as minutes; empty for what is no time with a zone."""
    if not _ZONED.fullmatch(text):
        return ""
    try:
        moment = parse_time(text)
    except (ValueError, OverflowError):
        return ""
    return f"{moment.year:04d}-{moment:%m-%dT%H:%M}"


def _begin(moment: datetime, level: int) -> datetime:
    month = moment.month if level >= 1 else 1
    day = moment.day if level >= 2 else 1
    hour = moment.hour if level >= 3 else 0
    return datetime(moment.year, month, day, hour, moment.minute if level >= 4 else 0, tzinfo=UTC)


def _end(moment: datetime, level: int) -> datetime:
    start = _begin(moment, level)
    if level == 0:
        return start.replace(year=start.year + 1)
    if level == 1:
        return start.replace(year=start.year + start.month // 12, month=start.month % 12 + 1)
    return start + (timedelta(days=1), timedelta(hours=1), timedelta(minutes=1))[level - 2]


def _key(start: datetime, level: int, above: int) -> str:
    """Name a window by what the level above it leaves open: `2026`, `11`, `23` or at once `2026-11-23`."""
    parts = (f"{start.year:04d}", f"{start:%m}", f"{start:%d}", f"{start:%H}", f"{start:%M}")
    return "-".join(parts[above + 1 : level + 1])
