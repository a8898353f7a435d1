"""The Kafka connector: records of somebody's topic, the positions of its partitions as cursor."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from types import TracebackType
from typing import Any, Self

import orjson

from ingest.connector import Poll
from ingest.decoders.messages import TOMBSTONE
from ingest.transports.kafka import KafkaSourceOptions
from streams.errors import LogError, SourceError, Trouble
from streams.kafka_options import KafkaOptions
from streams.kafka_tap import Drop, Tap
from streams.record import Payload, format_time

_AT_ONCE = timedelta(0)
_MOMENT = timedelta(milliseconds=1)
# How long a poll waits for a record: who stops us waits as long, and a question to the cluster at a place that was left
# takes half of it.
_LOOK = timedelta(seconds=1)
# A record is not alone for long where many come: those of so many seconds share an append.
_GATHER = 0.03
_MOST = 2000
_PATIENCE = timedelta(seconds=8)


class Kafka:
    """Reads a topic in order of each partition, at least once; a cursor of another topic begins at the start."""

    def __init__(self, source: str, options: KafkaSourceOptions) -> None:
        self._source = source
        self._options = options
        self._open = False
        self._tap: Tap | None = None
        self._positions: dict[int, int] = {}
        self._name = sha256(f"{options.servers} {options.topic}".encode()).hexdigest()[:16]

    async def __aenter__(self) -> Self:
        """Begin; the first poll connects."""
        self._open = True
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connections; polling is refused from now on."""
        self._open = False
        await self._close()

    async def poll(self, cursor: bytes) -> Poll:
        """Return the records after the cursor that there are, one payload each; waits for a second at most.

        Raises:
            SourceError: the cluster does not answer, or refuses us.

        """
        if not self._open:
            raise RuntimeError(f"the kafka connector of {self._source} is closed")
        try:
            drops = await self._taken(_unpack(cursor, self._name))
        except LogError as error:
            await self._close()
            raise self._error(error) from error
        except BaseException:
            # Cut off while it read: the client's own position is in doubt.
            await self._close()
            raise
        if not drops:
            return Poll(payloads=(), again_in=_MOMENT)
        received = datetime.now(UTC)
        return Poll(payloads=tuple(self._payload(each, received) for each in drops), again_in=_AT_ONCE)

    async def _taken(self, positions: dict[int, int]) -> list[Drop]:
        tap = self._tap
        if tap is not None and tap.has_grown:
            await self._close()
            tap = None
        if tap is None:
            self._tap = tap = Tap(self._login(), self._options.topic)
            await tap.open(positions, at_end=self._options.start == "end" and not positions)
        elif positions != self._positions:
            await tap.seek(positions)
        self._positions = positions
        drops = await tap.take(limit=_MOST, wait=_LOOK)
        if drops and len(drops) < _MOST:
            await asyncio.sleep(_GATHER)
            drops += await tap.take(limit=_MOST - len(drops), wait=_AT_ONCE)
        return drops

    def _payload(self, drop: Drop, received: datetime) -> Payload:
        self._positions = {**self._positions, drop.partition: drop.offset + 1}
        return Payload(
            source=self._source,
            received_at=received,
            media_type=self._options.media_type or "application/json",
            body=drop.value or b"",
            cursor=_pack(self._name, self._positions),
            message=_said(drop, self._options.topic),
        )

    def _login(self) -> KafkaOptions:
        options = self._options
        return KafkaOptions(
            servers=options.servers,
            user=options.user or None,
            password=options.password or None,
            mechanism=options.mechanism,
            tls=options.tls,
            authorities=options.ca,
            patience=_PATIENCE,
        )

    def _error(self, error: LogError) -> SourceError:
        """Tell it of the source, with the words of its file."""
        words = "user, password, mechanism, tls and ca in the source file, and the rights of that user"
        passes = "see whether the cluster runs and can be reached from here; what it keeps for us is not lost"
        return SourceError(
            error.what,
            where=f"{self._source}, {self._options.topic} at {self._options.servers}",
            fix=passes if error.retriable else f"check {words}",
            retriable=True,
            kind=Trouble.UNREACHABLE if error.retriable else Trouble.REFUSED,
        )

    async def _close(self) -> None:
        tap, self._tap = self._tap, None
        if tap is not None:
            await tap.close()


def _said(drop: Drop, topic: str) -> Mapping[str, Any]:
    said: dict[str, Any] = {
        "topic": topic,
        "partition": drop.partition,
        "offset": drop.offset,
        "timestamp": format_time(drop.at),
    }
    if drop.key is not None:
        said["key"] = _text(drop.key)
    if drop.headers:
        said["headers"] = {name: _text(value) for name, value in drop.headers if value is not None}
    if drop.value is None:
        said[TOMBSTONE] = True
    return said


def _text(data: bytes) -> str:
    """Write bytes as the text they are, or else in hexadecimal."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.hex()


def _pack(name: str, positions: Mapping[int, int]) -> bytes:
    said = {"kafka": name, "positions": {str(each): positions[each] for each in sorted(positions)}}
    return orjson.dumps(said)


def _unpack(cursor: bytes, name: str) -> dict[int, int]:
    """Read the positions of a cursor; one of another topic or transport knows none."""
    try:
        fields = orjson.loads(cursor)
        return {int(each): int(at) for each, at in fields["positions"].items()} if fields["kafka"] == name else {}
    except (ValueError, KeyError, TypeError, AttributeError):
        return {}
