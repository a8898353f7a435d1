"""How values compare by the specification (TREE-28..38), for judging relations and for pruning; no code of the server."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from unicodedata import normalize

from pyoxigraph import Literal, NamedNode

from tests.conformance.pages import XSD, Bound, Term

WKT = "http://www.opengis.net/ont/geosparql#wktLiteral"
CRS84 = "http://www.opengis.net/def/crs/OGC/1.3/CRS84"
_NUMBERS = {f"{XSD}{name}" for name in ("integer", "decimal", "float", "double", "int", "long", "nonNegativeInteger")}
_TEXTS = {f"{XSD}string", "http://www.w3.org/1999/02/22-rdf-syntax-ns#langString"}
_TIME = re.compile(r"(-?\d{4,})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(\.\d+)?(Z|[+-]\d\d:\d\d)?")
_DAY = timedelta(hours=14)
_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")
Place = tuple[float, float]


class IncomparableError(Exception):
    """The two values are of families that no operator compares (TREE-28), or one is no value of its type."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """From when to when a time may be: the same instant twice, or 28 hours for one without a zone (TREE-32)."""

    first: datetime
    last: datetime


def span(text: str) -> Span:
    """Read an xsd:dateTime strictly (TREE-34)."""
    found = _TIME.fullmatch(text)
    if found is None:
        raise IncomparableError(f"{text!r} is no xsd:dateTime")
    year, month, day, hour, minute, second = (int(each) for each in found.groups()[:6])
    fraction, zone = found[7] or "", found[8]
    next_day = timedelta(days=1) if (hour, minute, second, fraction.strip(".0")) == (24, 0, 0, "") else timedelta()
    try:
        moment = datetime(year, month, day, 0 if next_day else hour, minute, second, tzinfo=UTC) + next_day
    except (ValueError, OverflowError) as error:
        raise IncomparableError(f"{text!r} is no xsd:dateTime") from error
    moment += timedelta(microseconds=int(Decimal(f"0{fraction or '.0'}") * 1_000_000))
    if zone is None:
        return Span(first=moment - _DAY, last=moment + _DAY)
    if zone != "Z":
        hours, minutes = int(zone[1:3]), int(zone[4:])
        if hours > 14 or minutes > 59:
            raise IncomparableError(f"{text!r} has no such zone")
        offset = timedelta(hours=hours, minutes=minutes)
        moment += -offset if zone[0] == "+" else offset
    return Span(first=moment, last=moment)


def family(term: Term) -> str:
    """Name what a value can be compared with: iri, number, boolean, time, text or wkt."""
    if isinstance(term, NamedNode):
        return "iri"
    if not isinstance(term, Literal):
        raise IncomparableError(f"{term} has no value")
    datatype = term.datatype.value
    if datatype in _NUMBERS:
        return "number"
    if datatype in _TEXTS:
        return "text"
    known = {f"{XSD}boolean": "boolean", f"{XSD}dateTime": "time", WKT: "wkt"}
    if datatype not in known:
        raise IncomparableError(f"nothing compares {datatype}")
    return known[datatype]


def number(text: str) -> Decimal:
    """Read a number."""
    try:
        found = Decimal(text)
    except ArithmeticError as error:
        raise IncomparableError(f"{text!r} is no number") from error
    if not found.is_finite():
        raise IncomparableError(f"{text!r} is no number that compares")
    return found


def order(left: Term, right: Term) -> int:
    """Compare two values of one family: -1, 0 or 1. Only times with a zone have one answer (TREE-32)."""
    kind = family(left)
    if kind != family(right):
        raise IncomparableError(f"{left} and {right}")
    if kind == "time":
        first, second = span(left.value), span(right.value)
        if first.first != first.last or second.first != second.last:
            raise IncomparableError(f"{left} and {right}: one has no zone")
        return _sign(first.first, second.first)
    if kind == "number":
        return _sign(number(left.value), number(right.value))
    if kind == "boolean":
        return _sign(left.value in ("true", "1"), right.value in ("true", "1"))
    if kind == "wkt":
        raise IncomparableError("geometries have no order")
    # Python compares texts by code point, supplementary planes included (TREE-30, TREE-31).
    plain = (lambda text: text) if kind == "iri" else text_of
    return _sign(plain(left.value), plain(right.value))


def _sign(left: object, right: object) -> int:
    return (left > right) - (left < right)  # type: ignore[operator, no-any-return]


def text_of(text: str) -> str:
    """Return a text as texts compare: in normal form C."""
    return normalize("NFC", text)


def satisfies(value: Term, bound: Bound) -> bool:
    """Whether a value satisfies a bound, by the family of both."""
    kind, limit = bound.kind.removesuffix("Relation"), bound.value
    if kind == "GeospatiallyContains":
        return contains(limit, value)
    if kind in ("Prefix", "Substring", "Suffix"):
        if family(value) != "text" or family(limit) != "text":
            raise IncomparableError(f"{value} and {limit} are not both texts")
        own, part = text_of(value.value), text_of(limit.value)
        return {"Prefix": own.startswith(part), "Substring": part in own, "Suffix": own.endswith(part)}[kind]
    sign = order(value, limit)
    return {
        "GreaterThan": sign > 0,
        "GreaterThanOrEqualTo": sign >= 0,
        "LessThan": sign < 0,
        "LessThanOrEqualTo": sign <= 0,
        "EqualTo": sign == 0,
        "NotEqualTo": sign != 0,
    }[kind]


# --- geometry -------------------------------------------------------------------------------------------------------


def places(term: Term) -> list[Place]:
    """Read the corners of a geometry in CRS84 (TREE-36, TREE-38); none for an empty one."""
    if family(term) != "wkt":
        raise IncomparableError(f"{term} is no WKT")
    text = term.value.strip()
    if text.startswith("<"):
        system, _, text = text[1:].partition(">")
        if system != CRS84:
            raise IncomparableError(f"{system} is another reference system")
    name, _, rest = text.strip().partition("(")
    if not re.fullmatch(r"[A-Za-z]+(\s+(Z|M|ZM))?(\s+EMPTY)?\s*", name, re.IGNORECASE):
        raise IncomparableError(f"{text!r} is no WKT")
    found = []
    for piece in re.sub(r"[A-Za-z()]", " ", rest).split(","):
        numbers = [float(each) for each in _NUMBER.findall(piece)]
        if numbers:
            found.append((numbers[0], numbers[1]))
    return found


def contains(area: Term, inner: Term) -> bool:
    """Whether a convex polygon contains a geometry (sfContains): every corner lies inside it, none on an edge (TREE-37)."""
    ring, corners = places(area), places(inner)
    if not corners or ring[0] != ring[-1]:
        return False
    sides = [
        {_sign((bx - ax) * (y - ay) - (by - ay) * (x - ax), 0) for (ax, ay), (bx, by) in pairwise(ring)}
        for x, y in corners
    ]
    return all(side == sides[0] and len(side) == 1 and 0 not in side for side in sides)


@dataclass(frozen=True, slots=True, kw_only=True)
class Region:
    """A box in degrees that somebody asks for."""

    west: float
    south: float
    east: float
    north: float

    def meets(self, term: Term) -> bool:
        """Whether the box around a geometry and this one have a place in common, edges included."""
        corners = places(term)
        if not corners:
            return False
        xs, ys = [x for x, _ in corners], [y for _, y in corners]
        return not (min(xs) > self.east or max(xs) < self.west or min(ys) > self.north or max(ys) < self.south)
