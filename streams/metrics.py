"""Every metric of the platform: name, unit, labels and meaning; nothing is counted elsewhere.

Labels come from closed sets: configured names (source, stream), enums (reason), and the words listed at each metric.
With PROMETHEUS_MULTIPROC_DIR set, the processes of a machine share that folder and `render` adds them up.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.multiprocess import MultiProcessCollector

# The metrics alone: no process or platform collectors, whose numbers would be one arbitrary process's.
REGISTRY = CollectorRegistry()

# A file of metrics begins with the number of bytes in use; the library cannot read one that lacks it.
_SMALLEST = 8
# Seconds: a final page from memory takes 0.1 ms, a batch to disk 10 ms, a page that is rendered first 5 ms.
_PAGE_BUCKETS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0)
_BATCH_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
_SIZE_BUCKETS = (1, 5, 10, 25, 50, 100, 250, 500, 1000, 2500)


def _counter(name: str, meaning: str, *labels: str) -> Counter:
    return Counter(name, meaning, labels, registry=REGISTRY)


def _histogram(name: str, meaning: str, *labels: str, buckets: tuple[float, ...]) -> Histogram:
    return Histogram(name, meaning, labels, buckets=buckets, registry=REGISTRY)


def _newest(name: str, meaning: str, *labels: str) -> Gauge:
    # A restarted process begins at nothing; the value of whoever set it last counts, living or not.
    return Gauge(name, meaning, labels, registry=REGISTRY, multiprocess_mode="mostrecent")


# --- collect ---------------------------------------------------------------------------------------------------------
POLLS = _counter("sf_polls_total", "Polls of publishers; outcome: news, empty, failed.", "source", "outcome")
COLLECTED_PAYLOADS = _counter("sf_collected_payloads_total", "Payloads written to the raw topic.", "source")
COLLECTED_BYTES = _counter("sf_collected_bytes_total", "Bytes of payloads as received, before packing.", "source")
LAST_COLLECTED = _newest(
    "sf_last_collected_timestamp_seconds", "When the newest payload was received, seconds since 1970.", "source"
)

# A publisher has no log whose end could be asked for, so how far a collector is behind is a time: now minus this. With
# several collectors the newest value counts.
DUE = _newest(
    "sf_poll_due_timestamp_seconds",
    "When the publisher is to be asked next, seconds since 1970; it stays while a poll or its append does not succeed.",
    "source",
)

SOURCE_ERRORS = _counter(
    "sf_source_errors_total", "Failures of publishers, by kind (streams.errors.Trouble).", "source", "kind"
)
STALE = _newest(
    "sf_source_stale",
    "1 while a source has not delivered within the interval that its file declares, else 0.",
    "source",
)
DELIVERIES = _counter(
    "sf_deliveries_total",
    "What publishers posted to webhooks; outcome: taken, refused (token, signature), busy, failed (the log).",
    "source",
    "outcome",
)

# --- normalise -------------------------------------------------------------------------------------------------------
# Nothing vanishes: items in = the sum over the outcomes, per source.
ITEMS_IN = _counter("sf_items_in_total", "Items found in payloads.", "source")
ITEMS = _counter(
    "sf_items_total", "Items by what became of them; outcome: member, unchanged, rejected.", "source", "outcome"
)
REJECTIONS = _counter("sf_rejections_total", "Rejections by reason (streams.record.Reason).", "source", "reason")
NEWEST_OBSERVED = _newest(
    "sf_newest_observed_timestamp_seconds", "Observed time of the newest member, seconds since 1970.", "stream"
)

# --- loops -----------------------------------------------------------------------------------------------------------
# Measured from outside the loops, by every process of a role (streams.lag): a loop that hangs could not tell.
LAG = _newest(
    "sf_loop_lag_entries", "Log entries that a loop has not done yet; role: normalise, write.", "role", "name"
)
RESTARTS = _counter("sf_job_restarts_total", "Restarts of a loop after an error that may pass.", "job")

# --- write -----------------------------------------------------------------------------------------------------------
PUBLISHED = _counter("sf_members_published_total", "Members published.", "stream")
DUPLICATES = _counter("sf_members_duplicate_total", "Members met again and left out.", "stream")
FOREIGN = _counter("sf_members_foreign_total", "Entries of a member topic that are no members of ours.", "stream")
NEWEST_PUBLISHED = _newest(
    "sf_newest_published_timestamp_seconds", "Publication time of the newest member, seconds since 1970.", "stream"
)
WRITE_SECONDS = _histogram(
    "sf_write_batch_seconds", "Time to write a batch of members, with its commit.", "stream", buckets=_BATCH_BUCKETS
)
WRITE_MEMBERS = _histogram("sf_write_batch_members", "Members per batch written.", "stream", buckets=_SIZE_BUCKETS)

# --- views -----------------------------------------------------------------------------------------------------------
VIEW_PLACES = _counter("sf_view_places_total", "Places given to members in buckets of a view.", "stream", "view")
VIEW_LEFT = _newest(
    "sf_view_left_members", "Members that a view under construction does not hold yet.", "stream", "view"
)
VIEW_BUCKETS = _newest("sf_view_buckets", "Buckets of a view, its root included.", "stream", "view")
MEMBERS_DROPPED = _counter("sf_members_dropped_total", "Members deleted because no policy keeps them.", "stream")
OLDEST_KEPT = _newest(
    "sf_view_oldest_timestamp_seconds",
    "When the oldest member of a view was published that it still shows, in seconds since 1970; `log` is the history.",
    "stream",
    "view",
)
STORED_MEMBERS = _newest("sf_stored_members", "Members stored, those kept for other views included.", "stream")
STORED_BYTES = _newest("sf_stored_bytes", "Bytes of the rows of members stored, going by the newest 1,000.", "stream")

# --- serve -----------------------------------------------------------------------------------------------------------
POSTED = _counter(
    "sf_members_posted_total",
    "Members posted, by what became of them; result: created, duplicate, conflict, rejected.",
    "stream",
    "result",
)
REQUESTS = _counter(
    "sf_http_requests_total",
    "Requests; route: a route's name, never a path; outcome: ok, not_modified, redirect, gone, missing, refused, failed.",
    "route",
    "outcome",
)
PAGE_SECONDS = _histogram(
    "sf_page_seconds",
    "Time to answer a page; outcome: kept, rendered, not_modified, failed.",
    "outcome",
    buckets=_PAGE_BUCKETS,
)
LIVE_LISTENERS = _newest(
    "sf_live_listeners", "Listeners of a live stream, of the web process that told last.", "stream"
)
LIVE_SENT = _counter("sf_live_events_total", "Members sent to listeners: members times listeners.", "stream")
LIVE_ENDED = _counter(
    "sf_live_ended_total", "Live streams that we ended; reason: slow, store, stopped.", "stream", "reason"
)


def render() -> tuple[bytes, str]:
    """Return the body and content type of GET /metrics; of all processes that share PROMETHEUS_MULTIPROC_DIR."""
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return generate_latest(REGISTRY), CONTENT_TYPE_LATEST
    return generate_latest(_Everybody(Path(os.environ["PROMETHEUS_MULTIPROC_DIR"]))), CONTENT_TYPE_LATEST


class _Everybody(CollectorRegistry):
    """All processes' metrics, added up from the files they share."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder

    def collect(self) -> Iterable[Metric]:
        """Read the files; one that a process was killed over before its first eight bytes says nothing yet."""
        files = [str(path) for path in self._folder.glob("*.db") if path.stat().st_size >= _SMALLEST]
        found: Iterable[Metric] = MultiProcessCollector.merge(files, accumulate=True)  # type: ignore[no-untyped-call]
        return found
