"""The public address is no part of what an item says."""

from __future__ import annotations

from pathlib import Path

from ingest.decoders.items import Item
from ingest.decoders.table import decode
from ingest.lookup import build_table
from ingest.mapping import compile_mapping
from ingest.source import load_source
from streams.record import Payload, parse_time
from testbed.simulator.city import make_city
from testbed.simulator.formats import miv_configuration, miv_data
from vocab.model import load_model

PILOT = Path(__file__).resolve().parents[3] / "deploy" / "pilots" / "vlaanderen" / "verkeer" / "miv-verkeersdata.yaml"
NOW = parse_time("2026-11-23T20:00:00Z")


def test_another_public_address_changes_no_digest() -> None:
    """The same item read for two public addresses has one digest, so a moved platform publishes no revisions."""
    city = make_city(lanes=1, start=NOW)
    source, model = load_source(PILOT), load_model("traffic")

    def payload(body: bytes) -> Payload:
        return Payload(source="miv", received_at=NOW, media_type="application/xml", body=body)

    digests = set()
    for address in ("http://127.0.0.1:8080", "https://data.example.org"):
        mapper = compile_mapping(source, model, base_url=address)
        tables = {"lane": build_table(payload(miv_configuration(city, NOW).render()), source.lookups["lane"])}
        found = list(decode(miv_data(city, NOW).render(), "application/xml", mapper.wanted))
        digests |= {mapper.facts(item.value, item.root, tables, NOW).digest for item in found if isinstance(item, Item)}
    assert len(digests) == 1
