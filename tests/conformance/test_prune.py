"""The property of pruning: who leaves out pages by their relations finds all that a full reading finds (spec 2.12)."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import timedelta
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from pyoxigraph import Literal, NamedNode

from ldes_server.definition import LEVELS, ByPrefix, ByProperty, ByTile, ByTime, Nested, ViewDefinition
from ldes_server.model import GENERATED_AT, VERSION_OF, Stream
from smartflanders.embedded import EmbeddedPostgres
from streams.record import format_time
from tests.conformance.asking import Between, Part, Question, Starting, Within, answers, follows
from tests.conformance.city import GARAGES, MORNING, NAME, NAMES, OPERATORS, PLACES, VIEWS, city_member, city_stream
from tests.conformance.comparing import Region
from tests.conformance.conftest import database_of_site
from tests.conformance.kit import Site
from tests.conformance.pages import XSD, Library, Tree, walk

RDFS_LABEL = "http://www.w3.org/2000/01/rdf-schema#label"
OBSERVED = ("http://www.w3.org/ns/sosa/resultTime",)
PUBLISHED = (GENERATED_AT,)
LABEL = ("http://schema.mobivoc.org/#operatedBy", RDFS_LABEL)
NAMED = (RDFS_LABEL,)
GEOMETRY = ("http://www.w3.org/ns/locn#geometry", "http://www.opengis.net/ont/geosparql#asWKT")
FREE = ("http://vocab.datex.org/terms#parkingNumberOfVacantSpaces",)
SHARE = ("http://schema.mobivoc.org/#rateOfOccupancy",)
OPEN = ("https://w3id.org/smartflanders/parking#openNow",)
# A reader sees news within a second (HTTP-09).
NEWS = 1.1


def typed(text: str, datatype: str) -> Literal:
    """Make a literal of a datatype of XML Schema."""
    return Literal(text, datatype=NamedNode(XSD + datatype))


# --- what is asked --------------------------------------------------------------------------------------------------


def between(path: tuple[str, ...], values: st.SearchStrategy[str], datatype: str) -> st.SearchStrategy[Part]:
    """Ask for a range of values; one value half of the time."""
    return st.tuples(values, values, st.booleans()).map(
        lambda it: Between(path=path, low=typed(it[0], datatype), high=typed(it[0] if it[2] else it[1], datatype))
    )


def times(length: int) -> st.SearchStrategy[str]:
    """Choose times around those of a history of so many members, often on the edge of a window."""
    minutes = st.integers(-5 * 1440, 2 * length + 300) | st.sampled_from([0, 60, 1080, 1081]) | st.just(-60 * 6)
    return minutes.map(lambda minute: format_time(MORNING + timedelta(minutes=minute)))


def parts(site: Site, stream: str, length: int) -> st.SearchStrategy[Part]:
    """Ask about one property, with values that members have and values that they have not."""
    texts = st.sampled_from([*OPERATORS, "", "Z", "\U0001f17f"]) | st.text(max_size=3)
    named = st.sampled_from([text for pairs in NAMES for _, text in pairs]) | st.just("Ü")
    cut = st.integers(0, 5)
    entities = st.integers(0, GARAGES).map(lambda it: NamedNode(f"{site.base}/{stream}/entities/{it}"))
    edges = st.sampled_from([3.515625, 3.7234, 3.72, -70.5, 0.0, 180.0, 51.0, 51.0489, -90.0]) | st.floats(-180, 180)
    corner = st.tuples(edges, edges.map(lambda it: max(-90.0, min(90.0, it))))
    return st.one_of(
        between(OBSERVED, times(length), "dateTime"),
        between(PUBLISHED, times(length), "dateTime"),
        between(FREE, st.integers(-1, 12).map(str), "integer"),
        between(FREE, st.sampled_from(["2.0", "10.00", "3.5"]), "decimal"),
        between(SHARE, st.sampled_from(["2.5", "25", "2.75e1", "-1"]), "double"),
        between(OPEN, st.sampled_from(["true", "false"]), "boolean"),
        between(LABEL, texts, "string"),
        st.tuples(st.sampled_from([LABEL, NAMED]), texts | named, cut).map(
            lambda it: Starting(path=it[0], prefix=it[1][: it[2]])
        ),
        entities.map(lambda it: Between(path=(VERSION_OF,), low=it, high=it)),
        st.tuples(corner, corner).map(
            lambda it: Within(
                path=GEOMETRY,
                region=Region(
                    west=min(it[0][0], it[1][0]),
                    south=min(it[0][1], it[1][1]),
                    east=max(it[0][0], it[1][0]),
                    north=max(it[0][1], it[1][1]),
                ),
            )
        ),
    )


def questions(site: Site, stream: str, length: int) -> st.SearchStrategy[Question]:
    """Ask about one property or two."""
    return st.lists(parts(site, stream, length), min_size=1, max_size=2).map(tuple)


def elsewhere(site: Site) -> tuple[Part, ...]:
    """Ask what no member answers, of each property once: whoever divides members by it must leave something out."""
    before = typed(format_time(MORNING - timedelta(days=365)), "dateTime")
    nobody = NamedNode(f"{site.base}/{NAME}/entities/nobody")
    return (
        *(Between(path=path, low=before, high=before) for path in (OBSERVED, PUBLISHED)),
        Between(path=FREE, low=typed("-9", "integer"), high=typed("-9", "integer")),
        Between(path=SHARE, low=typed("-9", "double"), high=typed("-9", "double")),
        Between(path=LABEL, low=typed("nobody", "string"), high=typed("nobody", "string")),
        *(Starting(path=path, prefix="\u2603") for path in (LABEL, NAMED)),
        Between(path=(VERSION_OF,), low=nobody, high=nobody),
        Within(path=GEOMETRY, region=Region(west=100.0, south=60.0, east=101.0, north=61.0)),
    )


def found(question: Question, tree: Tree) -> set[NamedNode]:
    """Return what answers a question, among the members that were read."""
    return {member for member, page in tree.members.items() if answers(question, member, page)}


# --- a history that holds still -------------------------------------------------------------------------------------


@pytest.mark.parametrize("view", ["log", *(view for view in VIEWS if view != "newest")])
def test_tree_16_pruned_reading_is_filtered_reading(site: Site, library: Library, view: str) -> None:
    """TREE-16, TREE-18: for any question, reading a view by what relations promise finds what reading all of it finds."""
    full = library.tree(NAME, view)
    left_out: list[int] = []

    @settings(
        max_examples=40, deadline=None, database=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck)
    )
    @given(question=questions(site, NAME, len(full.members)))
    def holds(question: Question) -> None:
        ask(question)

    def ask(question: Question) -> None:
        pruned = library.tree(NAME, view, follow=lambda link: follows(question, link))
        assert found(question, pruned) == found(question, full)
        left_out.append(len(full.pages) - len(pruned.pages))

    holds()
    for part in elsewhere(site):
        ask((part,))
    assert max(left_out) > 0


# --- a history that is being written --------------------------------------------------------------------------------

EXAMPLES = 4
HISTORY = 100
DELAYS = [timedelta(seconds=it) for it in (20, 20, 20, 1800, 7200, 86400 * 3, -10800)]

plain_views: st.SearchStrategy[ByTime | ByTile | ByProperty | ByPrefix] = st.one_of(
    st.lists(st.sampled_from(LEVELS), min_size=1, max_size=3, unique=True).map(
        lambda it: ByTime(
            name="observed_at", levels=tuple(sorted(it, key=LEVELS.index)), lateness=timedelta(minutes=30)
        )
    ),
    st.lists(st.integers(0, 16), min_size=1, max_size=3, unique=True).map(
        lambda it: ByTile(name="point", zooms=tuple(sorted(it)))
    ),
    st.sampled_from(["operator", "entity", "free_spaces", "occupancy", "open_now"]).map(lambda it: ByProperty(name=it)),
    st.tuples(st.sampled_from(["operator", "name"]), st.integers(1, 4)).map(
        lambda it: ByPrefix(name=it[0], length=it[1])
    ),
)
any_view: st.SearchStrategy[ViewDefinition] = plain_views | st.tuples(plain_views, plain_views).map(
    lambda it: Nested(outer=it[0], inner=it[1])
)


def oddity(chance: Random) -> dict[str, Any]:
    """Say what a member says; a time without a zone is what only somebody else's producer writes."""
    return {
        "operator": chance.choice([None, *OPERATORS, chr(chance.choice([0x41, 0xE9, 0x301, 0x1F17F, 0x2028])) * 2]),
        "place": chance.choice([None, *PLACES]),
        "delay": chance.choice(DELAYS),
        "offset": chance.choice([0, 0, 0, 5, -11, None]),
        "free": chance.randrange(13),
        "name": chance.choice(NAMES),
        "garage": chance.choice([0, chance.randrange(GARAGES)]),
        "open": chance.choice([None, True, False]),
        "gone": chance.randrange(20) == 0,
    }


@dataclass(slots=True)
class Ledger:
    """What was published, and when that had been done; appended to by the writer alone."""

    intended: list[NamedNode] = field(default_factory=list)
    done: list[tuple[float, int]] = field(default_factory=list)

    def seen_by_now(self) -> int:
        """Return how many members every reader must see from now on."""
        return max((count for at, count in self.done if at < time.monotonic() - NEWS), default=0)


@dataclass(slots=True)
class Reading:
    """What a reader found while members came: for which question, and how many members it had to see."""

    question: Question
    due: int
    found: set[NamedNode]


@pytest.fixture(scope="module")
def busy(postgres: EmbeddedPostgres) -> Iterator[Site]:
    """Run a site with a stream for each example."""
    names = [f"city-{number}" for number in range(EXAMPLES)]
    with Site(
        database_of_site(postgres, "conformance_busy"),
        [*(city_stream(name, {}) for name in names), city_stream("city-all"), city_stream("city-zones")],
    ) as running:
        yield running


def write(site: Site, name: str, said: Sequence[Mapping[str, Any]], ledger: Ledger) -> None:
    """Publish members in batches of all sizes until the history is full."""
    stream, start, batch = site.streams[name], 0, 1
    while start < len(said):
        numbers = range(start, min(start + batch, len(said)))
        members = tuple(city_member(stream, number, site.base, said[number]) for number in numbers)
        ledger.intended += [NamedNode(f"{site.base}/{each.id}") for each in members]
        site.add(name, lambda _, made=members: made)  # type: ignore[misc]
        start, batch = numbers.stop, 1 + batch * 3 % 17
        ledger.done.append((time.monotonic(), start))


def read_on(site: Site, stream: Stream, ask: Sequence[Question], writer: Future[None], ledger: Ledger) -> list[Reading]:
    """Read views for one question after the other while the writer writes; the stream's second view is added meanwhile."""
    readings, final, turns = [], dict[str, bytes](), 0
    first, second = stream.views
    while not writer.done() or turns < 4:
        if turns == 2:
            site.declare(stream)
        view = ("log", first, second)[turns % (3 if turns > 2 else 2)]
        question, due = ask[turns % len(ask)], ledger.seen_by_now()
        pruned = walk(site, stream.name, view, follow=lambda link, asked=question: follows(asked, link))  # type: ignore[misc]
        readings.append(Reading(question=question, due=due, found=found(question, pruned)))
        assert pruned.members.keys() <= set(ledger.intended)
        for page in pruned.pages.values():
            # G3, G7: what was final stays as it was, links and bounds included.
            assert final.setdefault(page.url, page.answer.body) == page.answer.body
            if not page.final:
                del final[page.url]
        turns += 1
    return readings


def test_tree_16_pruned_reading_while_members_come(busy: Site) -> None:
    """TREE-16, TREE-18, LDES-39: whatever comes, late, oddly or without a zone, pruned readings miss no answer."""
    names = iter(each for each in busy.streams if each[-1].isdigit())

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(
        seed=st.integers(0, 2**32),
        first=any_view,
        second=any_view,
        data=st.data(),
    )
    def holds(seed: int, first: ViewDefinition, second: ViewDefinition, data: st.DataObject) -> None:
        name, chance, ledger = next(names), Random(seed), Ledger()
        ask = data.draw(st.lists(questions(busy, name, HISTORY), min_size=12, max_size=12))
        said = [oddity(chance) for _ in range(HISTORY)]
        busy.declare(replace(busy.streams[name], views={"first": first}))
        with ThreadPoolExecutor(1) as pool:
            writer = pool.submit(write, busy, name, said, ledger)
            stream = replace(busy.streams[name], views={"first": first, "second": second})
            readings = read_on(busy, stream, ask, writer, ledger)
            writer.result()
        full = {view: walk(busy, name, view) for view in ("log", "first", "second")}
        assert all(tree.members.keys() == set(ledger.intended) for tree in full.values())
        for reading in readings:
            expected = found(reading.question, full["log"]) & set(ledger.intended[: reading.due])
            assert expected <= reading.found
        library = Library(busy)
        for question in ask:
            for view, tree in full.items():
                pruned = library.tree(name, view, follow=lambda link, asked=question: follows(asked, link))  # type: ignore[misc]
                assert found(question, pruned) == found(question, tree)

    holds()


def test_ldes_25_members_come_into_all_views_at_once(busy: Site) -> None:
    """LDES-25: who reads one view and then another finds in the second all that was in the first, while members come."""
    name = "city-all"
    stream = busy.streams[name]
    busy.declare(stream)
    chance, ledger = Random(25), Ledger()
    with ThreadPoolExecutor(1) as pool:
        writer = pool.submit(write, busy, name, [oddity(chance) for _ in range(HISTORY)], ledger)
        order = ["log", *(view for view in VIEWS if view != "newest")]
        seen: set[NamedNode] = set()
        while not writer.done():
            chance.shuffle(order)
            for view in order[:3]:
                now = set(walk(busy, name, view).members)
                assert seen <= now
                seen = now
        writer.result()
    assert seen


@pytest.mark.parametrize("view", ["by-hour", "by-garage", "by-tile-hour"])
def test_tree_32_times_without_a_zone_are_in_no_window(busy: Site, view: str) -> None:
    """TREE-18, TREE-32: a time that somebody wrote without a zone is behind no bound on it, for it may be any of 28 hours."""
    name = "city-zones"
    if not busy.run(lambda store: store.head(name)).count:
        chance, stream = Random(32), busy.streams[name]
        said = [{**oddity(chance), "offset": None if number % 3 else 0} for number in range(30)]
        busy.add(
            name, lambda _: tuple(city_member(stream, number, busy.base, each) for number, each in enumerate(said))
        )
        busy.declare(stream)
    tree = walk(busy, name, view)
    spelled = {member: page.facts.along(member, OBSERVED)[0].value for member, page in tree.members.items()}
    bounded = {
        member
        for _, link in tree.links()
        if OBSERVED in {bound.path for bound in link.bounds}
        for member in tree.held(link.target)
    }
    assert bounded == {member for member, text in spelled.items() if text.endswith("Z")}
    assert len(bounded) == 10
