"""The sites that the conformance tests ask: one that holds still, and one that grows."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import asyncpg
import pytest

from smartflanders.embedded import EmbeddedPostgres
from tests.conformance.kit import Site, two_streams
from tests.support.site_of_views import Views
from tests.support.views import make_stream

# Ten pages of ten, three nodes of four times four, one open leaf: three levels below the root.
STILL = 10 * 4 * 4 + 10 * 4 * 2 + 10 * 3 + 7


async def _execute(dsn: str, statement: str) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


def database_of_site(postgres: EmbeddedPostgres, name: str) -> str:
    """Make an empty migrated database of this name and return its address."""
    with ThreadPoolExecutor(1) as thread:
        statement = f"CREATE DATABASE {name} TEMPLATE template_smartflanders"
        thread.submit(asyncio.run, _execute(postgres.dsn, statement)).result()
    return postgres.dsn.replace("/postgres?", f"/{name}?")


@pytest.fixture(scope="session")
def site(postgres: EmbeddedPostgres) -> Iterator[Site]:
    """Run a site whose streams hold still for all tests."""
    with Site(database_of_site(postgres, "conformance_still"), two_streams()) as running:
        for name in running.streams:
            running.append(name, STILL)
        yield running


@pytest.fixture
def growing(database_url: str) -> Iterator[Site]:
    """Run a site of the test's own, empty, to publish to."""
    with Site(database_url, two_streams()) as running:
        yield running


def _filled(site: Views) -> Views:
    site.declare(site.stream)
    site.publish(80)
    site.publish(70)
    return site


@pytest.fixture(scope="session")
def still(postgres: EmbeddedPostgres) -> Iterator[Views]:
    """Run a site with 150 members in every view, that holds still for all tests."""
    with Views(database_of_site(postgres, "conformance_views"), make_stream()) as running:
        yield _filled(running)


@pytest.fixture
def moving(database_url: str) -> Iterator[Views]:
    """Run a site with 150 members in every view, the test's own."""
    with Views(database_url, make_stream()) as running:
        yield _filled(running)
