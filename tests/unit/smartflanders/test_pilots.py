"""Pilots: what is on and off, what is expected, and the verbs that list and check them."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
import yaml

from ingest.needs import needs_of
from ingest.pilot_file import PILOT_FILE
from ingest.pilot_schema import pilot_schema
from smartflanders.cli import main
from smartflanders.copies import read_original
from smartflanders.copying import copy, questions
from smartflanders.pilots import load_plan
from streams.errors import ConfigError
from tests.unit.ingest.workbench import DATA, GARAGES, PILOTS
from vocab.cities import CITIES
from vocab.model import load_model, model_names

KEY = "SF_TEST_GARAGES_KEY"
TRAFFIC = PILOTS / "vlaanderen" / "verkeer"


@pytest.fixture
def parking(tmp_path: Path) -> Path:
    """Give a pilot whose garages need a key."""
    folder = tmp_path / "gent" / "parking"
    shutil.copytree(PILOTS / "gent" / "parking", folder)
    text = (folder / "garages.yaml").read_text("utf-8")
    text = text.replace("  every: 60s\n", f'  every: 60s\n  headers: {{ X-Api-Key: "${{{KEY}}}" }}\n')
    (folder / "garages.yaml").write_text(text, "utf-8")
    return folder


@pytest.mark.parametrize("environ", [{}, {KEY: ""}])
def test_a_source_without_its_key_stays_off(parking: Path, environ: dict[str, str]) -> None:
    """A source whose key is missing or empty stays off and says which; the others of its stream run."""
    assert needs_of(parking / "garages.yaml") == (KEY,)
    plan = load_plan([parking], environ=environ)
    assert [source.name for source in plan.sources] == ["gent-park-and-ride"]
    assert [stream.name for stream in plan.streams] == ["gent-parking"]
    assert [str(each) for each in plan.off] == [f"gent-garages needs {KEY}, which is not set"]


def test_a_stream_that_nobody_feeds_is_not_there(parking: Path) -> None:
    """With every source of it off a stream is not offered, and its stream file is still checked."""
    (parking / "park-and-ride.yaml").unlink()
    text = (parking / PILOT_FILE).read_text("utf-8")
    (parking / PILOT_FILE).write_text(text[: text.index("  gent-park-and-ride:")], "utf-8")
    plan = load_plan([parking], environ={})
    assert (plan.sources, plan.streams) == ((), ())
    (stream,) = load_plan([parking], environ={KEY: "s3cret"}).streams
    assert stream.views
    file = parking / "gent-parking.stream.yaml"
    file.write_text(file.read_text("utf-8").replace("by_tile: point", "by_tile: pont"), "utf-8")
    with pytest.raises(ConfigError, match="1 problem"):
        load_plan([parking], environ={})


def test_with_its_key_or_without_need_of_one_it_runs(parking: Path) -> None:
    """A key that is set is sent; where recordings stand in for the publishers none is needed."""
    plan = load_plan([parking], environ={KEY: "s3cret"})
    assert len(plan.sources) == 2
    assert not plan.off
    assert len(load_plan([parking], environ={}, keyless=True).sources) == 2


def test_what_looks_up_a_source_that_is_off_is_off(tmp_path: Path) -> None:
    """A source that cannot do without the document of another one is off with it."""
    folder = tmp_path / "verkeer"
    shutil.copytree(TRAFFIC, folder)
    text = (folder / "miv-configuratie.yaml").read_text("utf-8")
    text = text.replace("  every: 15m\n", f"  every: 15m\n  headers: {{ Authorization: 'Bearer ${{{KEY}}}' }}\n")
    (folder / "miv-configuratie.yaml").write_text(text, "utf-8")
    plan = load_plan([folder], environ={})
    assert {each.source.name: each.reason for each in plan.off} == {
        "miv-configuratie": f"needs {KEY}, which is not set",
        "miv-verkeersdata": "looks up miv-configuratie, which is off",
    }
    assert not plan.sources


def test_a_file_that_is_off_is_checked_all_the_same(parking: Path) -> None:
    """Faults of a source that stays off are told as those of any other."""
    text = (parking / "garages.yaml").read_text("utf-8").replace("free_spaces: {", "fre_spaces: {")
    (parking / "garages.yaml").write_text(text, "utf-8")
    with pytest.raises(ConfigError) as caught:
        load_plan([parking], environ={})
    assert "did you mean 'free_spaces'?" in str(caught.value)


def test_a_platform_with_everything_off_is_refused(
    parking: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`up` with no source that can run ends with status 2 and the key to set, before anything starts."""
    monkeypatch.delenv(KEY, raising=False)
    assert main(["up", "--pilot", str(parking / "garages.yaml"), "--data", str(tmp_path / "data")]) == 2
    said = capsys.readouterr().err
    assert f"gent-garages: needs {KEY}, which is not set" in said
    assert not (tmp_path / "data").exists()


def test_expectations_are_there_for_whoever_asks() -> None:
    """A plan has what is expected of each source by its name, of single files too."""
    whole = load_plan([PILOTS], environ={})
    assert whole.expect["gent-garages"].ranges["free_spaces"].highest == 1500
    assert set(whole.expect) <= set(whole.files)
    alone = load_plan([PILOTS / GARAGES])
    assert set(alone.expect) == {"gent-garages"}
    assert alone.files == {"gent-garages": PILOTS / GARAGES}


def test_faults_of_pilot_files_are_told_with_the_others(parking: Path) -> None:
    """A pilot file that expects what is not there, and a second one of the same name, are told with all other faults."""
    other = parking.parent / "other"
    other.mkdir()
    text = (parking / PILOT_FILE).read_text("utf-8")
    (other / PILOT_FILE).write_text(text[: text.index("expect:")], "utf-8")
    (parking / PILOT_FILE).write_text(text.replace("  gent-garages:", "  gent-garage:"), "utf-8")
    (parking / "z.yaml").write_text("source: z\n", "utf-8")
    with pytest.raises(ConfigError) as caught:
        load_plan([parking.parent])
    for what in ("no source of this pilot is named 'gent-garage'", "a second pilot is named gent-parking", "z.yaml:1:"):
        assert what in str(caught.value)
    (parking / PILOT_FILE).write_text("pilot: [", "utf-8")
    with pytest.raises(ConfigError, match=r"configuration"):
        load_plan([parking])


# --- pilot check ----------------------------------------------------------------------------------------------------


def test_check_tries_every_source_on_the_simulated_city(capsys: pytest.CaptureFixture[str]) -> None:
    """Without recordings each source is tried on what the simulated city would answer it, its lookups included."""
    assert main(["pilot", "check", str(TRAFFIC)]) == 0
    head, *rows = capsys.readouterr().out.splitlines()
    assert head.split() == ["source", "sample", "items", "members", "unchanged", "refused", "ranges", "box", "expected"]
    assert [row.split() for row in rows] == [
        ["miv-configuratie", "simulator", "200", "200", "0", "0", "kept", "kept", "met"],
        ["miv-verkeersdata", "simulator", "200", "200", "0", "0", "kept", "kept", "met"],
    ]


def test_check_shows_what_is_not_as_expected(parking: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Values out of range, places out of the box, refusals and old observations are counted and told, with status 1."""
    file = parking / PILOT_FILE
    text = file.read_text("utf-8").replace("[3.580, 50.980, 3.849, 51.189]", "[5, 50, 6, 51]")
    file.write_text(text.replace("free_spaces: [0, 1500]", "free_spaces: [2000, 3000]").replace("90m", "1s"), "utf-8")
    document = json.loads((DATA / "garages.json").read_text("utf-8"))
    document["results"][0]["availablecapacity"] = "many"
    payload = parking.parent / "payload.json"
    payload.write_text(json.dumps(document), "utf-8")
    assert main(["pilot", "check", str(parking), "--sample", f"gent-garages={payload}"]) == 1
    said = capsys.readouterr().out
    garages, rides = said.splitlines()[1:3]
    items = len(document["results"])
    counts = ["gent-garages", "payload.json", str(items), str(items - 1), "0", "type", "1"]
    assert garages.split() == [*counts, "not", "kept", "not", "kept", "not", "met"]
    assert f"gent-garages: 1 refused (1 type) of {items} items; 90% should be good" in said
    assert f"free_spaces: {items - 1} of {items - 1} values outside" in said
    assert f"{items - 1} of {items - 1} places outside the box" in said
    assert rides.split()[1:5] == ["simulator", "5", "5", "0"]
    assert "gent-park-and-ride: 5 older than the interval of 5 items" in said


def test_check_takes_recordings_where_there_are_some(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The recordings of a folder come before the simulated city, found by each source's pattern."""
    shutil.copy(DATA / "garages.json", tmp_path / "garages-1.json")
    shutil.copy(DATA / "garages.json", tmp_path / "garages-2.json")
    assert main(["pilot", "check", str(PILOTS / "gent" / "parking"), "--samples", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert "gent-garages        2 recordings" in said
    assert "gent-park-and-ride  simulator" in said


def test_check_says_where_there_is_no_sample(parking: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A source that nobody has a sample of is told with the option that gives one; that is no failure."""
    for name in ("garages", "park-and-ride"):
        text = (parking / f"{name}.yaml").read_text("utf-8").replace("data.stad.gent", "data.example.org")
        (parking / f"{name}.yaml").write_text(text, "utf-8")
    assert main(["pilot", "check", str(parking)]) == 0
    assert "gent-garages: no sample; give one with --sample gent-garages=PAYLOAD" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (["--sample", "gent-garage=x"], "no source 'gent-garage' here"),
        (["--sample", "gent-garages=/no/such/file.json"], "cannot be read"),
        (["no-such-folder"], "there is no such folder"),
    ],
)
def test_check_refuses_what_is_not_there(words: list[str], what: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A sample of no source, a file that is not there and a folder that is none end with status 2."""
    assert main(["pilot", "check", str(PILOTS / "gent" / "parking"), *words]) == 2
    assert what in capsys.readouterr().err


# --- pilot list, pilot schema ---------------------------------------------------------------------------------------


def test_list_shows_pilots_and_what_waits_for_a_key(
    parking: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each pilot is listed with its area and models; a source says whether its key is there."""
    monkeypatch.delenv(KEY, raising=False)
    root = parking.parents[1]
    (root / "aalst").mkdir()
    (root / "aalst" / "README.md").write_text("nothing yet\n", "utf-8")
    assert main(["pilot", "list", str(root)]) == 0
    said = capsys.readouterr().out
    assert f"{parking}: Free spaces in car parks, Gent (parking)" in said
    assert f"gent-garages -> gent-parking  stays off: needs {KEY}, which is not set" in said
    assert "gent-park-and-ride -> gent-parking\n" in said
    assert f"{root / 'aalst'}: no pilot yet" in said
    monkeypatch.setenv(KEY, "s3cret")
    assert main(["pilot", "list", str(root)]) == 0
    said = capsys.readouterr().out
    assert f"key {KEY} is set" in said
    assert "s3cret" not in said


def test_the_schema_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    """`pilot schema` prints the JSON Schema of pilot files."""
    assert main(["pilot", "schema"]) == 0
    assert yaml.safe_load(capsys.readouterr().out) == pilot_schema([load_model(name) for name in model_names()])


# --- what ships -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("slug", CITIES)
def test_every_city_says_what_can_be_copied(slug: str) -> None:
    """The folder of each city has a page whose commands name pilots that can be copied, and this city."""
    page = (PILOTS / slug / "README.md").read_text("utf-8")
    commands = re.findall(r"^smartflanders pilot copy (\S+) --to (\S+)", page, re.MULTILINE)
    assert commands
    for pilot, city in commands:
        assert city == slug
        assert read_original(PILOTS / pilot).pilot.name == pilot.replace("/", "-")
    for name in re.findall(r"`(\w+/[\w-]+)`", page):
        assert (PILOTS / name / PILOT_FILE).is_file()


@pytest.mark.parametrize("pilot", ["gent/deelmobiliteit", "antwerpen/verkeerslichten"])
def test_shipped_pilots_can_be_copied(pilot: str, tmp_path: Path) -> None:
    """A copy of a pilot of many operators loads, with every name, lookup and stream of its own."""
    original = read_original(PILOTS / pilot)
    said = {each.key: each.default or "https://x.example/feed" for each in questions(original, "genk", CITIES["genk"])}
    for name, text in copy(original, "genk", said).items():
        (tmp_path / name).write_text(text, "utf-8")
    before, after = load_plan([PILOTS / pilot], keyless=True), load_plan([tmp_path], keyless=True)
    assert len(after.sources) == len(before.sources)
    assert not set(after.files) & set(before.files)
    assert {stream.name for stream in after.streams}.isdisjoint(stream.name for stream in before.streams)
    known = set(after.files)
    assert all(lookup.source in known for source in after.sources for lookup in source.lookups.values())
