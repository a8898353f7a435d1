"""Samples: what a source would be told, from a file, from recordings, or from the simulated city."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

from ingest.source import Source
from ingest.transports.http_poll import HttpPollOptions
from smartflanders.given import read_payload
from streams.record import Payload

# As many lanes as the demo city has: enough for every kind of lane to be among them.
_LANES = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """Payloads of one source, in order, and in words where they come from.

    `now` says that they were made this moment, so that the age of what they tell means something.
    """

    origin: str
    payloads: tuple[Payload, ...]
    now: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Samples:
    """Where to look for samples: files by the name of a source, a folder of recordings, and the simulated city last."""

    given: Mapping[str, Path]
    folder: Path | None = None

    def of(self, source: Source) -> Sample | None:
        """Return the sample of a source, None where there is none.

        Raises:
            ConfigError: a file of it cannot be read.

        """
        if source.name in self.given:
            file = self.given[source.name]
            return Sample(origin=file.name, payloads=(read_payload(file, source.name),))
        files = self._recorded(source)
        if files:
            origin = files[0].name if len(files) == 1 else f"{len(files)} recordings"
            return Sample(origin=origin, payloads=tuple(read_payload(file, source.name) for file in files))
        payload = simulated(source)
        return None if payload is None else Sample(origin="simulator", payloads=(payload,), now=True)

    def _recorded(self, source: Source) -> Sequence[Path]:
        if self.folder is None or not source.sample:
            return ()
        return sorted(file for file in self.folder.rglob(source.sample) if file.is_file())


def simulated(source: Source) -> Payload | None:
    """Return what the simulated city would answer a source now; None where it does not play that publisher.

    The address may be the publisher's own or one at a running simulator, which has the publisher's host in its path.
    """
    # Imported here: who looks at recordings alone plays no publishers.
    from testbed.simulator.city import make_city  # noqa: PLC0415
    from testbed.simulator.formats import ENDPOINTS  # noqa: PLC0415

    options = source.transport
    if not isinstance(options, HttpPollOptions):
        return None
    parts = urlsplit(options.url)
    paths = (parts.path, f"/{parts.netloc}{parts.path}")
    endpoint = next((endpoint for endpoint in ENDPOINTS if endpoint.path in paths), None)
    if endpoint is None:
        return None
    now = datetime.now(UTC)
    document = endpoint.write(make_city(lanes=_LANES, start=now), now)
    return Payload(source=source.name, received_at=now, media_type=document.media_type, body=document.render())
