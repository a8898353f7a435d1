"""`window:` below `http_poll`: since when and until when is asked, for feeds that want it said."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

from ingest.schema_parts import DURATION, TEXT, Schema, object_of, told
from streams.yaml_lines import Faults, Node, check_keys, duration_of, text_of

_EPOCHS: Mapping[str, int] = {"epoch_seconds": 1, "epoch_milliseconds": 1000}

WINDOW: Schema = told(
    object_of(
        {
            "first": told(DURATION, "How far back the first question goes (1h)."),
            "overlap": told(DURATION, "How far each later one goes back before the last answer, for late data (0s)."),
            "format": told(
                {**TEXT, "examples": ["%Y-%m-%d %H:%M:%S", "epoch_seconds"]},
                "How times are written: as in `strftime`, `epoch_seconds` or `epoch_milliseconds` "
                "(2026-07-01T08:00:00Z).",
            ),
            "zone": told(TEXT, "The zone of the written times (UTC)."),
        }
    ),
    "For feeds that want to know since when: `{since}` in the address and in `post` is the time of the last answer that "
    "is safe in the log, `{until}` is now.",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Since when to ask: `first` before now at the very start, later `overlap` before the last answer."""

    first: timedelta = timedelta(hours=1)
    overlap: timedelta = timedelta(0)
    format: str = "%Y-%m-%dT%H:%M:%SZ"
    zone: tzinfo = UTC

    def times(self, last: datetime | None, now: datetime) -> Mapping[str, str]:
        """Return `since` and `until` as the publisher wants them written; both times are timezone-aware."""
        since = now - self.first if last is None else last - self.overlap
        return {"since": self._written(since), "until": self._written(now)}

    def _written(self, time: datetime) -> str:
        if (scale := _EPOCHS.get(self.format)) is not None:
            return str(int(time.timestamp() * scale))
        return time.astimezone(self.zone).strftime(self.format)


def window_of(node: Node | None, faults: Faults) -> Window | None:
    """Read `window:`; None when there is none."""
    if node is None or not check_keys(node, WINDOW["properties"], faults, where="window"):
        return None
    zone = text_of(node.get("zone"), faults, where="zone", line=node.line)
    found: tzinfo = UTC
    try:
        found = ZoneInfo(zone) if zone else UTC
    except (KeyError, ValueError, OSError):
        faults.add(node.line, f"{zone!r} is no time zone", "write zone: Europe/Brussels")
    form = text_of(node.get("format"), faults, where="format", line=node.line)
    if form and form not in _EPOCHS and "%" not in form:
        faults.add(node.line, f"format {form!r} writes no time", 'write format: "%Y-%m-%d %H:%M:%S" or epoch_seconds')
    if zone and not form:
        faults.add(node.line, "a zone without format", "times are written in UTC with Z: add a format without it")
    return Window(
        first=duration_of(node.get("first"), faults, timedelta(hours=1)),
        overlap=duration_of(node.get("overlap"), faults, timedelta(0)),
        format=form or "%Y-%m-%dT%H:%M:%SZ",
        zone=found,
    )
