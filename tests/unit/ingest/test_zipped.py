"""Zip archives: a member is the document, and what is no such archive says so."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping

import pytest

from streams.record import Reason
from tests.unit.ingest.documents import breaks, read, values

STOPS = "stop_id,stop_name,stop_lat,stop_lon\n200552,Zuid,51.0469,3.7370\n200553,Dampoort,51.0565,3.7398\n"


def archive(members: Mapping[str, str | bytes]) -> bytes:
    """Make a zip as operators do."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as made:
        for name, content in members.items():
            made.writestr(name, content)
    return file.getvalue()


@pytest.mark.parametrize("name", ["stops.txt", "gtfs/stops.txt"])
def test_a_table_of_gtfs_is_read_from_its_archive(name: str) -> None:
    """The stops of a static feed are rows, whatever folder is around them and with the mark that many put before them."""
    body = archive({"agency.txt": "agency_id\n1\n", name: f"\ufeff{STOPS}"})
    rows = values(read(body, "[*]", media_type="application/zip", name="csv", member="stops.txt"))
    assert [(row["stop_id"], row["stop_name"]) for row in rows] == [("200552", "Zuid"), ("200553", "Dampoort")]


def test_the_suffix_tells_the_format() -> None:
    """A member is read by its name where the source file names no format."""
    body = archive({"a.json": '{"rows": [{"a": 1}]}', "b.csv": "a;b\n1;2\n"})
    assert values(read(body, "rows[*]", media_type="application/zip", member="a.json")) == [{"a": 1}]
    assert values(read(body, "[*]", media_type="application/zip", member="b.csv")) == [{"a": "1", "b": "2"}]


@pytest.mark.parametrize(
    ("body", "reason", "said"),
    [
        (archive({"a.txt": "x"}), Reason.STRUCTURE, "has no stops.txt; it has a.txt"),
        (archive({}), Reason.STRUCTURE, "it has nothing"),
        (b"<html>503</html>", Reason.MALFORMED, "no zip archive"),
        (archive({"stops.txt": STOPS * 50})[:-120], Reason.MALFORMED, "no zip archive"),
        (archive({"stops.txt": bytes(65 * 2**20)}), Reason.FORBIDDEN, "larger than"),
    ],
)
def test_what_is_no_table_in_an_archive_says_so(body: bytes, reason: Reason, said: str) -> None:
    """A missing member, other bytes, a truncated archive and a bomb are one break each."""
    found = read(body, "[*]", media_type="application/zip", name="csv", member="stops.txt")
    assert values(found) == []
    assert [(it.reason, said in it.detail) for it in breaks(found)] == [(reason, True)]
