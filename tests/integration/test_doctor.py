"""The doctor on a real database and either log: it reads what is there, says who does what, and changes nothing."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import cast

import pytest

from ingest.memory import Memory
from ldes_server.database import Database
from ldes_server.definition import definition_text
from ldes_server.model import Head, Placed, Stream
from ldes_server.postgres_store import PostgresStore
from smartflanders.cli import main
from smartflanders.embedded import EmbeddedPostgres
from smartflanders.examination import QUERIES, Patient, examine
from smartflanders.logs_of import kept_for, open_log
from smartflanders.pilots import load_plan
from streams.kafka_options import KafkaOptions
from streams.lease import Leases
from streams.record import Payload, Record, members_topic, raw_topic, state_topic
from streams.settings import load_settings
from tests.conftest import database_of, environ_of
from tests.support.running import free_port
from tests.support.views import NAME, make_members
from tests.unit.ingest.workbench import PILOTS

SOURCE = "gent-garages"
COUNT = 1000


@pytest.fixture
def pilot(tmp_path: Path) -> Path:
    """Write a pilot that feeds the stream of the tests of views, with one view."""
    folder = tmp_path / "pilot"
    folder.mkdir()
    source = (PILOTS / "gent/parking/garages.yaml").read_text("utf-8")
    (folder / "garages.yaml").write_text(source.replace("stream: gent-parking", f"stream: {NAME}"), "utf-8")
    views = (
        "retention: { full_log: 30d }\nviews:\n  by-hour: { by_time: observed_at, levels: [day, hour], lateness: 1h }\n"
    )
    (folder / "parking.stream.yaml").write_text(f"stream: {NAME}\n{views}", "utf-8")
    return folder


@pytest.fixture(params=["postgres", "kafka"])
def patient(request: pytest.FixtureRequest, database_url: str, pilot: Path) -> Patient:
    """Choose either log."""
    environ: dict[str, str] = {}
    if request.param == "kafka":
        environ = environ_of(cast("KafkaOptions", request.getfixturevalue("kafka_options")))
    return Patient(plan=load_plan([pilot]), settings=load_settings(environ), dsn=database_url, folder=None)


async def publish(store: PostgresStore, stream: Stream, *, ages: list[timedelta]) -> None:
    """Publish members of these ages, oldest first, and build the views of all of them."""
    await store.ensure_stream(stream)
    at = datetime.now(UTC)
    made = make_members(range(len(ages)))
    members = tuple(
        each._replace(published_at=at - age, observed_at=at - age) for each, age in zip(made, ages, strict=True)
    )
    head = Head(count=len(members), published_at=members[-1].published_at, position=len(members) - 1)
    await store.append(stream.name, Placed(base=Head(), head=head, members=members))
    await store.builds.reconcile(stream.name, {name: definition_text(each) for name, each in stream.views.items()})
    for build in await store.builds.states(stream.name):
        while (
            now := await store.builds.fill(stream.name, build.id, limit=500)
        ) is not None and now.state == "building":
            pass


async def fill(patient: Patient) -> None:
    """Publish a thousand members over ten days, ten of them in the last hour, and leave a payload and members waiting."""
    (stream,) = patient.plan.streams
    ages = [timedelta(days=10) * (1 - number / COUNT) + timedelta(hours=2) for number in range(COUNT - 10)]
    ages += [timedelta(minutes=10 - number) for number in range(10)]
    async with (
        PostgresStore(patient.dsn) as store,
        open_log(patient.settings, patient.dsn, kept=kept_for(patient.plan, patient.settings)) as log,
    ):
        await publish(store, stream, ages=ages)
        waiting = [Record(key=b"x", value=b"{}") for _ in range(COUNT + 7)]
        await log.append(members_topic(stream.name), waiting)
        payload = Payload(source=SOURCE, received_at=datetime.now(UTC), media_type="application/json", body=b"[]")
        await log.append(raw_topic(SOURCE), [payload.to_record()] * 3)
        await log.append(
            state_topic(SOURCE), [Record(key=b"state", value=Memory().to_bytes(), headers={"offset": b"0"})]
        )


async def test_it_finds_what_is_there(patient: Patient) -> None:
    """Members, their pace, both ends in time, sizes that add up to the tables, entries not done, and who holds a lease."""
    await fill(patient)
    stop, held = asyncio.Event(), asyncio.Event()

    async def work() -> None:
        held.set()
        await stop.wait()

    async with Leases(patient.dsn) as leases, asyncio.TaskGroup() as group:
        group.create_task(leases.hold(f"write {NAME}", work, stop=stop))
        async with asyncio.timeout(60):
            await held.wait()
        facts = await examine(patient)
        stop.set()
    (stream,) = facts.streams
    assert (stream.name, stream.members, stream.hour, stream.planned) == (NAME, COUNT, 10, True)
    assert 90 <= stream.day <= 110
    assert stream.daily(facts.at) == stream.day
    assert stream.newest is not None
    assert timedelta(minutes=1) <= facts.at - stream.newest < timedelta(minutes=20)
    assert stream.oldest is not None
    assert facts.at - stream.oldest > timedelta(days=10)
    assert stream.every == timedelta(minutes=16)
    assert stream.kept == timedelta(days=30) + patient.settings.view_grace
    (build,) = facts.builds
    assert (build.state, build.placed, build.count) == ("live", COUNT, COUNT)
    assert build.rows >= COUNT
    loops = {loop.loop: loop for loop in facts.loops}
    assert loops[f"write {NAME}"].behind == 7
    assert loops[f"normalise {SOURCE}"].behind == 2
    assert [name for name, loop in loops.items() if loop.holder] == [f"write {NAME}"]
    assert "process" in (loops[f"write {NAME}"].holder or "")
    assert facts.disk is None
    await sizes_add_up(patient, facts.streams[0].sizes.stored)
    if patient.settings.log == "postgres":
        assert {part.name for part in facts.topics} == {members_topic(NAME), raw_topic(SOURCE), state_topic(SOURCE)}
        assert stream.sizes.log == pytest.approx(sum(part.size for part in facts.topics), abs=3)
    else:
        assert stream.sizes.log is None


async def sizes_add_up(patient: Patient, stored: int) -> None:
    """Check that what one stream is said to take is what the tables take."""
    async with Database(patient.dsn, queries=QUERIES, connections=1, patience=timedelta(seconds=20)) as database:
        tables = await database.rows("inspected_tables", "ldes")
    counted = ("members", "latest", "extents", "dropped", "places", "survivors", "buckets")
    assert stored == pytest.approx(sum(row["rows"] + row["indexes"] for row in tables if row["name"] in counted), abs=5)


async def test_it_changes_nothing(patient: Patient) -> None:
    """Looked at before anything ever ran, there is not one topic or stream more than before; loops have no lag then."""
    facts = await examine(patient)
    assert facts.streams == []
    assert {loop.behind for loop in facts.loops} == {None}
    async with open_log(patient.settings, patient.dsn, kept={}) as log:
        assert await log.topics() == frozenset()


async def test_a_build_that_waits_to_be_swept_is_seen(database_url: str, pilot: Path) -> None:
    """A view that nobody declares any more, after its grace, has rows until a process sweeps them."""
    patient = Patient(plan=load_plan([pilot]), settings=load_settings({}), dsn=database_url, folder=None)
    (stream,) = patient.plan.streams
    async with PostgresStore(database_url) as store:
        await publish(store, stream, ages=[timedelta(minutes=1)] * 50)
        await store.builds.reconcile(NAME, {})
        await store.builds.expire(NAME, grace=timedelta(0))
        (build,) = (await examine(patient)).builds
        assert (build.state, build.rows > 0) == ("gone", True)
        while await store.builds.sweep(NAME):
            pass
    assert list((await examine(patient)).builds) == []


def doctor(pilot: Path, capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Run the command; return its status and what it printed on both streams."""
    status = main(["doctor", "--pilot", str(pilot), *arguments])
    said = capsys.readouterr()
    return status, said.out, said.err


def test_the_command_says_what_needs_attention(
    database_url: str, pilot: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A platform that nobody runs: status 1, a table with the stream, the finding with its fix, and the same as JSON."""
    patient = Patient(plan=load_plan([pilot]), settings=load_settings({}), dsn=database_url, folder=None)
    asyncio.run(fill(patient))
    monkeypatch.setenv("SF_DATABASE_URL", database_url)
    status, table, _ = doctor(pilot, capsys)
    assert status == 1
    assert f"\n{NAME}  " in table
    assert "not seen from here" in table
    assert "platform: no process holds a lease" in table
    assert "fix: start `smartflanders up`" in table
    status, said, _ = doctor(pilot, capsys, "--json")
    report = json.loads(said)
    assert status == 1
    assert report["healthy"] is False
    assert report["streams"][0]["members"] == COUNT
    assert [each["where"] for each in report["findings"]] == ["platform"]


def test_a_schema_of_another_release(
    postgres: EmbeddedPostgres, pilot: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A database that nobody migrated needs attention, with the command that mends it, and nothing else is read."""
    monkeypatch.setenv("SF_DATABASE_URL", database_of(postgres, "postgres"))
    status, table, _ = doctor(pilot, capsys)
    assert status == 1
    assert "the schema is older than this code" in table
    assert "fix: run `smartflanders migrate`" in table


def test_what_cannot_be_looked_at(
    tmp_path: Path, pilot: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """No such folder, a folder without a database or whose database does not run, and a silent server: status 2, why."""
    monkeypatch.delenv("SF_DATABASE_URL", raising=False)
    data = tmp_path / "data"
    states: list[tuple[Callable[[], None], str]] = [
        (lambda: None, "there is no such data folder"),
        (data.mkdir, "holds no database; "),
        (lambda: stopped(data), "its database does not run: no platform is started on it; "),
    ]
    for make, why in states:
        make()
        status, out, said = doctor(pilot, capsys, "--data", str(data))
        assert (status, out) == (2, "")
        assert why in said
        assert "fix: " in said
    monkeypatch.setenv("SF_DATABASE_URL", f"postgresql://u:geheim@127.0.0.1:{free_port()}/db")
    status, out, said = doctor(pilot, capsys)
    assert (status, out) == (2, "")
    assert "start that PostgreSQL, or mend SF_DATABASE_URL" in said
    assert "geheim" not in said


def stopped(data: Path) -> None:
    """Leave a data folder as a platform does that was stopped."""
    with EmbeddedPostgres(data):
        pass
