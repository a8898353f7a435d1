"""The pipeline on the real MIV minute, in a process of its own: `python -m tests.benchmarks.minutes DSN PID MINUTES`.

Writes one JSON object per minute: seconds of processor time of this process and of the PostgreSQL server PID, and the
memory of this process. The loops, the log and the store are those of the platform; only the publisher is left out.
"""

from __future__ import annotations

import asyncio
import gzip
import io
import json
import resource
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
from lxml import etree

from ingest.mapping import compile_mapping
from ingest.normalise import run_normaliser
from ingest.source import Source, load_source
from ldes_server.postgres_store import PostgresStore
from ldes_server.writer import run_writer
from smartflanders.pilots import stream_of
from streams.logs import configure
from streams.metrics import REGISTRY
from streams.postgres_log import PostgresLog
from streams.record import Payload, raw_topic
from testbed.simulator.city import make_city
from testbed.simulator.formats import miv_configuration, miv_data
from vocab.model import load_model

ROOT = Path(__file__).resolve().parents[2]
BASE = "https://data.example.org"
PILOT = ROOT / "deploy" / "pilots" / "vlaanderen" / "verkeer"
SAMPLES = ROOT.parent / "shared" / "samples" / "miv"
LANES = 4254
START = datetime(2017, 4, 27, 13, 38, tzinfo=UTC)
# Seconds: a minute takes about four; nothing after this long means a stuck pipeline, not a busy machine.
_PATIENCE = 120.0


def documents() -> tuple[bytes, bytes, bytes]:
    """Return the minute, the configuration and the minute's time as written: recorded ones, else simulated ones."""
    minute, points = SAMPLES / "verkeersdata-20170427T1438.xml.gz", SAMPLES / "configuratie-20170217.xml.gz"
    if minute.is_file() and points.is_file():
        body, configuration = gzip.decompress(minute.read_bytes()), gzip.decompress(points.read_bytes())
        return body, configuration, b"2017-04-27T14:38:00"
    city = make_city(seed=1, start=START, lanes=LANES)
    return miv_data(city, START).render(), miv_configuration(city, START).render(), b"2017-04-27T14:36:00"


def origin() -> str:
    """Say which documents `documents` returns."""
    return "recorded" if (SAMPLES / "verkeersdata-20170427T1438.xml.gz").is_file() else "simulated"


def shifted(body: bytes, stamp: bytes, minute: int) -> bytes:
    """Return the document as it would be so many minutes later."""
    later = datetime.fromisoformat(stamp.decode()) + timedelta(minutes=minute)
    return body.replace(stamp, later.isoformat().encode())


def bare_reading(body: bytes) -> list[dict[Any, Any]]:
    """Read the texts of every lane with lxml and nothing else: the least a reader of this document does."""
    lanes = []
    for _, lane in etree.iterparse(io.BytesIO(body), events=("end",), tag="meetpunt"):
        found: dict[Any, Any] = {child.tag: child.text for child in lane}
        found["parts"] = [{child.tag: child.text for child in part} for part in lane if len(part)]
        lanes.append(found)
        lane.clear()
    return lanes


def server_seconds(pid: int) -> float:
    """Return the processor time of a PostgreSQL server: its own, its dead and its living children's."""
    server = psutil.Process(pid)
    own = server.cpu_times()
    living = (child.cpu_times() for child in server.children(recursive=True))
    return sum((each.user + each.system for each in living), start=sum(own[:4]))


def peak() -> float:
    """Return the most memory this process ever held, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def counted(name: str, **labels: str) -> float:
    """Read one of the platform's own counters."""
    return REGISTRY.get_sample_value(name, labels) or 0.0


async def settled(source: Source, items: float) -> None:
    """Wait until so many items were normalised and all their members are published."""
    patient = time.monotonic() + _PATIENCE
    while time.monotonic() < patient:
        members = counted("sf_items_total", source=source.name, outcome="member")
        if counted("sf_items_in_total", source=source.name) >= items and members == counted(
            "sf_members_published_total", stream=source.stream
        ):
            return
        await asyncio.sleep(0.02)
    raise TimeoutError(f"the pipeline stands still before {items:.0f} items")


async def feed(log: PostgresLog, source: Source, server: int, minutes: int) -> None:
    """Append one minute after the other, each when the one before is published; write what each cost."""
    body, _, stamp = documents()
    items = body.count(b"<meetpunt ")
    for minute in range(minutes):
        later = shifted(body, stamp, minute)
        own, theirs, start = time.process_time(), server_seconds(server), time.perf_counter()
        payload = Payload(source=source.name, received_at=datetime.now(UTC), media_type="text/xml", body=later)
        await log.append(raw_topic(source.name), [payload.to_record()])
        await settled(source, items * (minute + 1))
        cost = {"cpu": time.process_time() - own, "server": server_seconds(server) - theirs}
        cost |= {"wall": time.perf_counter() - start, "peak": peak()}
        cost |= {
            "rss": psutil.Process().memory_info().rss / 2**20,
            "members": counted("sf_members_published_total", stream=source.stream),
        }
        print(json.dumps({"minute": minute, **cost}), flush=True)


async def run(dsn: str, server: int, minutes: int) -> None:
    """Run normaliser and writer over so many minutes."""
    source = load_source(PILOT / "miv-verkeersdata.yaml")
    mapper = compile_mapping(source, load_model(source.model), base_url=BASE)
    stop = asyncio.Event()
    configuration = Payload(
        source="miv-configuratie", received_at=datetime.now(UTC), media_type="text/xml", body=documents()[1]
    )
    async with PostgresLog(dsn) as log, PostgresStore(dsn, base_url=BASE) as store, asyncio.TaskGroup() as group:
        await log.append(raw_topic("miv-configuratie"), [configuration.to_record()])
        group.create_task(run_normaliser(source, mapper, log, stop=stop), name="normalise")
        group.create_task(run_writer(stream_of(source), log, store, stop=stop), name="write")
        await feed(log, source, server, minutes)
        stop.set()


if __name__ == "__main__":
    configure({"SF_LOG_LEVEL": "warning"})
    asyncio.run(run(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
