"""Retention over HTTP: while pages leave, no link leads nowhere and nothing promised is missing."""

from __future__ import annotations

import asyncio
import csv
import http.client
import io
import json
import random
import re
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import timedelta

import pytest

from ldes_server.keeping import Pace, declare, keep
from ldes_server.model import Stream
from ldes_server.postgres_store import PostgresStore
from ldes_server.retention import Retention
from ldes_server.shelf import HEAD_MAX_AGE
from streams.metrics import REGISTRY
from tests.conformance.kit import Site
from tests.support.crawl import Fetched, crawl, fetch
from tests.support.keeping import HOUR, Clock, begin, kept_stream, promised, step
from tests.support.views import MORNING, NAME, VIEWS, build_all, publish
from tests.support.views import declare as declare_views

GARAGES = 29
TIME = Retention(full_log=3 * HOUR)
VERSIONS = Retention(full_log=HOUR, versions=1)


class Keeping(Site):
    """A site with one stream whose policy and time the test moves."""

    def __init__(self, dsn: str, stream: Stream) -> None:
        super().__init__(dsn, [stream])
        self.stream = stream
        self.clock = Clock()

    def declare(self, stream: Stream) -> None:
        """Declare views and policies, and build the views."""

        async def work(store: PostgresStore) -> None:
            await declare_views(store, stream)
            await begin(store, stream, self.clock)
            await build_all(store)

        self.run(work)

    def publish(self, count: int) -> None:
        """Publish more members, two minutes of the clock apart."""
        self.run(lambda store: publish(store, count, base=self.base, garages=GARAGES))

    def pass_time(self, duration: timedelta) -> None:
        """Let time pass and do what the loop does then."""

        async def work(store: PostgresStore) -> None:
            self.clock.now += duration
            await step(store, self.clock)

        self.run(work)

    def expire_views(self) -> None:
        """Let builds of views go that were retired, as after the grace period."""

        async def work(store: PostgresStore) -> None:
            await store.builds.expire(NAME, grace=timedelta(0))
            while await store.builds.sweep(NAME):
                pass

        self.run(work)

    @property
    def count(self) -> int:
        """How many members are published."""
        return self.run(lambda store: store.head(NAME)).count

    def root(self, view: str = "log") -> str:
        """Return the address of a view's root."""
        return f"{self.base}/{NAME}/{view}"

    def promised(self, policy: Retention, count: int) -> set[int]:
        """Return the numbers of the first `count` members that a policy keeps now."""
        return promised(policy, count, now=self.clock(), garages=GARAGES)


def status(url: str, accept: str = "application/ld+json") -> int:
    """Return the status of an address itself: redirects are not followed."""
    split = urllib.parse.urlsplit(url)
    with closing(http.client.HTTPConnection(split.netloc, timeout=30)) as connection:
        connection.request(
            "GET", urllib.parse.urlunsplit(("", "", split.path, split.query, "")), headers={"Accept": accept}
        )
        return connection.getresponse().status


def numbers(pages: list[Fetched]) -> list[int]:
    """Return the sequence numbers of the members on pages, as often as they are there."""
    return [each["sequence"] for page in pages for each in page.document.get("member", [])]


@pytest.fixture
def site(database_url: str, request: pytest.FixtureRequest) -> Iterator[Keeping]:
    """Run a site whose stream has a history and two views, all with one policy."""
    stream = kept_stream(getattr(request, "param", TIME))
    stream = replace(stream, views={name: VIEWS[name] for name in ("by-hour", "by-operator")})
    with Keeping(database_url, stream) as running:
        running.declare(stream)
        yield running


@pytest.mark.parametrize("site", [TIME, VERSIONS], ids=["time", "versions"], indirect=True)
def test_readers_never_meet_what_left(site: Keeping) -> None:
    """Whoever reads while members come and leave meets no 404 and no 410, and misses nothing that is promised."""
    policy = site.stream.retention
    assert policy is not None
    chance = random.Random(11)
    final: dict[str, bytes] = {}
    for _ in range(5):
        for view in ("log", "by-hour", "by-operator"):
            site.expire_views()
            site.publish(chance.randrange(10, 40))
            before, until = site.count, site.clock() + timedelta(minutes=59)
            pages = []
            for page in crawl(site.root(view)):
                pages.append(page)
                if chance.random() < 0.3 and site.clock() + timedelta(minutes=10) < until:
                    site.publish(5)
                    site.pass_time(timedelta(minutes=10))
            site.pass_time(until - site.clock())
            found = numbers(pages)
            assert site.promised(policy, before) <= set(found), view
            assert len(found) == len(set(found)), view
            for page in pages:
                assert final.setdefault(page.url, page.body) == page.body or not page.final
                if not page.final:
                    del final[page.url]
    # What left says so, or where the rest of it is, in every form, and for ever.
    found_at = {url: status(url) for url in final}
    left = {url: status for url, status in found_at.items() if status != 200}
    assert set(left.values()) <= {308, 410}
    assert min(len(left), len(final) - len(left)) > 10
    for url in [*left][::3]:
        assert status(url, "text/turtle") == left[url]
        assert status(f"{url}?format=csv") == left[url]
    for url in final.keys() - left.keys():
        assert fetch(url)[0] == final[url]


def until_gone(*urls: str) -> None:
    """Wait until addresses answer 410: what a process has in memory it forgets within two polls of its store."""
    deadline = time.monotonic() + 30
    while {status(url) for url in urls} != {410}:
        assert time.monotonic() < deadline, {url: status(url) for url in urls}
        time.sleep(0.2)


def old_pages(site: Keeping) -> tuple[str, str]:
    """Let the oldest pages leave, and return the addresses of one and of a member on it, as they were before."""
    site.publish(120)
    leaf = f"{site.root()}/0/0"
    member = json.loads(fetch(leaf)[0])["member"][0]["@id"]
    assert fetch(member)[0]
    site.clock.now = MORNING + 5 * HOUR
    site.pass_time(timedelta(0))
    assert (status(leaf), status(member)) == (200, 200)
    # The history lets go of it, then the builds of views that held it, then it is deleted.
    for _ in range(2):
        site.pass_time(HOUR)
        site.expire_views()
    site.pass_time(timedelta(0))
    return leaf, member


@pytest.mark.parametrize("site", [VERSIONS], ids=["versions"], indirect=True)
def test_a_walk_begins_with_what_is_kept_of_older_members(site: Keeping) -> None:
    """Whoever follows `next` through CSV has all that the policy keeps, older versions first, each member once."""
    for _ in range(3):
        site.publish(40)
        site.pass_time(HOUR + HOUR)
        time.sleep(HEAD_MAX_AGE.total_seconds())
        for view in ("log", "by-operator"):
            found: list[int] = []
            onward: str | None = f"{site.root(view)}?format=csv"
            while onward is not None:
                with urllib.request.urlopen(onward) as answer:
                    rows = csv.DictReader(io.StringIO(answer.read().decode(), newline=""), strict=True)
                    found += [int(row["sequence"]) for row in rows]
                    links = dict(re.findall(r'<([^>]*)>; rel="(next)"', answer.headers["Link"]))
                onward = next(iter(links), None)
            assert len(found) == len(set(found))
            assert site.promised(VERSIONS, site.count) <= set(found), view
            assert set(found) == set(numbers(list(crawl(site.root(view))))), view
            assert view != "log" or found == sorted(found)


def test_every_process_forgets(site: Keeping) -> None:
    """A page and a member that were ready in memory answer 410 soon after, in a process that nobody else asks, too."""
    with Keeping(site._dsn, site.stream) as other:
        site.publish(120)
        member = json.loads(fetch(f"{site.root()}/0/0")[0])["member"][3]["@id"].removeprefix(site.base)
        urls = [f"{other.base}{path}" for path in (f"/{NAME}/log/0/0", f"/{NAME}/log/1/0", member)]
        assert {status(url) for url in urls} == {200}
        site.clock.now = MORNING + 5 * HOUR
        for _ in range(3):
            site.pass_time(HOUR)
            site.expire_views()
        until_gone(*urls)


def test_what_left_and_what_is_beside_it(site: Keeping) -> None:
    """Dropped pages and members say 410 with the way to what is kept; searches lead to the oldest page; digests stay."""
    leaf, member = old_pages(site)
    inner = [f"{site.root()}/{level}/0" for level in (1, 2, 4)]
    until_gone(leaf, *inner, f"{leaf}?format=ndjson", member)
    problem = json.loads(site.get(f"/{NAME}/log/0/0").body)
    assert (problem["status"], "linked from" in json.dumps(problem)) == (410, True)
    assert status(f"{site.base}/{NAME}/members/never") == 404
    first = site.run(lambda store: store.head(NAME)).first
    oldest = f"{site.root()}/0/{first // 4}"
    for query in ("since=0", "since=2026-11-01T00:00:00Z", "at=2026-11-01T00:00:00Z"):
        answer = site.get(f"/{NAME}?{query}")
        assert (answer.status, answer.headers["location"]) == (303, oldest), query
    assert site.get(f"/{NAME}/log?format=ndjson").headers["location"].startswith(oldest)
    answer = site.get(f"/{NAME}/log", "text/csv")
    assert answer.headers["location"].startswith(oldest)


def test_listeners_begin_with_what_is_kept(site: Keeping) -> None:
    """A live stream from before the edge says what is missing and goes on with the oldest member that is kept."""
    old_pages(site)
    gone = site.run(lambda store: store.head(NAME)).gone
    answer, headers = b"", site.get(f"/{NAME}/live?since=0", method="HEAD").headers
    assert headers["content-type"].startswith("text/event-stream")
    with urllib.request.urlopen(f"{site.base}/{NAME}/live?since=0", timeout=20) as stream:
        while answer.count(b"event: member") < 2:
            answer += stream.readline()
    said, following = answer.split(b"event: member")[:2]
    assert json.loads(said.partition(b"event: gap\ndata: ")[2].splitlines()[0]) == {
        "from": 0,
        "to": gone - 1,
        "reason": "no longer kept",
    }
    assert f'"sequence":{gone}'.encode() in following


def test_kept_bodies_are_deleted_and_digests_stay(site: Keeping) -> None:
    """The bodies of pages that left are deleted, only those; what was signed of them can still be proved."""

    async def work(store: PostgresStore) -> list[tuple[str, int, int]]:
        for index in range(4):
            await store.sign(NAME, index, b'{"page":%d,"last":%d,"chain":"c"}' % (index, 4 * index + 3))
        async with store.database.connection("look") as connection:
            rows = await connection.fetch("SELECT form, level, index FROM ldes.kept_pages WHERE view = 'log'")
        return [tuple(row) for row in rows]

    site.publish(120)
    for page in crawl(site.root()):
        assert page.body
    before = site.run(work)
    site.clock.now = MORNING + 5 * HOUR
    site.pass_time(timedelta(0))
    site.pass_time(HOUR)
    gone = site.run(lambda store: store.head(NAME)).gone
    after = site.run(work)
    assert {each for each in after if each[0] == "digest"} == {("digest", 0, index) for index in range(4)}
    assert {each for each in before if each[2] * 4 * 2 ** each[1] >= gone} == {
        each for each in after if each[0] != "digest"
    }
    assert site.get(f"/{NAME}/digests/0").body.count(b"\n") == 4


async def test_a_loop_that_dies_anywhere_goes_on(database_url: str) -> None:
    """A loop cancelled at any moment and started again ends with what one does that was left alone."""
    stream, clock, chance = kept_stream(TIME), Clock(), random.Random(3)
    stream = replace(stream, views={"by-hour": VIEWS["by-hour"]})
    async with PostgresStore(database_url) as store:
        await declare_views(store, stream)
        await begin(store, stream, clock)
        await build_all(store)
        await publish(store, 3000)
        clock.now = MORNING + 103 * HOUR
        for _ in range(3):
            kills = 0
            while True:
                kills += 1
                try:
                    async with asyncio.timeout(chance.uniform(0, 0.01) * kills):
                        await declare(stream, store, now=clock())
                        await keep(NAME, store, pace=Pace(grace=HOUR, clock=clock), stop=asyncio.Event())
                        for each in await store.builds.states(NAME):
                            while each.state == "building" and await store.builds.fill(NAME, each.id, limit=700):
                                pass
                    break
                except TimeoutError:
                    continue
            clock.now += HOUR
            await store.builds.expire(NAME, grace=timedelta(0))
        head = await store.head(NAME)
        edges = await store.keeping.edges(NAME)
        sizes = await store.keeping.sizes(NAME)
        assert edges is not None
        assert sizes is not None
        async with store.database.connection("count") as connection:
            assert sizes.members == await connection.fetchval("SELECT count(*) FROM ldes.members")
        assert edges.dropped == 3000 - sizes.members
        assert head.gone > 2900
        assert sizes.members < 110


def test_how_much_is_kept_is_measured(site: Keeping) -> None:
    """The age of the oldest member of each view, what was deleted and what is stored are told."""
    old_pages(site)
    for _ in range(2):
        site.pass_time(HOUR)
        site.expire_views()
    labels = {"stream": NAME}
    oldest = {
        view: REGISTRY.get_sample_value("sf_view_oldest_timestamp_seconds", {**labels, "view": view})
        for view in ("log", "by-hour")
    }
    assert all(value is not None and value > MORNING.timestamp() for value in oldest.values())
    stored = REGISTRY.get_sample_value("sf_stored_members", labels) or 0
    assert 0 < stored < 120
    assert (REGISTRY.get_sample_value("sf_stored_bytes", labels) or 0) > stored * 100
    assert (REGISTRY.get_sample_value("sf_members_dropped_total", labels) or 0) >= 120 - stored
