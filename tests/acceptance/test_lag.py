"""Lag on /metrics of each role, on a real Kafka: while a loop is blocked, after its process was killed, and at rest."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from streams.kafka_log import KafkaLog
from streams.kafka_options import KafkaOptions
from streams.record import Payload, raw_topic
from tests.conftest import environ_of
from tests.support.running import ROOT, free_port
from tests.unit.ingest.workbench import document

PATIENCE = 90
TRAFFIC, CONFIGURATION, STREAM = "miv-verkeersdata", "miv-configuratie", "miv-verkeer"


class Role:
    """One role as a process, with its door for probes."""

    def __init__(self, name: str, folder: Path, pilots: Path, environ: Mapping[str, str]) -> None:
        self.port = free_port()
        self._said = folder / f"{name}-{self.port}.stderr"
        argv = [sys.executable, "-m", "smartflanders.cli", name, "--pilot", str(pilots), "--port", str(self.port)]
        with self._said.open("w") as said:
            self.process = subprocess.Popen(
                argv, cwd=ROOT, env={**os.environ, **environ}, stdout=subprocess.DEVNULL, stderr=said
            )

    def said(self) -> str:
        """Return what it wrote on standard error."""
        return self._said.read_text("utf-8")

    def metric(self, metric: str, /, **labels: str) -> float | None:
        """Read a sample of /metrics, None while there is none or nobody answers."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=10) as answer:
                text = answer.read().decode()
        except OSError:
            return None
        wanted = ",".join(f'{label}="{value}"' for label, value in sorted(labels.items()))
        found = re.search(rf"^{metric}\{{{re.escape(wanted)}\}} (\S+)$", text, re.MULTILINE)
        return None if found is None else float(found[1])

    def end(self) -> None:
        """End it, whatever state it is in."""
        self.process.kill()
        self.process.wait(10)

    def until(self, condition: Callable[[], Any]) -> None:
        """Wait for something that must come while it runs."""
        deadline = time.monotonic() + PATIENCE
        while not condition():
            assert self.process.poll() is None, self.said()
            assert time.monotonic() < deadline, self.said()
            time.sleep(0.1)


def silent_pilots(folder: Path) -> Path:
    """Copy the traffic pilot, with publishers at a port where nobody listens."""
    folder.mkdir()
    for file in (ROOT / "deploy" / "pilots" / "vlaanderen" / "verkeer").glob("*.yaml"):
        text = re.sub(r"url: https?://[^/\s]+", f"url: http://127.0.0.1:{free_port()}", file.read_text("utf-8"))
        (folder / file.name).write_text(text, "utf-8")
    return folder


async def collected(options: KafkaOptions, source: str, name: str) -> None:
    """Append a document as a collector does."""
    body = document(name)
    payload = Payload(source=source, received_at=datetime.now(UTC), media_type="text/xml", body=body)
    async with KafkaLog(options) as log:
        await log.append(raw_topic(source), [payload.to_record()])


@pytest.mark.slow
async def test_lag_of_roles_is_told_by_whoever_is_left(
    kafka_options: KafkaOptions, database_url: str, tmp_path: Path
) -> None:
    """A blocked normaliser is behind by what was collected, so is the one that takes over; then both are at rest."""
    environ = {**environ_of(kafka_options), "SF_DATABASE_URL": database_url, "SF_BASE_URL": "http://127.0.0.1:1"}
    pilots = silent_pilots(tmp_path / "pilots")
    with ExitStack() as stack:

        def start(name: str) -> Role:
            role = Role(name, tmp_path, pilots, environ)
            stack.callback(role.end)
            return role

        first, collector = start("normalise"), start("collect")
        # Its lease is taken; the configuration that it looks lanes up in is not there.
        await collected(kafka_options, TRAFFIC, "miv-verkeersdata.xml")
        first.until(lambda: "waiting for lookup" in first.said())
        second = start("normalise")
        await collected(kafka_options, TRAFFIC, "miv-verkeersdata.xml")
        first.until(lambda: first.metric("sf_loop_lag_entries", role="normalise", name=TRAFFIC) == 2)
        second.until(lambda: second.metric("sf_loop_lag_entries", role="normalise", name=TRAFFIC) == 2)
        first.process.kill()
        second.until(lambda: "waiting for lookup" in second.said())
        await collected(kafka_options, TRAFFIC, "miv-verkeersdata.xml")
        second.until(lambda: second.metric("sf_loop_lag_entries", role="normalise", name=TRAFFIC) == 3)
        await collected(kafka_options, CONFIGURATION, "miv-configuratie.xml")
        second.until(lambda: second.metric("sf_loop_lag_entries", role="normalise", name=TRAFFIC) == 0)
        writer = start("write")
        writer.until(lambda: writer.metric("sf_members_published_total", stream=STREAM) == 2)
        writer.until(lambda: writer.metric("sf_loop_lag_entries", role="write", name=STREAM) == 0)
        # A publisher that never answers: its next poll is overdue since the collector began.
        collector.until(lambda: collector.metric("sf_polls_total", outcome="failed", source=TRAFFIC))
        due = collector.metric("sf_poll_due_timestamp_seconds", source=TRAFFIC)
        assert due is not None
        assert due < time.time()
