"""The server's values: Stream, Published, Relation, PageId, Page, Head and Placed; all frozen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum
from typing import Any, NamedTuple, Protocol

from ldes_server.definition import ByLatest, ViewDefinition
from ldes_server.retention import Retention
from streams.record import Point
from vocab.model import Model
from vocab.versions import OPERATION_KEY, Operation

# The paths of every stream (LDES-29..34): our own publication stamp and our own dense counter.
GENERATED_AT = "http://www.w3.org/ns/prov#generatedAtTime"
SEQUENCE = "https://w3id.org/smartflanders/ns#sequence"
# Stands where a bucket's key stands in addresses of groups of the root's children; no key has this character.
ROOT_GROUPS = "~"
VERSION_OF = "http://purl.org/dc/terms/isVersionOf"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """One event stream as it is published.

    `title` and `description` have the keys `nl` and `en`. `licence` and `publisher_iri` are absolute IRIs.
    `page_size` members fill a leaf, `fan` children a node (design: 250 and 32). `polling_interval` is what we advise
    consumers (ldes:pollingInterval); `max_age` what caches may keep a mutable page for, never longer than that.
    `expected_every` is the cadence the source declares, None if it declares none. `views` are those besides `log`, by
    name, as the stream file declares them.

    For the catalogue: `contact` has some of the keys `name`, `email`, `page`; `themes`, `hvd_categories` and `spatial` are
    absolute IRIs, `keywords` come by language; what is absent has a default there (ldes_server/descriptions.py).

    `timestamp_path` is the property that pages write the publication time as; `numbered` streams have the sequence
    number as a property too. Members with `graphs` hold a named graph each, which only JSON-LD, TriG and N-Quads can say.

    Where members say what they do to their entity, `operation_path` is the property and `operation_key` its key in their
    bodies; without a path nobody says it. Members of streams with `transactions` may say what they belong together with.
    `retention` is what its history keeps, None everything; a view keeps the same unless `view_retention` has its name.
    """

    name: str
    model: Model
    title: Mapping[str, str]
    description: Mapping[str, str]
    publisher_name: str
    publisher_iri: str
    licence: str
    page_size: int = 250
    fan: int = 32
    polling_interval: timedelta = timedelta(seconds=30)
    max_age: timedelta = timedelta(seconds=5)
    expected_every: timedelta | None = None
    views: Mapping[str, ViewDefinition] = field(default_factory=dict)
    contact: Mapping[str, str] = field(default_factory=dict)
    themes: tuple[str, ...] = ()
    keywords: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    hvd_categories: tuple[str, ...] = ()
    spatial: tuple[str, ...] = ()
    timestamp_path: str = GENERATED_AT
    version_path: str = VERSION_OF
    numbered: bool = True
    graphs: bool = False
    operation_path: str = ""
    operation_key: str = OPERATION_KEY
    transactions: bool = False
    retention: Retention | None = None
    view_retention: Mapping[str, Retention | None] = field(default_factory=dict)

    def deletes(self, body: Mapping[str, Any]) -> bool:
        """Whether a member, given its parsed body, is a deletion."""
        return bool(self.operation_path) and body.get(self.operation_key) == Operation.DELETE.value

    @property
    def policies(self) -> Mapping[str, Retention | None]:
        """What each way into the stream keeps, by the name of the view, its history (`log`) included.

        Views of newest versions are not among them: what they keep is what they are.
        """
        views = [name for name, view in self.views.items() if not isinstance(view, ByLatest)]
        return {"log": self.retention} | {name: self.view_retention.get(name, self.retention) for name in views}


class Published(NamedTuple):
    """A member with its place in the log: `sequence` is dense from 0, `published_at` UTC, whole milliseconds.

    (published_at, sequence) strictly increases; published_at never decreases (LDES-29, LDES-32) and differs between
    the last member of a leaf and the first of the next, so that the windows of siblings are disjoint (TREE-27).
    `deleted` says that the member is a deletion of its entity, a tombstone (LDES-45).
    A tuple by name: made twice for each member, once to write it and once to put it on a page.
    """

    sequence: int
    published_at: datetime
    id: str
    entity: str
    observed_at: datetime
    point: Point | None
    body: bytes
    deleted: bool = False


class RelationType(Enum):
    """The relation types of TREE that our views use; the value is the local name after tree:."""

    GREATER_OR_EQUAL = "GreaterThanOrEqualToRelation"
    LESS_OR_EQUAL = "LessThanOrEqualToRelation"
    LESS = "LessThanRelation"
    EQUAL = "EqualToRelation"
    PREFIX = "PrefixRelation"
    CONTAINS = "GeospatiallyContainsRelation"
    ANY = "Relation"


@dataclass(frozen=True, slots=True, kw_only=True)
class PageId:
    """Names a page of a stream: the root of a view, or node (`level`, `index`) below it; level 0 is a leaf.

    In a view with buckets the pages of a bucket are named by the view's `build` and the bucket's `bucket` key, too
    (`2026.11.23`, `8-131-85`); level -1 is then the bucket's own node, and levels below that are groups of its children
    (level -2: group `index` of 64, -3: of 64 times 64); `ROOT_GROUPS` stands for the root as the owner of groups. A view
    that is built anew has a new `build`, so no address ever shows other final content.

    A `query` at a view's own address names what a search of the view found: no page of the view, but a way into it.
    """

    view: str = "log"
    level: int = -1
    index: int = 0
    build: int = 0
    bucket: str = ""
    query: str = ""

    @property
    def is_root(self) -> bool:
        """Whether this is the view's root."""
        return self.level < 0 and not self.bucket and not self.query

    @property
    def place(self) -> str:
        """Where in the stream the page's list is: the view, or the bucket of one build of it."""
        return f"{self.view}/{self.build}/{self.bucket}" if self.bucket else self.view

    def path(self, stream: str) -> str:
        """Return the path below the public address: `/gent-parking/log/0/17`, `/gent-parking/by-day/1/2026.11/0/3`."""
        if self.level == -1:
            return f"/{stream}/{self.place}" + (f"?{self.query}" if self.query else "")
        if self.level < -1:
            return f"/{stream}/{self.place}/group/{-1 - self.level}/{self.index}"
        return f"/{stream}/{self.place}/{self.level}/{self.index}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """One constraint on the way to a page: `type`, `path` and `value`.

    `path` are the predicates from the member on (one is written as an IRI, several as a list: a sequence path).
    `value` is a literal of `datatype`, or an IRI where `datatype` is empty.
    """

    type: RelationType
    path: tuple[str, ...]
    value: str
    datatype: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Relation:
    """A link to a page: all `bounds` hold for every member below it (each is one tree:relation to the same node).

    Without bounds it is one plain tree:Relation: anything may be behind it.
    """

    target: PageId
    bounds: tuple[Bound, ...]
    remaining: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """The keys of buckets to look into: of some the `whole`, everything at and below it, of others their `own` members.

    None of both is everything: the question is too wide for anything but the root itself.
    """

    whole: tuple[str, ...] = ()
    own: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One link on the way down a view: to the child with this `key`, made of letters, digits, `-` and `_`.

    A bucket's own key are those of its trail, joined by dots.

    `bounds` hold for every member below the child. From `closes_at` on (publication time, UTC) nothing is added below
    it any more, so its pages are final; never later than its parent's. None: it stays open.
    """

    key: str
    bounds: tuple[Bound, ...] = ()
    closes_at: datetime | None = None


# The way from a view's root to the bucket that holds a member; not empty.
Trail = tuple[Step, ...]


class Fragmentation(Protocol):
    """Decides where a view shows a member; pure: the same member has the same trails for ever."""

    def trails(self, member: Published, body: Mapping[str, Any]) -> tuple[Trail, ...]:
        """Return the ways to all buckets that hold the member, at least one; `body` is the member's body, parsed."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """What one page says. `final` pages never change again; `version` changes whenever the content does."""

    id: PageId
    final: bool
    version: int
    relations: tuple[Relation, ...] = ()
    members: tuple[Published, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaf:
    """A page of members with the one that comes behind it in the walk through its view (`postgres_walks.py`).

    `onward` is None at the end of the walk. `settled` says that `onward` stays what it is for ever.
    """

    page: Page
    onward: PageId | None
    settled: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """How far a stream is: `count` members published so far (the next sequence number), the newest publication time
    (None before the first member), the log `position` they came from (-1 before the first), and `first`, the oldest
    sequence number still live. Pages of the history that begin before `gone` are not handed out any more; those between
    the two are, though nothing links them. `views` counts how often what readers find of its other views was changed by
    more than members: a view added, built anew or removed, or what is kept.
    """

    count: int = 0
    published_at: datetime | None = None
    position: int = -1
    first: int = 0
    views: int = 0
    gone: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewState:
    """One build of a view: `state` is building, live, retired (readable for a while) or gone.

    It has looked at the first `placed` of the `count` members of the stream and holds those that its policy keeps, in
    `buckets` buckets, the root included. The builds named `log` hold what the history keeps of its older members.
    """

    id: int
    name: str
    build: int
    state: str
    definition: str
    placed: int
    count: int
    buckets: int

    @property
    def readable(self) -> bool:
        """Whether its pages are handed out."""
        return self.state in ("live", "retired")


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """A batch of entries, decided: what to store in one transaction.

    `base` is the head it was decided on (the store refuses any other), `head` the one after it. `duplicates` counts
    entries whose identity was published before; `foreign` the offsets of entries that were no members at all. `bodies`
    are the members' bodies, parsed, if somebody has parsed them: fragmentations look into them.
    """

    base: Head
    head: Head
    members: tuple[Published, ...]
    duplicates: int = 0
    foreign: tuple[int, ...] = field(default=())
    bodies: Sequence[Mapping[str, Any]] = field(default=(), compare=False, repr=False)
