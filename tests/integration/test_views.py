"""Views of a stream that is written, read and rebuilt at once: complete, pruned soundly, and never denied."""

from __future__ import annotations

import asyncio
import json
import random
import urllib.error
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from ldes_server.building import run_views
from ldes_server.model import Published, Relation
from ldes_server.postgres_store import PostgresStore
from ldes_server.writer import run_writer
from streams.metrics import REGISTRY
from streams.postgres_log import PostgresLog
from streams.record import Member, Record, format_time, members_topic
from tests.support.crawl import crawl, fetch
from tests.support.site_of_views import Views
from tests.support.views import (
    MORNING,
    NAME,
    OPERATORS,
    VIEWS,
    build_all,
    declare,
    make_members,
    make_stream,
    read,
    satisfies,
)

STREAM = make_stream()


def record(member: Published) -> Record:
    """Put a member on its topic again."""
    plain = Member(id=member.id, entity=member.entity, observed_at=member.observed_at, body=member.body)
    return plain.to_record()


def questions(chance: random.Random) -> Iterator[tuple[str, dict[str, tuple[str, str]]]]:
    """Ask each view for something: (view, predicate → the lowest and the highest value asked for, both included)."""
    while True:
        start = MORNING + timedelta(minutes=chance.randrange(-200, 500))
        times = format_time(start), format_time(start + timedelta(minutes=chance.choice([0, 1, 45, 200])))
        operator = chance.choice([*OPERATORS, "Nobody"])
        garage = f"https://data.example.org/parking/entities/{chance.randrange(8)}"
        yield "by-hour", {"resultTime": times}
        yield "by-operator", {"label": (operator, operator)}
        yield "by-name", {"label": (operator, operator)}
        yield "by-garage", {"isVersionOf": (garage, garage), "resultTime": times}
        place = f"POINT ({3.7 + chance.randrange(8) / 50} 51.05)"
        yield "by-tile", {"asWKT": (place, place)}


def may_hold(relation: Relation, asked: dict[str, tuple[str, str]]) -> bool:
    """Whether anything behind the relation can be asked for: the range must meet every bound on its predicate."""
    for bound in relation.bounds:
        name = bound.path[-1].rpartition("#")[2].rpartition("/")[2]
        # A range meets a lower bound with its highest value, an upper one with its lowest.
        if name in asked and not any(satisfies(bound, value) for value in asked[name]):
            return False
    return True


def is_asked_for(member: Published, asked: dict[str, tuple[str, str]]) -> bool:
    """Whether a member is what was asked for, by its body alone."""
    body = json.loads(member.body)
    found = {
        "resultTime": body["observedAt"],
        "isVersionOf": body["isVersionOf"],
        "label": body.get("operator", {}).get("label"),
        "asWKT": body.get("geometry", {}).get("wkt"),
    }
    return all(found[name] is not None and low <= str(found[name]) <= high for name, (low, high) in asked.items())


async def test_a_pruned_reading_is_the_filtered_history(database_url: str) -> None:
    """While members come, late ones among them, a reader that prunes by bounds misses nothing that was published."""
    chance = random.Random(23)
    stop = asyncio.Event()
    final: dict[object, object] = {}
    async with (
        asyncio.timeout(120),
        PostgresStore(database_url) as store,
        PostgresLog(database_url) as log,
        asyncio.TaskGroup() as group,
    ):
        group.create_task(run_views(STREAM, store, stop=stop))
        group.create_task(run_writer(STREAM, log, store, stop=stop))
        ask = questions(chance)
        sent = 0
        while sent < 400 or not final:
            count = chance.randrange(1, 60)
            await log.append(members_topic(NAME), [record(each) for each in make_members(range(sent, sent + count))])
            sent += count
            await asyncio.sleep(0.05)
            live = {each.name for each in await store.views(NAME) if each.state == "live"}
            for _ in range(len(VIEWS)):
                view, asked = next(ask)
                published = (await store.head(NAME)).count
                if view not in live:
                    continue
                copy = await read(store, STREAM, view, follow=lambda relation, asked=asked: may_hold(relation, asked))  # type: ignore[misc]
                expected = {each.sequence for each in make_members(range(published)) if is_asked_for(each, asked)}
                assert expected <= copy.sequences
                for page_id, page in copy.pages.items():
                    # Publication times are the log's own here, so windows close long after; full pages are final.
                    assert final.get(page_id, page) == page
                    if page.final:
                        final[page_id] = page
        stop.set()
    assert final


async def test_a_writer_that_dies_between_batches_goes_on(database_url: str) -> None:
    """A writer cancelled anywhere and started again leaves every member in every view exactly once."""
    async with PostgresStore(database_url) as store, PostgresLog(database_url) as log:
        stop = asyncio.Event()
        await declare(store, STREAM)
        await build_all(store)
        last = -1
        for start in range(0, 300, 20):
            last = await log.append(
                members_topic(NAME), [record(each) for each in make_members(range(start, start + 20))]
            )
        chance = random.Random(5)
        kills = 0
        while (await store.head(NAME)).position < last:
            kills += 1
            try:
                async with asyncio.timeout(chance.uniform(0, 0.02) * (1 + kills / 3)):
                    await run_writer(STREAM, log, store, stop=stop)
            except TimeoutError:
                continue
        for view in VIEWS:
            copy = await read(store, STREAM, view)
            assert copy.sequences == set(range(300))
            assert all(len(bucket) == len(set(bucket)) for bucket in copy.buckets.values())


def ids(root: str) -> set[str]:
    """Return the members below a root."""
    return {member["@id"] for page in crawl(root) for member in page.document.get("member", [])}


@pytest.fixture
def site(database_url: str) -> Iterator[Views]:
    """Run a site with 150 members in every view."""
    with Views(database_url, STREAM) as running:
        running.declare(STREAM)
        running.publish(80)
        running.publish(70)
        yield running


def test_every_view_is_the_whole_history(site: Views) -> None:
    """A crawl of each view's root gives what a crawl of the history gives, in each form that is asked for."""
    expected = site.ledger()
    assert len(expected) == 150
    for view in VIEWS:
        assert ids(site.root(view)) == expected
    for accept in ("text/turtle", "application/n-quads", 'application/trig;profile="https://w3id.org/tree/profile"'):
        for page in crawl(site.root("by-tile")):
            body, headers = fetch(page.url, accept)
            assert body
            assert ("immutable" in headers["cache-control"]) is page.final


def test_every_root_describes_itself_and_names_the_others(site: Views) -> None:
    """A root has one tree:view to itself (TREE-01), names all views, and only the history is an event source (LDES-08)."""
    roots = {site.root(view) for view in ("log", *VIEWS)}
    tree, ldes = "https://w3id.org/tree#", "https://w3id.org/ldes#"
    for root in roots:
        for accept in ("application/ld+json", "text/turtle", "application/n-triples"):
            answer = site.get(root.removeprefix(site.base), accept)
            found = {(str(s), str(p), str(o)) for s, p, o in answer.graph()}
            assert {o for _, p, o in found if p == f"{tree}view"} == roots
            kinds = {o for s, _, o in found if s == f"{root}#view"}
            assert kinds == {f"{ldes}EventSource" if root.endswith("/log") else f"{tree}SearchTree"}
            first = next(line for line in answer.body.decode().splitlines() if "view" in line)
            assert root in first
    for page in crawl(site.root("by-hour")):
        if page.url not in roots:
            assert "views" not in page.document


def test_the_front_page_leads_to_every_view(site: Views) -> None:
    """Who looks at a feed with a browser finds its views, and those only that can be read."""
    page = site.get("/", "text/html").body.decode()
    assert [view for view in site.stream.views if f'href="{site.root(view)}"' not in page] == []
    site.declare(replace(site.stream, views={}), grace=timedelta(0))
    page = site.get("/", "text/html").body.decode()
    assert [view for view in site.stream.views if f'href="{site.root(view)}"' in page] == []


def test_final_pages_keep_their_bytes(site: Views) -> None:
    """What was final has the same bytes after more members, in this process and in another (LDES-58, LDES-59)."""
    before = {page.url: page for view in VIEWS for page in crawl(site.root(view)) if page.final}
    assert before
    site.publish(120)
    with Views(site._dsn, STREAM) as other:
        for page in list(before.values())[::7]:
            assert fetch(page.url)[0] == page.body
            assert other.get(page.url.removeprefix(site.base), "application/ld+json").status == 200
    after = {page.url: page for view in VIEWS for page in crawl(site.root(view))}
    assert all(after[url].body == page.body and after[url].final for url, page in before.items())


def test_readers_finish_what_they_began(site: Views) -> None:
    """A crawl that began before a switch finds every page it was led to; after the grace period they are gone: 410."""
    reading = crawl(site.root("by-operator"))
    begun = [next(reading) for _ in range(3)]
    site.declare(replace(STREAM, views={**VIEWS, "by-operator": VIEWS["by-name"]}))
    rest = list(reading)
    expected = site.ledger()
    assert {member["@id"] for page in (*begun, *rest) for member in page.document.get("member", [])} == expected
    assert ids(site.root("by-operator")) == expected
    old = next(page for page in rest if page.final)
    assert "/by-operator/1/" in old.url
    assert all("/by-operator/2/" in page.url for page in list(crawl(site.root("by-operator")))[1:])
    site.declare(replace(STREAM, views={**VIEWS, "by-operator": VIEWS["by-name"]}), grace=timedelta(0))
    assert ids(site.root("by-operator")) == expected
    for page in (old, rest[0], begun[1]):
        assert refused(page.url) == 410


def test_a_view_that_is_removed(site: Views) -> None:
    """Its root answers 410 at once, its pages after the grace period, and no root names it any more."""
    pages = list(crawl(site.root("by-name")))
    site.declare(make_stream({"by-hour": VIEWS["by-hour"]}))
    assert refused(pages[0].url) == 410
    assert fetch(pages[-1].url)[0] == pages[-1].body
    assert json.loads(fetch(site.root("log"))[0])["views"] == [site.root("by-hour")]
    site.declare(make_stream({"by-hour": VIEWS["by-hour"]}), grace=timedelta(0))
    assert json.loads(fetch(site.root("log"))[0])["views"] == [site.root("by-hour")]
    assert {refused(page.url) for page in pages} == {410}


def test_a_view_that_is_not_there(site: Views) -> None:
    """Unknown views, buckets, pages and odd spellings are 404 with what comes near, never 500."""
    near = site.get(f"/{NAME}/by-hours").body
    assert f"/{NAME}/by-hour".encode() in near
    bucket = f"/{NAME}/by-hour/1/2026-11-23"
    assert site.get(bucket).status == 200
    for path in (
        f"/{NAME}/by-hours",
        f"{bucket}-x",
        f"{bucket}/0/999",
        f"{bucket}/1/0",
        f"{bucket}/0/00",
        f"{bucket}/x/0",
        f"{bucket}/group/1/0",
        f"{bucket}/group/9/0",
        f"{bucket}/group/0/0",
        f"/{NAME}/by-hour/0/2026-11-23",
        f"/{NAME}/by-hour/01/2026-11-23",
        f"/{NAME}/by-hour/7/2026-11-23",
        f"/{NAME}/by-hour/999999999999999/2026-11-23",
        f"/{NAME}/by-hour/1/%00",
        f"/{NAME}/by-hour/1/~",
        "/nobody/by-hour",
        "/nobody/by-hour/1/x",
    ):
        assert site.get(path).status == 404, path
    assert site.get(f"{bucket}").headers["cache-control"] == "public, max-age=5"


def test_how_views_are_is_measured(site: Views) -> None:
    """Places and buckets are counted by view."""
    site.publish(10)
    labels = {"stream": NAME, "view": "by-hour"}
    assert (REGISTRY.get_sample_value("sf_view_places_total", labels) or 0) >= 10
    assert REGISTRY.get_sample_value("sf_view_left_members", labels) == 0
    assert (REGISTRY.get_sample_value("sf_view_buckets", labels) or 0) >= 1


def refused(url: str) -> int:
    """Return the status of an address that is not answered."""
    with pytest.raises(urllib.error.HTTPError) as error:
        fetch(url)
    error.value.close()
    return error.value.code
