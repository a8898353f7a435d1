"""Silence and failures of sources: a metric while it lasts, words for the doctor, and an end of both."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from ingest.source import Source
from ingest.staleness import declared, run_staleness
from ingest.trouble import Told, Troubles
from smartflanders.diagnosis import judge
from smartflanders.examination import Patient, examine
from smartflanders.pilots import load_plan
from streams.errors import SourceError, Trouble
from streams.metrics import SOURCE_ERRORS, STALE
from streams.postgres_log import PostgresLog
from streams.record import Payload, raw_topic, trouble_topic
from streams.settings import load_settings
from tests.unit.ingest.workbench import changed

HTTP = {"url": "https://x.example/feed", "every": "60s"}
MQTT = {"url": "mqtt://broker.example.org", "topics": ["a/#"]}


def source(tmp_path: Path, name: str, **changes: Any) -> Source:
    """Load the car parks of Gent under another name and transport."""
    publish = {"when": "always"}
    return changed(tmp_path, **{"http_poll": None, "publish": publish, **changes, "source": name})


async def deliver(log: PostgresLog, name: str) -> None:
    """Put a payload into the log."""
    payload = Payload(source=name, received_at=datetime.now(UTC), media_type="application/json", body=b"[]")
    await log.append(raw_topic(name), [payload.to_record()])


async def until(holds: Callable[[], bool]) -> None:
    """Wait until something holds."""
    async with asyncio.timeout(60):
        while not holds():  # noqa: ASYNC110 - a metric sets no event
            await asyncio.sleep(0.02)


def stale(name: str) -> float:
    """Return the metric of a source."""
    return float(STALE.labels(source=name)._value.get())


def test_the_declared_interval(tmp_path: Path) -> None:
    """`expect` for any source; else `every` of those that speak first; who is asked may have nothing new for days."""
    assert declared(source(tmp_path, "a", http_poll=HTTP)) is None
    assert declared(source(tmp_path, "b", http_poll=HTTP, expect={"every": "2h"})) == timedelta(hours=2)
    assert declared(source(tmp_path, "c", mqtt={**MQTT, "every": "5m"})) == timedelta(minutes=5)
    assert declared(source(tmp_path, "d", mqtt=MQTT, expect={"every": "1h"})) == timedelta(hours=1)


async def test_silence_raises_the_metric_and_news_end_it(database_url: str, tmp_path: Path) -> None:
    """A source that never delivered, or not within its interval, is stale until it does; one without interval never is."""
    sources = [
        source(tmp_path, "late", mqtt={**MQTT, "every": "1s"}),
        source(tmp_path, "well", mqtt={**MQTT, "every": "1h"}),
        source(tmp_path, "asked", http_poll=HTTP),
    ]
    stop = asyncio.Event()
    async with PostgresLog(database_url) as log, asyncio.TaskGroup() as group:
        group.create_task(run_staleness(sources, log, stop=stop, every=timedelta(milliseconds=20)))
        await until(lambda: stale("late") == 1)
        for _ in range(2):
            await deliver(log, "late")
            await until(lambda: stale("late") == 0)
            await until(lambda: stale("late") == 1)
        assert stale("well") == 0
        stop.set()
    assert "asked" not in {sample.labels["source"] for metric in STALE.collect() for sample in metric.samples}


async def test_a_failure_is_written_down_once_while_it_lasts(database_url: str) -> None:
    """Every failure counts; of one kind one is kept, also over restarts; another kind is news; so is the end, once."""
    async with PostgresLog(database_url) as log:

        async def count() -> int:
            return await log.append(trouble_topic("s"), ()) + 1

        before = SOURCE_ERRORS.labels(source="s", kind="refused")._value.get()
        wrong = SourceError("no entry", where="there", fix="knock", kind=Trouble.REFUSED)
        for _ in range(3):
            troubles = Troubles(log)
            await troubles.tell("s", wrong)
            await troubles.tell("s", wrong)
        assert await count() == 1
        assert SOURCE_ERRORS.labels(source="s", kind="refused")._value.get() == before + 6
        newest = await log.last(trouble_topic("s"))
        assert newest is not None
        told = Told(kind=Trouble.REFUSED, what="no entry", where="there", fix="knock")
        assert Told.from_record(newest.record) == told
        await Troubles(log).tell("s", SourceError("gone", where="there", fix="wait", kind=Trouble.UNREACHABLE))
        assert await count() == 2
        for _ in range(2):
            troubles = Troubles(log)
            await troubles.over("s")
            await troubles.over("s")
        assert await count() == 3


async def test_the_doctor_tells_both(database_url: str, tmp_path: Path) -> None:
    """A source that fails is a finding with its kind, words and fix; so is one that is silent; both end with the cause."""
    source(tmp_path, "quiet", mqtt={**MQTT, "every": "1s"})
    patient = Patient(
        plan=load_plan([tmp_path / "source.yaml"]), settings=load_settings({}), dsn=database_url, folder=None
    )

    async def findings() -> list[tuple[str, str]]:
        found = judge(await examine(patient))
        return [(each.what, each.fix) for each in found if each.where == "source quiet"]

    async with PostgresLog(database_url) as log:
        await Troubles(log).tell("quiet", SourceError("no entry", where="there", fix="knock", kind=Trouble.REFUSED))
        (refused, fix), (silent, _) = await findings()
        assert (refused.startswith("refused, last told "), refused.endswith(": no entry"), fix) == (True, True, "knock")
        assert silent == "has delivered nothing yet; something new is expected every 0:00:01"
        await Troubles(log).over("quiet")
        await deliver(log, "quiet")
        await asyncio.sleep(1.1)
        ((late, _),) = await findings()
        assert late.startswith("has delivered nothing for 0:00:0")
