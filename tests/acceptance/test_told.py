"""Publishers that speak first, all the way: an MQTT broker, a sender of webhooks and somebody's Kafka feed a platform."""

from __future__ import annotations

import hmac
import json
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest
import yaml

from tests.support.broker import Kafka
from tests.support.mosquitto import Mosquitto
from tests.support.publishers import KafkaPublisher
from tests.support.running import ROOT, Running
from tests.unit.ingest.workbench import GARAGES, PILOTS

SECRET = "fedcba9876543210-secret"
_WITHIN = 90.0


def pilot(folder: Path, sources: dict[str, dict[str, Any]]) -> Path:
    """Write a pilot of car parks that are told of in these ways, all in one stream."""
    folder.mkdir()
    content = yaml.safe_load((PILOTS / GARAGES).read_text("utf-8"))
    for key in ("http_poll", "sample", "publish"):
        del content[key]
    content |= {"stream": "told-parking"}
    for name, said in sources.items():
        bind = {"observed_at": "at", "free_spaces": "free", **said.pop("bind")}
        text = yaml.safe_dump({**content, "source": name, "bind": bind, **said}, sort_keys=False)
        (folder / f"{name}.yaml").write_text(text, "utf-8")
    return folder


def now() -> str:
    """Return the time, as a sensor writes it."""
    return datetime.now(UTC).isoformat()


def until(holds: Callable[[], bool], what: Callable[[], str]) -> None:
    """Wait until something holds."""
    end = time.monotonic() + _WITHIN
    while not holds():
        assert time.monotonic() < end, what()
        time.sleep(0.2)


def latest(running: Running) -> dict[str, int]:
    """Return the free spaces of every car park, as a reader sees them."""
    found = json.loads(running.get("/told-parking/latest"))
    items = found.get("@graph") or found.get("member") or []
    return {item["isVersionOf"].rpartition("/")[2]: item["freeSpaces"] for item in items}


def post(running: Running, body: bytes, *, secret: str) -> int:
    """Send a notification the way of a publisher that signs."""
    signature = "sha256=" + hmac.new(secret.encode(), body, "sha256").hexdigest()
    headers = {"Content-Type": "application/json", "X-Hub-Signature-256": signature}
    request = urllib.request.Request(f"{running.base}/hooks/told-hook", body, headers)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def doctor(running: Running, folder: Path, environ: dict[str, str]) -> str:
    """Ask the doctor beside the platform."""
    argv = [sys.executable, "-m", "smartflanders.cli", "doctor", "--data", str(running.data), "--pilot", str(folder)]
    return subprocess.run(
        argv, cwd=ROOT, env={"PATH": "", **environ}, capture_output=True, text=True, timeout=60, check=False
    ).stdout


def test_what_is_told_is_on_the_pages(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """A message, a signed notification with two entities and a record each end as members; a broker that dies is named,
    and what was published when it is back is a member, too; a wrong signature is refused and told.
    """
    theirs = KafkaPublisher(cast("Kafka", request.getfixturevalue("kafka")).servers)
    environ = {"TOLD_SECRET": SECRET}
    with Mosquitto(tmp_path / "broker", durable=True) as broker:
        folder = pilot(
            tmp_path / "pilot",
            {
                "told-mqtt": {
                    "mqtt": {"url": broker.url, "topics": ["city/+/free"], "every": "1h"},
                    "each": "$",
                    "bind": {"entity": "$message.levels[1]"},
                },
                "told-hook": {
                    "webhook": {"signature": {"secret": "${TOLD_SECRET}"}},
                    "each": "data[*]",
                    "bind": {"entity": "id", "free_spaces": "availableSpotNumber.value", "observed_at": "at.value"},
                },
                "told-kafka": {
                    "kafka": {"servers": theirs.servers, "topic": theirs.topic},
                    "each": "$",
                    "bind": {"entity": "$message.key", "observed_at": "$message.timestamp"},
                },
            },
        )
        with Running(tmp_path / "data", "--pilot", str(folder), environ=environ) as running:
            until(lambda: "New client connected" in broker.log and "told-mqtt" in broker.log, running.errors)
            broker.publish("city/m1/free", json.dumps({"free": 11, "at": now()}).encode())
            data = [
                {"id": name, "availableSpotNumber": {"value": free}, "at": {"value": now()}}
                for name, free in (("h1", 21), ("h2", 22))
            ]
            notification = json.dumps({"type": "Notification", "data": data}).encode()
            assert post(running, notification, secret=SECRET) == 202
            theirs.write([(b"k1", b'{"free": 31}', 0)])
            until(lambda: latest(running) == {"m1": 11, "h1": 21, "h2": 22, "k1": 31}, running.errors)
            assert post(running, notification, secret="guessed-guessed-guessed") == 403
            broker.kill()
            until(lambda: "unreachable, last told" in doctor(running, folder, environ), running.errors)
            assert "refused, last told" in doctor(running, folder, environ)
            broker.start()
            broker.publish("city/m2/free", json.dumps({"free": 12, "at": now()}).encode())
            assert post(running, notification, secret=SECRET) == 202
            until(lambda: latest(running).get("m2") == 12, running.errors)
            until(lambda: "last told" not in doctor(running, folder, environ), running.errors)
            metrics = running.get("/metrics").decode()
    assert 'sf_source_errors_total{kind="unreachable",source="told-mqtt"}' in metrics
    assert 'sf_deliveries_total{outcome="refused",source="told-hook"} 1.0' in metrics
    assert 'sf_source_stale{source="told-hook"} 0.0' in metrics
