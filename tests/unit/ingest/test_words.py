"""Words of bindings: whatever stands in an item, the quick mapping and the plain one make the same of it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingest.identity import entity_iri
from ingest.mapping import Mapper, compile_mapping
from ingest.source import load_source
from streams.errors import ConfigError
from tests.unit.ingest.test_quick import ODD, outcome
from tests.unit.ingest.workbench import BASE, GARAGES, PILOTS, RECEIVED, changed, reasons, run
from vocab.model import load_model

BIND: dict[str, Any] = {
    "entity": {"join": ["site", "way"], "with": "/"},
    "observed_at": {
        "from": ["seen", "$.header.seen"],
        "as": "epoch_seconds_or_text",
        "not": [0],
        "default": "received",
    },
    "free_spaces": {"from": "free", "default": 0},
    "total_spaces": {"from": "values[kind=total].n", "not": [-1], "default": 12},
    "facility_type": {"from": "type", "map": {"0": "carPark", "1": "offStreetParkingGround"}, "default": 0},
    "open_now": {"from": "open", "default": False},
    "opening_times": {"from": "^.id", "default": "none", "match": "[a-z]+"},
    "operator": {"from": "where", "as": "wkt", "order": "lat_lon"},
    "point": {"coordinates": ["<a.b>.where", "where"], "order": "lat_lon"},
    "occupancy": None,
}
GOOD = {
    "site": "7",
    "way": "IN",
    "seen": 1793523600,
    "free": 5,
    "values": [{"kind": "free", "n": 3}, {"kind": "total", "n": 80}],
    "type": 1,
    "open": 1,
    "where": "POINT (51.05 3.72)",
    "^": {"id": "abc"},
}
WHERE = ("51.05,3.72", [51.05, 3.72], ["51.05", "3.72"], "POINT (95 3)", "POINT EMPTY", [51.05], "POLYGON ((1 2, 3 4))")
VALUES = st.sampled_from([*ODD, *WHERE, 1793523600, 1793523600.5, "1793523600", "2026-11-01T25:10:00Z"])


@pytest.fixture(scope="module")
def mappers(tmp_path_factory: pytest.TempPathFactory) -> tuple[Mapper, Mapper]:
    """Compile a source that uses every word, quick and plain."""
    content = yaml.safe_load((PILOTS / GARAGES).read_text("utf-8"))
    content["bind"] = {name: bound for name, bound in BIND.items() if bound is not None}
    path = tmp_path_factory.mktemp("words") / "source.yaml"
    path.write_text(yaml.safe_dump(content, sort_keys=False), "utf-8")
    source = load_source(path)
    model = load_model(source.model)
    quick, plain = (compile_mapping(source, model, base_url=BASE, quick=quick) for quick in (True, False))
    return quick, plain


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    changes=st.dictionaries(st.sampled_from(sorted(GOOD)), VALUES | st.text(max_size=4), max_size=4),
    gone=st.sets(st.sampled_from(sorted(GOOD)), max_size=3),
    seen=VALUES,
)
def test_quick_and_plain_agree_on_every_word(
    mappers: tuple[Mapper, Mapper], changes: dict[str, Any], gone: set[str], seen: Any
) -> None:
    """Defaults, joined keys, chosen elements, geometries and two forms of time: first and second time the same."""
    quick, plain = mappers
    item = {key: value for key, value in {**json.loads(json.dumps(GOOD)), **changes}.items() if key not in gone}
    root = {"header": {"seen": seen}}
    wanted = outcome(plain, item, root, {})
    assert not isinstance(wanted, tuple) or not isinstance(wanted[0], type), wanted
    assert outcome(quick, item, root, {}) == wanted
    assert outcome(quick, item, root, {}) == wanted


def test_every_odd_value_in_every_word(mappers: tuple[Mapper, Mapper]) -> None:
    """Each odd value in each place gives the same in both ways, and never a defect of ours."""
    quick, plain = mappers
    for key in GOOD:
        for odd in (*ODD, *WHERE):
            item = {**GOOD, key: odd}
            wanted = outcome(plain, item, {}, {})
            assert not isinstance(wanted, tuple) or not isinstance(wanted[0], type), (key, odd, wanted)
            assert outcome(quick, item, {}, {}) == wanted, (key, odd)


def words(tmp_path: Path, **bind: Any) -> Any:
    """Load the garages with other bindings."""
    return changed(tmp_path, each="results[*]", publish=None, bind=bind)


def garage(**fields: Any) -> bytes:
    """Write a document of one garage."""
    return json.dumps({"results": [{"id": "g", "lastupdate": "2026-11-01T10:00:04+01:00", **fields}]}).encode()


def test_a_default_is_what_the_publisher_left_out(tmp_path: Path) -> None:
    """A missing number is the default, one that is there is itself, and a sentinel counts as left out."""
    source = words(tmp_path, free_spaces={"from": "availablecapacity", "not": [-1], "default": 0})
    for given_value, expected in ((None, 0), (7, 7), (-1, 0), ("", 0)):
        (member,) = run(source, garage(availablecapacity=given_value)).members
        assert f'"currentValue":{expected}' in member.body.decode()


def test_no_time_is_the_time_of_receipt_where_the_file_says_so(tmp_path: Path) -> None:
    """A feed without times has the receipt's; the same payload again has the same identity."""
    source = words(tmp_path, observed_at={"from": "measured", "as": "epoch_seconds", "not": [0], "default": "received"})
    for fields in ({}, {"measured": 0}):
        (member,) = run(source, garage(availablecapacity=1, **fields)).members
        assert member.observed_at == RECEIVED


def test_an_entity_of_several_fields_needs_all_of_them(tmp_path: Path) -> None:
    """Joined keys are one; where a part is missing the item is refused, because it is nobody's."""
    source = words(tmp_path, entity={"join": ["site", "way"], "with": "/"})
    outcome = run(source, garage(availablecapacity=1, site=12, way="IN"), garage(availablecapacity=1, site=12))
    assert [member.entity for member in outcome.members] == [entity_iri("12/IN", base_url=BASE, stream="gent-parking")]
    assert [reason.value for reason in reasons(outcome)] == ["missing"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-10-31 24:00:00", datetime(2026, 10, 31, 23, tzinfo=UTC)),
        ("20261031T25:10:00", datetime(2026, 11, 1, 0, 10, tzinfo=UTC)),
        ("2026-10-31T9:05", datetime(2026, 10, 31, 8, 5, tzinfo=UTC)),
    ],
)
def test_timetables_count_on_behind_midnight(tmp_path: Path, text: str, expected: datetime) -> None:
    """Hours from 24 are those of the next day, and a single digit is an hour, too."""
    source = words(tmp_path, observed_at={"from": "lastupdate", "zone": "Europe/Brussels"})
    (member,) = run(source, garage(availablecapacity=1, lastupdate=text)).members
    assert member.observed_at == expected


@pytest.mark.parametrize(
    ("bind", "said"),
    [
        ({"free_spaces": {"from": "a", "default": "many"}}, "'many' is no"),
        ({"free_spaces": {"from": "a", "default": [1]}}, "must be a plain value"),
        ({"facility_type": {"from": "a", "default": "barn"}}, "default 'barn' is no code"),
        ({"observed_at": {"from": "a", "default": "now"}}, "'now' is no time"),
        ({"free_spaces": {"constant": 1, "default": 2}}, "`default` does not fit"),
        ({"point": {"longitude": "a", "latitude": "b", "default": 0}}, "`default` does not fit"),
        ({"free_spaces": {"join": ["a", "b"]}}, "`join` does not fit"),
        ({"free_spaces": {"from": "a", "with": "/"}}, "`with` stands between"),
        ({"free_spaces": {"coordinates": "a"}}, "`coordinates` does not fit"),
        ({"operator": {"from": "a", "order": "lat_lon"}}, "`order` is for coordinates"),
        ({"operator": {"from": "a", "crs": 31370}}, "`crs` is for coordinates"),
        ({"point": {"coordinates": "a", "crs": 4326}}, "no coordinate system"),
        ({"point": {"coordinates": "a", "order": "latlon"}}, "`order: latlon` is unknown"),
        ({"free_spaces": {"from": "a", "as": "wkt"}}, "`wkt` does not fit"),
        ({"observed_at": {"from": "a", "as": "epoch"}}, "`as: epoch` is unknown"),
        ({"entity": {"join": ["a"], "from": "b"}}, "several origins"),
    ],
)
def test_words_that_do_not_fit_are_faults(tmp_path: Path, bind: dict[str, Any], said: str) -> None:
    """Each way to use a word wrongly is told when the file is loaded."""
    with pytest.raises(ConfigError) as caught:
        words(tmp_path, **bind)
    assert said in str(caught.value)
