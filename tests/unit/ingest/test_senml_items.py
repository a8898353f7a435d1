"""SenML packs: records are resolved as RFC 8428 says, relative to when they came."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.decoders.items import Break, Item
from tests.unit.ingest.documents import breaks, read, values

RECEIVED = datetime(2026, 11, 1, 9, 2, tzinfo=UTC)
NOW = RECEIVED.timestamp()
NUMBER = st.integers(-1000, 1000)
RECORD = st.fixed_dictionaries(
    {"n": st.sampled_from(["temp", "hum", "a"])},
    optional={
        "bn": st.sampled_from(["urn:dev:1/", "urn:dev:2/"]),
        "bt": st.sampled_from([1.8e9, 1_800_000_500, 0]),
        "bu": st.sampled_from(["Cel", "%RH"]),
        "bv": NUMBER,
        "u": st.sampled_from(["lx", "m"]),
        "t": NUMBER,
        "s": NUMBER,
    },
)


def senml(pack: Any) -> list[Item | Break]:
    """Decode a pack."""
    return read(json.dumps(pack).encode(), "[*]", media_type="application/senml+json", received=RECEIVED)


@given(records=st.lists(st.tuples(RECORD, NUMBER), max_size=6))
def test_records_are_resolved(records: list[tuple[dict[str, Any], int]]) -> None:
    """Each record has the bases that came last in it or before it, added up the way section 4.6 adds them."""
    pack = [{**record, "v": value} for record, value in records]
    found = values(senml(pack))
    for at, ours in enumerate(found):
        last = {
            key: next((it[key] for it in reversed(pack[: at + 1]) if key in it), None) for key in ("bn", "bt", "bu")
        }
        base = next((it["bv"] for it in reversed(pack[: at + 1]) if "bv" in it), 0)
        time = (last["bt"] or 0) + pack[at].get("t", 0)
        assert ours["n"] == (last["bn"] or "") + pack[at]["n"]
        assert ours["v"] == base + pack[at]["v"]
        assert ours["t"] == (time if time >= 2**28 else NOW + time)
        assert ours.get("u") == pack[at].get("u", last["bu"])
        assert ours.get("s") == pack[at].get("s")
    assert len(found) == len(pack)


def test_a_pack_of_a_weather_mast() -> None:
    """Names grow together, times count back from the base, texts and booleans stay what they are."""
    pack = [
        {"bn": "urn:dev:mac:0024befffe804ff1/", "bt": 1793523600, "bu": "Cel", "n": "temp", "v": 9.5},
        {"n": "temp", "t": -60, "v": 9.25},
        {"n": "door", "u": "", "vb": False, "ut": 30},
        {"n": "name", "vs": "mast", "t": 5},
    ]
    found = values(senml(pack))
    assert [it["t"] for it in found] == [1793523600, 1793523540, 1793523600, 1793523605]
    assert found[2] == {"n": "urn:dev:mac:0024befffe804ff1/door", "t": 1793523600, "vb": False, "ut": 30}
    assert found[3]["vs"] == "mast"


def test_times_are_relative_to_the_receipt() -> None:
    """No time means now, and a small one means so many seconds from now."""
    assert [it["t"] for it in values(senml([{"n": "a", "v": 1}, {"n": "a", "t": -120, "v": 2}]))] == [NOW, NOW - 120]


def test_a_record_of_bases_only_is_no_item() -> None:
    """It says what the others share."""
    assert values(senml([{"bn": "x/", "bt": 1793523600}, {"n": "a", "v": 1}]))[0]["n"] == "x/a"


@pytest.mark.parametrize(
    ("record", "said"),
    [
        ({"v": 1}, "without a name"),
        ({"n": "a"}, "has none"),
        ({"n": "a", "v": 1, "vs": "x"}, "this has v, vs"),
        ({"n": "a", "v": "1"}, "v is no number"),
        ({"n": "a", "v": True}, "v is no number"),
        ({"n": 7, "v": 1}, "n is no text"),
        ("a", "must be an object"),
    ],
)
def test_a_record_that_cannot_be_resolved_costs_itself(record: Any, said: str) -> None:
    """It is one break that says why; the next record is read."""
    found = senml([record, {"n": "b", "v": 2}])
    assert [it["n"] for it in values(found)] == ["b"]
    assert [(it.path, said in it.detail) for it in breaks(found)] == [("$[0]", True)]


@pytest.mark.parametrize("record", [{"n": "a", "v": 1, "lock_": 1}, {"bver": 11, "n": "a", "v": 1}])
def test_what_must_be_understood_refuses_the_pack(record: Any) -> None:
    """A field that ends in _ and a later version leave nothing of the pack."""
    found = senml([{"n": "b", "v": 2}, record])
    assert (values(found), len(breaks(found))) == ([], 1)


def test_a_truncated_pack_is_one_break() -> None:
    """Records before the break are not resolved, so they are no items."""
    found = read(b'[{"n": "a", "v": 1}, {"n"', "[*]", media_type="application/senml+json", received=RECEIVED)
    assert (values(found), len(breaks(found))) == ([], 1)
