"""`pilot copy`: names change wherever they stand, all else stays, and a copy is written whole or not at all."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml

from ingest.pilot_file import PILOT_FILE
from smartflanders.cli import main
from smartflanders.copies import Wish, answered, read_original
from smartflanders.copying import Original, copy, leftovers, questions, renamed
from smartflanders.pilots import load_plan
from streams.errors import ConfigError
from tests.unit.ingest.workbench import PILOTS
from vocab.cities import CITIES

PARKING = PILOTS / "gent" / "parking"
ADDRESSES = {
    "address.gent-garages": "https://data.aalst.example/garages?limit=100",
    "address.gent-park-and-ride": "https://data.aalst.example/p-and-r",
}
SETS = [word for key, answer in ADDRESSES.items() for word in ("--set", f"{key}={answer}")]


@pytest.fixture
def pilots(tmp_path: Path) -> Path:
    """Give a collection of pilots with Gent's parkings."""
    shutil.copytree(PARKING, tmp_path / "pilots" / "gent" / "parking")
    return tmp_path / "pilots"


def aalst(original: Original, **said: str) -> tuple[dict[str, str], Mapping[str, str]]:
    """Copy a pilot to Aalst; return its files and the answers."""
    asked = Wish(pilot=original.folder, to="aalst", into=None, force=False, said={**ADDRESSES, **said})
    answers = answered(asked, original, ask=False)
    return copy(original, "aalst", answers), answers


def everything(folder: Path) -> dict[str, bytes]:
    """Read every file below a folder."""
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


# --- what is asked, and what changes --------------------------------------------------------------------------------


def test_what_is_known_of_a_city_is_proposed() -> None:
    """Name, area, box and publisher of a centre city are defaults; names follow the city; addresses are never guessed."""
    asked = {question.key: question for question in questions(read_original(PARKING), "aalst", CITIES["aalst"])}
    assert {key: question.default for key, question in asked.items()} == {
        "area.name": "Aalst",
        "area.iri": "https://data.vlaanderen.be/id/gemeente/41002",
        "area.nis": "41002",
        "area.box": "3.982, 50.899, 4.163, 50.995",
        "publisher.name": "Stad Aalst",
        "publisher.iri": "https://data.vlaanderen.be/id/organisatie/OVO001992",
        "licence": "https://data.vlaanderen.be/id/licentie/modellicentie-gratis-hergebruik/v1.0",
        "pilot.gent-parking": "aalst-parking",
        "source.gent-garages": "aalst-garages",
        "source.gent-park-and-ride": "aalst-park-and-ride",
        "stream.gent-parking": "aalst-parking",
        "address.gent-garages": "",
        "address.gent-park-and-ride": "",
    }


def test_only_what_must_changes() -> None:
    """A copy differs from its original in names, addresses, publisher, area and the city's name, and in nothing else."""
    original = read_original(PARKING)
    copied, _ = aalst(original)
    assert sorted(copied) == ["aalst-parking.stream.yaml", "garages.yaml", "park-and-ride.yaml", PILOT_FILE]
    before, after = (text.splitlines() for text in (original.texts["garages.yaml"], copied["garages.yaml"]))
    assert len(before) == len(after)
    assert [(old, new) for old, new in zip(before, after, strict=True) if old != new] == [
        ("# Free spaces in the car parks of Gent.", "# Free spaces in the car parks of Aalst."),
        ("source: gent-garages", "source: aalst-garages"),
        ("  nl: Vrije plaatsen in de parkings van Gent", "  nl: Vrije plaatsen in de parkings van Aalst"),
        ("  en: Free spaces in the car parks of Gent", "  en: Free spaces in the car parks of Aalst"),
        (before[6], before[6].replace("Gent", "Aalst")),
        (before[7], before[7].replace("Gent", "Aalst")),
        ("  name: Stad Gent", "  name: Stad Aalst"),
        (before[10], before[10].replace("OVO002067", "OVO001992")),
        (before[13], f"  url: {ADDRESSES['address.gent-garages']}"),
        ("stream: gent-parking", "stream: aalst-parking"),
    ]
    stream = copied["aalst-parking.stream.yaml"]
    assert stream == original.texts["gent-parking.stream.yaml"].replace("stream: gent-parking", "stream: aalst-parking")


def test_the_pilot_file_is_the_new_citys() -> None:
    """Area, publisher and the names of what is expected are those of the copy; the expectations stay."""
    original = read_original(PARKING)
    copied, _ = aalst(original)
    old, new = (yaml.safe_load(texts[PILOT_FILE]) for texts in (original.texts, copied))
    assert new["pilot"] == "aalst-parking"
    assert new["area"] == {
        "name": "Aalst",
        "iri": "https://data.vlaanderen.be/id/gemeente/41002",
        "nis": "41002",
        "box": [3.982, 50.899, 4.163, 50.995],
    }
    assert new["publisher"] == {
        "name": "Stad Aalst",
        "iri": "https://data.vlaanderen.be/id/organisatie/OVO001992",
    }
    assert list(new["expect"]) == ["aalst-garages", "aalst-park-and-ride"]
    assert list(new["expect"].values()) == list(old["expect"].values())


def test_references_between_files_follow(tmp_path: Path) -> None:
    """entity_of, lookups, stream files, expectations and comments name the new sources and streams, as the platform loads them."""
    folder = tmp_path / "vlaanderen" / "verkeer"
    shutil.copytree(PILOTS / "vlaanderen" / "verkeer", folder)
    original = read_original(folder)
    said = {
        "address.miv-configuratie": "https://x.example/config",
        "address.miv-verkeersdata": "https://x.example/data",
        "publisher.name": "Stad Aalst",
        "publisher.iri": "https://x.example/aalst",
    }
    asked = Wish(pilot=folder, to="aalst", into=None, force=False, said=said)
    copied = copy(original, "aalst", answered(asked, original, ask=False))
    assert sorted(copied) == [
        "aalst-miv-configuratie.yaml",
        "aalst-miv-meetpunten.stream.yaml",
        "aalst-miv-verkeer.stream.yaml",
        "aalst-miv-verkeersdata.yaml",
        PILOT_FILE,
    ]
    data = yaml.safe_load(copied["aalst-miv-verkeersdata.yaml"])
    assert data["lookup"]["lane"]["source"] == "aalst-miv-configuratie"
    assert data["bind"]["measuring_point"]["entity_of"] == "aalst-miv-meetpunten"
    assert (data["model"], data["sample"]) == ("traffic", "verkeersdata-2*.xml*")
    assert "where it is, stream aalst-miv-meetpunten says" in copied["aalst-miv-verkeer.stream.yaml"]
    for name, text in copied.items():
        (tmp_path / name).write_text(text, "utf-8")
    plan = load_plan([tmp_path / name for name in copied if name.startswith("aalst") and ".stream." not in name])
    assert {stream.name for stream in plan.streams} == {"aalst-miv-verkeer", "aalst-miv-meetpunten"}


def test_contact_spatial_and_constants_change_too(pilots: Path) -> None:
    """Whom to ask, the place of the catalogue and constants with the city's name are the new city's."""
    file = pilots / "gent" / "parking" / "garages.yaml"
    more = """contact: { name: Mobiliteitsbedrijf Gent, email: data@stad.gent }
spatial: https://data.vlaanderen.be/id/gemeente/44021
keywords: { nl: [parking, Gent], en: parking }
"""
    text = file.read_text("utf-8").replace("operator: operatorinformation", "operator: { constant: Stad Gent }")
    file.write_text(text.replace("http_poll:", f"{more}http_poll:"), "utf-8")
    original = read_original(file.parent)
    with pytest.raises(ConfigError) as caught:
        aalst(original)
    assert "contact.email: where questions about the data go is missing" in str(caught.value)
    copied, _ = aalst(original, **{"contact.name": "Parkeerbedrijf", "contact.email": "data@aalst.example"})
    new = yaml.safe_load(copied["garages.yaml"])
    assert new["contact"] == {"name": "Parkeerbedrijf", "email": "data@aalst.example"}
    assert new["spatial"] == "https://data.vlaanderen.be/id/gemeente/41002"
    assert new["keywords"] == {"nl": ["parking", "Aalst"], "en": "parking"}
    assert new["bind"]["operator"] == {"constant": "Stad Aalst"}


def test_every_address_of_a_source_is_asked_by_its_place(pilots: Path) -> None:
    """A source with two addresses has a question for each; another word with the city's name in it has a default."""
    file = pilots / "gent" / "parking" / "garages.yaml"
    headers = '  headers: { Referer: "https://stad.gent/", X-Client: gent-platform }\n  every: 60s\n'
    file.write_text(file.read_text("utf-8").replace("  every: 60s\n", headers, 1), "utf-8")
    original = read_original(file.parent)
    asked = {question.key: question.default for question in questions(original, "aalst", CITIES["aalst"])}
    assert asked["address.gent-garages.url"] == asked["address.gent-garages.headers.Referer"] == ""
    assert asked["address.gent-garages.headers.X-Client"] == "aalst-platform"
    assert asked["address.gent-park-and-ride"] == ""


@pytest.mark.parametrize(
    ("name", "new"),
    [
        ("gent-garages", "aalst-garages"),
        ("parking-gent", "parking-aalst"),
        ("gentbrugge", "aalst-gentbrugge"),
        ("parking", "aalst-parking"),
    ],
)
def test_a_name_follows_its_city(name: str, new: str) -> None:
    """The city's word is replaced where it is a word of its own; a name without it gets the new one in front."""
    assert renamed(name, "gent", "aalst") == new


def test_what_still_speaks_of_the_original_is_told(pilots: Path) -> None:
    """Lines of the copy with the old city's name in some form are told with file and line, answers left out."""
    file = pilots / "gent" / "parking" / "garages.yaml"
    file.write_text(file.read_text("utf-8") + "# De Gentse Feesten change the hours.\n", "utf-8")
    original = read_original(file.parent)
    copied, answers = aalst(original, **{"address.gent-garages": "https://gent.example/aalst"})
    last = len(copied["garages.yaml"].splitlines())
    found = list(leftovers(original, copied, answers))
    assert found == [f"garages.yaml:{last}: # De Gentse Feesten change the hours."]


# --- the command ----------------------------------------------------------------------------------------------------


def test_a_copy_is_written_checked_and_explained(pilots: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The command writes the folder beside the city's, tries it on the original's samples and says what is to be done."""
    before = everything(pilots)
    assert main(["pilot", "copy", str(pilots / "gent" / "parking"), "--to", "aalst", *SETS]) == 0
    target = pilots / "aalst" / "parking"
    said = capsys.readouterr().out
    assert f"wrote {target}" in said
    assert [line.split()[:4] for line in said.splitlines() if line.startswith("aalst-")] == [
        ["aalst-garages", "simulator", "12", "12"],
        ["aalst-park-and-ride", "simulator", "5", "5"],
    ]
    for what in (f"--pilot {target}", "the licence is that of gent-parking", "--sample aalst-garages=PAYLOAD"):
        assert what in said
    after = everything(pilots)
    assert {name: after[name] for name in before} == before
    assert {name.rpartition("/")[0] for name in set(after) - set(before)} == {"aalst/parking"}
    assert main(["pilot", "list", str(pilots)]) == 0
    assert "Free spaces in car parks, Aalst (parking)" in capsys.readouterr().out


def test_answers_come_from_a_file_and_options_win(pilots: Path, tmp_path: Path) -> None:
    """A file of answers does as well as options; an unknown city needs what no table knows."""
    answers = {
        **ADDRESSES,
        "area.name": "Halle",
        "area.iri": "https://data.vlaanderen.be/id/gemeente/23027",
        "area.box": "4.17, 50.68, 4.29, 50.78",
        "publisher.name": "Stad Halle",
        "publisher.iri": "https://x.example/halle",
    }
    file = tmp_path / "answers.yaml"
    file.write_text(yaml.safe_dump(answers), "utf-8")
    into = tmp_path / "elsewhere"
    words = ["pilot", "copy", str(pilots / "gent" / "parking"), "--to", "Halle", "--into", str(into)]
    assert main([*words, "--answers", str(file), "--set", "publisher.name=Stad Halle, dienst mobiliteit"]) == 0
    pilot = yaml.safe_load((into / PILOT_FILE).read_text("utf-8"))
    assert pilot["publisher"]["name"] == "Stad Halle, dienst mobiliteit"
    assert pilot["area"] == {"name": "Halle", "iri": answers["area.iri"], "nis": "", "box": [4.17, 50.68, 4.29, 50.78]}


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (
            ["--to", "aalst"],
            ["address.gent-garages: address of gent-garages is missing", "address.gent-park-and-ride:"],
        ),
        (["--to", "halle", *SETS], ["area.name: name of the city is missing", "area.box:", "publisher.iri:"]),
        (["--to", "brussel", *SETS], ["publisher.name: who publishes the data is missing"]),
        (["--to", "gent", *SETS], ["gent-parking is of Gent already"]),
        (["--to", "!", *SETS], ["'!' names no city"]),
        (["--to", "aalst", *SETS, "--set", "area.nam=x"], ["did you mean 'area.name'?"]),
        (["--to", "aalst", *SETS, "--set", "x"], ["has no answer"]),
        (["--to", "aalst", *SETS, "--set", "area.box=1,2", "--set", "licence=free"], ["no box", "no absolute IRI"]),
        (["--to", "aalst", *SETS, "--set", "area.name=a\nb"], ["more than one line"]),
        (["--to", "aalst", *SETS, "--set", "source.gent-garages=aalst-park-and-ride"], ["two would be named"]),
        (["--to", "aalst", *SETS, "--set", "source.gent-garages=gent-garages"], ["is the name of another source"]),
        (["--to", "aalst", *SETS, "--set", "pilot.gent-parking=gent-parking"], ["is the name of another pilot"]),
        (["--to", "aalst", *SETS, "--set", "area.box=5,50,4,51"], ["pilot.yaml:11: no box on earth"]),
        (["--to", "aalst", *SETS, "--set", "stream.gent-parking=Big Stream"], ["'Big Stream' is no name"]),
        (["--to", "aalst", *SETS, "--set", "address.gent-garages=here"], ["garages.yaml:14: 'here' is no web address"]),
        (["--to", "aalst", *SETS, "--answers", "/no/such/file"], ["cannot be read"]),
    ],
)
def test_a_wrong_wish_leaves_everything_as_it_was(
    pilots: Path, words: list[str], what: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """What cannot become a pilot is refused with every fault and its mending, status 2, and nothing is written."""
    before = sorted(pilots.rglob("*"))
    assert main(["pilot", "copy", str(pilots / "gent" / "parking"), *words]) == 2
    said = capsys.readouterr().err
    for each in what:
        assert each in said
    assert "fix: " in said
    assert str(pilots / "aalst" / ".") not in said
    assert sorted(pilots.rglob("*")) == before


def test_answers_that_are_none_are_told(pilots: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file of answers that holds something else is refused with its lines."""
    file = tmp_path / "answers.yaml"
    for text, what in (("area: { name: x }\n", "answers.yaml:1: area is a mapping"), ("- a\n", "no list of answers")):
        file.write_text(text, "utf-8")
        words = ["pilot", "copy", str(pilots / "gent" / "parking"), "--to", "aalst", "--answers", str(file)]
        assert main(words) == 2
        assert what in capsys.readouterr().err


@pytest.mark.parametrize("pilot", ["gent/no-such-pilot", "gent"])
def test_only_a_pilot_can_be_copied(pilot: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A folder that is not there, or that holds no pilot file, is refused with the command that lists them."""
    assert main(["pilot", "copy", pilot, "--to", "aalst"]) == 2
    assert "smartflanders pilot list" in capsys.readouterr().err


def test_a_pilot_with_a_fault_is_not_copied(pilots: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A copy begins with a pilot that works."""
    file = pilots / "gent" / "parking" / "garages.yaml"
    file.write_text(file.read_text("utf-8").replace("model: parking", "model: parkin"), "utf-8")
    assert main(["pilot", "copy", str(file.parent), "--to", "aalst", *SETS]) == 2
    assert "did you mean 'parking'?" in capsys.readouterr().err
    assert not (pilots / "aalst").exists()


def test_what_is_there_is_replaced_by_force_only(pilots: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A folder that is there stays as it is; with --force it becomes the copy, as a whole, unless the copy fails."""
    target = pilots / "aalst" / "parking"
    target.mkdir(parents=True)
    (target / "old.txt").write_text("mine\n", "utf-8")
    words = ["pilot", "copy", str(pilots / "gent" / "parking"), "--to", "aalst", *SETS]
    assert main(words) == 2
    assert "replace it with --force" in capsys.readouterr().err
    assert main([*words, "--force", "--set", "address.gent-garages=here"]) == 2
    assert [file.name for file in target.iterdir()] == ["old.txt"]
    assert main([*words, "--force"]) == 0
    assert not (target / "old.txt").exists()
    assert (target / PILOT_FILE).is_file()
    assert [each.name for each in target.parent.iterdir()] == ["parking"]
    assert main([*words, "--force"]) == 0


def test_a_place_that_cannot_be_written_is_told(pilots: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Where no folder can be made the copy is refused, not half there."""
    (pilots / "aalst").write_text("a file, no folder\n", "utf-8")
    assert main(["pilot", "copy", str(pilots / "gent" / "parking"), "--to", "aalst", *SETS]) == 2
    assert "cannot be written" in capsys.readouterr().err
    assert (pilots / "aalst").read_text("utf-8") == "a file, no folder\n"


def test_sources_with_publishers_of_their_own_keep_them(pilots: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A pilot that names no publisher and no licence asks for none; those of its sources stay, and are told."""
    file = pilots / "gent" / "parking" / PILOT_FILE
    text = file.read_text("utf-8")
    file.write_text(text[: text.index("publisher:")] + text[text.index("expect:") :], "utf-8")
    original = read_original(file.parent)
    assert not [each.key for each in questions(original, "aalst", None) if each.key.startswith(("publ", "lic"))]
    assert main(["pilot", "copy", str(file.parent), "--to", "aalst", *SETS]) == 0
    assert "garages.yaml: the publisher stays Stad Gent" in capsys.readouterr().out
    new = yaml.safe_load((pilots / "aalst" / "parking" / "garages.yaml").read_text("utf-8"))
    assert new["publisher"]["name"] == "Stad Gent"
