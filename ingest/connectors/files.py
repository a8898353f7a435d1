"""The files connector: recorded or delivered files in a folder, in name order, one payload each."""

from __future__ import annotations

import asyncio
import hashlib
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Self

from ingest.connector import Poll
from ingest.connectors.inflate import BrokenError, OversizeError, gunzip
from ingest.transports.files import FilesOptions
from streams.errors import SourceError
from streams.record import Payload

# By the last suffix, after `.gz` is taken off; what is not here is bytes of an unknown kind.
MEDIA_TYPES = {
    ".json": "application/json",
    ".geojson": "application/geo+json",
    ".jsonld": "application/ld+json",
    ".ndjson": "application/x-ndjson",
    ".jsonl": "application/x-ndjson",
    ".senml": "application/senml+json",
    ".xml": "application/xml",
    ".csv": "text/csv",
    ".tsv": "text/tab-separated-values",
    ".pb": "application/x-protobuf",
    ".ttl": "text/turtle",
    ".trig": "application/trig",
    ".nt": "application/n-triples",
    ".nq": "application/n-quads",
    ".zip": "application/zip",
    ".html": "text/html",
    ".txt": "text/plain",
}
_UNKNOWN = "application/octet-stream"
_AT_ONCE = timedelta(0)


class Files:
    """Reads every file that matches, once, in name order, and looks for new ones.

    One payload per poll, so a folder of any size is read in flat memory. The cursor is the name and the digest of the
    last file read: files that sort after it are new, and so is that same file when its content has changed. Put files
    in place by renaming them, under names that sort after those already read; one that is read half-written is read
    again when it has changed. A broken `.gz` is a payload, its bytes as they are: the normaliser refuses it.
    """

    def __init__(self, source: str, options: FilesOptions) -> None:
        self._source = source
        self._options = options
        self._open = False
        # A cursor with the size and time of change of its file: while they stand still it is not read again.
        self._seen: tuple[bytes, int, int] | None = None

    async def __aenter__(self) -> Self:
        """Begin; a closed connector may be opened again."""
        self._open = True
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End; polling is refused from now on."""
        self._open = False

    async def poll(self, cursor: bytes) -> Poll:
        """Return the next file after `cursor`, or an empty poll when there is none.

        Raises:
            SourceError: the folder or a file cannot be read, or a file is over `max_bytes`.

        """
        if not self._open:
            raise RuntimeError(f"the files connector of {self._source} is closed")
        try:
            payload = await asyncio.to_thread(self._next, cursor)
        except OSError as error:
            raise SourceError(
                f"cannot read: {error.strerror or error}",
                where=f"{self._source}, {error.filename or self._options.folder}",
                fix="check that the folder exists and may be read by this process",
                retriable=True,
            ) from error
        if payload is None:
            return Poll(payloads=(), again_in=self._options.every)
        return Poll(payloads=(payload,), again_in=_AT_ONCE)

    def _next(self, cursor: bytes) -> Payload | None:
        after = _name(cursor)
        folder = self._options.folder
        folder.stat()  # a folder that is gone is an outage, not an empty folder
        files = {path.relative_to(folder).as_posix(): path for path in folder.glob(self._options.pattern)}
        for name in sorted(files):
            if name < after or not files[name].is_file():
                continue
            state = files[name].stat()
            seen = (cursor, state.st_size, state.st_mtime_ns)
            if seen == self._seen:
                continue
            found = self._read(name, files[name])
            if found.cursor != cursor:
                return found
            self._seen = seen
        return None

    def _read(self, name: str, path: Path) -> Payload:
        limit = self._options.max_bytes
        try:
            body = path.read_bytes() if path.stat().st_size <= limit else _over(limit)
            media_type = self._options.media_type or _media_type(name)
            if name.endswith(".gz"):
                body, media_type = _unpacked(body, limit, media_type)
        except OversizeError as error:
            raise SourceError(
                f"{error}; nothing of it is kept",
                where=f"{self._source}, {name}",
                fix="raise max_bytes in the source file, or take the file out of the folder",
                retriable=True,
            ) from error
        return Payload(
            source=self._source,
            received_at=datetime.now(UTC),
            media_type=media_type,
            body=body,
            cursor=_pack(name, hashlib.sha256(body).hexdigest()),
        )


def _over(limit: int) -> bytes:
    raise OversizeError(f"the file is larger than {limit} bytes")


def _unpacked(body: bytes, limit: int, media_type: str) -> tuple[bytes, str]:
    try:
        return gunzip(body, limit), media_type
    except BrokenError:
        return body, "application/gzip"


def _media_type(name: str) -> str:
    return MEDIA_TYPES.get(Path(name.removesuffix(".gz")).suffix.lower(), _UNKNOWN)


def _pack(name: str, digest: str) -> bytes:
    return json.dumps({"name": name, "digest": digest}, ensure_ascii=False).encode()


def _name(cursor: bytes) -> str:
    """Name the last file read; a cursor that another transport left (the source file was changed) names none."""
    try:
        return str(json.loads(cursor)["name"])
    except (ValueError, KeyError, TypeError):
        return ""
