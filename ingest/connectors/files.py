"""The files connector: recorded or delivered files in a folder, in name order, one payload each, or each zip entry."""

from __future__ import annotations

import asyncio
import hashlib
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from ingest.connector import Poll
from ingest.connectors.archive import entries_of, read_entry
from ingest.connectors.inflate import BrokenError, OversizeError, gunzip
from ingest.connectors.settling import Settling, is_under_way
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
    ".nt": "application/n-triples",
    ".nq": "application/n-quads",
    ".trig": "application/trig",
    ".html": "text/html",
    ".txt": "text/plain",
    ".zip": "application/zip",
    ".gz": "application/gzip",
}
_UNKNOWN = "application/octet-stream"
_AT_ONCE = timedelta(0)


class _Place(NamedTuple):
    """Where a cursor stands: a file, the digest of its content, and of a zip the entry that was read last."""

    name: str = ""
    digest: str = ""
    entry: str = ""


class Files:
    """Reads every file that matches, once, in name order, and looks for new ones.

    One payload per poll, so a folder of any size is read in flat memory. The cursor is the name and the digest of the
    last file read, and the entry of a zip: files that sort after it are new, and so is that same file when its content
    has changed. A file is read once it stands still for `settle`, and none that sorts after it before; names that are
    written under way (hidden, `.part`, `.tmp`) are left alone. Put files in place under names that sort after those
    already read. A broken `.gz` or `.zip` is a payload, its bytes as they are: the normaliser refuses it.
    """

    def __init__(self, source: str, options: FilesOptions) -> None:
        self._source = source
        self._options = options
        self._open = False
        self._settling = Settling(options.settle)
        # A cursor with the size and time of change of its file: while they stand still it is not read again.
        self._seen: tuple[bytes, int, int] | None = None
        # The zip in hand, so that it is read once and not once per entry.
        self._archive: tuple[tuple[str, int, int], bytes, str] | None = None

    async def __aenter__(self) -> Self:
        """Begin; a closed connector may be opened again."""
        self._open = True
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End; polling is refused from now on."""
        self._open, self._archive = False, None

    async def poll(self, cursor: bytes) -> Poll:
        """Return the next file or zip entry after `cursor`, or an empty poll when there is none.

        Raises:
            SourceError: the folder or a file cannot be read, or a file or entry is over `max_bytes`.

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
            return Poll(payloads=(), again_in=min(self._options.every, self._settling.wait or self._options.every))
        return Poll(payloads=(payload,), again_in=_AT_ONCE)

    def _next(self, cursor: bytes) -> Payload | None:
        after = _place(cursor)
        folder = self._options.folder
        folder.stat()  # a folder that is gone is an outage, not an empty folder
        files = {path.relative_to(folder).as_posix(): path for path in folder.glob(self._options.pattern)}
        self._settling.wait = None
        for name in sorted(files):
            if name < after.name or is_under_way(name) or not files[name].is_file():
                continue
            state = files[name].stat()
            seen = (cursor, state.st_size, state.st_mtime_ns)
            if seen == self._seen:
                continue
            if not self._settling.stands_still(name, state):
                return None
            found = self._read(name, files[name], after)
            if found is not None:
                return found
            self._seen = seen
        return None

    def _read(self, name: str, path: Path, after: _Place) -> Payload | None:
        """Return the file, or its next entry; None when `after` says that all of it was read."""
        try:
            _check_size(path, self._options.max_bytes)
            if self._options.unpack and name.lower().endswith(".zip"):
                return self._entry(name, path, after)
            body, media_type = self._unpacked(name, path.read_bytes())
        except OversizeError as error:
            raise SourceError(
                f"{error}; nothing of it is kept",
                where=f"{self._source}, {name}",
                fix="raise max_bytes in the source file, or take the file out of the folder",
                retriable=True,
            ) from error
        return self._payload(body, media_type, _Place(name, _digest(body)), after)

    def _entry(self, name: str, path: Path, after: _Place) -> Payload | None:
        """Return the next entry of a zip; of an archive or entry that cannot be read the archive as it is, once."""
        packed, digest = self._zip(name, path)
        read = after.entry if (after.name, after.digest) == (name, digest) else ""
        place = _Place(name, digest)
        try:
            entries = [entry for entry in entries_of(packed) if entry > read]
            if not entries:
                return None
            place = _Place(name, digest, entries[0])
            body = read_entry(packed, entries[0], self._options.max_bytes)
        except BrokenError:
            return self._payload(packed, MEDIA_TYPES[".zip"], place, after)
        return self._payload(body, self._media_type(entries[0]), place, after)

    def _zip(self, name: str, path: Path) -> tuple[bytes, str]:
        """Read an archive and its digest, or take the one in hand."""
        state = path.stat()
        key = (name, state.st_size, state.st_mtime_ns)
        if self._archive is None or self._archive[0] != key:
            packed = path.read_bytes()
            self._archive = (key, packed, _digest(packed))
        return self._archive[1:]

    def _unpacked(self, name: str, body: bytes) -> tuple[bytes, str]:
        if not self._options.unpack or not name.lower().endswith(".gz"):
            return body, self._media_type(name)
        try:
            return gunzip(body, self._options.max_bytes), self._media_type(name[:-3])
        except BrokenError:
            return body, MEDIA_TYPES[".gz"]

    def _media_type(self, name: str) -> str:
        return self._options.media_type or MEDIA_TYPES.get(Path(name).suffix.lower(), _UNKNOWN)

    def _payload(self, body: bytes, media_type: str, place: _Place, after: _Place) -> Payload | None:
        if place == after:
            return None
        return Payload(
            source=self._source,
            received_at=datetime.now(UTC),
            media_type=media_type,
            body=body,
            cursor=_pack(place),
        )


def _check_size(path: Path, limit: int) -> None:
    if path.stat().st_size > limit:
        raise OversizeError(f"the file is larger than {limit} bytes")


def _digest(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


def _pack(place: _Place) -> bytes:
    fields = {key: value for key, value in place._asdict().items() if value}
    return json.dumps(fields, ensure_ascii=False).encode()


def _place(cursor: bytes) -> _Place:
    """Read a cursor; one that another transport left (the source file was changed) stands before the first file."""
    try:
        said = json.loads(cursor)
        return _Place(str(said["name"]), str(said.get("digest", "")), str(said.get("entry", "")))
    except (ValueError, KeyError, TypeError, AttributeError):
        return _Place()
