"""The verbs about stream files: `stream check` and `stream schema`."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson

from ldes_server.declaration import SUFFIX
from ldes_server.declaration_schema import stream_schema
from ldes_server.definition import ByLatest, definition_text
from ldes_server.fragmentations import compile_view
from ldes_server.model import Published, Stream, Trail
from ldes_server.retention import retention_text
from smartflanders.pilots import load_plan
from streams.errors import ConfigError, Problem
from streams.record import parse_time
from vocab.model import load_model, model_names
from vocab.places import places

Verbs = Any  # argparse names the type of its sub-parsers only privately


def add(verbs: Verbs) -> None:
    """Add these verbs to the command line."""
    group = verbs.add_parser("stream", help="work on stream files: check, schema")
    inner = group.add_subparsers(title="verbs", metavar="VERB", required=True)
    check = inner.add_parser(
        "check",
        help="check a pilot's stream files, and show where their views put a member",
        description="Check the stream files of a pilot folder together with the source files that feed the streams, and "
        "show for each view where it puts the model's example member: bucket, then what every member there has in "
        "common. Exit status 2 when a file has a fault.",
    )
    check.add_argument("pilot", type=Path, nargs="+", metavar="PILOT", help="a pilot folder, or a stream file in one")
    check.set_defaults(run=_check)
    schema = inner.add_parser(
        "schema",
        help="print the JSON Schema of stream files, for editors",
        description="Print the JSON Schema of stream files. Point your editor's YAML support at it for completion and "
        "checks while typing.",
    )
    schema.set_defaults(run=_schema)


def _schema(_: argparse.Namespace) -> int:
    print(json.dumps(stream_schema([load_model(name) for name in model_names()]), indent=2, ensure_ascii=False))  # noqa: T201
    return 0


def _check(arguments: argparse.Namespace) -> int:
    # A stream file is checked against the model that the sources beside it have.
    folders = [path.parent if path.name.endswith(SUFFIX) and path.is_file() else path for path in arguments.pilot]
    streams = load_plan(list(dict.fromkeys(folders))).streams
    if not any(stream.views or stream.retention for stream in streams):
        fix = f"write <stream>{SUFFIX} beside the source files"
        raise ConfigError([Problem(where=str(folders[0]), what="no view is declared", fix=fix)], where="the pilots")
    for stream in streams:
        for line in explain(stream):
            print(line)  # noqa: T201
    return 0


def explain(stream: Stream) -> Iterator[str]:
    """Yield a line for what is kept, and for each view its definition and where it puts the example of the model."""
    member, body = _example(stream)
    if stream.retention is not None:
        yield f"{stream.name}: keeps {retention_text(stream.retention)}"
    for name, view in stream.views.items():
        definition = definition_text(view)
        yield f"{stream.name}/{name}: {definition}"
        if name in stream.view_retention:
            kept = stream.view_retention[name]
            yield f"  keeps {retention_text(kept) if kept else 'everything'}"
        if isinstance(view, ByLatest):
            yield "  example on a page of entities, until a newer version of its entity takes its place"
            continue
        for trail in compile_view(definition, stream.model).trails(member, body):
            yield f"  example in {'.'.join(step.key for step in trail)}: {_common(trail)}"


def _example(stream: Stream) -> tuple[Published, dict[str, Any]]:
    """Return the example member of the model, as if published a minute after it was observed."""
    body: dict[str, Any] = orjson.loads(stream.model.example)
    body.pop("@context", None)
    place = places(stream.model).get("observed_at")
    found = place.find(body) if place else ()
    observed_at = parse_time(str(found[0].raw)) if found else datetime.now(UTC)
    member = Published(
        sequence=0,
        published_at=observed_at + timedelta(minutes=1),
        id=body["@id"],
        entity=body["@id"],
        observed_at=observed_at,
        point=None,
        body=orjson.dumps(body),
    )
    return member, body


def _common(trail: Trail) -> str:
    """Say what the relations of the last step promise."""
    bounds = trail[-1].bounds
    return ", ".join(f"{bound.type.value} {bound.value}" for bound in bounds) or "anything, no client may skip it"
