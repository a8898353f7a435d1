"""Records of a simulated city as publishers send them, with the mapping of the pilot that reads them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from ingest.decoders.items import Item
from ingest.decoders.table import decode
from ingest.lookup import build_table
from ingest.mapping import Mapper, Tables, compile_mapping
from ingest.source import load_source
from loadtests.by_hand import BASE, parking_member, traffic_member
from loadtests.machine import ROOT
from streams.record import Payload
from testbed.simulator.city import City, make_city
from testbed.simulator.formats import Document, garages, miv_configuration, miv_data
from vocab.model import load_model

NOON = datetime(2026, 11, 2, 12, tzinfo=UTC)
_PILOTS = ROOT / "deploy" / "pilots"
_LANES = 100
# By the path in the address of a garage, up to its last part.
_SLUG_AT = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Records:
    """What a publisher sends, decoded; the tables that are looked up; and the same work by hand, unchecked."""

    mapper: Mapper
    items: tuple[Item, ...]
    tables: Tables
    by_hand: Callable[[Mapping[str, Any]], str]

    def members(self) -> list[bytes]:
        """Map every record to a checked member; return their bodies."""
        facts, member, tables = self.mapper.facts, self.mapper.member, self.tables
        return [member(facts(item.value, item.root, tables, received=NOON), received=NOON).body for item in self.items]

    def written(self) -> list[str]:
        """Write the same bodies by hand."""
        by_hand = self.by_hand
        return [by_hand(item.value) for item in self.items]


def parking() -> Records:
    """Return the garages of Gent."""
    city = _city()
    mapper, items = _decoded("gent/parking/garages.yaml", garages(city, NOON))
    slugs = {item.value["id"]: _slug(mapper, item) for item in items}
    return Records(mapper=mapper, items=items, tables={}, by_hand=lambda item: parking_member(item, slugs))


def traffic() -> Records:
    """Return a minute of a hundred lanes of the motorways."""
    city = _city()
    mapper, items = _decoded("vlaanderen/verkeer/miv-verkeersdata.yaml", miv_data(city, NOON))
    configuration = miv_configuration(city, NOON)
    heard = Payload(
        source="miv-configuratie",
        received_at=NOON,
        media_type=configuration.media_type,
        body=configuration.render(),
    )
    tables = {"lane": build_table(heard, mapper.source.lookups["lane"])}
    return Records(mapper=mapper, items=items, tables=tables, by_hand=traffic_member)


def _city() -> City:
    return make_city(seed=1, start=NOON, lanes=_LANES)


def _decoded(pilot: str, document: Document) -> tuple[Mapper, tuple[Item, ...]]:
    source = load_source(_PILOTS / pilot)
    mapper = compile_mapping(source, load_model(source.model), base_url=BASE)
    found = decode(document.render(), document.media_type, mapper.wanted)
    return mapper, tuple(item for item in found if isinstance(item, Item))


def _slug(mapper: Mapper, item: Item) -> str:
    """Return the short name of an entity: the third part of `gent-parking/members/NAME/TIME`."""
    facts = mapper.facts(item.value, item.root, {}, received=NOON)
    return mapper.member(facts, received=NOON).id.split("/")[_SLUG_AT]
