"""Records of a simulated city as publishers send them, with the mapping of the pilot that reads them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson

from ingest.conversions import stamp
from ingest.decoders.items import Item
from ingest.decoders.table import decode
from ingest.lookup import build_table
from ingest.mapping import Mapper, Tables, compile_mapping
from ingest.source import load_source
from loadtests.by_hand import BASE, garage, garage_with_times, lane, lane_with_times
from loadtests.machine import ROOT
from streams.record import Member, Payload
from testbed.simulator.city import City, make_city
from testbed.simulator.formats import Document, garages, miv_configuration, miv_data
from vocab.model import load_model

NOON = datetime(2026, 11, 2, 12, tzinfo=UTC)
_PILOTS = ROOT / "deploy" / "pilots"
_LANES = 100
# The third part of `gent-parking/members/NAME/TIME`.
_SLUG_AT = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Records:
    """What a publisher sends, decoded, the tables that are looked up, and two ways to do the same by hand, unchecked.

    `given` are the arguments for `by_hand`, one tuple for each item: itself, with identity and times ready-made.
    `with_times` makes those as well, of the item alone.
    """

    mapper: Mapper
    items: tuple[Item, ...]
    tables: Tables
    by_hand: Callable[..., bytes]
    given: tuple[tuple[Any, ...], ...]
    with_times: Callable[[Mapping[str, Any]], bytes]

    def members(self) -> list[bytes]:
        """Map every record to a checked member; return their bodies."""
        facts, member, tables = self.mapper.facts, self.mapper.member, self.tables
        return [member(facts(item.value, item.root, tables, NOON), received=NOON).body for item in self.items]

    def written(self) -> list[bytes]:
        """Write the same bodies by hand, of times that are given."""
        by_hand = self.by_hand
        return [by_hand(*arguments) for arguments in self.given]

    def written_with_times(self) -> list[bytes]:
        """Write the same bodies by hand, reading times as well."""
        by_hand = self.with_times
        return [by_hand(item.value) for item in self.items]


def parking() -> Records:
    """Return the garages of Gent."""
    mapper, items = _decoded("gent/parking/garages.yaml", garages(_city(), NOON))
    made = [_member(mapper, item, {}) for item in items]
    slugs = {item.value["id"]: member.id.split("/")[_SLUG_AT] for item, member in zip(items, made, strict=True)}
    return Records(
        mapper=mapper,
        items=items,
        tables={},
        by_hand=garage,
        given=tuple(
            (item.value, member.id, stamp(member.observed_at)) for item, member in zip(items, made, strict=True)
        ),
        with_times=lambda item: garage_with_times(item, slugs),
    )


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
    return Records(
        mapper=mapper,
        items=items,
        tables=tables,
        by_hand=lane,
        given=tuple((item.value, *_times(_member(mapper, item, tables))) for item in items),
        with_times=lane_with_times,
    )


def _times(member: Member) -> tuple[str, str, str]:
    """Return the times of a lane's minute as `by_hand.lane` takes them."""
    said = orjson.loads(member.body)
    observed = f"{said['observedAt']} {member.id.rpartition('/')[2]}"
    return observed, said["phenomenonTime"]["end"]["at"], said["resultTime"]


def _city() -> City:
    return make_city(seed=1, start=NOON, lanes=_LANES)


def _decoded(pilot: str, document: Document) -> tuple[Mapper, tuple[Item, ...]]:
    source = load_source(_PILOTS / pilot)
    mapper = compile_mapping(source, load_model(source.model), base_url=BASE)
    found = decode(document.render(), document.media_type, mapper.wanted)
    return mapper, tuple(item for item in found if isinstance(item, Item))


def _member(mapper: Mapper, item: Item, tables: Tables) -> Member:
    return mapper.member(mapper.facts(item.value, item.root, tables, NOON), received=NOON)
