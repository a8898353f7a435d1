"""`source new`: a file that people finish, and errors that say what to type."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from smartflanders.cli import main
from tests.unit.ingest.workbench import DATA

GARAGES = DATA / "garages.json"


def test_a_proposal_is_written_checked_and_finished(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The file names what people must confirm; with the marks taken away it makes every member of its sample."""
    file = tmp_path / "gent-garages.yaml"
    words = ["source", "new", "--sample", str(GARAGES), "--url", "https://data.stad.gent/api/x", "--out", str(file)]
    assert main(words) == 0
    told = capsys.readouterr()
    assert told.out == ""
    assert "model parking (sure); 5 guesses to confirm" in told.err
    assert "2 items: 2 members, 0 unchanged, 0 refused; SHACL on 2: all valid" in told.err
    text = file.read_text("utf-8")
    assert "\nsource: gent-garages\n" in text
    assert 'url: "https://data.stad.gent/api/x"' in text
    assert main(["source", "check", str(file)]) == 2
    said = capsys.readouterr().err
    assert said.startswith("5 problems")
    assert "nobody has confirmed the guess 'https://data.vlaanderen.be/id/licentie" in said
    file.write_text(text.replace("!unsure ", ""), "utf-8")
    assert main(["source", "check", str(file), "--sample", str(GARAGES)]) == 0
    assert "2 items: 2 members, 0 unchanged, 0 refused; SHACL on 2 members: all valid" in capsys.readouterr().err


def test_without_a_file_it_goes_to_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    """The text is on standard output, what is said of it on standard error; the model may be chosen."""
    assert main(["source", "new", "--sample", str(GARAGES), "--model", "crowdedness"]) == 0
    told = capsys.readouterr()
    assert "model: crowdedness  # sure: as asked" in told.out
    assert told.out.startswith("# Proposed by `smartflanders source new` from garages.json.")
    assert "guesses to confirm" in told.err


@pytest.mark.parametrize(
    ("name", "body", "said"),
    [
        ("a.json", b"[]", "has no list of objects"),
        ("a.json", b'{"a": [1]}', "has no list of objects"),
        ("a.json", b"<html><body>Error</body></html>", "has no list of objects"),
        ("a.json", b'{"a": [{"b"', "no JSON"),
        ("a.xml", b"<a><b></a>", "no XML"),
        ("a.xml", b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', "DOCTYPE"),
        ("a.bin", b"\x00\x01", "no decoder reads"),
    ],
)
def test_what_cannot_be_proposed_says_why(
    tmp_path: Path, name: str, body: bytes, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A sample that is none ends with status 2 and a way out."""
    sample = tmp_path / name
    sample.write_bytes(body)
    assert main(["source", "new", "--sample", str(sample)]) == 2
    told = capsys.readouterr()
    assert said in told.err
    assert "fix: " in told.err
    assert told.out == ""


def test_an_unknown_model_is_told_with_those_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    """A model that does not exist ends with status 2 and the names of all."""
    assert main(["source", "new", "--sample", str(GARAGES), "--model", "parkin"]) == 2
    assert "measuring-point, parking" in capsys.readouterr().err


def test_no_file_is_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file that is there stays as it is."""
    file = tmp_path / "mine.yaml"
    file.write_text("mine", "utf-8")
    assert main(["source", "new", "--sample", str(GARAGES), "--out", str(file)]) == 2
    assert "exists already" in capsys.readouterr().err
    assert file.read_text("utf-8") == "mine"


def test_a_sample_that_no_model_fits_is_proposed_with_all_its_doubts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where nothing fits, the model is marked and the counts say that no member comes of it yet."""
    sample = tmp_path / "1.json"
    sample.write_text(json.dumps([{"kleur": "rood"}, {"kleur": "blauw"}]), "utf-8")
    assert main(["source", "new", "--sample", str(sample)]) == 0
    told = capsys.readouterr()
    assert "model: !unsure" in told.out
    assert "\nsource: source-1\n" in told.out
    assert "0 members" in told.err
