"""Proposing a source file: what is guessed from a sample, how sure it is, and that the proposal works."""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ingest.connectors.files import MEDIA_TYPES
from ingest.decoders.items import Break
from ingest.decoders.whole import Whole, whole
from ingest.explain import SampleReport, check_sample
from ingest.proposing.drafting import SALT, Frame, accepted, draft
from ingest.proposing.guess import Guess, Sureness
from ingest.proposing.observing import lists_of
from ingest.proposing.proposal import Proposal, propose
from ingest.proposing.words import likeness, meanings
from ingest.source import Source, load_text
from streams.errors import ConfigError
from streams.yaml_lines import Faults, read_yaml
from tests.unit.ingest.workbench import ROOT
from vocab.check import validate
from vocab.model import load_model, model_names

SAMPLES = ROOT.parent / "shared" / "samples"
NOW = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)
MODELS = [load_model(name) for name in model_names()]
JSON = "application/json"
SECRET = {SALT: "0123456789abcdef"}


def proposed(
    body: bytes, media_type: str = JSON, *, called: str = "sample.json", model: str = ""
) -> tuple[Proposal, str]:
    """Propose a source file for a document; return the proposal and its text."""
    document = whole(body, media_type)
    assert not isinstance(document, Break)
    models = [load_model(model)] if model else MODELS
    found = propose(document, models, called=called, now=NOW)
    assert found is not None
    form = "csv" if media_type == "text/csv" else "ndjson" if media_type == "application/x-ndjson" else ""
    return found, draft(found, Frame(name="proposed", url="https://feed.example.org/x", format=form, sample=called))


def media_type_of(name: str) -> str:
    """Return the media type of a file, packed or not."""
    return MEDIA_TYPES[Path(name.removesuffix(".gz")).suffix]


def guesses(found: Proposal) -> dict[str, Guess]:
    """Return the guesses of a proposal by name, those of groups too."""
    inside = [guess for rows in found.rows for guess in rows.guesses]
    return {guess.name: guess for guess in (*found.guesses, *inside)}


def checked(text: str, body: bytes, media_type: str = JSON, *, at_least: int = 1) -> tuple[Source, SampleReport]:
    """Load a draft without its marks, map its own sample with it, and require valid members."""
    source = load_text(accepted(text), file="proposed.yaml", environ=SECRET)
    model = load_model(source.model)
    report = check_sample(source, model, body, media_type)
    assert len(report.members) >= at_least, [it.detail for it in report.rejections[:3]]
    at = b',"generatedAtTime":"2026-11-28T12:00:00.000Z","sequence":0}'
    assert validate(model, [member.body[:-1] + at for member in report.members[:40]]) == []
    return source, report


def items(*rows: dict[str, Any], at: str = "items", **root: Any) -> bytes:
    """Write a JSON document with a list."""
    return json.dumps({**root, at: list(rows)}).encode()


# --- recorded documents -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """A recorded document: what a person would write, what must be replaced in the draft, and how many members come."""

    file: str
    model: str
    bind: dict[str, str]
    members: int
    ask: bool = False
    fill: tuple[tuple[str, str], ...] = ()
    unsure: tuple[str, ...] = ()


_CLASSES = '{ "1": motorcycle, "2": car, "3": van, "4": truck, "5": articulated }'
_ABSENT = '{ "1": absent, "2": absent, "3": absent, "4": absent, "5": absent }'
RECORDED = [
    Recorded(
        file="gent-opendatasoft/garages-20221209.json",
        model="parking",
        bind={
            "entity": "fields.id",
            "observed_at": "fields.lastupdate",
            "free_spaces": "fields.availablecapacity",
            "total_spaces": "fields.totalcapacity",
            "occupancy": "fields.occupation",
            "open_now": "fields.isopennow",
            "temporarily_closed": "fields.temporaryclosed",
            "operator": "fields.operatorinformation",
            "opening_times": "fields.openingtimesdescription",
            "url": "fields.urllinkaddress",
            "name": "{ from: fields.name, language: nl }",
            "point": '{ longitude: "fields.location[1]", latitude: "fields.location[0]" }',
        },
        members=10,
    ),
    Recorded(file="gent-opendatasoft/garages.json", model="parking", bind={"entity": "fields.id"}, members=2),
    Recorded(
        file="gent-opendatasoft/park_and_ride.json",
        model="parking",
        bind={
            "free_spaces": "fields.availablespaces",
            "total_spaces": "fields.numberofspaces",
            "point": "{ longitude: fields.longitude, latitude: fields.latitude }",
        },
        members=2,
        unsure=("entity",),
    ),
    Recorded(
        file="telraam/traffic_snapshot_live_2023_12_9.json.gz",
        model="counts",
        bind={
            "entity": "properties.segment_id",
            "observed_at": "properties.date",
            "uptime": '{ from: properties.uptime, unit: "1" }',
            "v85": "properties.v85",
        },
        members=1400,
        unsure=("observed_at",),
    ),
    Recorded(
        file="sensor-community/upstream.json",
        model="air-quality",
        ask=True,
        bind={
            "pm10": '"sensordatavalues[value_type=P1].value"',
            "pm25": '"sensordatavalues[value_type=P2].value"',
            "observed_at": "{ from: timestamp, zone: !unsure Europe/Brussels }",
        },
        members=2,
        fill=(("Europe/Brussels", "UTC"),),
        unsure=("entity", "point"),
    ),
    Recorded(
        file="sensor-community/upstream.json",
        model="weather",
        ask=True,
        bind={"temperature": '"sensordatavalues[value_type=temperature].value"'},
        members=3,
        unsure=("entity", "point"),
    ),
    Recorded(
        file="miv/verkeersdata-voorbeeld-20170427.xml",
        model="traffic",
        bind={
            "entity": '"@unieke_id"',
            "observed_at": "tijd_waarneming",
            "count": "verkeersintensiteit",
            "harmonic_speed": "{ from: voertuigsnelheid_harmonisch, not: [252] }",
            "occupancy": "rekendata.bezettingsgraad",
        },
        members=2,
        fill=((_ABSENT, _CLASSES), ("from: voertuigsnelheid_harmonisch", "from: voertuigsnelheid_harmonisch")),
        unsure=("vehicle_class", "mean_speed"),
    ),
    Recorded(
        file="miv/configuratie-20170217.xml.gz",
        model="measuring-point",
        bind={
            "entity": '"@unieke_id"',
            "name": "volledige_naam",
            "lane": "Rijstrook",
            "kilometre_point": "{ from: Kmp_Rsys, decimal: comma }",
            "point": "{ longitude: lengtegraad_EPSG_4326, latitude: breedtegraad_EPSG_4326, decimal: comma }",
        },
        members=4000,
    ),
]


def test_ids_of_vehicles_are_hidden_or_declared() -> None:
    """Where the model's things are vehicles that persons use, ids that may be drawn are declared so, and others hidden."""
    row = {"lat": 51.05, "lon": 3.72, "is_reserved": False, "is_disabled": False}
    drawn = (
        "2b648875-5477-4b68-83d3-e21072a3dbcf",
        "6efbec5a-6b8c-455b-bed2-8d66be6d6a4b",
        "87c7ed6e-aecf-4900-9a85-2a78efbba65b",
    )
    for keys, word in ((drawn, "publisher"), (("Scooter:1", "Scooter:2", "Scooter:3"), "daily")):
        body = items(*({"bike_id": key, **row} for key in keys), at="bikes", last_updated=1795860000)
        found, text = proposed(body, model="shared-vehicle")
        assert guesses(found)["entity"].text == f"{{ from: bike_id, rotate: !unsure {word} }}"
        _, report = checked(text, body, at_least=3)
        assert not any("Scooter" in member.body.decode() for member in report.members)
        assert ("salt" in text) is (word == "daily")


@pytest.mark.skipif(not SAMPLES.is_dir(), reason="the recorded documents are not on this machine")
@pytest.mark.parametrize("given", RECORDED, ids=[f"{it.file}-{it.model}" for it in RECORDED])
def test_recorded_documents_are_understood(given: Recorded) -> None:
    """The proposal finds what a person found, marks what nobody can know, and makes valid members once that is filled in."""
    file = SAMPLES / given.file
    body = gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes()
    media_type = media_type_of(file.name)
    found, text = proposed(body, media_type, called=file.name, model=given.model if given.ask else "")
    told = guesses(found)
    assert found.model.text == given.model
    assert {name: told[name].text for name in given.bind} == given.bind
    assert {name for name in given.unsure if told[name].sure is not Sureness.UNSURE} == set()
    if not given.unsure:
        assert {name for name, guess in told.items() if guess.sure is Sureness.UNSURE} <= {
            "validity",
            "road",
            "local_id",
        }
    for old, new in given.fill:
        text = text.replace(old, new)
    # A speed of nobody is 0 in MIV: the one line that a person completes instead of choosing.
    text = text.replace(
        "mean_speed: !unsure voertuigsnelheid_rekenkundig",
        "mean_speed: { from: voertuigsnelheid_rekenkundig, not: [0] }",
    )
    checked(text, body, media_type, at_least=given.members)


@pytest.mark.skipif(not SAMPLES.is_dir(), reason="the recorded documents are not on this machine")
@pytest.mark.parametrize(
    "file", sorted(it.relative_to(SAMPLES).as_posix() for it in SAMPLES.rglob("*.json*")) if SAMPLES.is_dir() else []
)
def test_every_recorded_document_gets_a_file_that_can_be_loaded(file: str) -> None:
    """Whatever the document is, the proposal without its marks is a source file, or the document has no list."""
    body = (SAMPLES / file).read_bytes()
    body = gzip.decompress(body) if file.endswith(".gz") else body
    document = whole(body, media_type_of(file))
    assert not isinstance(document, Break)
    found = propose(document, MODELS, called=file, now=NOW)
    if found is None:
        assert lists_of(document.value, document.root) == []
        return
    text = draft(found, Frame(name="proposed", url="", format="", sample=file))
    source = load_text(accepted(text), file="proposed.yaml", environ=SECRET)
    assert source.model == found.model.text
    assert_marks_are_named(text)


def assert_marks_are_named(text: str) -> None:
    """Require one fault per mark, on its line, and no other fault."""
    lines = [
        number
        for number, line in enumerate(text.splitlines(), 1)
        if "!unsure" in line.partition("  #")[0] and line[0] != "#"
    ]
    with pytest.raises(ConfigError) as error:
        load_text(text, file="proposed.yaml", environ=SECRET)
    named = [int(problem.where.rpartition(":")[2]) for problem in error.value.problems]
    assert sorted(named) == lines
    assert all("take `!unsure` away" in problem.fix for problem in error.value.problems)


# --- documents like those of real feeds ---------------------------------------------------------------------------

BRUSSELS = items(
    {
        "id_parking": 101,
        "naam": "Rogier",
        "total": 600.0,
        "vrij": 212.0,
        "bezetting": "64,6",
        "lus": "2026-11-28T10:00:00Z",
    },
    {
        "id_parking": 102,
        "naam": "Poelaert",
        "total": 450.0,
        "vrij": -999.0,
        "bezetting": "12,0",
        "lus": "2026-11-28T10:00:00Z",
    },
    {
        "id_parking": 103,
        "naam": "Flagey",
        "total": 180.0,
        "vrij": 12.0,
        "bezetting": "93,3",
        "lus": "2026-11-28T10:01:00Z",
    },
)


def test_sentinels_and_commas_are_words_of_the_binding() -> None:
    """A number that cannot be one is listed by `not`, a decimal comma is named, and the members are valid."""
    found, text = proposed(BRUSSELS, model="parking")
    told = guesses(found)
    assert told["free_spaces"].text == "{ from: vrij, not: [-999] }"
    assert told["occupancy"].text == "{ from: bezetting, decimal: comma }"
    assert told["entity"].text == "id_parking"
    assert (told["observed_at"].text, told["observed_at"].sure) == ("lus", Sureness.SURE)
    _, report = checked(text, BRUSSELS, at_least=2)
    assert [it.reason.value for it in report.rejections] == ["missing"]


@pytest.mark.parametrize(
    ("x", "y", "words"),
    [
        ("152249.5", "166457.1", "crs: 31370"),
        ("152249,5", "166457,1", "crs: 31370, decimal: comma"),
        (652249.0, 666457.0, "crs: 3812"),
    ],
)
def test_projected_coordinates_are_told_by_their_size(x: object, y: object, words: str) -> None:
    """Metres called x and y are Lambert 72 or 2008, whichever is in Belgium."""
    body = items(*({"code": f"p{n}", "x": x, "y": y, "free": n, "time": "2026-11-28T10:00:00+01:00"} for n in range(3)))
    found, text = proposed(body, model="parking")
    assert guesses(found)["point"].text == f"{{ x: x, y: y, {words} }}"
    _, report = checked(text, body)
    assert report.members[0].point is not None
    assert abs(report.members[0].point.latitude - 50.8085576) < 0.001


@pytest.mark.parametrize(
    ("coordinates", "words"),
    [
        ([4.35, 50.85], '{ longitude: "loc[0]", latitude: "loc[1]" }'),
        ([50.85, 4.35], '{ longitude: "loc[1]", latitude: "loc[0]" }'),
    ],
)
def test_the_order_of_a_pair_is_told_by_belgium(coordinates: list[float], words: str) -> None:
    """Only one order of a pair is a place in or near Belgium."""
    body = items(*({"code": f"p{n}", "loc": coordinates, "free": n, "time": "2026-11-28T10:00:00Z"} for n in range(3)))
    guess = guesses(proposed(body, model="parking")[0])["point"]
    assert (guess.text, guess.sure) == (words, Sureness.LIKELY)


@pytest.mark.parametrize(
    ("value", "text", "sure"),
    [
        ("2026-11-28T10:00:00Z", "ts", Sureness.SURE),
        (1795860000, "{ from: ts, as: epoch_seconds }", Sureness.SURE),
        (1795860000000, "{ from: ts, as: epoch_milliseconds }", Sureness.SURE),
        ("2026-11-28 10:00:00", "{ from: ts, zone: !unsure Europe/Brussels }", Sureness.LIKELY),
    ],
)
def test_times_are_told_by_how_they_are_written(value: object, text: str, sure: Sureness) -> None:
    """Zones and epochs are words of the binding; a zone that nothing tells is marked."""
    body = items(*({"code": f"p{n}", "free": n, "ts": value} for n in range(3)))
    found, written = proposed(body, model="parking")
    assert (guesses(found)["observed_at"].text, guesses(found)["observed_at"].sure) == (text, sure)
    checked(written, body)


def test_a_date_and_a_time_of_day_are_put_together() -> None:
    """Two columns become one time; its zone is marked."""
    rows = ({"code": f"p{n}", "datum": "2026-11-28", "uur5minuten": "8:05", "fietsers": n} for n in range(3))
    body = items(*rows)
    found, text = proposed(body, model="counts")
    assert guesses(found)["observed_at"].text == "{ date: datum, time: uur5minuten, zone: !unsure Europe/Brussels }"
    assert guesses(found)["bicycles"].text == "fietsers"
    checked(text, body)


def test_one_time_for_the_whole_document_is_taken_from_its_root() -> None:
    """Without a time of their own things have the document's, and how often to ask is what the document says."""
    body = items(
        *({"station_id": f"s{n}", "temp": 5.5, "humidity": 80} for n in range(3)), last_updated=1795860000, ttl=300
    )
    found, text = proposed(body, model="weather")
    assert guesses(found)["observed_at"].text == "{ from: $.last_updated, as: epoch_seconds }"
    assert (found.every.text, found.every.sure) == ("300s", Sureness.SURE)
    checked(text, body)


def test_units_are_told_by_values() -> None:
    """Pascals, kelvins and fractions are named where the model has hectopascals, degrees and percent."""
    rows = (
        {"station_id": f"s{n}", "temperatuur": 280.5 + n, "luchtdruk": 101325 + n, "tijd": "2026-11-28T10:00:00Z"}
        for n in range(3)
    )
    body = items(*rows)
    found, text = proposed(body, model="weather")
    told = guesses(found)
    assert told["temperature"].text == "{ from: temperatuur, unit: K }"
    assert told["pressure"].text == "{ from: luchtdruk, unit: Pa }"
    _, report = checked(text, body)
    assert json.loads(report.members[0].body.decode())["@id"].startswith("https://data.example.org/")


def test_codes_that_are_ours_are_mapped_and_others_are_asked_for() -> None:
    """A kind of ours maps to itself; one that is not is marked, with the codes to choose from."""
    row = {"code": "p", "free": 1, "ts": "2026-11-28T10:00:00Z", "name": "x"}
    known = items(
        *({**row, "code": f"p{n}", "facility_type": kind} for n, kind in enumerate(("carPark", "bicycleParking")))
    )
    guess = guesses(proposed(known, model="parking")[0])["facility_type"]
    assert (
        guess.text
        == "{ from: facility_type, map: { carPark: carPark, bicycleParking: bicycleParking }, otherwise: absent }"
    )
    strange = items(*({**row, "code": f"p{n}", "facility_type": kind} for n, kind in enumerate(("carPark", "T7"))))
    found, text = proposed(strange, model="parking")
    guess = guesses(found)["facility_type"]
    assert guess.sure is Sureness.UNSURE
    assert "say what is meant by T7: one of ParkingFacility, carPark" in guess.why
    checked(text, strange, at_least=2)


def test_columns_of_text_are_a_source_too() -> None:
    """Rows of CSV with semicolons and commas become a file that names its format and makes members."""
    body = (
        b"parking_id;naam;vrije plaatsen;capaciteit;tijdstip;lengtegraad;breedtegraad\n"
        b"A1;Markt;10;100;2026-11-28T10:00:00+01:00;3,7249;51,0637\n"
        b"A2;Kouter;0;50;2026-11-28T10:00:00+01:00;3,7260;51,0500\n"
        b"A3;Reep;7;70;2026-11-28T10:00:00+01:00;3,7298;51,0521\n"
    )
    found, text = proposed(body, "text/csv", called="parkings.csv")
    told = guesses(found)
    assert (found.model.text, found.each.text) == ("parking", "[*]")
    assert told["free_spaces"].text == '"vrije plaatsen"'
    assert told["total_spaces"].text == "capaciteit"
    assert told["point"].text == "{ longitude: lengtegraad, latitude: breedtegraad, decimal: comma }"
    assert "format: csv" in text
    _, report = checked(text, body, "text/csv", at_least=3)
    assert report.rejections == []


def test_french_keys_are_understood() -> None:
    """Keys in French mean what those in Dutch and English mean."""
    body = items(
        *(
            {"code": f"p{n}", "nom": "Rogier", "places_libres": n, "capacite_totale": 10, "maj": "2026-11-28T10:00:00Z"}
            for n in range(3)
        )
    )
    told = guesses(proposed(body, called="parkings.json")[0])
    assert (told["free_spaces"].text, told["total_spaces"].text) == ("places_libres", "capacite_totale")


def test_lists_inside_lists_keep_what_is_around_them() -> None:
    """Where only the inner list says enough, its items are the things, and the keys of objects are ids."""
    body = json.dumps(
        {
            "s-17": {"values": [{"timestamp": 1795860000000, "no2": 18.5}, {"timestamp": 1795863600000, "no2": 18.0}]},
            "s-18": {"values": [{"timestamp": 1795860000000, "no2": 7.5}, {"timestamp": 1795863600000, "no2": 8.0}]},
        }
    ).encode()
    found, text = proposed(body, model="air-quality")
    assert found.each.text == "{*}.values[*]"
    assert guesses(found)["entity"].text == '"^.@key"'
    checked(text, body, at_least=4)


def test_a_name_that_nothing_means_is_asked_for() -> None:
    """A required name without column is a marked line that says what it is; the file can be loaded all the same."""
    body = items(*({"code": f"p{n}", "kleur": "rood", "ts": "2026-11-28T10:00:00Z"} for n in range(3)))
    found, text = proposed(body, model="parking")
    guess = guesses(found)["free_spaces"]
    assert (guess.text, guess.sure) == ("fill_in", Sureness.UNSURE)
    assert "Number of spaces free now." in guess.why
    load_text(accepted(text), file="proposed.yaml", environ=SECRET)
    assert_marks_are_named(text)


def test_a_document_without_things_gets_no_proposal() -> None:
    """Nothing is proposed for what has no list of objects."""
    for document in ({}, {"a": 1}, [1, 2], {"a": [1]}, "text", None):
        assert propose(Whole(document, {}), MODELS, called="x", now=NOW) is None


@pytest.mark.parametrize(
    ("key", "told"),
    [
        ("availablecapacity", {"free", "space"}),
        ("isopennow", {"open"}),
        ("num_bikes_available", {"bicycles", "free"}),
        ("voertuigsnelheid_rekenkundig", {"speed", "mean"}),
        ("PM2.5", {"pm25"}),
        ("capacité", {"space"}),
        ("tijd_waarneming", {"time"}),
    ],
)
def test_keys_are_read_in_three_languages(key: str, told: set[str]) -> None:
    """Words are split where case, signs or known words end, and mean the same in Dutch, English and French."""
    assert meanings(key) == told


def test_words_that_say_nothing_do_not_match() -> None:
    """`type` is no kind of vehicle, and one time is not another; what is the same is the same."""
    assert likeness({"kind"}, {"kind", "vehicle"}) == 0
    assert likeness({"time"}, {"time", "end"}) == 0
    assert likeness({"time"}, {"time"}) == 1
    assert 0.5 < likeness({"free"}, {"free", "space"}) < 1


def test_marks_are_faults_with_their_lines() -> None:
    """A marked scalar, list or mapping is a fault at its line, and is read as what it says."""
    faults = Faults(file="x.yaml")
    root = read_yaml("a: !unsure 5\nb: !unsure { c: true }\nd:\n  - !unsure e\nf: !unsure 'g'\n", faults)
    assert [problem.where for problem in faults.problems] == ["x.yaml:1", "x.yaml:2", "x.yaml:4", "x.yaml:5"]
    values = {key: node.value for key, node in root.items()}
    assert values["a"] == 5
    assert values["f"] == "g"
    assert (root.get("b") or root).get("c") is not None


def test_a_proposal_is_the_same_each_time() -> None:
    """The same sample gives the same text."""
    assert proposed(BRUSSELS)[1] == proposed(BRUSSELS)[1]


def test_a_time_to_come_is_no_time_of_observation() -> None:
    """A time in the future, such as a permit's end, is not when a thing was observed."""
    body = items(*({"code": f"p{n}", "free": n, "until": "2031-01-01T00:00:00Z"} for n in range(3)))
    assert guesses(proposed(body, model="parking")[0])["observed_at"].text == "fill_in"
