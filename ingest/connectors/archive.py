"""Archives: the entries of a zip file one by one, each within a limit, however small the bomb was."""

from __future__ import annotations

import zipfile
import zlib
from io import BytesIO

from ingest.connectors.inflate import BrokenError, OversizeError

# A delivery has a dozen entries; a list of millions is no delivery, and costs memory before the first byte is read.
_MAX_ENTRIES = 10_000
_CHUNK = 64 * 1024
# What macOS adds to every archive beside the files.
_NOISE = "__MACOSX/"


def entries_of(packed: bytes) -> list[str]:
    """List the files of a zip in the order of their names; folders and hidden files are no entries.

    Raises:
        BrokenError: the bytes are no zip, hold no file, or too many.

    """
    try:
        with zipfile.ZipFile(BytesIO(packed)) as archive:
            names = {info.filename for info in archive.infolist() if not info.is_dir()}
    except (zipfile.BadZipFile, RuntimeError, ValueError, OSError) as error:
        raise BrokenError(f"no zip that can be read: {error}") from error
    found = sorted(
        name for name in names if not name.startswith(_NOISE) and not name.rpartition("/")[2].startswith(".")
    )
    if not found or len(found) > _MAX_ENTRIES:
        raise BrokenError(f"a zip with {len(found)} files; between 1 and {_MAX_ENTRIES} are read")
    return found


def read_entry(packed: bytes, name: str, limit: int) -> bytes:
    """Unpack one entry; what its header claims counts as little as its packed size.

    Raises:
        OversizeError: it is larger than `limit` bytes.
        BrokenError: it is encrypted, packed in an unknown way, or its check sum is wrong.

    """
    body = bytearray()
    try:
        with zipfile.ZipFile(BytesIO(packed)) as archive, archive.open(name) as stream:
            while chunk := stream.read(_CHUNK):
                body += chunk
                if len(body) > limit:
                    raise OversizeError(f"entry {name} is larger than {limit} bytes")
    except (zipfile.BadZipFile, zlib.error, RuntimeError, EOFError, OSError, KeyError) as error:
        raise BrokenError(f"entry {name} cannot be read: {error}") from error
    return bytes(body)
