"""Questions about members, answered by looking at all of them, and a reader that leaves out what cannot hold an answer."""

from __future__ import annotations

from dataclasses import dataclass

from pyoxigraph import NamedNode

from tests.conformance.comparing import IncomparableError, Region, family, order, places, span, text_of
from tests.conformance.pages import Bound, Link, Read, Term

Path = tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Between:
    """Whose value at a path is one from `low` to `high`, both included; a time without a zone may be any of 28 hours."""

    path: Path
    low: Term
    high: Term

    def wants(self, value: Term) -> bool:
        """Whether a value may be one of these."""
        if family(value) != family(self.low):
            return False
        if family(value) == "time":
            found = span(value.value)
            return found.last >= span(self.low.value).first and found.first <= span(self.high.value).last
        return order(self.low, value) <= 0 <= order(self.high, value)

    def may(self, bound: Bound) -> bool:
        """Whether one of these may satisfy a bound."""
        match bound.kind.removesuffix("Relation"):
            case "GreaterThan":
                return order(self.high, bound.value) > 0
            case "GreaterThanOrEqualTo":
                return order(self.high, bound.value) >= 0
            case "LessThan":
                return order(self.low, bound.value) < 0
            case "LessThanOrEqualTo":
                return order(self.low, bound.value) <= 0
            case "EqualTo":
                return order(self.low, bound.value) <= 0 <= order(self.high, bound.value)
            case "NotEqualTo":
                return not (order(self.low, bound.value) == 0 == order(self.high, bound.value))
            case "Prefix":
                # Of the texts in the range one may start so only when the range is not all before or all behind them.
                start = text_of(bound.value.value)
                low, high = text_of(self.low.value), text_of(self.high.value)
                return high >= start and low[: len(start)] <= start
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Starting:
    """Whose text at a path starts with `prefix`, in any language."""

    path: Path
    prefix: str

    def wants(self, value: Term) -> bool:
        """Whether a value is one of these."""
        return family(value) == "text" and text_of(value.value).startswith(text_of(self.prefix))

    def may(self, bound: Bound) -> bool:
        """Whether one of these may satisfy a bound."""
        own, other = text_of(self.prefix), text_of(bound.value.value)
        match bound.kind.removesuffix("Relation"):
            case "Prefix":
                return own.startswith(other) or other.startswith(own)
            case "EqualTo":
                return other.startswith(own)
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Within:
    """Whose geometry at a path has a place in common with a region."""

    path: Path
    region: Region

    def wants(self, value: Term) -> bool:
        """Whether a value is one of these."""
        try:
            return self.region.meets(value)
        except IncomparableError:
            return False

    def may(self, bound: Bound) -> bool:
        """Whether one of these may satisfy a bound: region and area overlap (TREE-39)."""
        return bound.kind != "GeospatiallyContainsRelation" or (
            bool(places(bound.value)) and self.region.meets(bound.value)
        )


Part = Between | Starting | Within
# All parts must hold.
Question = tuple[Part, ...]


def follows(question: Question, link: Link) -> bool:
    """Whether a link must be followed: unless a bound rules out every answer. What is unknown rules out nothing (TREE-40)."""
    for part in question:
        for bound in link.bounds:
            if bound.path != part.path:
                continue
            try:
                if not part.may(bound):
                    return False
            except IncomparableError:
                continue
    return True


def answers(question: Question, member: NamedNode, page: Read) -> bool:
    """Whether a member is what was asked for, by what its page says of it."""
    return all(any(part.wants(value) for value in page.facts.along(member, part.path)) for part in question)
