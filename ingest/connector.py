"""The Connector protocol, and the options by which a source file chooses and configures a transport."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from streams.record import Payload


@dataclass(frozen=True, slots=True, kw_only=True)
class Poll:
    """What one poll brought: payloads in order (none when nothing is new), and when to ask again."""

    payloads: tuple[Payload, ...]
    again_in: timedelta


class Connector(Protocol):
    """A transport: an async context manager with one verb. It never sleeps, retries, logs or touches the log."""

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


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpPollOptions:
    """`http_poll:` in a source file: ask `url` every `every`; give up after `timeout`, refuse more than `max_bytes`.

    `max_bytes` counts the decompressed body. `media_type` overrides what the publisher says.
    """

    url: str
    every: timedelta
    headers: Mapping[str, str] = field(default_factory=dict)
    timeout: timedelta = timedelta(seconds=30)
    max_bytes: int = 64 * 1024 * 1024
    media_type: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FilesOptions:
    """`files:` in a source file: every file that matches `pattern` in `folder`, in name order, one payload each.

    Names ending in `.gz` are decompressed. `every` is the pause between looks for new files.
    """

    folder: Path
    pattern: str
    every: timedelta = timedelta(seconds=10)
    max_bytes: int = 64 * 1024 * 1024
    media_type: str | None = None
