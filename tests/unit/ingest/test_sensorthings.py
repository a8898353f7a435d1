"""The SensorThings connector against a real server: paging, news only, late observations, resuming, bad services."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import orjson
import pytest
from aiohttp import web

from ingest.connectors.request import ClosedDoorError
from ingest.connectors.sensorthings import SensorThings
from ingest.transports.sensorthings import SensorThingsOptions
from streams.errors import SourceError
from tests.support.frost import Frost
from tests.support.http_script import Script, as_json, scripted
from tests.unit.ingest.transporting import faults, read

NOW = datetime.now(UTC).replace(microsecond=0)


def at(minutes: float) -> str:
    """Write the time so many minutes ago."""
    return f"{NOW - timedelta(minutes=minutes):%Y-%m-%dT%H:%M:%S}.000Z"


def options(script: Script, more: str = "") -> SensorThingsOptions:
    """Read the options of a source that asks the script."""
    found = read("sensorthings", f"url: {script.origin}/v1.1\nevery: 60s\n{more}")
    assert isinstance(found, SensorThingsOptions)
    return found


async def asked(wanted: SensorThingsOptions, cursor: bytes = b"", *, at_most: int = 99) -> tuple[list[float], bytes]:
    """Poll until the question is answered, each payload safe before the next; return results and the last cursor."""
    found: list[float] = []
    async with SensorThings("demo", wanted) as connector:
        for count in range(100):
            poll = await connector.poll(cursor)
            for payload in poll.payloads:
                assert payload.media_type.startswith("application/json")
                found += [it["result"] for it in orjson.loads(payload.body)["value"]]
                cursor = payload.cursor
            if poll.again_in or count + 1 >= at_most:
                return found, cursor
    raise AssertionError("the pages do not end")


async def test_all_pages_are_read_and_then_only_what_is_new() -> None:
    """Every observation comes once, in the order of time; later ones alone, also those of the newest time."""
    frost = Frost()
    for minute in range(8, 0, -1):
        frost.add(at(minute), minute)
    async with scripted(frost) as script:
        found, cursor = await asked(options(script))
        assert found == [8, 7, 6, 5, 4, 3, 2, 1]
        assert await asked(options(script), cursor) == ([], cursor)
        frost.add(at(1), 100)
        frost.add(at(0.5), 101)
        found, cursor = await asked(options(script), cursor)
        assert found == [100, 101]
        assert await asked(options(script), cursor) == ([], cursor)


@pytest.mark.parametrize("stop", [1, 2, 3])
async def test_a_long_history_goes_on_where_the_log_ends(stop: int) -> None:
    """A new connector goes on with the next page, and with a new question where the service has lost it."""
    for lost in (False, True):
        frost = Frost()
        for minute in range(10, 0, -1):
            frost.add(at(minute), minute)
        async with scripted(frost) as script:
            first, cursor = await asked(options(script), at_most=stop)
            before = len(script.asked)
            frost.lost = lost
            rest: list[float] = []
            for _ in range(5):
                more, cursor = await asked(options(script), cursor, at_most=1)
                frost.lost = False
                rest += more
            assert sorted(first + rest, reverse=True) == [10, 9, 8, 7, 6, 5, 4, 3, 2, 1]
            assert "$skip" in script.asked[before].query


async def test_late_observations_are_found_within_the_overlap() -> None:
    """An observation that is older than the newest one comes when it is within the overlap, and is missed behind it."""
    frost = Frost()
    frost.add(at(100), 1)
    frost.add(at(10), 2)
    async with scripted(frost) as script:
        _, cursor = await asked(options(script))
        frost.add(at(30), 3)
        frost.add(at(90), 4)
        found, cursor = await asked(options(script), cursor)
        assert found == [3]
        frost.add(at(30), 5)
        assert await asked(options(script, "overlap: 0s"), cursor) == ([], cursor)


async def test_a_clock_that_runs_ahead_hides_nothing() -> None:
    """An observation from next year is given, and the ones from now come after it all the same."""
    frost = Frost()
    frost.add(at(10), 1)
    frost.add(at(-600_000), 2)
    async with scripted(frost) as script:
        found, cursor = await asked(options(script))
        assert found == [1, 2]
        frost.add(at(1), 3)
        assert (await asked(options(script), cursor))[0] == [3]


async def test_intervals_and_missing_times_are_no_trouble() -> None:
    """An interval counts by its begin; an observation without the time is given once while it is asked for."""
    frost = Frost()
    frost.add(f"{at(20)}/{at(10)}", 1)
    frost.add(None, 2)
    async with scripted(frost) as script:
        found, cursor = await asked(options(script))
        assert sorted(found) == [1, 2]
        assert await asked(options(script), cursor) == ([], cursor)


async def test_the_question_says_what_is_wanted() -> None:
    """Filter, expansion, time and page size of the source file are in the question."""
    frost = Frost(by="resultTime", most=100)
    async with scripted(frost) as script:
        more = "filter: Datastream/name eq 'a' or true\nexpand: ''\nby: resultTime\nfirst: 2h\npage: 50"
        await asked(options(script, more))
        await asked(SensorThingsOptions(url=f"{script.origin}/v1.1/", every=timedelta(minutes=1), by="resultTime"))
    first, second = script.asked
    assert first.query["$filter"].endswith(" and (Datastream/name eq 'a' or true)")
    assert first.query["$top"] == "50"
    assert "$expand" not in first.query
    assert second.query["$expand"].startswith("Datastream(")
    since = datetime.fromisoformat(first.query["$filter"].split()[2])
    assert timedelta(hours=1, minutes=59) < datetime.now(UTC) - since < timedelta(hours=2, minutes=1)


@pytest.mark.parametrize(
    ("link", "says"),
    [
        ("http://internal:8080/FROST/v1.1/Observations?$skip=3&key=x", "another host, http://internal:8080/FROST"),
        ("?$skip=3", "in a circle"),
    ],
)
async def test_a_link_that_leads_nowhere_is_an_error(link: str, says: str) -> None:
    """A next link to another host, or to a page that was read, is an error that names it."""
    async with scripted(lambda _: as_json({"value": [], "@iot.nextLink": link})) as script:
        with pytest.raises(SourceError) as caught:
            await asked(options(script))
    assert says in caught.value.what
    assert "key=x" not in str(caught.value)


@pytest.mark.parametrize("body", [b"<html>", b"[1]", b'{"value": 7}'])
async def test_what_is_no_sensorthings_is_a_payload_once(body: bytes) -> None:
    """An answer that is no page of observations is passed on as it is, once."""
    async with (
        scripted(lambda _: web.Response(body=body)) as script,
        SensorThings("demo", options(script)) as connector,
    ):
        (payload,) = (await connector.poll(b"")).payloads
        assert payload.body == body
        assert (await connector.poll(payload.cursor)).payloads == ()


async def test_a_refused_question_is_an_error() -> None:
    """A status that is no page's loss is named as for any publisher."""
    async with (
        scripted(lambda _: web.Response(status=404)) as script,
        SensorThings("demo", options(script)) as connector,
    ):
        with pytest.raises(ClosedDoorError, match="404"):
            await connector.poll(b"")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("url: https://x.example/v1.1\nby: validTime", "'validTime' is unknown"),
        ("url: https://x.example/v1.1/Observations", "more than the address"),
        ("url: https://x.example/v1.1?a=b", "more than the address"),
        ("url: https://x.example/v1.1\npage: 0", "no positive whole number"),
    ],
)
def test_faults_of_sensorthings_are_told(text: str, says: str) -> None:
    """What cannot be meant is refused when the file is read."""
    assert any(says in fault for fault in faults("sensorthings", f"{text}\nevery: 60s"))
