"""What a source file makes of a sample: members and rejections, before anything goes live."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from ingest.lookup import build_table
from ingest.mapping import Tables, compile_mapping
from ingest.memory import Memory
from ingest.normalise import normalise
from ingest.source import Source
from streams.record import Entry, Member, Payload, Rejection
from vocab.model import Model

# Stands for the platform's public address in members that are only looked at.
EXAMPLE_URL = "https://data.example.org"


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleReport:
    """What became of a sample's items: `items` = members + unchanged + rejections."""

    items: int
    members: Sequence[Member]
    rejections: Sequence[Rejection]
    unchanged: int


def source_code(source: Source, model: Model) -> str:
    """Return the Python that a source file becomes, for people.

    Raises:
        ConfigError: the source does not fit the model.

    """
    return compile_mapping(source, model, base_url=EXAMPLE_URL).source_code


def tables_of(source: Source, lookups: Mapping[str, Payload]) -> Tables:
    """Build the tables of a source's lookups; one without a payload has no rows."""
    return {
        name: build_table(lookups[name], lookup) if name in lookups else {} for name, lookup in source.lookups.items()
    }


def check_sample(
    source: Source, model: Model, body: bytes, media_type: str, *, lookups: Mapping[str, Payload] | None = None
) -> SampleReport:
    """Map a sample document as the platform would; `lookups` holds a payload per lookup name.

    The document counts as received now, so times in its future are refused as they would be live.

    Raises:
        ConfigError: the source does not fit the model.

    """
    now = datetime.now(UTC)
    mapper = compile_mapping(source, model, base_url=EXAMPLE_URL)
    payload = Payload(source=source.name, received_at=now, media_type=media_type, body=body)
    tables = tables_of(source, lookups or {})
    entry = Entry(offset=0, at=now, record=payload.to_record())
    outcome = normalise([entry], mapper, Memory(), tables=tables)
    return SampleReport(
        items=outcome.items,
        members=outcome.members,
        rejections=outcome.rejections,
        unchanged=outcome.unchanged,
    )
