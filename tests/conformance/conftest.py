"""The sites that the conformance tests ask: one that holds still, and one that grows."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import asyncpg
import pytest

from smartflanders.embedded import EmbeddedPostgres
from tests.conformance.city import NAME, city_members, city_stream
from tests.conformance.kit import Site, two_streams
from tests.conformance.pages import Library
from tests.conformance.register import RESULTS
from tests.support.site_of_views import Views
from tests.support.views import make_stream

_OUTCOMES: dict[str, str] = {}

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
    *plain, city = *two_streams(), city_stream()
    with Site(database_of_site(postgres, "conformance_still"), (*plain, city)) as running:
        for stream in plain:
            running.append(stream.name, STILL)
        # Half of the members are there when the views are built, half come after that.
        for step in range(4):
            running.add(NAME, lambda start: city_members(city, range(start, start + 80), running.base))
            if step == 1:
                running.declare(city)
        yield running


@pytest.fixture(scope="session")
def library(site: Site) -> Library:
    """Keep the pages of the site that holds still, each fetched once."""
    return Library(site)


@pytest.fixture(scope="module")
def growing_site(postgres: EmbeddedPostgres, request: pytest.FixtureRequest) -> Iterator[Site]:
    """Run a site of the module's own with the stream that has views, empty, to publish to."""
    name = f"conformance_{request.module.__name__.rpartition('.')[2]}"
    with Site(database_of_site(postgres, name), [city_stream()]) as running:
        yield running


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Note what each test of this folder came to: the worst of its phases."""
    if report.nodeid.startswith("tests/conformance/"):
        outcome = "xfailed" if hasattr(report, "wasxfail") else report.outcome
        if _OUTCOMES.setdefault(report.nodeid, "passed") == "passed":
            _OUTCOMES[report.nodeid] = outcome


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Write the outcomes of the run where tests.conformance.register reads them, a JSON line each, over those of before."""
    if _OUTCOMES and not hasattr(session.config, "workerinput"):
        RESULTS.parent.mkdir(exist_ok=True)
        before = map(json.loads, RESULTS.read_text("utf-8").splitlines()) if RESULTS.is_file() else ()
        known = {**{row["test"]: row["outcome"] for row in before}, **_OUTCOMES}
        lines = [json.dumps({"test": test, "outcome": outcome}) for test, outcome in sorted(known.items())]
        RESULTS.write_text("\n".join(lines) + "\n", "utf-8")


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
