"""Activities: the catalogue's own history, as members of a DCAT-AP feed; which ones are due is decided purely.

The feed is an event stream like the others, with their pages: what the log adds to every member as its publication time
is called as:published here (FEED-03, FEED-04), and a member's description is in the graph that the activity names
(FEED-05), which is why the feed is not served as Turtle or N-Triples (FEED-06).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol
from urllib.parse import urlsplit

import orjson

from ldes_server.dcat_context import CONTEXT_BYTES, NAMES, PREFIXES
from ldes_server.descriptions import (
    FEED_DESCRIPTION,
    FEED_NAME,
    FEED_TITLE,
    METADATA_LICENCE,
    Entity,
    entities,
)
from ldes_server.model import Published, Stream
from ldes_server.store import MemberSink, MemberStore
from ldes_server.writer import place
from streams.record import Entry, Member, Record
from vocab.context import Writer
from vocab.model import Model, Shape
from vocab.terms import RDF_TYPE, SH

# The published shape of an activity (FEED-07). That it is a shape is said inline: the reference client would otherwise
# fetch it, and copy nothing when that fails.
_SHAPE = "https://semiceu.github.io/LDES-DCAT-AP-feeds/shape.ttl#ActivityShape"
# What may be named before what: an entity is created after, and deleted before, those that stand before its class.
_ORDER = ("Agent", "LicenseDocument", "Kind", "Distribution", "Dataset", "DataService", "Catalog")
# More entities than any catalogue has: 40 per stream.
_EVERYTHING = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Activity:
    """One change of the catalogue: `kind` is Create, Update or Delete; `payload` the new description, None at Delete."""

    kind: str
    entity: str
    payload: Entity | None


def due(before: Mapping[str, Entity | None], after: Sequence[Entity]) -> tuple[Activity, ...]:
    """Return the activities that lead from what the feed says to what is; none when nothing changed.

    `before` has the newest description of each entity the feed ever named, None where it was deleted; `after` are the
    entities there are now, each after those it names. Creations and updates come in that order, then deletions, so that
    no entity is named before its creation or after its deletion (FEED-10).
    """
    changes = [
        Activity(kind="Update" if before.get(entity["@id"]) else "Create", entity=entity["@id"], payload=entity)
        for entity in after
        if before.get(entity["@id"]) != entity
    ]
    present = {entity["@id"] for entity in after}
    gone = [(name, payload) for name, payload in before.items() if payload is not None and name not in present]
    gone.sort(key=lambda item: _rank(item[1]), reverse=True)
    return (*changes, *(Activity(kind="Delete", entity=name, payload=None) for name, _ in gone))


def _rank(entity: Entity) -> int:
    kinds = entity["@type"] if isinstance(entity["@type"], list) else [entity["@type"]]
    return max(_ORDER.index(kind) for kind in kinds if kind in _ORDER)


def held(members: Sequence[Published]) -> Mapping[str, Entity | None]:
    """Read the newest activity of each entity: its description, or None where it was deleted."""
    found: dict[str, Entity | None] = {}
    for member in members:
        body = orjson.loads(member.body)
        found[body["object"]] = body["@graph"][0] if "@graph" in body else None
    return found


def feed_stream(base_url: str) -> Stream:
    """Return the feed as a stream at a public address (no slash at its end)."""
    host = urlsplit(base_url).netloc
    return Stream(
        name=FEED_NAME,
        model=_MODEL,
        title=FEED_TITLE,
        description=FEED_DESCRIPTION,
        publisher_name=host,
        publisher_iri=f"{base_url}/#publisher",
        licence=METADATA_LICENCE,
        polling_interval=timedelta(minutes=5),
        timestamp_path=f"{PREFIXES['as']}published",
        version_path=f"{PREFIXES['as']}object",
        numbered=False,
        graphs=True,
        operation_path=RDF_TYPE,
        operation_key="@type",
    )


class FeedStore(MemberSink, MemberStore, Protocol):
    """What publishing the feed needs of a store."""


async def publish_changes(streams: Sequence[Stream], store: FeedStore, *, base_url: str) -> int:
    """Publish what changed in the catalogue of these streams since the feed was last written; return how many activities.

    All in one transaction, so calling it again, after whatever end, publishes what is missing and nothing twice.

    Raises:
        StoreError: the database did not answer; or, not retriable, another process publishes the feed at the same time.

    """
    feed = feed_stream(base_url)
    await store.ensure_stream(feed)
    head = await store.head(feed.name)
    before = held(await store.latest(feed.name, limit=_EVERYTHING, deleted=True))
    changes = due(before, entities(streams, base_url))
    now = datetime.now(UTC)
    entries = [
        Entry(offset=head.position + number, at=now, record=_member(activity, head.count + number - 1, base_url, now))
        for number, activity in enumerate(changes, 1)
    ]
    if entries:
        await store.append(feed.name, place(entries, feed, head=head, known=()))
    return len(entries)


def _member(activity: Activity, number: int, base_url: str, now: datetime) -> Record:
    name = f"{FEED_NAME}/members/{number}"
    body: dict[str, Any] = {"@id": f"{base_url}/{name}", "@type": activity.kind, "object": activity.entity}
    if activity.payload is not None:
        body["@graph"] = [activity.payload]
    member = Member(id=name, entity=activity.entity, observed_at=now, point=None, body=orjson.dumps(body))
    return member.to_record()


class ActivityWriter(Writer):
    """Writes activities as TriG and N-Quads: what the activity is in the default graph, the description in its own."""

    def ntriples(self, body: bytes, *, scope: str) -> bytes:
        """Return one statement per line (N-Quads); blank nodes are labelled `_:<scope>…`."""
        activity, graph = _parts(body)
        label = b" <%s> .\n" % activity["@id"].encode()
        lines = [super().ntriples(orjson.dumps(activity), scope=scope)]
        for number, node in enumerate(graph):
            text = super().ntriples(orjson.dumps(node), scope=f"{scope}g{number}")
            lines += [line.removesuffix(b" .\n") + label for line in text.splitlines(keepends=True)]
        return b"".join(lines)

    def turtle(self, body: bytes) -> bytes:
        """Return the activity and its named graph (TriG)."""
        activity, graph = _parts(body)
        own = super().turtle(orjson.dumps(activity))
        blocks = b"".join(self._blocks(graph))
        return own + b"<%s> {\n%s}\n" % (activity["@id"].encode(), blocks) if blocks else own

    def _blocks(self, graph: Sequence[Entity]) -> Iterator[bytes]:
        for node in graph:
            yield super().turtle(orjson.dumps(node))


def _parts(body: bytes) -> tuple[Entity, Sequence[Entity]]:
    activity = orjson.loads(body)
    graph = activity.pop("@graph", ())
    activity.pop("sequence", None)  # no statement: the context says so to readers of JSON-LD
    return activity, graph


_MODEL = Model(
    name="activities",
    version="1.0.0",
    title=FEED_TITLE,
    description=FEED_DESCRIPTION,
    versioned=True,
    context=CONTEXT_BYTES,
    shape=Shape(
        iri=_SHAPE,
        turtle=f"<{_SHAPE}> a <{SH}NodeShape> .\n",
        ntriples=f"<{_SHAPE}> <{RDF_TYPE}> <{SH}NodeShape> .\n".encode(),
        jsonld=orjson.dumps([{"@id": _SHAPE, "@type": [f"{SH}NodeShape"]}]),
    ),
    template={},
    example=b"{}",
    readme="",
    fields={},
    writer=ActivityWriter(NAMES),
)
