"""Lines of JSON: an item per line that is JSON, a break per line that is none."""

from __future__ import annotations

import gzip
import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from ingest.decoders.items import Item
from streams.record import Reason
from tests.unit.ingest.documents import breaks, read, sample, values

SCALARS = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=5)
OBJECTS = st.dictionaries(st.text(max_size=4), SCALARS | st.lists(SCALARS, max_size=3), max_size=4)


@given(
    lines=st.lists(OBJECTS | st.sampled_from(["", "  ", '{"a": 1', "nope", '{"a": 1} {']), max_size=12),
    line_end=st.sampled_from(["\n", "\r\n", "\n\x1e"]),
)
def test_every_line_stands_for_itself(lines: list[Any], line_end: str) -> None:
    """What an independent writer wrote is read back, and every broken line is one break with its number."""
    text = line_end.join(line if isinstance(line, str) else json.dumps(line) for line in lines)
    found = read(f"{text}\n".encode(), "[*]", media_type="application/x-ndjson") if text.strip() else []
    assert values(found) == [line for line in lines if not isinstance(line, str)]
    broken = [f"line {at}" for at, line in enumerate(lines, 1) if isinstance(line, str) and line.strip()]
    assert [it.path.split(" column")[0] for it in breaks(found)] == broken
    assert all(it.reason is Reason.MALFORMED for it in breaks(found))


def test_steps_behind_the_lines_lead_to_items_and_lists_inside() -> None:
    """A line may hold its item deeper, or several of them."""
    body = b'{"n": 1, "a": {"b": [{"c": 1}, {"c": 2}]}}\n{"n": 2, "a": {"b": []}}\n'
    assert values(read(body, "[*].a", media_type="application/ndjson"))[1] == {"b": []}
    found = read(body, "[*].a.b[*]", media_type="application/jsonl")
    assert values(found) == [{"c": 1, "^": {"n": 1, "a": {}}}, {"c": 2, "^": {"n": 1, "a": {}}}]
    assert isinstance(found[1], Item)
    assert found[1].path == "$[0].a.b[1]"


def test_a_list_that_is_nowhere_is_told() -> None:
    """A place that no line has, and one that lines cannot have, are breaks."""
    assert "none of the 2 elements" in breaks(read(b"{}\n{}\n", "[*].b[*]", media_type="application/ndjson"))[0].detail
    assert "write each: [*]" in breaks(read(b"{}\n", "b[*]", media_type="application/ndjson"))[0].detail


def test_a_recorded_minute_of_the_motorways_has_all_its_lanes() -> None:
    """The 4,254 lines of a real minute are as many items, the same as Python's own reader makes of them."""
    body = gzip.decompress(sample("miv/verkeersdata-20170427T1438.ndjson.gz"))
    found = read(body, "[*]", media_type="application/x-ndjson")
    assert len(found) == 4254
    assert values(found) == [json.loads(line) for line in body.splitlines()]
