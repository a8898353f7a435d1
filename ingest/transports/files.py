"""`files:` in a source file: which files of which folder are read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from ingest.schema_parts import COUNT, DURATION, TEXT, object_of, told
from ingest.transports.options import MAX_BYTES, limits_of
from ingest.transports.transport import Transport
from streams.yaml_lines import Faults, Node, check_keys, duration_of, text_of

_SCHEMA = object_of(
    {
        "folder": told(TEXT, "The folder."),
        "pattern": told(TEXT, "Which files in it, such as `*.xml`."),
        "every": told(DURATION, "The pause between looks (10s)."),
        "max_bytes": told(COUNT, "The largest file or zip entry, uncompressed (67108864)."),
        "settle": told(
            DURATION, "How long a file must stand still before it is read (2s); `0s` where files are moved in."
        ),
        "unpack": told({"type": "boolean"}, "Whether `.gz` and `.zip` are unpacked, each entry a payload (true)."),
        "media_type": told(TEXT, "What the files are, where their names do not say."),
    },
    required=("folder", "pattern"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class FilesOptions:
    """Read every file that matches `pattern` in `folder`, in name order, one payload each.

    With `unpack` names ending in `.gz` are decompressed, and of those ending in `.zip` each entry is a payload. A file
    is read once it has not changed for `settle`. `every` is the pause between looks for new files.
    """

    folder: Path
    pattern: str
    every: timedelta = timedelta(seconds=10)
    settle: timedelta = timedelta(seconds=2)
    unpack: bool = True
    max_bytes: int = MAX_BYTES
    media_type: str | None = None


def _read(node: Node, faults: Faults, _environ: Mapping[str, str]) -> FilesOptions:
    check_keys(node, _SCHEMA["properties"], faults, where="files")
    max_bytes, media_type = limits_of(node, faults)
    unpack = node.get("unpack")
    if unpack is not None and not isinstance(unpack.value, bool):
        faults.add(unpack.line, f"unpack is {unpack.described}", "write unpack: true or false")
    return FilesOptions(
        folder=Path(text_of(node.get("folder"), faults, where="folder", line=node.line, required=True)),
        pattern=text_of(node.get("pattern"), faults, where="pattern", line=node.line, required=True),
        every=duration_of(node.get("every"), faults, timedelta(seconds=10)),
        settle=duration_of(node.get("settle"), faults, timedelta(seconds=2)),
        unpack=unpack is None or unpack.value is not False,
        max_bytes=max_bytes,
        media_type=media_type,
    )


FILES = Transport(
    name="files",
    whole=lambda _options: True,
    meaning="A transport: read files that appear in a folder. Exactly one transport per file.",
    read=_read,
    schema=_SCHEMA,
)
