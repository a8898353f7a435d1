"""Text in columns: what an independent writer writes is read back, and what is broken costs its own row only."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.decoders.items import Item
from streams.record import Reason
from tests.unit.ingest.documents import breaks, read, values

# Line ends inside a cell are told apart in no document that was made on one system and read on another.
CELLS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\x00"), max_size=8)
NAMES = st.lists(st.text("abcdeé ./[]", min_size=1, max_size=6).map(str.strip).filter(bool), min_size=2, unique=True)


def written(rows: list[list[str]], delimiter: str, line_end: str) -> str:
    """Write rows as Python's own writer does, all cells quoted."""
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=delimiter, lineterminator=line_end, quoting=csv.QUOTE_ALL).writerows(rows)
    return text.getvalue()


@given(
    names=NAMES,
    data=st.data(),
    delimiter=st.sampled_from(",;\t|"),
    line_end=st.sampled_from(["\n", "\r\n"]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
)
def test_what_was_written_is_read(
    names: list[str], data: st.DataObject, delimiter: str, line_end: str, encoding: str
) -> None:
    """Whatever stands in cells, quotes, delimiters and line ends included, is what the items hold, in every encoding."""
    rows = data.draw(st.lists(st.lists(CELLS, min_size=len(names), max_size=len(names)), max_size=5))
    body = written([names, *rows], delimiter, line_end).encode(encoding)
    found = read(body, "[*]", media_type="text/csv", delimiter=delimiter)
    assert breaks(found) == []
    assert values(found) == [dict(zip(names, row, strict=True)) for row in rows]


@given(
    rows=st.lists(st.tuples(st.integers(), st.sampled_from(["", "x;y", 'q"q', "é"])), min_size=1, max_size=30),
    broken=st.sets(st.integers(0, 29)),
    how=st.sampled_from(["1;2;3", "1", '1;"2"x', '"', '1;"never closed']),
)
def test_broken_rows_are_breaks_and_the_others_are_items(
    rows: list[tuple[int, str]], broken: set[int], how: str
) -> None:
    """Too many cells, too few, or a quote that is wrong cost one row each, wherever they stand."""
    good = written([[str(number), text] for number, text in rows], ";", "\n").splitlines()
    lines = [line for at, row in enumerate(good) for line in ([how, row] if at in broken else [row])]
    found = read("\n".join(["number;text", *lines]).encode(), "[*]", media_type="text/csv")
    assert values(found) == [{"number": str(number), "text": text} for number, text in rows]
    assert len(breaks(found)) == len(lines) - len(rows)
    assert all(it.reason is Reason.MALFORMED and it.path.startswith("line ") for it in breaks(found))


def test_four_of_ten_rows_are_broken() -> None:
    """Of a thousand rows with four hundred broken ones, six hundred are items and each break names its line."""
    lines = [f"{number},2023-06-01 00:00:00.0,{number % 7}" for number in range(1000)]
    for number in range(1000):
        if number % 5 in (1, 3):
            lines[number] = ["x", f'{number},"2023-06-01', f"{number},,,", f'{number},"a"b,1'][number % 4]
    found = read("\n".join(["id,at,count", *lines]).encode(), "[*]", media_type="text/csv; charset=utf-8")
    assert [int(value["id"]) for value in values(found)] == [it for it in range(1000) if it % 5 not in (1, 3)]
    assert [it.path for it in breaks(found)] == [f"line {it + 2}" for it in range(1000) if it % 5 in (1, 3)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a;b\n1;2,5\n", {"a": "1", "b": "2,5"}),
        ("a\tb\n1\t2;5\n", {"a": "1", "b": "2;5"}),
        ('"a,x";b\n1;2\n', {"a,x": "1", "b": "2"}),
        ("a,a,\n1,2,3\n", {"a": "1", "a_2": "2", "column_3": "3"}),
        ("\n\n a , b \n\n1,\n", {"a": "1", "b": ""}),
        ("a,b\n1,2", {"a": "1", "b": "2"}),
    ],
)
def test_the_first_line_tells_columns_and_delimiter(text: str, expected: dict[str, str]) -> None:
    """The delimiter is what separates the first row; names lose their blanks and are made unique."""
    assert values(read(text.encode(), "[*]", media_type="text/csv")) == [expected]


def test_a_document_without_header_has_the_columns_of_the_source_file() -> None:
    """With columns listed every row is data, the first included, and a row names its number among the items."""
    body = b"12,IN,FIETSERS,2023-06-01 00:00:00.0,4\n12,IN,VOETGANGERS,2023-06-01 00:00:00.0,1\n"
    found = read(body, "[*]", media_type="text/plain", name="csv", columns=("site", "way", "kind", "from", "count"))
    assert [value["kind"] for value in values(found)] == ["FIETSERS", "VOETGANGERS"]
    assert isinstance(found[1], Item)
    assert found[1].below("count") == "$[1].count"


def test_latin_1_is_read_where_somebody_says_so() -> None:
    """The source file counts most, then the byte order mark, then the charset of the answer, then UTF-8, row by row."""
    body = "naam,n\nCoupure é,1\nZuid,2\n".encode("latin-1")
    good = [{"naam": "Coupure é", "n": "1"}, {"naam": "Zuid", "n": "2"}]
    assert values(read(body, "[*]", media_type="text/csv", encoding="latin-1")) == good
    assert values(read(body, "[*]", media_type='text/csv; header=present; charset="ISO-8859-1"')) == good
    plain = read(body, "[*]", media_type="text/csv; charset=nonsense")
    assert values(plain) == good[1:]
    assert "encoding: latin-1" in breaks(plain)[0].detail
    marked = "\ufeffnaam,n\nCoupure é,1\n".encode()
    assert values(read(marked, "[*]", media_type="text/csv; charset=iso-8859-1")) == good[:1]


def test_a_quote_that_is_never_closed_costs_a_line_not_the_document() -> None:
    """Behind an open quote ten thousand rows are still items."""
    body = "a,b\n" + '1,"open\n' + "".join(f"{number},x\n" for number in range(10_000))
    found = read(body.encode(), "[*]", media_type="text/csv")
    assert (len(values(found)), [it.path for it in breaks(found)]) == (10_000, ["line 2"])


@pytest.mark.parametrize(
    ("body", "each", "options", "said"),
    [
        (b'{"error": "over quota"}', "[*]", {}, "publisher's own words"),
        (b"<fout>x</fout>", "[*]", {}, "publisher's own words"),
        (b"a,b\n1,2", "results[*]", {}, "write each: [*]"),
        (b"na\xefm,n\n1,2\n", "[*]", {}, "no UTF-8"),
        (b"", "[*]", {}, "empty"),
    ],
)
def test_what_is_no_table_says_so(body: bytes, each: str, options: dict[str, Any], said: str) -> None:
    """An error that came instead of rows, a wrong place of the items and an unreadable header are one break each."""
    found = read(body, each, media_type="text/csv", **options)
    assert values(found) == []
    assert [said in it.detail for it in breaks(found)] == [True]
