"""`source explain`: 80 columns for people, JSON for programs, and errors that say what to type."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from smartflanders.cli import main
from tests.unit.ingest.workbench import DATA, PILOTS, TRAFFIC

GARAGES = str(PILOTS / "gent" / "parking" / "garages.yaml")
SAMPLE = str(DATA / "garages.json")
REEP = "https://stad.gent/nl/parkeren/parking-reep"


def explained(*words: str, capsys: pytest.CaptureFixture[str], status: int = 0) -> str:
    """Run the verb on the car parks and return what it printed."""
    assert main(["source", "explain", GARAGES, "--sample", SAMPLE, *words]) == status
    told = capsys.readouterr()
    return told.out if status != 2 else told.err


def test_an_item_is_told_from_decoding_to_verdict(capsys: pytest.CaptureFixture[str]) -> None:
    """The parts come in the order in which the platform works, and all but the member fits 80 columns."""
    told = explained(capsys=capsys)
    heads = [line for line in told.splitlines() if line and not line.startswith(" ")]
    assert heads == ["item 1 of 2: $.results[0]", "as decoded", "names", "member (JSON-LD)", "verdict"]
    before, _, member = told.partition("member (JSON-LD)\n")
    assert max(map(len, before.splitlines())) <= 80
    body, _, verdict = member.partition("\nverdict\n")
    assert json.loads(body)["freeSpaces"] == 88
    assert verdict.splitlines() == ["  member: it is published", "  SHACL: valid"]


def test_items_are_found_by_number_and_by_key(capsys: pytest.CaptureFixture[str]) -> None:
    """The second item and its key are one; --json holds what the text says."""
    by_key: dict[str, Any] = json.loads(explained("--key", REEP, "--json", capsys=capsys))
    by_number = json.loads(explained("--item", "2", "--json", capsys=capsys))
    assert (by_key["item"], by_key["of"], by_key["key"]) == (2, 2, REEP)
    assert [it["after"] for it in by_key["names"]] == [it["after"] for it in by_number["names"]]
    assert by_key["verdict"] == "member"
    assert by_key["shacl"] == []
    assert by_key["decoded"]["name"] == "Reep"
    facility = next(it for it in by_key["names"] if it["name"] == "facility_type")
    assert (facility["before"], facility["after"], facility["words"][1]) == (["tower"], None, "otherwise: absent")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--item", "3"], "give a number from 1 to 2"),
        (["--item", "0"], "give a number from 1 to 2"),
        (["--key", REEP[:-1]], f"did you mean {REEP!r}?"),
        (["--lookup", "lane=x.xml"], "its lookups: none"),
    ],
)
def test_a_wish_that_cannot_be_met_says_which_can(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A number beyond the sample, a key that is not there and an unknown lookup end with status 2 and the way out."""
    assert said in explained(*words, capsys=capsys, status=2)


def test_a_refusal_says_how_to_mend_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A refused item ends with status 1, its path, its reason, and what to do; the name that refused says so too."""
    sample = tmp_path / "garages.json"
    sample.write_bytes(
        (DATA / "garages.json").read_bytes().replace(b'"availablecapacity": 88', b'"availablecapacity": -1')
    )
    assert main(["source", "explain", GARAGES, "--sample", str(sample)]) == 1
    told = capsys.readouterr().out
    assert "-> refused: free_spaces: required, but there is no value" in told
    assert "  where: $.results[0].availablecapacity\n  why: missing: free_spaces" in told
    assert "  mend: " in told
    assert max(map(len, told.splitlines())) <= 80
    assert main(["source", "explain", GARAGES, "--sample", str(sample), "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["refused"]["reason"] == "missing"


def test_a_sample_without_items_says_why(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What is no document, and what has an empty list, are told apart."""
    for body, said in (
        (b"<html></html>", "HTML page"),
        (b'{"results": []}', "is empty"),
        (b'{"data": []}', "no list at"),
    ):
        sample = tmp_path / "sample.json"
        sample.write_bytes(body)
        assert main(["source", "explain", GARAGES, "--sample", str(sample)]) == 2
        assert said in capsys.readouterr().err


def test_lookups_are_given_as_samples(capsys: pytest.CaptureFixture[str]) -> None:
    """A lookup's document is named as `source check` wants it; without it the command says what to add."""
    words = ["source", "explain", str(PILOTS / TRAFFIC), "--sample", str(DATA / "miv-verkeersdata.xml")]
    assert main(words) == 2
    assert "add --lookup lane=PAYLOAD-OF-miv-configuratie" in capsys.readouterr().err
    assert main([*words, "--lookup", f"lane={DATA / 'miv-configuratie.xml'}", "--key", "7"]) == 0
    assert "longitude: lane -> lengtegraad_EPSG_4326" in capsys.readouterr().out
