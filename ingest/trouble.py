"""Troubles: the newest failure of each source, counted, and kept in the log for whoever asks later or elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import orjson

from streams.errors import SourceError, Trouble
from streams.log import Log
from streams.metrics import SOURCE_ERRORS
from streams.record import Record, trouble_topic

# The same kind of failure is written down again after so long: it lasts.
_AGAIN = timedelta(minutes=5)
_OVER = b"over"


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A failure as written down: its kind, what happened, where, and the fix."""

    kind: Trouble
    what: str
    where: str
    fix: str

    def to_record(self) -> Record:
        """Pack for `trouble.<source>`."""
        said = {"what": self.what, "where": self.where, "fix": self.fix}
        return Record(key=self.kind.value.encode(), value=orjson.dumps(said))

    @classmethod
    def from_record(cls, record: Record) -> Told | None:
        """Unpack what `to_record` made; None for the record that says that it is over."""
        if record.key == _OVER:
            return None
        return cls(kind=Trouble(record.key.decode()), **orjson.loads(record.value))


class Troubles:
    """Tells the failures of sources; every method raises `LogError` where the log does not take it."""

    def __init__(self, log: Log) -> None:
        self._log = log
        # What was written down last of each source, and when; None where nothing is wrong.
        self._last: dict[str, tuple[Trouble, datetime] | None] = {}

    async def tell(self, source: str, error: SourceError) -> None:
        """Count a failure, and write it down unless one of its kind was a moment ago."""
        SOURCE_ERRORS.labels(source=source, kind=error.kind.value).inc()
        last, now = await self._known(source), datetime.now(UTC)
        if last is not None and last[0] is error.kind and now - last[1] < _AGAIN:
            return
        told = Told(kind=error.kind, what=error.what, where=error.where, fix=error.fix)
        await self._log.append(trouble_topic(source), [told.to_record()])
        self._last[source] = (error.kind, now)

    async def over(self, source: str) -> None:
        """Write down that a source delivers again, if something was wrong."""
        if await self._known(source) is not None:
            await self._log.append(trouble_topic(source), [Record(key=_OVER, value=b"")])
            self._last[source] = None

    async def _known(self, source: str) -> tuple[Trouble, datetime] | None:
        """Return what was written down last, also before this process began."""
        if source not in self._last:
            newest = await self._log.last(trouble_topic(source))
            told = None if newest is None else Told.from_record(newest.record)
            self._last[source] = None if newest is None or told is None else (told.kind, newest.at)
        return self._last[source]
