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
        "max_bytes": told(COUNT, "The largest file, uncompressed (67108864)."),
        "media_type": told(TEXT, "What the files are, where their names do not say."),
    },
    required=("folder", "pattern"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class FilesOptions:
    """Read every file that matches `pattern` in `folder`, in name order, one payload each.

    Names ending in `.gz` are decompressed. `every` is the pause between looks for new files.
    """

    folder: Path
    pattern: str
    every: timedelta = timedelta(seconds=10)
    max_bytes: int = MAX_BYTES
    media_type: str | None = None


def _read(node: Node, faults: Faults, _environ: Mapping[str, str]) -> FilesOptions:
    check_keys(node, _SCHEMA["properties"], faults, where="files")
    max_bytes, media_type = limits_of(node, faults)
    return FilesOptions(
        folder=Path(text_of(node.get("folder"), faults, where="folder", line=node.line, required=True)),
        pattern=text_of(node.get("pattern"), faults, where="pattern", line=node.line, required=True),
        every=duration_of(node.get("every"), faults, timedelta(seconds=10)),
        max_bytes=max_bytes,
        media_type=media_type,
    )


FILES = Transport(
    name="files",
    meaning="A transport: read files that appear in a folder. Exactly one transport per file.",
    read=_read,
    schema=_SCHEMA,
)
