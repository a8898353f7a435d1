"""What tests of every floor share: a real PostgreSQL, and an empty migrated database for each test."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from hypothesis import HealthCheck, settings

from smartflanders.embedded import EmbeddedPostgres
from streams.kafka_options import KafkaOptions
from streams.migrate import migrate
from tests.support.broker import OLDEST, Guard, Kafka, KafkaUnavailableError
from tests.support.sharing import Parts, begin_with_long

# How long an example takes says how busy the machine is, not whether the code is right.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let the failure tests (tests/failures) try as hard as docs/reliability.md says."""
    parser.addoption("--long", action="store_true", help="run the failure tests in their long form: half an hour")
    parser.addoption("--minutes", type=float, default=60.0, help="begin no further kill of a row after so long")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> Parts:
    """Share the tests among workers by whole modules."""
    return Parts(config, log)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Let workers begin with what takes long."""
    if hasattr(config, "workerinput"):
        begin_with_long(items)


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Name bytes that are no text by their argument and number: what was compressed just now differs in each worker."""
    return argname if isinstance(val, bytes) and not val.isascii() else None


class FailedAtOnce:
    """Names a test that fails when it fails, not only at the end of the run."""

    def __init__(self, terminal: pytest.TerminalReporter) -> None:
        self._terminal = terminal

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Write a line of its own."""
        if report.failed:
            self._terminal.write(f"\nFAILED in {report.when}: {report.nodeid}\n", red=True)


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Give each run a temporary folder of its own.

    The folder that runs share by default is closed again whenever another run starts, also to the user as whom a
    PostgreSQL started by root runs.
    """
    if config.option.basetemp is None:
        top = Path(tempfile.mkdtemp(prefix="sf-tests-"))
        config.option.basetemp = top / "run"
        config.add_cleanup(partial(shutil.rmtree, top, ignore_errors=True))


def pytest_sessionstart(session: pytest.Session) -> None:
    """Name failures as they come, where there is somebody to read: not in workers."""
    terminal = session.config.pluginmanager.get_plugin("terminalreporter")
    if isinstance(terminal, pytest.TerminalReporter):
        session.config.pluginmanager.register(FailedAtOnce(terminal))


def _run(work: Coroutine[Any, Any, object]) -> None:
    """Run to its end in a loop of its own thread, so that neither the test's loop nor its policy is touched."""
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, work).result()


async def _execute(dsn: str, statement: str) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


def database_of(server: EmbeddedPostgres, name: str) -> str:
    """Return the address of one database of a server."""
    return server.dsn.replace("/postgres?", f"/{name}?")


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgres]:
    """Start one PostgreSQL for the whole run, with the migrated database `template_smartflanders` to copy.

    It does not wait for the disk: tests of durability start their own.
    """
    folder: Path = tmp_path_factory.mktemp("postgres")
    quick = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "shared_buffers": "64MB"}
    with EmbeddedPostgres(folder, settings=quick) as server:
        _run(_execute(server.dsn, "CREATE DATABASE template_smartflanders"))
        _run(migrate(database_of(server, "template_smartflanders")))
        yield server


@pytest.fixture
def database_url(postgres: EmbeddedPostgres) -> Iterator[str]:
    """Give a test a migrated database of its own, empty; dropped afterwards, whoever is still connected."""
    name = f"test_{uuid.uuid4().hex}"
    _run(_execute(postgres.dsn, f"CREATE DATABASE {name} TEMPLATE template_smartflanders"))
    yield database_of(postgres, name)
    _run(_execute(postgres.dsn, f"DROP DATABASE {name} WITH (FORCE)"))


def make_database(server: EmbeddedPostgres, name: str) -> str:
    """Make a migrated database on a server of the test's own and return its address."""
    _run(_execute(server.dsn, f"CREATE DATABASE {name}"))
    _run(migrate(database_of(server, name)))
    return database_of(server, name)


def start_kafka(folder: Path, *, size: int = 1, version: str | None = None, guard: Guard | None = None) -> Kafka:
    """Prepare a cluster; where Kafka cannot be had the test is skipped with the reason, in CI it fails."""
    try:
        return Kafka(folder, size=size, version=version, guard=guard)
    except KafkaUnavailableError as error:
        if os.environ.get("CI") == "true":
            pytest.fail(f"CI must have Kafka: {error}")
        pytest.skip(f"no Kafka here: {error}")


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kafka]:
    """Start one broker for the whole run; tests that hurt it start their own."""
    with start_kafka(tmp_path_factory.mktemp("kafka") / "cluster") as cluster:
        yield cluster


@pytest.fixture(scope="session")
def older_kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kafka]:
    """Start one broker of the oldest release that we promise to work with."""
    with start_kafka(tmp_path_factory.mktemp("older") / "cluster", version=OLDEST) as cluster:
        yield cluster


@pytest.fixture(scope="session")
def guarded_kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kafka]:
    """Start one broker that checks who comes: `gent` (password `hush`) may do all, `stranger` (`alone`) nothing."""
    folder = tmp_path_factory.mktemp("guarded")
    key, certificate, both = (folder / f"broker.{suffix}" for suffix in ("key", "crt", "pem"))
    command = (
        "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=127.0.0.1 -addext subjectAltName=IP:127.0.0.1"
    )
    if shutil.which("openssl") is None:
        pytest.skip("openssl makes the certificate")
    made = [*command.split(), "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(made, check=True, capture_output=True)
    both.write_text(key.read_text() + certificate.read_text())
    guard = Guard(certificate=both, users={"gent": "hush", "stranger": "alone"})
    with start_kafka(folder / "cluster", guard=guard) as cluster:
        yield cluster


def part_of(kafka: Kafka) -> KafkaOptions:
    """Give a part of a cluster that nobody else uses, empty."""
    return KafkaOptions(servers=kafka.servers, replication=1, prefix=f"t{uuid.uuid4().hex}.")


def environ_of(options: KafkaOptions) -> dict[str, str]:
    """Write options down as the settings of a process; of a broker that wants neither login nor encryption."""
    return {"SF_LOG": f"kafka://{options.servers}", "SF_KAFKA_REPLICATION": "1", "SF_KAFKA_PREFIX": options.prefix}


@pytest.fixture
def kafka_options(kafka: Kafka) -> KafkaOptions:
    """Give a test a part of the cluster of its own, empty."""
    return part_of(kafka)


@pytest.fixture
def older_kafka_options(older_kafka: Kafka) -> KafkaOptions:
    """Give a test a part of the older broker of its own, empty."""
    return part_of(older_kafka)
