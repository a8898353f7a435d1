"""A web process that reads from a real streaming replica: whatever that lags, nothing that was linked is denied."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime

import asyncpg
import pytest

from ldes_server.postgres_store import PostgresStore
from ldes_server.replica import ReplicaStore
from ldes_server.serve import Address, serve
from smartflanders.embedded import EmbeddedPostgres
from streams.record import format_time
from tests.conformance.kit import Site, make_members, members_of, two_streams
from tests.support.replica import Replica, replica_of
from tests.support.running import ROOT, free_port

NAME = "gent-parking"


class ReplicaSite(Site):
    """The site of the tests over HTTP, reading from a replica."""

    def __init__(self, dsn: str, read_dsn: str) -> None:
        super().__init__(dsn, two_streams())
        self._read_dsn = read_dsn

    def _see(self, name: str, sequence: int) -> None:
        """Wait for nothing: what is published while the replica stands still is not to be seen here."""

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        address = Address(host="127.0.0.1", port=self.port, base_url=self.base)
        async with (
            PostgresStore(self._dsn, base_url=self.base) as self._store,
            PostgresStore(self._read_dsn, base_url=self.base) as replica,
        ):
            store = ReplicaStore(self._store, replica)
            await serve(tuple(self.streams.values()), store, address=address, stop=self._stop, ready=self._ready.set)

    def shown(self) -> int:
        """Count the members that a reader of the whole history gets, from the root on."""
        found = set()
        for page in self.crawl(NAME):
            found |= set(members_of(page.graph(), f"{self.base}/{NAME}"))
        return len(found)


@pytest.fixture(scope="module")
def replica(postgres: EmbeddedPostgres) -> Iterator[Replica]:
    """Follow the database of the tests."""
    with replica_of(postgres) as running:
        yield running


@pytest.fixture
def site(database_url: str, replica: Replica) -> Iterator[ReplicaSite]:
    """Run a site with 25 members, which the replica has, and 57 more, which it has not."""
    replica.catch_up()
    with ReplicaSite(database_url, replica.database(database_url)) as running:
        running.append(NAME, 25)
        replica.pause()
        running.append(NAME, 57)
        yield running
        replica.resume()


def test_a_lagging_replica_is_complete_in_itself(site: ReplicaSite) -> None:
    """As long as nobody asks for more, readers get the replica's history, every page of it."""
    assert site.shown() == 25


@pytest.mark.parametrize(
    ("path", "accept"),
    [
        (f"/{NAME}/log/0/7", "application/ld+json"),  # a final leaf
        (f"/{NAME}/log/0/2", "text/turtle"),  # the replica's open leaf, final at the primary
        (f"/{NAME}/log/0/8", "application/n-quads"),  # the primary's open leaf
        (f"/{NAME}/log/1/1", "application/n-triples"),  # an inner node
    ],
)
def test_what_another_process_linked_is_served(site: ReplicaSite, path: str, accept: str) -> None:
    """Every page of the primary is answered, and from then on the root shows all that this reader can know of."""
    if "/0/2" in path:
        # Within the replica's head: not yet known to be final; beyond it, it is.
        assert "immutable" not in site.get(path, accept).headers["cache-control"]
        assert site.get(f"/{NAME}/log/0/7", accept).status == 200
        assert "immutable" in site.get(path, accept).headers["cache-control"]
    answer = site.get(path, accept)
    assert answer.status == 200
    assert ("immutable" in answer.headers["cache-control"]) is not path.endswith("/8")
    assert site.shown() == 82


def test_nothing_goes_back_and_final_bytes_stay(site: ReplicaSite, replica: Replica) -> None:
    """A page kept while the replica lagged has the same bytes when it has caught up; absent pages stay absent."""
    before = {index: site.get(f"/{NAME}/log/0/{index}", "text/turtle").body for index in range(7, -1, -1)}
    assert site.get(f"/{NAME}/log/0/9").status == 404
    assert site.get(f"/{NAME}/log/0/8").status == 200
    root = site.get(f"/{NAME}/log", "text/turtle")
    replica.resume()
    assert {index: site.get(f"/{NAME}/log/0/{index}", "text/turtle").body for index in range(8)} == before
    assert site.get(f"/{NAME}/log", "text/turtle").body == root.body
    assert site.shown() == 82


def test_members_and_newest_states(site: ReplicaSite) -> None:
    """A member that the replica lacks is found, and the newest states are never older than the root."""
    member = site.run(lambda store: store.latest(NAME, limit=1))[0]
    assert member.sequence > 25
    assert site.get(f"/{member.id}", "text/turtle").status == 200
    assert site.get(f"/{NAME}/members/never", "text/turtle").status == 404
    assert site.get(f"/{NAME}/log/0/7", "text/turtle").status == 200
    assert member.id in site.get(f"/{NAME}/latest", "text/turtle").body.decode()


def test_other_worlds_find_what_the_replica_lacks(site: ReplicaSite) -> None:
    """Entities and Things are read from the replica, those that it does not know from the primary."""
    parking = site.streams[NAME]
    site.add(
        NAME, lambda start: tuple(each._replace(entity="urn:new") for each in make_members(parking, [start], site.base))
    )
    assert site.get("/ngsi-ld/v1/entities/urn:new").status == 200
    assert site.get("/ngsi-ld/v1/entities/urn:never").status == 404
    assert len(json.loads(site.get("/sta/v1.1/Things").body)["value"]) >= 7


def test_a_listener_gets_what_the_replica_lacks(site: ReplicaSite) -> None:
    """From the first number on a listener gets the whole log, times lead to pages, though the replica lags behind."""
    with urllib.request.urlopen(f"{site.base}/{NAME}/live?since=0", timeout=20) as answer:
        found = list[int]()
        while len(found) < 82:
            line = answer.readline().decode()
            assert line
            if line.startswith("data: {"):
                found.append(json.loads(line[6:])["sequence"])
    assert found == list(range(82))
    assert site.get(f"/{NAME}?since=80").headers["location"].endswith("/log/0/8")
    newest = site.run(lambda store: store.after(NAME, 80, limit=1))[0]
    query = f"since={format_time(newest.published_at)}"
    assert site.get(f"/{NAME}?{query}").headers["location"].endswith("/log/0/8")


def test_digests_are_read_wherever_they_are(site: ReplicaSite) -> None:
    """Digests that only the primary has are served."""
    site.run(lambda store: store.sign(NAME, 0, b'{"page":0,"last":9,"chain":"c"}'))
    assert site.get(f"/{NAME}/digests/0").body == b'{"page":0,"last":9,"chain":"c"}\n'
    assert b'"pages":1' in site.get(f"/{NAME}/digests").body


def test_what_the_primary_dropped_is_not_linked_here(site: ReplicaSite) -> None:
    """However far the replica lags, pages that the primary dropped are 410 here, and no root leads to one."""
    assert site.shown() == 25
    assert site.get(f"/{NAME}/log/0/0", "application/n-quads").status == 200
    now = datetime.now(UTC)

    async def drop(store: PostgresStore) -> bool:
        return await store.keeping.unlink(NAME, 20, now=now) and await store.keeping.expire(NAME, unlinked_by=now)

    assert site.run(drop)
    deadline = time.monotonic() + 30
    while site.get(f"/{NAME}/log/0/0", "application/n-quads").status != 410:
        assert time.monotonic() < deadline
        time.sleep(0.2)
    assert site.get(f"/{NAME}/log/0/1").status == 410
    assert site.shown() == 82 - 20


def test_serve_reads_where_it_is_told(database_url: str, replica: Replica) -> None:
    """`serve` with SF_DATABASE_READ_URL answers from the replica; an unreachable one is refused by its name."""
    port = free_port()
    environ = {**os.environ, "SF_DATABASE_URL": database_url, "SF_PORT": str(port)}
    argv = [sys.executable, "-m", "smartflanders.cli", "serve"]
    closed = {"SF_DATABASE_READ_URL": f"postgresql://u:geheim@127.0.0.1:{free_port()}/db"}
    refused = subprocess.run(argv, cwd=ROOT, env={**environ, **closed}, capture_output=True, text=True, check=False)
    assert refused.returncode == 2
    assert "SF_DATABASE_READ_URL: " in refused.stderr
    assert "geheim" not in refused.stderr
    replica.catch_up()
    environ["SF_DATABASE_READ_URL"] = replica.database(database_url)
    with subprocess.Popen(argv, cwd=ROOT, env=environ, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == f"ready http://127.0.0.1:{port}/\n"
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=10) as answer:
                assert answer.status == 200
            assert asyncio.run(_reads(replica.database(database_url))) > 0
        finally:
            process.terminate()


async def _reads(dsn: str) -> int:
    connection = await asyncpg.connect(dsn)
    try:
        return int(
            await connection.fetchval(
                "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'smartflanders ldes_server'"
                " AND datname = current_database()"
            )
        )
    finally:
        await connection.close()
