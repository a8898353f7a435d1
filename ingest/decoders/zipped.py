"""Zip archives: one member of them as the document, as GTFS and bulk downloads come."""

from __future__ import annotations

import io
import zipfile
import zlib
from pathlib import PurePosixPath

from ingest.decoders.items import Break
from streams.record import Reason

# Bytes of one member, decompressed: the stops of Flanders are 4 MB, and what is larger is no table to look up.
_LARGEST = 64 * 1024 * 1024
_EXCERPT = 200
# By suffix; `.txt` is what GTFS calls its tables.
_MEDIA_TYPES = {
    ".txt": "text/csv",
    ".csv": "text/csv",
    ".tsv": "text/tab-separated-values",
    ".json": "application/json",
    ".geojson": "application/geo+json",
    ".ndjson": "application/x-ndjson",
    ".xml": "application/xml",
    ".ttl": "text/turtle",
    ".pb": "application/x-protobuf",
}


def member_of(body: bytes, name: str) -> tuple[bytes, str] | Break:
    """Return a member of an archive with its media type, or the break that says why there is none.

    `name` is the whole name, or its last part where the archive has one folder around everything.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(body)) as archive:
            found = [it for it in archive.infolist() if it.filename == name or PurePosixPath(it.filename).name == name]
            if not found:
                names = ", ".join(it.filename for it in archive.infolist()[:12])
                return _refused(Reason.STRUCTURE, f"the archive has no {name}; it has {names or 'nothing'}", body)
            with archive.open(found[0]) as file:
                content = file.read(_LARGEST + 1)
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, OSError) as error:
        return _refused(Reason.MALFORMED, f"the document is no zip archive: {error}", body)
    if len(content) > _LARGEST:
        return _refused(Reason.FORBIDDEN, f"{name} is larger than {_LARGEST} bytes", body)
    return content, _MEDIA_TYPES.get(PurePosixPath(name).suffix.lower(), "")


def _refused(reason: Reason, detail: str, body: bytes) -> Break:
    return Break(reason=reason, path="$", detail=detail, excerpt=body[:_EXCERPT])
