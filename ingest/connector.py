"""The Connector protocol: what every transport promises to the collecting loop."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from types import TracebackType
from typing import Protocol, Self

from streams.record import Payload


@dataclass(frozen=True, slots=True, kw_only=True)
class Poll:
    """What one poll brought: payloads in order (none when nothing is new), and when to ask again."""

    payloads: tuple[Payload, ...]
    again_in: timedelta


class Connector(Protocol):
    """A transport: an async context manager with one verb. It never sleeps, retries, logs or touches the log.

    A poll may wait for its turn at a host, and for a second for a message: stopping waits for a poll in hand.
    """

    async def poll(self, cursor: bytes) -> Poll:
        """Return what is new after `cursor` (empty at the very start).

        `cursor` is the `cursor` of the last payload that is safe in the log: passing it says that everything up to it
        may be forgotten. An empty poll leaves the cursor as it is. Garbage is a payload, not an error.

        Raises:
            SourceError: the publisher did not answer, or answered an error; `retriable` says whether to try again.

        """
        ...

    async def __aenter__(self) -> Self:
        """Open what the transport needs."""
        ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        ...
