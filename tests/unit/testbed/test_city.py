"""The simulated city and its formats: deterministic, plausible, and valid by the publishers' own schemas."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from xml.etree import ElementTree as ET

import pyproj
import pytest
from lxml import etree

from testbed.simulator.city import make_city, measure, rush
from testbed.simulator.formats import ENDPOINTS, garages, miv_configuration, miv_data, page_of, park_and_rides
from testbed.simulator.options import Clock, SimulatorOptions
from testbed.simulator.places import lambert72, make_lanes

START = datetime(2026, 10, 20, tzinfo=UTC)
RUSH = datetime(2026, 10, 21, 15, 30, 12, tzinfo=UTC)  # a Wednesday, half past five in Gent
CITY = make_city(seed=7, lanes=400, start=START)
SCHEMAS = Path(__file__).resolve().parents[4] / "shared" / "samples" / "miv"


def test_the_same_seed_and_time_give_the_same_bytes() -> None:
    """Every document is a function of seed and time; another seed gives another one."""
    again, other = make_city(seed=7, lanes=400, start=START), make_city(seed=8, lanes=400, start=START)
    for endpoint in ENDPOINTS:
        body = endpoint.write(CITY, RUSH).render()
        assert endpoint.write(again, RUSH).render() == body
        assert endpoint.write(other, RUSH).render() != body


def test_documents_stand_still_within_their_period() -> None:
    """MIV changes each minute and only then; the configuration does not change."""
    body = miv_data(CITY, RUSH).render()
    assert miv_data(CITY, RUSH + timedelta(seconds=40)).render() == body
    assert miv_data(CITY, RUSH + timedelta(minutes=1)).render() != body
    assert miv_configuration(CITY, RUSH).render() == miv_configuration(CITY, RUSH + timedelta(days=3)).render()
    assert garages(CITY, RUSH).render() == garages(CITY, RUSH + timedelta(seconds=70)).render()


def test_a_larger_city_contains_the_smaller_one() -> None:
    """Asking for more lanes adds lanes and moves none."""
    assert make_lanes(7, 1000)[:100] == make_lanes(7, 100)
    assert len({lane.unique_id for lane in make_lanes(7, 1000)}) == 1000


def test_miv_data_follows_the_rules_of_the_real_feed() -> None:
    """Times are +01:00, observation before change before publication; speeds and sentinels are as really seen."""
    root = ET.fromstring(miv_data(CITY, RUSH).render())
    published = datetime.fromisoformat(root.findtext("tijd_publicatie", ""))
    lanes = root.findall("meetpunt")
    assert len(lanes) == 400
    stale = 0
    for lane in lanes:
        texts = [lane.findtext(name, "") for name in ("tijd_waarneming", "tijd_laatst_gewijzigd")]
        assert all(text.endswith("+01:00") for text in texts)
        observed, changed = map(datetime.fromisoformat, texts)
        assert observed < changed < published
        current = lane.findtext("actueel_publicatie") == "1"
        assert current == (published - observed < timedelta(minutes=3))
        stale += not current
        failing = lane.findtext("rekendata/beschikbaarheidsgraad") == "0"
        assert [data.get("klasse_id") for data in lane.findall("meetdata")] == list("12345")
        for data in lane.findall("meetdata"):
            count, arithmetic, harmonic = (int(child.text or "") for child in data)
            if count == 0:
                assert (arithmetic, harmonic) == (0, 254 if failing else 252)
            else:
                assert 1 <= arithmetic <= 200
                assert 0 <= harmonic <= arithmetic
    assert 0 < stale < 40


def test_roads_are_busy_in_the_rush_hour() -> None:
    """Traffic follows the clock of Gent: many times more at half past five than at four in the night."""
    night = datetime(2026, 10, 21, 2, 0, tzinfo=UTC)

    def vehicles(at: datetime) -> int:
        return sum(
            entry.count
            for lane in CITY.lanes
            if lane.stale_minutes is None
            for entry in measure(CITY, lane, at).classes
        )

    assert vehicles(RUSH.replace(second=0)) > 5 * vehicles(night)
    assert rush(datetime(2026, 10, 24, 6, 0, tzinfo=UTC)) < rush(datetime(2026, 10, 21, 6, 0, tzinfo=UTC))


def test_a_stale_lane_does_not_move() -> None:
    """A lane whose clock stands still shows the same minute and the same values for ever."""
    lane = next(lane for lane in CITY.lanes if lane.stale_minutes is not None)
    assert measure(CITY, lane, RUSH) == measure(CITY, lane, RUSH + timedelta(days=2))


@pytest.mark.parametrize(
    ("schema", "write"), [("miv-verkeersdata.xsd", miv_data), ("miv-config.xsd", miv_configuration)]
)
def test_miv_documents_are_valid_by_the_publishers_schema(schema: str, write: object) -> None:
    """Both MIV documents pass the publisher's own XSD."""
    path = SCHEMAS / schema
    if not path.exists():
        pytest.skip(f"the publisher's schema {schema} is not beside the checkout")
    document = miv_data(CITY, RUSH) if write is miv_data else miv_configuration(CITY, RUSH)
    etree.XMLSchema(etree.parse(path)).assertValid(etree.fromstring(document.render()))


def test_the_configuration_knows_every_lane_in_both_coordinate_systems() -> None:
    """Each lane is in Flanders, with decimal commas, and its Lambert 72 and WGS 84 places agree within a metre."""
    root = ET.fromstring(miv_configuration(CITY, RUSH).render())
    to_lambert = pyproj.Transformer.from_crs(4326, 31370, always_xy=True)
    names = ("lengtegraad_EPSG_4326", "breedtegraad_EPSG_4326", "X_coord_EPSG_31370", "Y_coord_EPSG_31370")
    assert {lane.get("unieke_id") for lane in root.findall("meetpunt")} == {lane.unique_id for lane in CITY.lanes}
    for lane in root.findall("meetpunt"):
        texts = [lane.findtext(name, "") for name in names]
        assert all("," in text and "." not in text for text in texts)
        longitude, latitude, x, y = (float(text.replace(",", ".")) for text in texts)
        assert 2.5 < longitude < 5.95
        assert 50.65 < latitude < 51.55
        assert to_lambert.transform(longitude, latitude) == pytest.approx((x, y), abs=1.0)
    assert lambert72(3.73, 51.05) == pytest.approx(to_lambert.transform(3.73, 51.05), abs=0.01)


def test_portal_answers_have_the_envelope_and_the_oddities_of_the_real_ones() -> None:
    """Garages and park-and-rides carry local times, 0/1 flags, text booleans and JSON inside a string."""
    answer = json.loads(garages(CITY, RUSH).render())
    assert (answer["total_count"], len(answer["results"])) == (12, 12)
    for record in answer["results"]:
        assert record["lastupdate"].endswith("+02:00")
        assert 0 <= record["availablecapacity"] <= record["totalcapacity"]
        assert record["isopennow"] in (0, 1)
        inner = json.loads(record["locationanddimension"])
        assert inner["coordinatesForDisplay"]["latitude"] == record["location"]["lat"]
    assert any(record["totalcapacity"] == 0 for record in answer["results"])
    rides = json.loads(park_and_rides(CITY, RUSH).render())["results"]
    assert len(rides) == 5
    assert {record["gentse_feesten"] for record in rides} == {"True", "False"}
    assert min(record["lastupdate"] for record in rides) < max(record["lastupdate"] for record in rides)


def test_a_page_is_cut_out_but_counts_all() -> None:
    """Opendatasoft's limit and offset choose records; total_count stays."""
    page = json.loads(page_of(garages(CITY, RUSH), limit=5, offset=10).render())
    assert (page["total_count"], len(page["results"])) == (12, 2)


def test_a_fast_clock_begins_thirty_days_back_and_stops_racing_at_the_present() -> None:
    """Sixty times real time from a month ago; it never runs into the future, and a restart finds the same time."""
    now = datetime(2026, 11, 23, 20, 0, tzinfo=UTC)
    clock = Clock.of(SimulatorOptions(speed=60), now)
    assert clock.at(now) == now - timedelta(days=30)
    assert clock.at(now + timedelta(seconds=1)) == now - timedelta(days=30) + timedelta(minutes=1)
    later = now + timedelta(days=3)
    assert clock.at(later) == later
    assert Clock.of(SimulatorOptions(), now).at(later) == later
    again = Clock.of(SimulatorOptions(speed=60, epoch=now, start=now - timedelta(days=30)), later)
    assert again == clock


@pytest.mark.parametrize("wrong", [{"speed": 0}, {"lanes": -1}, {"start": datetime(2026, 1, 1)}])  # noqa: DTZ001
def test_impossible_options_are_refused(wrong: dict[str, object]) -> None:
    """Options that cannot be simulated are refused when they are made."""
    with pytest.raises(ValueError):
        SimulatorOptions(**wrong)  # type: ignore[arg-type]
