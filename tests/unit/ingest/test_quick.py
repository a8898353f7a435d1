"""Quick ways: whatever an item holds, they give the values, members and refusals of the functions that know all cases."""

from __future__ import annotations

import json
from datetime import timedelta
from functools import cache
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.conversions import Refused
from ingest.decoders.items import Item
from ingest.decoders.table import decode
from ingest.mapping import Mapper, Tables, compile_mapping
from ingest.remembering import Entities, Remembered
from tests.unit.ingest.workbench import BASE, CONFIGURATION, GARAGES, RECEIVED, TRAFFIC, document, lane_tables, pilot
from vocab.model import load_model

DOCUMENTS = {
    GARAGES: ("garages.json", "application/json"),
    TRAFFIC: ("miv-verkeersdata.xml", "text/xml"),
    CONFIGURATION: ("miv-configuratie.xml", "text/xml"),
}
# What publishers send when they do not send what they mean, and the ends of what they may mean.
ODD: tuple[Any, ...] = (
    *(None, "", " ", True, False, "true", "nee", [], {}, [1], {"a": "b"}),
    *(0, 1, -1, 5, 100, 101, 251, 1 << 53, (1 << 53) + 1, (1 << 63) - 1, 1 << 63, -(1 << 63), 10**30),
    *(0.0, -0.0, 1.0, 3.7, 51.05, 100.5, 251.0, 1e16, 1.7e308, float("inf"), float("nan")),
    *("0", "1", "05", "+5", "3.7", "3,7", "1.234,5", "1e3", "251", "nan", "x" * 65, "y" * 10_001, 'q"\\{}\u2028é'),
    *("https://example.org/a", f"{BASE}/b", "http://bad iri", "2026-11-01T9:00:04", "2026-11-01T09:00:04.123456Z"),
    *("2026-11-01 09:00:04+01:00", "2026-03-29T02:30:00", "1970-01-01T00:00:00Z", "2099-01-01T00:00:00Z"),
)


@cache
def mapper_for(name: str, *, quick: bool) -> Mapper:
    """Compile a pilot once, so that what the quick one remembers of one example meets the next."""
    source = pilot(name)
    return compile_mapping(source, load_model(source.model), base_url=BASE, quick=quick)


@cache
def items_of(name: str) -> tuple[Item, ...]:
    """Read the items of a pilot's document."""
    body, media_type = DOCUMENTS[name]
    found = decode(document(body), media_type, mapper_for(name, quick=True).wanted)
    return tuple(item for item in found if isinstance(item, Item))


def outcome(mapper: Mapper, item: Any, root: Any, tables: Tables) -> object:
    """Map an item; whatever becomes of it."""
    received = RECEIVED + timedelta(milliseconds=7)
    try:
        facts = mapper.facts(item, root, tables, received)
        member = mapper.member(facts, received=received)
        revision = mapper.member(facts, received=received, revision=facts.digest, revision_of="a/b")
    except Refused as refused:
        return refused.reason, refused.path, refused.detail
    except Exception as error:  # noqa: BLE001 - a defect must be the same defect
        return type(error), str(error)
    return facts.key, facts.observed_at, facts.point, facts.digest, member.to_record(), revision.to_record()


def holders_of(value: Any) -> list[Any]:
    """List the objects and lists of an item, itself first."""
    holders = [value]
    for holder in holders:
        inner = holder.values() if isinstance(holder, dict) else holder
        holders.extend(it for it in inner if isinstance(it, dict | list))
    return holders


@st.composite
def odd_items(draw: st.DrawFn, name: str) -> tuple[Any, Any]:
    """Draw an item of a pilot's document with some values changed, wherever they are, and the root of its document."""
    item = draw(st.sampled_from(items_of(name)))
    value = json.loads(json.dumps(item.value))
    root = dict(item.root)
    holders = [*holders_of(value), root]
    for _ in range(draw(st.integers(0, 4))):
        holder = draw(st.sampled_from([it for it in holders if it]))
        key = draw(st.sampled_from(list(holder) if isinstance(holder, dict) else range(len(holder))))
        holder[key] = draw(st.sampled_from(ODD) | st.text(max_size=5) | st.integers() | st.floats())
    return value, root


@pytest.mark.parametrize("name", DOCUMENTS)
@given(data=st.data())
def test_quick_ways_lead_where_the_long_one_leads(name: str, data: st.DataObject) -> None:
    """Whatever stands in an item, the quick mapping and the plain one make the same of it, first and second time."""
    tables = lane_tables() if name == TRAFFIC else {}
    item, root = data.draw(odd_items(name))
    wanted = outcome(mapper_for(name, quick=False), item, root, tables)
    assert outcome(mapper_for(name, quick=True), item, root, tables) == wanted
    assert outcome(mapper_for(name, quick=True), item, root, tables) == wanted


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_odd_value_in_every_place(name: str) -> None:
    """Each odd value in each place of an item, one at a time, gives what the plain mapping makes of it."""
    tables, item = lane_tables() if name == TRAFFIC else {}, items_of(name)[0]
    quick, plain = mapper_for(name, quick=True), mapper_for(name, quick=False)
    value = json.loads(json.dumps(item.value))
    for holder in holders_of(value):
        for key in list(holder) if isinstance(holder, dict) else range(len(holder)):
            kept = holder[key]
            for odd in ODD:
                holder[key] = odd
                assert outcome(quick, value, item.root, tables) == outcome(plain, value, item.root, tables), (key, odd)
            holder[key] = kept


@pytest.mark.parametrize("name", DOCUMENTS)
def test_no_item_of_the_documents_needs_the_long_way_twice(name: str) -> None:
    """What a document holds is remembered: its entities are known when it comes again."""
    mapper, tables = mapper_for(name, quick=True), lane_tables() if name == TRAFFIC else {}
    read = [mapper.facts(item.value, item.root, tables, RECEIVED) for item in items_of(name)]
    again = [mapper.facts(item.value, item.root, tables, RECEIVED) for item in items_of(name)]
    assert read == again
    assert all(one.fixed is two.fixed for one, two in zip(read, again, strict=True))


def test_an_entity_that_changes_its_name_is_written_anew() -> None:
    """What is constant of an entity is constant as long as its raw values are the same, not one value longer."""
    mapper, item = mapper_for(GARAGES, quick=True), items_of(GARAGES)[0].value
    for name in ("Eerste", "Tweede", "Eerste"):
        facts = mapper.facts({**item, "name": name}, {}, {}, RECEIVED)
        assert json.loads(mapper.member(facts, received=RECEIVED).body)["name"] == {"nl": name}


def test_numbers_that_equal_each_other_are_told_apart() -> None:
    """An entity whose raw values equal those of another type is not kept: 1, 1.0 and True are three names."""
    mapper, item = mapper_for(GARAGES, quick=True), items_of(GARAGES)[0].value
    for name, text in ((1, "1"), (1.0, "1.0"), (True, "true")):
        facts = mapper.facts({**item, "name": name}, {}, {}, RECEIVED)
        assert json.loads(mapper.member(facts, received=RECEIVED).body)["name"] == {"nl": text}


def test_what_is_remembered_is_bounded() -> None:
    """A table of texts begins anew when it is full, and keeps no long ones."""
    asked: list[str] = []

    def convert(text: str) -> int:
        asked.append(text)
        return len(text)

    remembered = Remembered(convert)
    assert [remembered["ab"], remembered["ab"], remembered["x" * 65], remembered["x" * 65]] == [2, 2, 65, 65]
    assert asked == ["ab", "x" * 65, "x" * 65]
    for number in range(3000):
        assert remembered[str(number)] == len(str(number))
    assert 0 < len(remembered) <= 1024


def test_a_full_table_of_entities_keeps_those_it_has() -> None:
    """More entities than there is room for leave the first ones known, and in the end make room for others."""
    entities = Entities()
    for number in range(20_000):
        entities.keep(str(number), ((None, "a", 3.7), number))
    assert len(entities) == 16_384
    assert "0" in entities
    assert "19999" not in entities
    for _ in range(5):
        for number in range(20_000, 40_000):
            entities.keep(str(number), ((None,), number))
    assert "0" not in entities
    assert len(entities) <= 16_384
