"""Members for tests of views, published by hand, and readings of views that know nothing of how they are stored."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from ldes_server.definition import ByPrefix, ByProperty, ByTile, ByTime, Nested, ViewDefinition, definition_text
from ldes_server.model import Bound, Head, Page, PageId, Placed, Published, Relation, Stream, ViewState
from ldes_server.postgres_store import PostgresStore
from streams.record import format_time
from vocab.model import load_model

MORNING = datetime(2026, 11, 23, 6, tzinfo=UTC)
BASE = "https://data.example.org"
OPERATORS = ("Mobiliteitsbedrijf Gent", "Interparking", "Indigo")
NAME = "parking"
VIEWS: dict[str, ViewDefinition] = {
    "by-hour": ByTime(name="observed_at", levels=("day", "hour"), lateness=timedelta(hours=1)),
    "by-tile": ByTile(name="point", zooms=(8, 14)),
    "by-operator": ByProperty(name="operator"),
    "by-name": ByPrefix(name="operator", length=2),
    "by-garage": Nested(
        outer=ByProperty(name="entity"),
        inner=ByTime(name="observed_at", levels=("hour",), lateness=timedelta(hours=1)),
    ),
}


def make_stream(views: Mapping[str, ViewDefinition] | None = None) -> Stream:
    """Make a stream with small pages."""
    return Stream(
        name=NAME,
        model=load_model("parking"),
        title={"nl": "Test", "en": "Test"},
        description={},
        publisher_name="Stad Gent",
        publisher_iri="https://data.vlaanderen.be/id/organisatie/OVO002011",
        licence="https://data.vlaanderen.be/id/licentie/modellicentie-gratis-hergebruik/v1.0",
        page_size=4,
        fan=2,
        views=VIEWS if views is None else views,
    )


def make_members(numbers: Iterable[int], *, base: str = BASE, garages: int = 7) -> tuple[Published, ...]:
    """Make members two minutes apart: every fifth was observed hours ago, every eleventh has no place or operator."""
    made = []
    for number in numbers:
        published_at = MORNING + timedelta(minutes=2 * number)
        observed_at = published_at - (timedelta(hours=number % 4) if number % 5 == 0 else timedelta(seconds=20))
        garage = number * number % garages
        body: dict[str, object] = {
            "@id": f"{base}/{NAME}/members/{number}",
            "@type": "ParkingFacility",
            "isVersionOf": f"{base}/{NAME}/entities/{garage}",
            "observedAt": format_time(observed_at),
            "freeSpaces": number,
        }
        if number % 11:
            body["operator"] = {"@type": "Agent", "label": OPERATORS[garage % len(OPERATORS)]}
            body["geometry"] = {"@type": "Point", "wkt": f"POINT ({3.7 + garage / 50} 51.05)"}
        made.append(
            Published(
                sequence=number,
                published_at=published_at,
                id=f"{NAME}/members/{number}",
                entity=str(body["isVersionOf"]),
                observed_at=observed_at,
                point=None,
                body=json.dumps(body, separators=(",", ":")).encode(),
            )
        )
    return tuple(made)


async def publish(store: PostgresStore, count: int, *, base: str = BASE, garages: int = 7) -> None:
    """Publish `count` more members in one transaction."""
    head = await store.head(NAME)
    members = make_members(range(head.count, head.count + count), base=base, garages=garages)
    after = Head(
        count=head.count + count,
        published_at=members[-1].published_at,
        position=head.position + count,
        views=head.views,
    )
    await store.append(NAME, Placed(base=head, head=after, members=members))


async def declare(store: PostgresStore, stream: Stream) -> None:
    """Make the stream's views what it declares, without filling them."""
    await store.ensure_stream(stream)
    await store.builds.reconcile(stream.name, {name: definition_text(each) for name, each in stream.views.items()})


async def build_all(store: PostgresStore, *, limit: int = 50) -> list[ViewState]:
    """Fill every build that is under construction, and return the live ones."""
    for each in await store.builds.states(NAME):
        if each.state == "building":
            while (await store.builds.fill(NAME, each.id, limit=limit)) is not None:
                pass
    return [each for each in await store.builds.states(NAME) if each.state == "live"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """What a reader of a view has: members by bucket, all pages, and how many members each relation promised."""

    buckets: dict[str, list[int]] = field(default_factory=dict)
    pages: dict[PageId, Page] = field(default_factory=dict)

    @property
    def sequences(self) -> set[int]:
        """The members of all buckets."""
        return {sequence for each in self.buckets.values() for sequence in each}


def everything(_relation: Relation) -> bool:
    """Follow every relation."""
    return True


async def read(
    store: PostgresStore, stream: Stream, view: str, *, follow: Callable[[Relation], bool] = everything
) -> Copy:
    """Read a view from its root on, parents first."""
    copy = Copy()
    todo = [PageId(view=view)]
    while todo:
        page_id = todo.pop(0)
        page = await store.page(stream, page_id)
        assert page is not None, page_id
        assert page_id not in copy.pages, f"{page_id} is linked twice (TREE-21)"
        copy.pages[page_id] = page
        todo += [relation.target for relation in page.relations if follow(relation)]
    for page_id in sorted((each for each in copy.pages if each.level == 0), key=lambda each: each.index):
        found = copy.buckets.setdefault(page_id.bucket, [])
        found += [member.sequence for member in copy.pages[page_id].members]
    return copy


def holds(bound: Bound, member: Published) -> bool:
    """Whether a bound is true of a member (TREE-16), read from its body and its publication time."""
    body = json.loads(member.body)
    last = bound.path[-1].rpartition("#")[2].rpartition("/")[2]
    found = {
        "generatedAtTime": format_time(member.published_at),
        "resultTime": body["observedAt"],
        "isVersionOf": body["isVersionOf"],
        "label": body.get("operator", {}).get("label"),
        "asWKT": body.get("geometry", {}).get("wkt"),
    }[last]
    return found is not None and satisfies(bound, found)


def satisfies(bound: Bound, value: str) -> bool:
    """Whether a value satisfies a bound; times are compared as text, since all are UTC with milliseconds."""
    match bound.type.value:
        case "GreaterThanOrEqualToRelation":
            return value >= bound.value
        case "LessThanOrEqualToRelation":
            return value <= bound.value
        case "LessThanRelation":
            return value < bound.value
        case "EqualToRelation":
            return value == bound.value
        case "PrefixRelation":
            return value.startswith(bound.value)
        case "GeospatiallyContainsRelation":
            corners = [corner.split() for corner in bound.value.partition("((")[2].rstrip(")").split(",")]
            x, y = (float(part) for part in value.removeprefix("POINT (").rstrip(")").split())
            inside = [min(float(c[axis]) for c in corners) <= at <= max(float(c[axis]) for c in corners)
                      for axis, at in enumerate((x, y))]  # fmt: skip
            return all(inside)
    raise AssertionError(bound)
