"""What somebody wants of a feed: which members match, and which branches cannot hold one (section 2.12 of the digest)."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

from pyoxigraph import Literal, NamedNode

from testbed.client.comparison import Family, Value, Verdict, compare, read_literal, read_value
from testbed.client.description import Description
from testbed.client.geometry import Box, envelope
from testbed.client.graph import Dataset, Term
from testbed.client.hypermedia import Relation
from testbed.client.moments import Moment
from testbed.client.paths import Path, values
from testbed.client.terms import GEO_WKT, Kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Since:
    """Published at or after a moment: the value at the stream's timestampPath."""

    moment: Moment

    def matches(self, member: str, data: Dataset, about: Description) -> bool:
        """Say whether a member was, or may have been: one without a time is not lost."""
        if about.timestamp is None:
            return True
        limit = Value(family=Family.TIME, content=self.moment)
        found = [read_value(it) for it in values(about.timestamp, NamedNode(member), data)]
        return not found or any(compare(Kind.AT_LEAST, it, limit) is not Verdict.FALSE for it in found)

    def excludes(self, relation: Relation, about: Description) -> bool:
        """Say whether nothing behind the relation can match."""
        if relation.path is None or relation.path != about.timestamp or relation.value is None:
            return False
        bound = read_value(relation.value)
        if not isinstance(bound.content, Moment) or relation.kind not in (Kind.LESS, Kind.AT_MOST, Kind.EQUAL):
            return False
        last = bound.content.until
        # A period ends before its last moment; an exact bound may belong to what is behind the relation.
        inclusive = bound.content.exact and relation.kind is not Kind.LESS
        return last < self.moment.since or (last == self.moment.since and not inclusive)


@dataclass(frozen=True, slots=True, kw_only=True)
class Where:
    """The value at a path is this: an IRI, the same text in whatever language, or an equal number or time."""

    path: Path
    text: str

    def matches(self, member: str, data: Dataset, _: Description) -> bool:
        """Say whether one of the member's values is it."""
        return any(self._equals(value) for value in values(self.path, NamedNode(member), data))

    def excludes(self, relation: Relation, about: Description) -> bool:
        """Say whether the relation promises another value; only where a member has one at most."""
        if relation.path != self.path or relation.value is None or not about.one_value(self.path):
            return False
        if relation.kind in (Kind.ANY, Kind.WITHIN):
            return False
        bound = read_value(relation.value)
        if bound.family is Family.IRI or (bound.family is Family.TEXT and relation.kind is not Kind.NOT_EQUAL):
            text = self.text if bound.family is Family.IRI else unicodedata.normalize("NFC", self.text)
            return compare(relation.kind, Value(family=bound.family, content=text), bound) is Verdict.FALSE
        if not isinstance(relation.value, Literal) or bound.family not in (Family.NUMBER, Family.BOOLEAN, Family.TIME):
            return False
        # A number of another datatype may be equal, so the wanted value is read as what the relation compares with.
        wanted = read_literal(self.text, relation.value.datatype.value)
        if wanted.family is not bound.family:
            return False
        return compare(relation.kind, wanted, bound) is Verdict.FALSE

    def _equals(self, term: Term) -> bool:
        if isinstance(term, NamedNode):
            return term.value == self.text
        if not isinstance(term, Literal):
            return False
        if unicodedata.normalize("NFC", term.value) == unicodedata.normalize("NFC", self.text):
            return True
        wanted = read_literal(self.text, term.datatype.value)
        return compare(Kind.EQUAL, read_value(term), wanted) is Verdict.TRUE


@dataclass(frozen=True, slots=True, kw_only=True)
class Within:
    """Has its place in a box, edges included: the box around a WKT literal of the member meets it."""

    box: Box

    def matches(self, member: str, data: Dataset, about: Description) -> bool:
        """Say whether a place of the member meets the box; where the feed says which path is the place, only that."""
        if about.place is not None:
            found = values(about.place, NamedNode(member), data)
        else:
            found = list(dict.fromkeys(quad.object for quad in data.quads))
        return any(self._meets(term) for term in found)

    def excludes(self, relation: Relation, about: Description) -> bool:
        """Say whether everything behind the relation is elsewhere."""
        if relation.kind is not Kind.WITHIN or relation.path is None or relation.path != about.place:
            return False
        if not about.one_value(relation.path) or not isinstance(relation.value, Literal):
            return False
        around = envelope(relation.value.value)
        return around is not None and not around.meets(self.box)

    def _meets(self, term: Term) -> bool:
        if not isinstance(term, Literal) or term.datatype.value != GEO_WKT:
            return False
        around = envelope(term.value)
        return around is not None and around.meets(self.box)


Condition = Since | Where | Within


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """Conditions that must all hold; none at all means everything. `text` is how the person wrote them."""

    conditions: tuple[Condition, ...] = ()
    text: str = ""

    def matches(self, member: str, data: Dataset, about: Description) -> bool:
        """Say whether a member is wanted; `data` are its own statements."""
        return all(condition.matches(member, data, about) for condition in self.conditions)

    def prunes(self, relations: Iterable[Relation], about: Description) -> bool:
        """Say whether the relations to one node exclude every member that is wanted (TREE-17, CLI-13)."""
        return any(it.excludes(relation, about) for relation in relations for it in self.conditions)
