"""KiWIS answers: rows get the names of their columns, and errors that came with status 200 are told."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.decoders.items import Break, Item
from streams.record import Reason
from tests.unit.ingest.documents import breaks, read, values

LAYER = {
    "ts_id": "0199235010",
    "station_no": "L11_518",
    "ts_unitsymbol": "m",
    "rows": "2",
    "columns": "Timestamp,Value,Quality Code",
    "data": [["2026-11-01T09:00:00.000+01:00", 1.52, 130], ["2026-11-01T09:15:00.000+01:00", None, 255]],
}
CELLS = st.none() | st.integers(-1000, 1000) | st.text(max_size=5)


def kiwis(document: Any, *each: str) -> list[Item | Break]:
    """Decode an answer."""
    return read(json.dumps(document).encode(), *each, media_type="application/json;charset=UTF-8", name="kiwis")


def test_values_have_the_names_of_their_columns_and_the_series_around_them() -> None:
    """A row is an object; what is said of its series is beside it, without the rows."""
    first, second = values(kiwis([LAYER], "[*].data[*]"))
    assert (first["Timestamp"], first["Value"], first["Quality Code"]) == ("2026-11-01T09:00:00.000+01:00", 1.52, 130)
    assert first["^"] == {key: value for key, value in LAYER.items() if key != "data"}
    assert second["Value"] is None


@given(
    columns=st.lists(st.text("abc XY", min_size=1).map(str.strip).filter(bool), min_size=1, max_size=5, unique=True),
    data=st.data(),
)
def test_rows_of_any_columns(columns: list[str], data: st.DataObject) -> None:
    """Whatever the columns are, rows are their names and values; a row of another length is one break."""
    rows = data.draw(st.lists(st.lists(CELLS, min_size=1, max_size=6), max_size=6))
    found = kiwis([{"ts_id": "1", "columns": ",".join(columns), "data": rows}], "[*].data[*]")
    good = [dict(zip(columns, row, strict=True)) for row in rows if len(row) == len(columns)]
    assert [{key: it[key] for key in columns} for it in values(found)] == good
    assert len(breaks(found)) == len(rows) - len(good)


def test_lists_have_their_header_in_the_first_row() -> None:
    """Lists of stations and series are rows under a header."""
    document = [["station_no", "station_latitude"], ["L11_518", "50.9"], ["short"]]
    found = kiwis(document, "[*]")
    assert values(found) == [{"station_no": "L11_518", "station_latitude": "50.9"}]
    assert [(it.path, it.reason) for it in breaks(found)] == [("$ row 3", Reason.STRUCTURE)]


def test_an_error_with_status_200_is_told_in_its_own_words() -> None:
    """The server's code and message are in the refusal, so that nobody takes silence for calm water."""
    words = {"type": "error", "code": "InvalidParameterValue", "message": "ts_id 7 is unknown"}
    (only,) = breaks(kiwis(words, "[*].data[*]"))
    assert only.detail == "KiWIS answered an error: InvalidParameterValue: ts_id 7 is unknown"


@pytest.mark.parametrize(
    ("document", "each", "said"),
    [
        ([{"ts_id": "1", "data": [[1]]}], "[*].data[*]", "without `columns`"),
        ([{"ts_id": "1"}, {"ts_id": "2"}], "[*].data[*]", "none of the 2 elements has a list at data"),
        ({"total": 3}, "[*].data[*]", "none of the 1 elements"),
    ],
)
def test_answers_of_another_shape_are_told(document: Any, each: str, said: str) -> None:
    """Series without columns or rows are breaks that say so."""
    assert any(said in it.detail for it in breaks(kiwis(document, each)))


def test_a_series_without_rows_is_no_news() -> None:
    """A quarter without values is neither an item nor a fault, and neither is a list of nothing."""
    assert kiwis([{**LAYER, "data": []}], "[*].data[*]") == []
    assert kiwis([], "[*].data[*]") == []


def test_a_truncated_answer_is_one_break() -> None:
    """What is no JSON is named with its place."""
    found = read(json.dumps([LAYER]).encode()[:-20], "[*].data[*]", media_type="application/json", name="kiwis")
    assert breaks(found)[-1].reason is Reason.MALFORMED
