"""Metrics: names and help, and one answer for all processes of a machine."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from streams.metrics import REGISTRY, render

ROOT = Path(__file__).resolve().parents[3]
# Or, of what is so or is not so, the word for it.
UNITS = (
    "_total",
    "_seconds",
    "_bytes",
    "_entries",
    "_members",
    "_listeners",
    "_buckets",
    "_payloads",
    "_readers",
    "_stale",
)


def test_every_metric_says_what_it_is() -> None:
    """Every metric is ours by name, ends in its unit and has a help text of a sentence."""
    families = list(REGISTRY.collect())
    assert families
    for family in families:
        name = f"{family.name}_total" if family.type == "counter" else family.name
        assert name.startswith("sf_")
        assert name.endswith(UNITS), name
        assert family.documentation.endswith("."), name


def test_render_gives_what_prometheus_reads() -> None:
    """The answer of GET /metrics is Prometheus text, with its content type."""
    body, content_type = render()
    assert content_type.startswith("text/plain")
    names = {family.name for family in text_string_to_metric_families(body.decode())}
    assert "sf_items_in" in names


def test_processes_are_added_up(tmp_path: Path) -> None:
    """With a shared folder counters add up, a timestamp is the latest set, and an empty file of a killed one is no fault."""
    environ = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}
    count = (
        "import sys; from streams.metrics import *; POLLS.labels(source='a', outcome='news').inc(3);"
        "NEWEST_OBSERVED.labels(stream='s').set(float(sys.argv[1]))"
    )
    for newest in ("20", "10"):
        subprocess.run([sys.executable, "-c", count, newest], check=True, cwd=ROOT, env=environ)
    # What a process leaves that was killed before it wrote anything.
    (tmp_path / "counter_1.db").touch()
    show = "from streams.metrics import render; print(render()[0].decode())"
    shown = subprocess.run(
        [sys.executable, "-c", show], check=True, cwd=ROOT, env=environ, capture_output=True, text=True
    )
    assert 'sf_polls_total{outcome="news",source="a"} 6.0' in shown.stdout
    assert 'sf_newest_observed_timestamp_seconds{stream="s"} 10.0' in shown.stdout
