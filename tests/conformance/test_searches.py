"""Search forms of views over HTTP (TREE-41..45): filled in at random, against a full crawl."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from rdflib import URIRef
from rdflib.compare import isomorphic

from ldes_server.definition import ByProperty, ByTile, ByTime, Nested, ViewDefinition
from ldes_server.fragmentations.by_tile import tile_at
from ldes_server.fragmentations.wkt import OtherReferenceError, box_of
from ldes_server.model import Placed, Published
from ldes_server.postgres_store import PostgresStore
from smartflanders.embedded import EmbeddedPostgres
from tests.conformance.conftest import database_of_site
from tests.conformance.kit import FORMATS, doubles_by_value
from tests.support.crawl import crawl
from tests.support.site_of_views import Views
from tests.support.views import MORNING, NAME, make_members, make_stream

TREE = "https://w3id.org/tree#"
COUNT = 160
VIEWS: dict[str, ViewDefinition] = {
    "by-tile": ByTile(name="point", zooms=(8, 11, 14)),
    "tile-then": Nested(outer=ByTile(name="point", zooms=(8, 14)), inner=ByProperty(name="operator")),
    "by-hour": ByTime(name="observed_at", levels=("day", "hour"), lateness=timedelta(hours=1)),
    "hour-then": Nested(
        outer=ByTime(name="observed_at", levels=("hour",), lateness=timedelta(hours=1)),
        inner=ByProperty(name="operator"),
    ),
}
TILED, TIMED = ("by-tile", "tile-then"), ("by-hour", "hour-then")


def somewhere(chance: random.Random) -> str | None:
    """Return a place around Ghent: points, short and long lines, one in another reference system, or none."""
    lon, lat = chance.uniform(3.5, 3.9), chance.uniform(50.9, 51.2)
    reach = chance.choice((0.0005, 0.02, 0.5))
    return chance.choice(
        (
            f"POINT ({lon:.6f} {lat:.6f})",
            f"POINT ({lon:.6f} {lat:.6f})",
            f"LINESTRING ({lon:.6f} {lat:.6f}, {lon + reach:.6f} {lat - reach:.6f})",
            "<http://www.opengis.net/def/crs/EPSG/0/31370> POINT (104000 193000)",
            None,
        )
    )


def moved(members: tuple[Published, ...]) -> Iterator[Published]:
    """Put members at places."""
    chance = random.Random(41)
    for member in members:
        body = json.loads(member.body)
        body.pop("geometry", None)
        if (wkt := somewhere(chance)) is not None:
            body["geometry"] = {"@type": "Point", "wkt": wkt}
        yield member._replace(body=json.dumps(body, separators=(",", ":")).encode())


@pytest.fixture(scope="module")
def site(postgres: EmbeddedPostgres) -> Iterator[Views]:
    """Run a site whose members are at places of every kind."""
    with Views(database_of_site(postgres, "conformance_searches"), make_stream(VIEWS)) as running:
        running.declare(running.stream)

        async def work(store: PostgresStore) -> None:
            base = await store.head(NAME)
            members = tuple(moved(make_members(range(COUNT), base=running.base)))
            head = replace(base, count=COUNT, published_at=members[-1].published_at, position=base.position + COUNT)
            await store.append(NAME, Placed(base=base, head=head, members=members))

        running.run(work)
        running.pause(1.1)
        yield running


@pytest.fixture(scope="module")
def everything(site: Views) -> dict[int, dict[str, Any]]:
    """Crawl the history: sequence number -> member."""
    found = reached(f"{site.base}/{NAME}/log")
    assert len(found) == COUNT
    return found


def reached(url: str) -> dict[int, dict[str, Any]]:
    """Return the members that are reached from an address, by sequence number."""
    return {each["sequence"]: each for page in crawl(url) for each in page.document.get("member", [])}


def form(site: Views, view: str) -> Any:
    """Return the form of a view's root."""
    return json.loads(site.get(f"/{NAME}/{view}").body)["view"]["search"]


def meets(member: dict[str, Any], zoom: int, x: int, y: int) -> bool:
    """Whether the box around a member's geometry and a tile have a place in common."""
    try:
        box = box_of(member["geometry"]["wkt"])
    except (KeyError, OtherReferenceError):
        return False
    assert box is not None
    (west, north), (east, south) = tile_at(box.west, box.north, zoom), tile_at(box.east, box.south, zoom)
    return west <= x <= east and north <= y <= south


def where(site: Views, address: str) -> str:
    """Follow the redirect of a search that is too wide, if it is one."""
    answer = site.get(address)
    assert answer.status in (200, 303), answer
    return answer.headers["location"] if answer.status == 303 else answer.url


@pytest.mark.parametrize("view", TILED)
def test_tree_42_a_tile_form_has_three_variables(site: Views, view: str) -> None:
    """TREE-41, TREE-42: zoom, column and row are mapped once each, and all three are in the template."""
    found = form(site, view)
    assert {each["property"]: each["variable"] for each in found["mapping"]} == {
        f"{TREE}zoom": "z",
        f"{TREE}longitudeTile": "x",
        f"{TREE}latitudeTile": "y",
    }
    assert found["template"] == f"{site.base}/{NAME}/{view}?z={{z}}&x={{x}}&y={{y}}"


@pytest.mark.parametrize("view", TIMED)
def test_tree_44_a_time_form_names_its_path(site: Views, view: str) -> None:
    """TREE-41, TREE-44: one variable, a time, of the property that the view divides by."""
    found = form(site, view)
    assert found["mapping"]["property"] == f"{TREE}timeQuery"
    assert found["mapping"]["path"] == "http://www.w3.org/ns/sosa/resultTime"
    assert found["template"] == f"{site.base}/{NAME}/{view}?at={{at}}"


@pytest.mark.parametrize("view", VIEWS)
def test_tree_41_all_forms_of_a_root_have_the_same_search(site: Views, view: str) -> None:
    """HTTP-04: the root says the same in every media type, its search form included."""
    graphs = [doubles_by_value(site.get(f"/{NAME}/{view}", media).graph()) for media in FORMATS]
    assert all(isomorphic(graphs[0], graph) for graph in graphs[1:])


@pytest.mark.parametrize("view", TILED)
@pytest.mark.parametrize("zoom", [0, 3, 6, 8, 9, 10, 11, 13, 14, 16, 24])
def test_tree_45_everything_in_a_tile_is_reached(
    site: Views, everything: dict[int, dict[str, Any]], view: str, zoom: int
) -> None:
    """TREE-43, TREE-45: from a tile of any zoom every member that meets it is reached, and those without a place."""
    chance = random.Random(zoom)
    template = form(site, view)["template"]
    nowhere = {number for number, each in everything.items() if "geometry" not in each}
    assert nowhere
    for _ in range(4):
        x, y = tile_at(chance.uniform(3.6, 3.8), chance.uniform(51.0, 51.1), zoom)
        address = template.replace("{z}", str(zoom)).replace("{x}", str(x)).replace("{y}", str(y))
        found = reached(where(site, address.removeprefix(site.base))).keys()
        assert {number for number, each in everything.items() if meets(each, zoom, x, y)} | nowhere <= found
        # And it spares the reader what is elsewhere; a nested view is led to by its coarsest tiles only.
        assert zoom < 11 or view != "by-tile" or len(found) < COUNT


@pytest.mark.parametrize("view", TIMED)
def test_tree_45_every_member_of_a_time_is_reached(
    site: Views, everything: dict[int, dict[str, Any]], view: str
) -> None:
    """TREE-44, TREE-45: from any member's time, spelled in any zone, that member is reached, the late ones included."""
    template = form(site, view)["template"]
    for number, member in list(everything.items())[::7]:
        moment = datetime.fromisoformat(member["observedAt"])
        for text in (member["observedAt"], (moment + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%S.%f%%2B01:00")):
            found = reached(where(site, template.replace("{at}", text).removeprefix(site.base)))
            assert number in found
            assert len(found) < COUNT


@pytest.mark.parametrize(
    "query", ["by-hour?at=1999-01-01T00:00:00Z", "by-hour?at=0001-01-01T00:00:00Z", "by-tile?z=14&x=0&y=0"]
)
def test_tree_44_what_nobody_was_at_is_no_error(site: Views, query: str) -> None:
    """TREE-44: a gap answers 200 with what may still be meant, never 404."""
    answer = site.get(f"/{NAME}/{query}")
    assert answer.status == 200
    assert answer.headers["cache-control"] == "public, max-age=5"
    targets = [relation["node"] for relation in json.loads(answer.body)["view"]["relation"]]
    assert all(site.get(target.removeprefix(site.base)).status == 200 for target in targets)


def test_an_answer_is_a_page_like_the_others(site: Views) -> None:
    """TREE-06, TREE-11, HTTP-04, HTTP-06, HTTP-18: absolute, about itself, no entry point, the same in every form."""
    x, y = tile_at(3.7, 51.05, 10)
    address = f"/{NAME}/by-tile?z=10&x={x}&y={y}"
    graphs = []
    for media in FORMATS:
        answer = site.get(address, media)
        graph = answer.graph()
        assert {str(subject) for subject in graph.subjects(predicate=None, object=None)} >= {answer.url}
        triples = [(str(s), str(p)) for s, p, _ in graph]
        assert {s for s, p in triples if p == f"{TREE}relation"} == {answer.url}
        assert not any(p == f"{TREE}view" for _, p in triples)
        graphs.append(graph)
        assert site.get(address, media, if_none_match=answer.headers["etag"]).status == 304
    assert all(isomorphic(graphs[0], graph) for graph in graphs[1:])
    targets = {each["node"] for each in json.loads(site.get(address).body)["view"]["relation"]}
    assert all(f"{site.base}/{NAME}/by-tile/1/" in target for target in targets)


def test_a_search_is_spelled_in_one_way(site: Views) -> None:
    """HTTP-33: another order leads to the canonical one; a time in another zone is another address of its own."""
    answer = site.get(f"/{NAME}/by-tile?x=130&z=8&y=85")
    assert answer.status == 308
    assert answer.headers["location"] == f"{site.base}/{NAME}/by-tile?z=8&x=130&y=85"


def test_http_18_an_answer_is_about_the_address_asked(site: Views) -> None:
    """HTTP-18, TREE-11: a time with its colons escaped, as templates are filled in, is redirected to what the page calls itself."""
    escaped = site.get(f"/{NAME}/by-hour?at=2026-11-23T08%3A00%3A00%2b01%3A00", "text/turtle")
    assert escaped.status == 308
    answer = site.get(escaped.headers["location"], "text/turtle")
    assert (answer.status, answer.url) == (200, f"{site.base}/{NAME}/by-hour?at=2026-11-23T08:00:00%2B01:00")
    subjects = {str(subject) for subject in answer.graph().subjects(URIRef(f"{TREE}relation"))}
    assert subjects == {answer.url}


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("by-tile?z=8&x=256&y=85", "x=256"),
        ("by-tile?z=8&x=130&y=-1", "y=-1"),
        ("by-tile?z=eight&x=130&y=85", "z=eight"),
        ("by-tile?z=25&x=0&y=0", "z=25"),
        ("by-tile?z=8&x=130", "y is missing"),
        ("by-tile?x=130", "z and y is missing"),
        ("by-tile?z=8&z=9&x=130&y=85", "'z' has two values"),
        ("by-tile?at=2026-11-23T08:00:00Z", "no parameter 'at'"),
        ("by-hour?at=noon", "at=noon"),
        ("by-hour?at=2026-11-23T08:00:00", "at=2026-11-23T08:00:00"),
        ("by-hour?at=2026-02-30T08:00:00Z", "at=2026-02-30T08:00:00Z"),
        ("by-hour?at=", "at="),
        ("by-hour?z=8&x=130&y=85", "no parameter 'z'"),
        ("by-hour?at=2026-11-23T08:00:00Z&format=csv", "plain form"),
    ],
)
def test_what_is_no_search_is_refused(site: Views, query: str, said: str) -> None:
    """400 that names the parameter and says its form."""
    answer = site.get(f"/{NAME}/{query}")
    problem = json.loads(answer.body)
    assert (answer.status, answer.media) == (400, "application/problem+json")
    assert said in problem["detail"]
    assert "a zoom" in problem["fix"] or "write " in problem["fix"] or "RFC 3339" in problem["fix"]


def test_a_search_has_no_plain_form(site: Views) -> None:
    """HTTP-02: an answer is links, which CSV cannot say: 406 with the forms there are."""
    answer = site.get(f"/{NAME}/by-tile?z=8&x=130&y=85", "text/csv")
    assert answer.status == 406
    assert "text/turtle" in json.loads(answer.body)["near"]


@pytest.mark.usefixtures("everything")
def test_a_search_sees_what_came_since(site: Views) -> None:
    """An answer that was given before shows a new bucket as soon as it has members, and leads to nothing that is not there."""
    address = f"/{NAME}/by-hour?at=2026-11-24T12:30:00Z"
    before = reached(where(site, address))

    async def work(store: PostgresStore) -> None:
        base = await store.head(NAME)
        (made,) = make_members([base.count], base=site.base)
        noon = MORNING + timedelta(days=1, hours=6, minutes=30)
        body = {**json.loads(made.body), "observedAt": noon.strftime("%Y-%m-%dT%H:%M:%SZ")}
        member = made._replace(observed_at=noon, body=json.dumps(body).encode())
        head = replace(base, count=base.count + 1, published_at=made.published_at, position=base.position + 1)
        await store.append(NAME, Placed(base=base, head=head, members=(member,)))

    site.run(work)
    site.pause(1.1)
    after = reached(where(site, address))
    assert after.keys() - before.keys() == {COUNT}
