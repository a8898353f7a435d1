"""Stream files: the pilots load, and every fault of a file is reported at once with line and fix."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from ingest.needs import needs_of
from ldes_server.declaration import SUFFIX, load_declaration
from ldes_server.declaration_schema import stream_schema
from ldes_server.definition import ByPrefix, ByProperty, ByTile, ByTime, Nested
from ldes_server.fragmentations import compile_view
from smartflanders.cli import main
from smartflanders.pilots import load_plan
from streams.errors import ConfigError
from vocab.model import load_model, model_names
from vocab.terms import OPERATION

PILOTS = Path(__file__).resolve().parents[3] / "deploy" / "pilots"
MODELS = {"s": load_model("parking"), "t": load_model("traffic")}
SCHEMA = stream_schema([load_model(name) for name in model_names()])


def faults(tmp_path: Path, text: str) -> str:
    """Load a file that must be refused, and return the whole message."""
    path = tmp_path / f"s{SUFFIX}"
    path.write_text(text, "utf-8")
    with pytest.raises(ConfigError) as caught:
        load_declaration(path, MODELS)
    return str(caught.value)


def test_all_kinds_of_views_are_read(tmp_path: Path) -> None:
    """Each kind becomes its definition, in the order of the file; lateness is a day when it is not given."""
    text = """stream: s
views:
  by-hour: { by_time: observed_at, levels: [year, month, day, hour], lateness: 2h }
  by-tile: { by_tile: point, zooms: [8, 11] }
  by-operator: { by_property: operator }
  by-name: { by_prefix: name, length: 2 }
  by-garage: { by_property: entity, then: { by_time: observed_at, levels: [month] } }
"""
    path = tmp_path / f"s{SUFFIX}"
    path.write_text(text, "utf-8")
    declaration = load_declaration(path, MODELS)
    jsonschema.validate(yaml.safe_load(text), SCHEMA)
    assert (declaration.stream, declaration.file) == ("s", path.name)
    hours = ByTime(name="observed_at", levels=("year", "month", "day", "hour"), lateness=timedelta(hours=2))
    months = ByTime(name="observed_at", levels=("month",), lateness=timedelta(days=1))
    assert list(declaration.views.items()) == [
        ("by-hour", hours),
        ("by-tile", ByTile(name="point", zooms=(8, 11))),
        ("by-operator", ByProperty(name="operator")),
        ("by-name", ByPrefix(name="name", length=2)),
        ("by-garage", Nested(outer=ByProperty(name="entity"), inner=months)),
    ]


@pytest.mark.parametrize("path", sorted(PILOTS.rglob(f"*{SUFFIX}")), ids=lambda path: path.name)
def test_the_files_that_ship_load_compile_and_fit_the_schema(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every stream file that ships is named for its stream, valid for the platform and for editors, and compiles."""
    for name in {name for file in path.parent.glob("*.yaml") for name in needs_of(file)}:
        monkeypatch.setenv(name, "key.example.org")
    streams = {stream.name: stream for stream in load_plan([path.parent]).streams}
    stream = streams[path.name.removesuffix(SUFFIX)]
    assert stream.views
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    jsonschema.validate(yaml.safe_load(path.read_text("utf-8")), SCHEMA)
    assert main(["stream", "check", str(path)]) == 0


def test_all_faults_come_at_once_with_their_lines(tmp_path: Path) -> None:
    """Five faults in one file are five problems, each at its line with what to write instead."""
    said = faults(
        tmp_path,
        """stream: z
retain: 3
views:
  log: { by_property: operator }
  a: { by_time: observed_at, levels: [yeer], latenes: 1d }
""",
    )
    assert "5 problems" in said
    assert "s.stream.yaml:1: no source feeds stream 'z'" in said
    assert "s.stream.yaml:2: unknown key 'retain'" in said
    assert "s.stream.yaml:4: a view cannot be named 'log'" in said
    assert "s.stream.yaml:5: unknown level 'yeer'\n    fix: did you mean 'year'?" in said
    assert "unknown key 'latenes' in view a\n    fix: did you mean 'lateness'?" in said


@pytest.mark.parametrize(
    ("view", "what", "fix"),
    [
        ("by_time: observd_at, levels: [day]", "unknown name 'observd_at' in model parking", "'observed_at'"),
        ("by_time: entity, levels: [day]", "by_time does not fit 'entity', which is iri", "write by_property: entity"),
        ("by_tile: name, zooms: [8]", "by_tile does not fit 'name', which is text", "write by_prefix: name"),
        ("by_property: name", "by_property does not fit 'name', which is text", "write by_prefix: name"),
        ("by_property: point", "by_property does not fit 'point', which is point", "write by_tile: point"),
        ("by_property: [a, b]", "by_property must be a text, not a list", "on one line"),
        ("by_property:", "by_property must be a text, not nothing", "on one line"),
        ("by_tiles: point", "view v has no kind", "did you mean 'by_tile'?"),
        ("zooms: [8]", "view v has no kind", "give exactly one of by_time"),
        ("by_tile: point, by_property: entity", "divided in two ways: by_tile and by_property", "exactly one"),
        ("by_time: observed_at", "levels is missing", "add levels: [year, month, day]"),
        ("by_time: observed_at, levels: []", "levels go from coarse to fine", "write levels: [year, month, day]"),
        ("by_time: observed_at, levels: [day, year]", "levels go from coarse to fine", "write levels: [year, day]"),
        ("by_time: observed_at, levels: [day, day]", "each once", "write levels: [day]"),
        ("by_time: observed_at, levels: [day], lateness: long", "'long' is no duration", "7d"),
        ("by_tile: point", "zooms is missing", "add zooms: [8, 11, 14]"),
        ("by_tile: point, zooms: [11, 8]", "zooms go up, each once", "write zooms: [8, 11]"),
        ("by_tile: point, zooms: []", "zooms go up, each once", "write zooms: [8, 11, 14]"),
        ("by_tile: point, zooms: [8, 21]", "zoom '21' is not right", "a whole number from 0 to 20"),
        ("by_tile: point, zooms: true", "zoom 'true' is not right", "a whole number from 0 to 20"),
        ("by_prefix: name", "length is missing", "add length: 2"),
        ("by_prefix: name, length: 9", "length '9' is not right", "a whole number from 1 to 8"),
        (
            "by_property: operator, length: 2",
            "unknown key 'length' in view v",
            "known here: by_property, retention, then",
        ),
        ("by_property: operator, then: 3", "then of view v must be a mapping", "key: value"),
        ("by_property: operator, then: { by_property: nam }", "unknown name 'nam'", "known here"),
        (
            "by_property: entity, then: { by_property: operator, then: { by_prefix: name, length: 1 } }",
            "view v is nested twice",
            "keep one `then`",
        ),
    ],
)
def test_a_faulty_view_says_what_to_write(tmp_path: Path, view: str, what: str, fix: str) -> None:
    """Every fault has its line, what is wrong, and how to mend it."""
    said = faults(tmp_path, f"stream: s\nviews:\n  v: {{ {view} }}\n")
    assert "1 problem in" in said
    assert f"s{SUFFIX}:3: " in said
    assert what in said
    assert fix in said.rpartition("\n    fix: ")[2]


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "the file is empty"),
        ("views: {}", "stream is missing"),
        ("stream: s\nviews: 3", "views must be a mapping, not '3'"),
        ("stream: s\nviews: { a b: { by_property: operator } }", "view 'a b' is no name"),
        ("stream: s\nviews: { a: 3 }", "view a must be a mapping"),
        ("stream: t\nviews: { a: { by_tile: point, zooms: [8] } }", "members of model traffic do not say 'point'"),
        ("stream: s\nviews: { a: { by_property: operator }, a: { by_property: entity } }", "'a' is written twice"),
    ],
)
def test_a_file_that_declares_no_views_is_refused(tmp_path: Path, text: str, what: str) -> None:
    """What is no stream file is told as such."""
    assert what in faults(tmp_path, text)


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    """A missing file is a configuration error that names it."""
    with pytest.raises(ConfigError, match="in the configuration"):
        load_declaration(tmp_path / f"none{SUFFIX}", MODELS)


def test_a_view_whose_path_no_member_has_is_legal() -> None:
    """All members of such a view are behind one relation without bounds; nothing is lost."""
    fragmentation = compile_view('{"by_property":"sensor"}', MODELS["t"])
    ((step,),) = fragmentation.trails(None, {"@id": "urn:x"})  # type: ignore[arg-type]
    assert (step.key, step.bounds) == ("none", ())


# --- pilots and commands --------------------------------------------------------------------------------------------


@pytest.fixture
def pilot(tmp_path: Path) -> Path:
    """Copy a source of Gent into a pilot of its own."""
    text = (PILOTS / "gent" / "parking" / "garages.yaml").read_text("utf-8")
    text = text.replace(", absent: delete, transaction: payload", "")
    (tmp_path / "garages.yaml").write_text(text, "utf-8")
    return tmp_path


def test_a_second_file_for_a_stream_is_refused(pilot: Path) -> None:
    """Two stream files of one stream are told together with the faults of other files."""
    for name in ("a", "b"):
        (pilot / f"{name}{SUFFIX}").write_text("stream: gent-parking\n", "utf-8")
    (pilot / f"c{SUFFIX}").write_text("stream: gent-parkin\n", "utf-8")
    with pytest.raises(ConfigError) as caught:
        load_plan([pilot])
    assert "stream gent-parking has a stream file already: a.stream.yaml" in str(caught.value)
    assert "did you mean 'gent-parking'?" in str(caught.value)


def test_what_members_say_is_declared(pilot: Path) -> None:
    """Readers are told what members say because the stream file or a source says so; both must not contradict."""
    file = pilot / f"gent-parking{SUFFIX}"
    (stream,) = load_plan([pilot]).streams
    assert (stream.operation_path, stream.transactions) == ("", False)
    file.write_text("stream: gent-parking\nversions: { operations: true, transactions: true }\n", "utf-8")
    (stream,) = load_plan([pilot]).streams
    assert (stream.operation_path, stream.transactions) == (OPERATION, True)
    file.unlink()
    text = (pilot / "garages.yaml").read_text("utf-8").replace("15m }", "15m, absent: delete, transaction: payload }")
    (pilot / "garages.yaml").write_text(text, "utf-8")
    (stream,) = load_plan([pilot]).streams
    assert (stream.operation_path, stream.transactions) == (OPERATION, True)
    file.write_text("stream: gent-parking\nversions: { operations: false, transactions: false }\n", "utf-8")
    with pytest.raises(ConfigError) as caught:
        load_plan([pilot])
    for word in ("operations", "transactions"):
        assert f"declares no {word}, and members of its sources say them" in str(caught.value)
    file.write_text("stream: gent-parking\nversions: { operations: maybe, deletes: true }\n", "utf-8")
    with pytest.raises(ConfigError) as caught:
        load_plan([pilot])
    assert "write operations: true or false" in str(caught.value) or "deletes" in str(caught.value)


def test_observations_have_no_operations(tmp_path: Path) -> None:
    """A stream of observations may group them, and cannot delete them."""
    file = tmp_path / f"s{SUFFIX}"
    file.write_text("stream: s\nversions: { transactions: true }\n", "utf-8")
    assert load_declaration(file, {"s": load_model("traffic")}).transactions
    file.write_text("stream: s\nversions: { operations: true }\n", "utf-8")
    with pytest.raises(ConfigError, match="nothing deletes them"):
        load_declaration(file, {"s": load_model("traffic")})


def test_check_shows_where_an_example_goes(pilot: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`stream check` prints each view with the bucket of the model's example and what is promised of it."""
    file = pilot / f"gent-parking{SUFFIX}"
    file.write_text("stream: gent-parking\nviews: { d: { by_time: observed_at, levels: [day] } }\n", "utf-8")
    assert main(["stream", "check", str(file)]) == 0
    assert capsys.readouterr().out == (
        'gent-parking/d: {"by_time":"observed_at","lateness":86400,"levels":["day"]}\n'
        "  example in 2026-11-23: GreaterThanOrEqualToRelation 2026-11-23T00:00:00.000Z, "
        "LessThanRelation 2026-11-24T00:00:00.000Z\n"
    )


def test_check_wants_a_view(pilot: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A pilot without views is told how to declare one, with exit status 2."""
    assert main(["stream", "check", str(pilot)]) == 2
    assert "no view is declared" in capsys.readouterr().err


def test_the_schema_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    """`stream schema` prints JSON that an editor can use, and that refuses what the platform refuses."""
    assert main(["stream", "schema"]) == 0
    printed = yaml.safe_load(capsys.readouterr().out)
    assert printed == yaml.safe_load(yaml.safe_dump(SCHEMA))
    wrong: tuple[tuple[str, dict[str, Any]], ...] = (
        ("log", {"by_property": "entity"}),
        ("a", {"by_tile": "name", "zooms": [8]}),
        ("a", {"by_tile": "point"}),
        ("a", {}),
    )
    for name, view in wrong:
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate({"stream": "s", "views": {name: view}}, SCHEMA)


def test_one_source_alone_keeps_the_views_of_its_stream() -> None:
    """A source file named by itself takes the stream file beside it along, and no other stream's."""
    (parking,) = load_plan([PILOTS / "gent" / "parking" / "garages.yaml"]).streams
    (traffic,) = load_plan([PILOTS / "vlaanderen" / "verkeer" / "miv-verkeersdata.yaml"]).streams
    whole = {stream.name: stream.views for stream in load_plan([PILOTS]).streams}
    assert parking.views == whole["gent-parking"] != {}
    assert traffic.views == whole["miv-verkeer"] != {}
