"""What the rows share: how hard to try, a database to hurt, three brokers to hurt, and the platform on top."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from random import Random

import pytest

from smartflanders.embedded import EmbeddedPostgres
from tests.conftest import make_database, start_kafka
from tests.failures.trial import Form
from tests.support.broker import Kafka
from tests.support.cluster import STREAMS, City, Cluster
from tests.support.reader import Reader, reading

SEED = 20261124
LANES = 60


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave what only the long form has out of the short one."""
    if not config.getoption("--long"):
        out = [item for item in items if item.get_closest_marker("long")]
        items[:] = [item for item in items if item not in out]
        config.hook.pytest_deselected(items=out)


@pytest.fixture(scope="session")
def form(pytestconfig: pytest.Config) -> Form:
    """Choose the form by --long."""
    return Form(long=pytestconfig.getoption("--long"), minutes=pytestconfig.getoption("--minutes"))


@pytest.fixture
def chance(request: pytest.FixtureRequest) -> Random:
    """Give each row its own dice, the same in every run."""
    return Random(f"{SEED}/{request.node.name}")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgres]:
    """Start a PostgreSQL of the rows' own, with all the care for its disk that it has in a data folder."""
    with EmbeddedPostgres(tmp_path_factory.mktemp("database")) as running:
        yield running


@pytest.fixture(scope="module")
def brokers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kafka]:
    """Start three brokers that may be killed: three copies, of which two must have an append."""
    with start_kafka(tmp_path_factory.mktemp("kafka") / "cluster", size=3) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def on_brokers(
    brokers: Kafka, server: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Cluster, Reader]]:
    """Run two of each role on three brokers."""
    environ = {"SF_LOG": f"kafka://{brokers.servers}", "SF_KAFKA_REPLICATION": "3"}
    with running(server, tmp_path_factory.mktemp("platform"), environ, City(lanes=LANES)) as pair:
        yield pair


@pytest.fixture(scope="module")
def on_database(server: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Cluster, Reader]]:
    """Run two of each role on a log in PostgreSQL."""
    with running(server, tmp_path_factory.mktemp("platform"), {}, City(lanes=LANES)) as pair:
        yield pair


@contextmanager
def running(
    server: EmbeddedPostgres, folder: Path, environ: Mapping[str, str], city: City
) -> Iterator[tuple[Cluster, Reader]]:
    """Run two of each role, and a reader that remembers every final page."""
    with ExitStack() as stack:
        dsn = make_database(server, f"platform_{uuid.uuid4().hex}")
        cluster = stack.enter_context(Cluster(folder, dsn, city=city, environ=environ))
        reader = Reader(base=cluster.base, streams=STREAMS, fetched=cluster.doors.fetch)
        yield cluster, stack.enter_context(reading(reader))
