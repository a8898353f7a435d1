"""Comparing RDF terms as TREE wants it (TREE-28 to TREE-35): by value, by code point, and never by guess."""

from __future__ import annotations

import math
import re
import struct
import unicodedata
from dataclasses import dataclass
from enum import Enum
from fractions import Fraction

from pyoxigraph import BlankNode, NamedNode, Triple

from testbed.client.graph import Term
from testbed.client.moments import Moment, parse_moment
from testbed.client.terms import GEO_WKT, RDF, XSD, Kind

_INTEGERS = frozenset(
    XSD + name
    for name in (
        *("integer", "long", "int", "short", "byte", "nonNegativeInteger", "positiveInteger", "nonPositiveInteger"),
        *("negativeInteger", "unsignedLong", "unsignedInt", "unsignedShort", "unsignedByte"),
    )
)
_DECIMAL, _DOUBLE, _FLOAT = XSD + "decimal", XSD + "double", XSD + "float"
_INTEGER_FORM = re.compile(r"[+-]?\d+", re.ASCII)
_DECIMAL_FORM = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)", re.ASCII)
_DOUBLE_FORM = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_SPECIAL = {"INF": float("inf"), "+INF": float("inf"), "-INF": float("-inf"), "NaN": float("nan")}
# Longer numbers and times are an attack on whoever reads them, or a mistake.
_LONGEST = 1000
_TEXTS = (XSD + "string", RDF + "langString")


class Family(Enum):
    """Kinds of values; only those of one family can be compared."""

    NUMBER = "number"
    BOOLEAN = "boolean"
    TIME = "time"
    TEXT = "text"  # NFC, compared by code point
    IRI = "IRI"
    PLACE = "place"  # WKT: compared by geometry.py
    OTHER = "other"  # a datatype without order here, or an invalid form


class Verdict(Enum):
    """What a comparison comes to."""

    TRUE = "true"
    FALSE = "false"
    UNKNOWN = "unknown"  # a time without a zone may be before and after
    ERROR = "error"  # not comparable: an error, not false


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """A term's value: a Fraction or float for a number, a Moment for a time, else text."""

    family: Family
    content: Fraction | float | bool | Moment | str


def read_value(term: Term) -> Value:
    """Return the value of a term; what has none here is of the family OTHER."""
    if isinstance(term, NamedNode):
        return Value(family=Family.IRI, content=term.value)
    if isinstance(term, BlankNode | Triple):
        return Value(family=Family.OTHER, content=str(term))
    return read_literal(term.value, term.datatype.value)


def read_literal(text: str, datatype: str) -> Value:
    """Return the value of a lexical form in a datatype."""
    if datatype in _TEXTS:
        return Value(family=Family.TEXT, content=unicodedata.normalize("NFC", text))
    if datatype == GEO_WKT:
        return Value(family=Family.PLACE, content=text)
    stripped = text.strip()
    if len(stripped) > _LONGEST:
        return Value(family=Family.OTHER, content=text)
    number = _number(stripped, datatype)
    if number is not None:
        return Value(family=Family.NUMBER, content=number)
    if datatype == XSD + "boolean" and stripped in ("true", "false", "1", "0"):
        return Value(family=Family.BOOLEAN, content=stripped in ("true", "1"))
    if datatype in (XSD + "dateTime", XSD + "dateTimeStamp"):
        try:
            return Value(family=Family.TIME, content=parse_moment(stripped))
        except ValueError:
            pass
    return Value(family=Family.OTHER, content=text)


def _number(text: str, datatype: str) -> Fraction | float | None:
    if datatype in _INTEGERS:
        return Fraction(int(text)) if _INTEGER_FORM.fullmatch(text) else None
    if datatype == _DECIMAL:
        return Fraction(text.rstrip(".")) if _DECIMAL_FORM.fullmatch(text) else None
    if datatype not in (_DOUBLE, _FLOAT):
        return None
    found = float(text) if _DOUBLE_FORM.fullmatch(text) else _SPECIAL.get(text)
    if found is not None and datatype == _FLOAT:
        try:
            found = struct.unpack("f", struct.pack("f", found))[0]
        except OverflowError:
            found = float("inf") if found > 0 else float("-inf")
    return found


def compare(kind: Kind, left: Value, right: Value) -> Verdict:
    """Decide `left kind right`, for every kind but WITHIN (geometry.py) and ANY, which is always true."""
    if kind is Kind.ANY:
        return Verdict.TRUE
    if kind in (Kind.PREFIX, Kind.SUBSTRING, Kind.SUFFIX):
        return _textual(kind, left, right)
    if left.family is not right.family or left.family in (Family.OTHER, Family.PLACE):
        return Verdict.ERROR
    if isinstance(left.content, Moment) and isinstance(right.content, Moment):
        return _temporal(kind, left.content, right.content)
    before, after = _ordered(left, right)
    equal = not (before or after or _unequal(left, right))
    outcomes = {
        Kind.GREATER: after,
        Kind.AT_LEAST: after or equal,
        Kind.LESS: before,
        Kind.AT_MOST: before or equal,
        Kind.EQUAL: equal,
        Kind.NOT_EQUAL: not equal,
    }
    if kind not in outcomes:
        return Verdict.ERROR
    return Verdict.TRUE if outcomes[kind] else Verdict.FALSE


def _unequal(left: Value, right: Value) -> bool:
    """Say whether one of the two is not a number, which equals nothing, itself included."""
    return any(isinstance(it.content, float) and math.isnan(it.content) for it in (left, right))


def _ordered(left: Value, right: Value) -> tuple[bool, bool]:
    """Say whether left is before right, and whether it is after; of one family, and no times."""
    a, b = left.content, right.content
    if isinstance(a, str) and isinstance(b, str):
        return a < b, a > b
    assert isinstance(a, Fraction | float | bool)
    assert isinstance(b, Fraction | float | bool)
    if isinstance(a, float) or isinstance(b, float):
        # Exact numbers are promoted to the double, as SPARQL does.
        a, b = _double(a), _double(b)
    return a < b, a > b


def _double(content: Fraction | float) -> float:
    try:
        return float(content)
    except OverflowError:
        return math.inf if content > 0 else -math.inf


def _textual(kind: Kind, left: Value, right: Value) -> Verdict:
    # STRSTARTS and its like work on the text of literals only.
    if left.family is not Family.TEXT or right.family is not Family.TEXT:
        return Verdict.ERROR
    text, part = str(left.content), str(right.content)
    holds = {
        Kind.PREFIX: text.startswith(part),
        Kind.SUBSTRING: part in text,
        Kind.SUFFIX: text.endswith(part),
    }[kind]
    return Verdict.TRUE if holds else Verdict.FALSE


def _temporal(kind: Kind, left: Moment, right: Moment) -> Verdict:
    if left.exact and right.exact:
        a, b = left.since, right.since
        outcomes = {
            Kind.GREATER: a > b,
            Kind.AT_LEAST: a >= b,
            Kind.LESS: a < b,
            Kind.AT_MOST: a <= b,
            Kind.EQUAL: a == b,
            Kind.NOT_EQUAL: a != b,
        }
        return Verdict.TRUE if outcomes[kind] else Verdict.FALSE
    before = _ends_before(left, right)
    after = _ends_before(right, left)
    if not (before or after):
        return Verdict.UNKNOWN
    holds = {Kind.GREATER: after, Kind.AT_LEAST: after, Kind.LESS: before, Kind.AT_MOST: before}
    return Verdict.TRUE if holds.get(kind, kind is Kind.NOT_EQUAL) else Verdict.FALSE


def _ends_before(left: Moment, right: Moment) -> bool:
    """Say whether all of `left` is certainly before all of `right`; an exact end belongs to its moment."""
    return left.until < right.since or (left.until == right.since and not left.exact)
