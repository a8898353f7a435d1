"""Conversions: publishers' values to the types of the reference models, or a refusal that says why not."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import quote
from zoneinfo import ZoneInfo

import orjson

from ingest.units import scaled
from streams.record import Point, Reason

if TYPE_CHECKING:
    from pyproj import Transformer

# No sensor of today measured before this; a device with an unset clock says 1970 or 1980.
EARLIEST = datetime(1990, 1, 1, tzinfo=UTC)
# Clocks run ahead; a day covers every zone mistake, which people should see rather than lose.
AHEAD = timedelta(days=1)
# Characters of one text; names and descriptions of real feeds stay under 1,000.
MAX_TEXT = 10_000

_IRI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[^\x00-\x20<>\"{}|\\^`\x7f]+")
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,3})?")
_LATE_HOUR = re.compile(r"(?<=[T ])(2[4-9]|[3-9]\d)(?=:)")
_SINGLE_HOUR = re.compile(r"(?<=[T ])(\d)(?=:)")
_WORDS = {"true": True, "false": False, "1": True, "0": False, "yes": True, "no": False, "ja": True, "nee": False}


class Refused(Exception):  # noqa: N818 - not an error: the way a refusal leaves a generated function
    """One item cannot become a member: why, where in it, and the sentence for people."""

    def __init__(self, reason: Reason, path: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.path = path
        self.detail = detail


@dataclass(frozen=True, slots=True, kw_only=True)
class Spot:
    """What a generated function knows of one name: where it is read, what it may be, how it is written."""

    name: str
    path: str
    minimum: float | None = None
    maximum: float | None = None
    factor: float = 1.0
    offset: float = 0.0
    comma: bool = False
    zone: tzinfo | None = None
    epoch: float = 0.0
    written: bool = False
    plus: timedelta = timedelta(0)

    @property
    def is_scaled(self) -> bool:
        """Whether the publisher's unit is another than the model's."""
        return self.factor != 1.0 or self.offset != 0.0

    def refuse(self, reason: Reason, what: str) -> NoReturn:
        """Leave the generated function with a refusal of this name."""
        raise Refused(reason, self.path, f"{self.name}: {what}")


def shown(value: Any) -> str:
    """Write a value for a message, shortened."""
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def missing(spot: Spot) -> NoReturn:
    """Refuse for a required name without a value."""
    spot.refuse(Reason.MISSING, "required, but there is no value")


def _number(value: Any, spot: Spot) -> float:
    if type(value) is str:
        text = value.strip()
        if spot.comma and "," in text:
            text = text.replace(".", "").replace(",", ".")
        if not _NUMBER.fullmatch(text):
            spot.refuse(Reason.TYPE, f"{shown(value)} is no number")
        return float(text)
    if type(value) is int and abs(value) < 1 << 63:
        return float(value)
    if type(value) is float:
        return value
    return spot.refuse(Reason.TYPE, f"{shown(value)} is no number")


def _scaled(number: float, spot: Spot) -> float:
    return scaled(number, spot.factor, spot.offset) if spot.is_scaled else number


def integer(value: Any, spot: Spot) -> int:
    """Convert to a whole number within the range of its name."""
    if type(value) is str and not spot.is_scaled and value.isascii() and value.isdigit() and len(value) < 19:
        number = int(value)
    elif type(value) is int and not spot.is_scaled:
        number = value
    else:
        real = _scaled(_number(value, spot), spot)
        if not (math.isfinite(real) and real.is_integer()):
            spot.refuse(Reason.TYPE, f"{shown(value)} is no whole number")
        number = int(real)
    low, high = spot.minimum, spot.maximum
    if (low is not None and number < low) or (high is not None and number > high) or not -(1 << 63) <= number < 1 << 63:
        _outside(value, spot)
    return number


def double(value: Any, spot: Spot) -> float:
    """Convert to a finite number within the range of its name."""
    if type(value) is str and not spot.comma and value.isascii() and value.isdigit():
        number = _scaled(float(value), spot)
    else:
        number = _scaled(_number(value, spot), spot)
    if not math.isfinite(number):
        spot.refuse(Reason.RANGE, f"{shown(value)} is not finite")
    low, high = spot.minimum, spot.maximum
    if (low is not None and number < low) or (high is not None and number > high):
        _outside(value, spot)
    return number


def _outside(value: Any, spot: Spot) -> NoReturn:
    low = "any" if spot.minimum is None else f"{spot.minimum:g}"
    high = "any" if spot.maximum is None else f"{spot.maximum:g}"
    spot.refuse(Reason.RANGE, f"{shown(value)} is outside {low} to {high}")


def boolean(value: Any, spot: Spot) -> bool:
    """Convert true, false, 0, 1 and their words."""
    found = _WORDS.get(str(value).strip().lower()) if type(value) in (str, int, bool) else None
    return spot.refuse(Reason.TYPE, f"{shown(value)} is neither true nor false") if found is None else found


def text(value: Any, spot: Spot) -> str:
    """Convert to a text: numbers are written out, lists and objects are refused."""
    if type(value) is bool:
        return "true" if value else "false"
    if type(value) in (int, float):
        return str(value)
    if type(value) is not str:
        spot.refuse(Reason.TYPE, f"{shown(value)} is no text")
    if len(value) > MAX_TEXT:
        spot.refuse(Reason.RANGE, f"a text of {len(value)} characters; {MAX_TEXT} are allowed")
    return str(value)


def iri(value: Any, spot: Spot) -> str:
    """Accept an absolute IRI."""
    if type(value) is not str or not _IRI.fullmatch(value):
        spot.refuse(Reason.TYPE, f"{shown(value)} is no absolute IRI")
    return str(value)


def is_iri(value: str) -> bool:
    """Say whether a text is an absolute IRI."""
    return _IRI.fullmatch(value) is not None


def code(value: Any, spot: Spot, codes: Mapping[str, str | None]) -> str | None:
    """Translate a publisher's code; None where the source file says that it counts as absent."""
    key = text(value, spot)
    if key not in codes:
        spot.refuse(Reason.CODE, f"code {shown(key)} is unknown; known: {', '.join(sorted(codes))[:200]}")
    return codes[key]


def moment(value: Any, spot: Spot) -> datetime:
    """Convert to a time in UTC; a time without zone needs the zone of its binding."""
    try:
        if spot.epoch and not (spot.written and type(value) is str and not _NUMBER.fullmatch(value.strip())):
            parsed = datetime.fromtimestamp(_number(value, spot) / spot.epoch, UTC)
        elif type(value) is str:
            parsed = _parse_moment(value, spot.zone)
        else:
            spot.refuse(Reason.TYPE, f"{shown(value)} is no time")
        return parsed + spot.plus
    except _NoZoneError:
        spot.refuse(Reason.TYPE, f"{shown(value)} has no time zone; say which with `zone:` in the source file")
    except _GapError:
        spot.refuse(Reason.RANGE, f"{shown(value)} does not exist: the clock went forward over it")
    except (OverflowError, OSError):
        spot.refuse(Reason.RANGE, f"{shown(value)} is an impossible time")
    except ValueError:
        spot.refuse(Reason.TYPE, f"{shown(value)} is no time")


class _NoZoneError(ValueError):
    """A time without zone and no zone to read it in."""


class _GapError(ValueError):
    """A local time that the clock skipped."""


@lru_cache(maxsize=4096)
def _parse_moment(value: str, zone: tzinfo | None) -> datetime:
    """Parse with a cache: a minute's snapshot repeats a handful of times four thousand times over."""
    try:
        parsed = datetime.fromisoformat(value)
    except ValueError:
        # What can be read as it stands is what it would be with these repairs, which cost twice as much.
        repaired = _SINGLE_HOUR.sub(r"0\1", " ".join(value.split()))
        late = _LATE_HOUR.search(repaired)
        # Timetables count on behind midnight: 25:10 is ten past one of the next day.
        days, hours = divmod(int(late[1]) if late else 0, 24)
        parsed = datetime.fromisoformat(_LATE_HOUR.sub(f"{hours:02d}", repaired)) + timedelta(days=days)
    if parsed.tzinfo is not None:
        return parsed.astimezone(UTC)
    if zone is None:
        raise _NoZoneError
    # Of an hour that occurs twice, fold=0 takes the first.
    converted = parsed.replace(tzinfo=zone).astimezone(UTC)
    if converted.astimezone(zone).replace(tzinfo=None, fold=0) != parsed:
        raise _GapError
    return converted


def joined(date: Any, time: Any) -> str | None:
    """Join split date and time columns; None when one of them is absent."""
    return None if date in (None, "") or time in (None, "") else f"{date}T{time}"


def concatenated(parts: Sequence[Any], between: str) -> str | None:
    """Join the texts of several values; None when one of them is absent, or is no plain value."""
    texts = [str(it) for it in parts if it not in (None, "") and not isinstance(it, dict | list)]
    return between.join(texts) if len(texts) == len(parts) else None


def matched(value: Any, pattern: re.Pattern[str]) -> str | None:
    """Take the part of a text that fits a pattern: its first group, or all of it; None when nothing fits."""
    found = pattern.search(value) if type(value) is str else None
    return found.group((found.lastindex and 1) or 0) if found else None


def check_observed(value: datetime, received: datetime, spot: Spot) -> None:
    """Refuse an observation before there were sensors or from the future."""
    if value < EARLIEST:
        spot.refuse(Reason.RANGE, f"{value:%Y-%m-%dT%H:%M:%SZ} is before 1990: the clock of the device is not set")
    if value - received > AHEAD:
        spot.refuse(Reason.RANGE, f"{value:%Y-%m-%dT%H:%M:%SZ} is more than a day after it was received")


def place(longitude: Any, latitude: Any, spot: Spot) -> Point | None:
    """Make a point of two numbers; None when one of them is absent."""
    if longitude is None or latitude is None or longitude == "" or latitude == "":
        return None
    try:
        return Point(longitude=_number(longitude, spot), latitude=_number(latitude, spot))
    except ValueError as error:
        spot.refuse(Reason.RANGE, str(error))


def projected(x: Any, y: Any, spot: Spot, transformer: Transformer) -> Point | None:
    """Make a point of two coordinates in metres, rounded to a centimetre."""
    if x is None or y is None or x == "" or y == "":
        return None
    longitude, latitude = transformer.transform(_number(x, spot), _number(y, spot))
    try:
        return Point(longitude=round(longitude, 7), latitude=round(latitude, 7))
    except ValueError:
        spot.refuse(Reason.RANGE, f"x {shown(x)}, y {shown(y)} is no place in that projection")


@lru_cache(maxsize=8)
def transformer(crs: int) -> Transformer:
    """Build the projection of a coordinate system (31370, 3812) to longitude and latitude, once."""
    # Imported here: only sources with projected coordinates need it.
    from pyproj import Transformer  # noqa: PLC0415

    return Transformer.from_crs(crs, 4326, always_xy=True)


def zone_of(name: str) -> tzinfo | None:
    """Read `+01:00` or the name of a zone; None when it is neither."""
    try:
        if name[:1] in "+-" and name:
            return datetime.fromisoformat(f"2000-01-01T00:00:00{name}").tzinfo
        return ZoneInfo(name)
    except (ValueError, OSError, KeyError):
        return None


def quoted(value: str) -> str:
    """Write a text as a JSON string."""
    return orjson.dumps(value).decode()


def segment(value: Any) -> str:
    """Percent-encode a value as one segment of an IRI."""
    return quote(str(value), safe="")


@lru_cache(maxsize=4096)
def stamp(value: datetime) -> str:
    """Write a UTC time as RFC 3339 with milliseconds (as streams.record.format_time, three times as fast).

    Remembered, because the items of a payload share the time it was received, and often the one they were observed.
    """
    return f"{value.isoformat()[:19]}.{value.microsecond // 1000:03d}Z"
