"""What the tests of ingest share: pilots, documents, payloads, and sources with one thing changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml

from ingest.lookup import build_table
from ingest.mapping import Mapper, Tables, compile_mapping
from ingest.memory import Memory
from ingest.needs import needs_of, standing_in
from ingest.normalise import Outcome, normalise
from ingest.source import Source, load_source
from smartflanders.loading import is_source
from streams.record import Entry, Payload, Reason
from vocab.model import load_model

ROOT = Path(__file__).resolve().parents[3]
PILOTS = ROOT / "deploy" / "pilots"
DATA = ROOT / "tests" / "data" / "ingest"
BASE = "https://data.example.org"
SOURCES = sorted(path for path in PILOTS.rglob("*.yaml") if is_source(path))
RECEIVED = datetime(2026, 11, 1, 9, 2, tzinfo=UTC)
CONFIGURATION = "vlaanderen/verkeer/miv-configuratie.yaml"
TRAFFIC = "vlaanderen/verkeer/miv-verkeersdata.yaml"
GARAGES = "gent/parking/garages.yaml"
PARK_AND_RIDE = "gent/parking/park-and-ride.yaml"


def keys_of(path: Path) -> Mapping[str, str]:
    """Return an environment in which a source file finds the keys that it asks for."""
    return standing_in(needs_of(path), {})


def pilot(name: str) -> Source:
    """Load one of the source files that ship with the platform, with whatever keys it needs."""
    return load_source(PILOTS / name, environ=keys_of(PILOTS / name))


def document(name: str) -> bytes:
    """Read a test document."""
    return (DATA / name).read_bytes()


def mapper_of(source: Source) -> Mapper:
    """Compile a source for the model it names."""
    return compile_mapping(source, load_model(source.model), base_url=BASE)


def changed(tmp_path: Path, name: str = GARAGES, **changes: Any) -> Source:
    """Load a pilot with top-level keys replaced (None removes one) and `bind` entries merged."""
    content = yaml.safe_load((PILOTS / name).read_text("utf-8"))
    for key, value in changes.items():
        if key == "bind":
            content["bind"].update(value)
            content["bind"] = {name: bound for name, bound in content["bind"].items() if bound is not None}
        elif value is None:
            del content[key]
        else:
            content[key] = value
    path = tmp_path / "source.yaml"
    path.write_text(yaml.safe_dump(content, sort_keys=False), "utf-8")
    return load_source(path, environ=keys_of(path))


def entry(
    body: bytes, *, media_type: str = "application/json", offset: int = 0, received: datetime = RECEIVED
) -> Entry:
    """Put a document into an entry of a raw topic."""
    payload = Payload(source="test", received_at=received, media_type=media_type, body=body)
    return Entry(offset=offset, at=received, record=payload.to_record())


def lane_tables(body: bytes | None = None) -> Tables:
    """Build the lookup table of the traffic pilot from a configuration document."""
    payload = Payload(
        source="miv-configuratie",
        received_at=RECEIVED,
        media_type="text/xml",
        body=document("miv-configuratie.xml") if body is None else body,
    )
    return {"lane": build_table(payload, pilot(TRAFFIC).lookups["lane"])}


def run(source: Source, *bodies: bytes, media_type: str = "application/json", memory: Memory | None = None) -> Outcome:
    """Normalise documents one after the other with a fresh memory unless one is given, and check the sum."""
    entries: Sequence[Entry] = [
        entry(body, media_type=media_type, offset=number, received=RECEIVED + timedelta(minutes=number))
        for number, body in enumerate(bodies)
    ]
    tables = lane_tables() if source.lookups else None
    outcome = normalise(entries, mapper_of(source), memory or Memory(), tables=tables)
    assert outcome.items == len(outcome.members) + outcome.unchanged + len(outcome.rejections)
    return outcome


def reasons(outcome: Outcome) -> list[Reason]:
    """List the reasons of an outcome's rejections."""
    return [rejection.reason for rejection in outcome.rejections]
