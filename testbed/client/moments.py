"""Times and durations of XML Schema, exactly: moments without a zone are periods of 28 hours (TREE-32)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from fractions import Fraction

_DATE_TIME = re.compile(
    r"(-?(?:[1-9]\d{3,}|0\d{3}))-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d(?:\.\d+)?)(Z|[+-]\d\d:\d\d)?", re.ASCII
)
_DURATION = re.compile(
    r"(-)?P(?:(\d+)Y)?(?:(\d+)M)?(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?", re.ASCII
)
_DAY = 86_400
_FARTHEST_ZONE = 14 * 3600
_LENGTHS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
# Averages; who compares windows of years with polling intervals of seconds needs no more.
_DAYS_OF = {"year": Fraction(1461, 4), "month": Fraction(487, 16)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """When something is: seconds since 1970 in UTC. With a zone `since` = `until`; without, a half-open period."""

    since: Fraction
    until: Fraction

    @property
    def exact(self) -> bool:
        """Whether its zone is known."""
        return self.since == self.until


def parse_moment(text: str) -> Moment:
    """Read an xsd:dateTime.

    Raises:
        ValueError: its lexical form is none; seconds are not optional, whatever other libraries let pass.

    """
    match = _DATE_TIME.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is no xsd:dateTime")
    year, month, day, hour, minute = (int(part) for part in match.groups()[:5])
    second, zone = Fraction(match[6]), match[7]
    midnight = hour == 24 and minute == 0 and second == 0
    if not (1 <= month <= 12 and 1 <= day <= _days_in(year, month)):
        raise ValueError(f"{text!r} is on no day of the calendar")
    if not ((hour < 24 or midnight) and minute < 60 and second < 60):
        raise ValueError(f"{text!r} is at no time of a day")
    local = Fraction(_days(year, month, day) * _DAY + hour * 3600 + minute * 60) + second
    if zone is None:
        return Moment(since=local - _FARTHEST_ZONE, until=local + _FARTHEST_ZONE)
    offset = _offset(zone)
    return Moment(since=local - offset, until=local - offset)


def _offset(zone: str) -> int:
    if zone == "Z":
        return 0
    hours, minutes = int(zone[1:3]), int(zone[4:6])
    seconds = hours * 3600 + minutes * 60
    if minutes >= 60 or seconds > _FARTHEST_ZONE:
        raise ValueError(f"{zone} is no zone on earth")
    return -seconds if zone[0] == "-" else seconds


def _leap(year: int) -> bool:
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)


def _days_in(year: int, month: int) -> int:
    return 29 if month == 2 and _leap(year) else _LENGTHS[month - 1]


def _days(year: int, month: int, day: int) -> int:
    """Count the days since 1970-01-01, in the Gregorian calendar without end in either direction."""
    before = year - 1
    leaps = before // 4 - before // 100 + before // 400
    months = sum(_days_in(year, each) for each in range(1, month))
    return before * 365 + leaps + months + day - 719_163


def parse_duration(text: str) -> timedelta:
    """Read an xsd:duration; a year counts 365.25 days and a month a twelfth of it.

    Raises:
        ValueError: its lexical form is none, or it is longer than a computer's calendar.

    """
    match = _DURATION.fullmatch(text.strip())
    if match is None or text.strip().endswith(("P", "T")):
        raise ValueError(f"{text!r} is no xsd:duration")
    years, months, days, hours, minutes = (int(part or 0) for part in match.groups()[1:6])
    exact = years * _DAYS_OF["year"] + months * _DAYS_OF["month"] + days
    seconds = exact * _DAY + hours * 3600 + minutes * 60 + Fraction(match[7] or 0)
    try:
        found = timedelta(microseconds=int(seconds * 1_000_000))
    except OverflowError as error:
        raise ValueError(f"{text!r} is longer than a computer's calendar") from error
    return -found if match[1] else found
