"""`format:` and `only:` of source files: what they choose, and what is wrong with them, told at load."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from ingest.decoders.namespaces import NAMESPACES
from ingest.lookup import build_table
from ingest.memory import Memory
from ingest.normalise import normalise
from ingest.source import Source
from streams.errors import ConfigError
from streams.record import Payload, Reason
from tests.unit.ingest.test_zipped import STOPS, archive
from tests.unit.ingest.workbench import GARAGES, PILOTS, RECEIVED, ROOT, changed, entry, mapper_of, reasons, run


def garages(tmp_path: Path, **keys: Any) -> Source:
    """Load a source of car parks that needs little of an item."""
    plain = {"entity": "id", "observed_at": "at", "free_spaces": "free"}
    others = ("name", "description", "facility_type", "occupancy", "open_now", "temporarily_closed", "operator")
    bind = {**dict.fromkeys((*others, "total_spaces", "opening_times", "url", "point")), **plain}
    return changed(tmp_path, publish=None, bind=bind, **{"each": "[*]", **keys})


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("cvs", "unknown format 'cvs'"),
        ({"name": "csv", "delimitor": ";"}, "unknown key 'delimitor' in format"),
        ({"name": "csv", "delimiter": ";;"}, "separates no columns"),
        ({"name": "csv", "columns": ["a", "a"]}, "every name once"),
        ({"name": "csv", "encoding": "latin-99"}, "no encoding"),
        ({"name": "json", "columns": ["a"]}, "`columns` needs the format it is for"),
        ({"name": "rdf", "prefixes": {"ex": "nowhere"}}, "no namespace"),
        ({"name": "rdf", "prefixes": "ex"}, "must be a mapping"),
        ({"name": "rdf", "base": "page"}, "no absolute IRI"),
    ],
)
def test_a_wrong_format_is_a_fault(tmp_path: Path, given: Any, said: str) -> None:
    """Each way to be wrong has its own message."""
    with pytest.raises(ConfigError) as caught:
        garages(tmp_path, format=given)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("indoor", "only must be a mapping"),
        ({"from": "a"}, "equals or not"),
        ({"from": "a", "equals": 1, "not": 2}, "equals or not"),
        ({"from": "a[", "equals": 1}, "is no path"),
        ({"from": "a", "is": 1}, "unknown key 'is' in only"),
    ],
)
def test_a_wrong_choice_is_a_fault(tmp_path: Path, given: Any, said: str) -> None:
    """Each way to be wrong has its own message."""
    with pytest.raises(ConfigError) as caught:
        garages(tmp_path, only=given)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("only", "chosen"),
    [
        ({"from": "kind", "equals": ["bike", "car"]}, ["1", "2"]),
        ({"from": "kind", "not": "bike"}, ["2", "3", "4"]),
        ({"from": "indoor", "equals": True}, ["1"]),
        ({"from": "indoor", "not": [True, 1]}, ["3", "4"]),
        ([{"from": "kind", "not": "bike"}, {"from": "indoor", "equals": 1}], ["2"]),
        ({"from": "kind", "equals": ""}, ["4"]),
        ({"from": "tags", "equals": "b"}, ["3"]),
    ],
)
def test_only_what_is_chosen_is_an_item(tmp_path: Path, only: Any, chosen: list[str]) -> None:
    """Texts, numbers and booleans are compared as they are written, of a list one value is enough; the rest is not counted."""
    items: list[dict[str, Any]] = [
        {"id": "1", "kind": "bike", "indoor": True},
        {"id": "2", "kind": "car", "indoor": 1},
        {"id": "3", "kind": "van", "tags": ["a", "b"]},
        {"id": "4"},
    ]
    body = json.dumps([{"at": "2026-11-01T09:00:00Z", "free": 1, **item} for item in items]).encode()
    outcome = run(garages(tmp_path, only=only), body)
    assert [member.entity.rpartition("/")[2] for member in outcome.members] == chosen
    assert outcome.items == len(chosen)


def test_four_of_ten_broken_rows_are_refused_and_the_rest_are_members(tmp_path: Path) -> None:
    """Nothing vanishes: rows = members + refusals, those that are no rows and those whose values are none."""
    good = [f"{number},2026-11-01T09:00:00Z,{number % 9}" for number in range(600)]
    broken = ["x", "1,2,3,4", '7,"2026', "8,yesterday,3"] * 100
    rows = [row for pair in zip(good[:400], broken, strict=True) for row in pair] + good[400:]
    source = garages(tmp_path, format={"name": "csv", "columns": ["id", "at", "free"]})
    outcome = run(source, "\n".join(rows).encode(), media_type="text/csv")
    assert (outcome.items, len(outcome.members), len(outcome.rejections)) == (1000, 600, 400)
    assert (reasons(outcome).count(Reason.MALFORMED), reasons(outcome).count(Reason.TYPE)) == (300, 100)


def test_the_format_of_the_file_counts_more_than_the_media_type(tmp_path: Path) -> None:
    """A publisher that calls its rows JSON is read all the same."""
    body = b"id;at;free\n7;2026-11-01T09:00:00Z;3\n"
    assert len(run(garages(tmp_path, format="csv"), body, media_type="application/json").members) == 1


def test_a_table_of_a_static_timetable_is_looked_up(tmp_path: Path) -> None:
    """Stops of a zip archive are rows by their number: names and places for whoever has only that."""
    stop = {
        "source": "static",
        "format": {"name": "csv", "member": "stops.txt"},
        "each": "[*]",
        "key": "stop_id",
        "by": "id",
    }
    source = garages(tmp_path, lookup={"stop": stop})
    payload = Payload(
        source="static",
        received_at=RECEIVED,
        media_type="application/zip",
        body=archive({"agency.txt": "agency_id\n1\n", "stops.txt": f"\ufeff{STOPS}"}),
    )
    table = build_table(payload, source.lookups["stop"])
    assert {key: row["stop_name"] for key, row in table.items()} == {"200552": "Zuid", "200553": "Dampoort"}


BLOCKS = re.findall(
    r"^```(\w+)\n(.*?)^```$", (ROOT / "docs/how-to/formats.md").read_text("utf-8"), re.MULTILINE | re.DOTALL
)
MEDIA = {"json": "application/json", "csv": "text/csv", "xml": "application/xml", "turtle": "text/turtle"}


@pytest.mark.parametrize("number", [at for at, block in enumerate(BLOCKS) if block[0] == "yaml"])
def test_the_examples_of_the_page_read_their_documents(tmp_path: Path, number: int) -> None:
    """Each source file of docs/how-to/formats.md loads, and makes members of the document below it, refusing nothing."""
    content = yaml.safe_load(BLOCKS[number][1])
    bind = {**dict.fromkeys(yaml.safe_load((PILOTS / GARAGES).read_text("utf-8"))["bind"]), **content.pop("bind")}
    others: dict[str, Any] = {"http_poll": None, "sample": None} if "gbfs" in content else {}
    source = changed(tmp_path, publish=None, bind=bind, **content, **others)
    language, document = BLOCKS[number + 1] if number + 1 < len(BLOCKS) else ("yaml", "")
    if language == "yaml":
        assert source.format.name == "gtfs-realtime"
        return
    entries = [entry(document.encode(), media_type=MEDIA[language])]
    outcome = normalise(entries, mapper_of(source), Memory(), tables={})
    assert [it.detail for it in outcome.rejections] == []
    assert outcome.members


def test_the_page_lists_the_known_prefixes() -> None:
    """Every prefix that needs no naming is on the page."""
    text = (ROOT / "docs/how-to/formats.md").read_text("utf-8")
    assert [name for name in NAMESPACES if f"`{name}`" not in text] == []
