"""The catalogue's feed: which activities are due, in which order, and how they are written."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ldes_server.activities import Activity, ActivityWriter, due
from ldes_server.dcat_context import CONTEXT, NAMES
from ldes_server.descriptions import Entity, entities
from ldes_server.model import Stream
from tests.support.catalogues import canonical, described_streams, graphs

BASE = "https://data.example.org"
FIRST, SECOND = described_streams()
WRITER = ActivityWriter(NAMES)
# Addresses to ask, not names of entities, though they may be spelled alike.
_ADDRESSES = ("@id", "identifier", "endpointURL", "accessURL", "downloadURL", "hasURL")


def replayed(activities: tuple[Activity, ...], state: dict[str, Entity | None]) -> dict[str, Entity | None]:
    """Apply activities to what a harvester has, refusing what no harvester could follow."""
    state = dict(state)
    for activity in activities:
        present = state.get(activity.entity) is not None
        assert present == (activity.kind != "Create"), activity
        state[activity.entity] = activity.payload
        # FEED-10: whatever is named by what is there, is there.
        known = {name for name, payload in state.items() if payload is not None}
        ever = set(state) | {each.entity for each in activities}
        for payload in filter(None, state.values()):
            assert named(payload) & ever <= known, activity
    return state


def named(value: Any) -> set[str]:
    """Find every text in a description that could name another."""
    if isinstance(value, dict):
        return {name for key, each in value.items() if key not in _ADDRESSES for name in named(each)}
    if isinstance(value, list):
        return {name for each in value for name in named(each)}
    return {value} if isinstance(value, str) else set()


def present(state: dict[str, Entity | None]) -> list[Entity]:
    """Return the descriptions that are there."""
    return [payload for payload in state.values() if payload is not None]


def test_a_first_start_creates_everything() -> None:
    """FEED-01, FEED-09: each entity is created once, the catalogue last."""
    after = entities([FIRST, SECOND], BASE)
    found = due({}, after)
    assert [activity.kind for activity in found] == ["Create"] * len(after)
    assert found[-1].entity == f"{BASE}/#catalogue"


def test_nothing_changed_is_no_activity() -> None:
    """The same streams give no activity, whatever their members are by now."""
    after = entities([FIRST, SECOND], BASE)
    assert due({entity["@id"]: entity for entity in after}, after) == ()
    assert not {"temporal", "hasQualityMeasurement", "modified", "issued"} & {key for entity in after for key in entity}


def test_a_changed_title_updates_what_shows_it() -> None:
    """A new title is an update of the dataset and of its service, and of nothing else."""
    before = {entity["@id"]: entity for entity in entities([FIRST, SECOND], BASE)}
    renamed = replace(FIRST, title={"nl": "Nieuw", "en": "New"})
    found = due(before, entities([renamed, SECOND], BASE))
    assert [(each.kind, each.entity.removeprefix(f"{BASE}/{FIRST.name}")) for each in found] == [
        ("Update", ""),
        ("Update", "#service"),
    ]


def test_a_removed_stream_is_deleted_after_the_catalogue_let_go_of_it() -> None:
    """FEED-10: the catalogue is updated first, then service, dataset and distributions go, without a payload."""
    before = {entity["@id"]: entity for entity in entities([FIRST, SECOND], BASE)}
    found = due(before, entities([FIRST], BASE))
    assert (found[0].kind, found[0].entity) == ("Update", f"{BASE}/#catalogue")
    assert [each.entity.removeprefix(f"{BASE}/{SECOND.name}") for each in found[1:3]] == ["#service", ""]
    assert {each.kind for each in found[1:]} == {"Delete"}
    assert all(each.payload is None for each in found[1:])


@given(
    st.lists(
        st.lists(
            st.sampled_from(
                [
                    FIRST,
                    SECOND,
                    replace(FIRST, title={"nl": "Anders", "en": "Other"}),
                    replace(SECOND, name="third", publisher_iri="https://third.example/", contact={}),
                ]
            ),
            max_size=3,
            unique_by=lambda stream: stream.name,
        ),
        max_size=5,
    )
)
def test_a_harvester_that_replays_has_the_catalogue(catalogues: list[list[Stream]]) -> None:
    """After any changes, replaying the feed gives exactly what is described, and never names what is not there."""
    state: dict[str, Entity | None] = {}
    for streams in catalogues:
        after = entities(streams, BASE)
        state = replayed(due(state, after), state)
        assert sorted(map(json.dumps, present(state))) == sorted(map(json.dumps, after))


@pytest.mark.parametrize("entity", entities([SECOND], BASE), ids=lambda entity: entity["@id"])
def test_an_activity_is_the_same_in_every_form(entity: Entity) -> None:
    """FEED-05: TriG, N-Quads and JSON-LD put the same description into the graph that the activity names."""
    body = {"@id": f"{BASE}/a", "@type": "Create", "object": entity["@id"], "@graph": [entity]}
    body |= {"generatedAtTime": "2026-11-23T12:00:00.000Z", "sequence": 7}
    text = json.dumps(body).encode()
    document = json.dumps({"@context": CONTEXT, **body}).encode()
    trig, lines = WRITER.prefixes + WRITER.turtle(text), WRITER.ntriples(text, scope="x")
    assert canonical(trig, "application/trig") == canonical(document, "application/ld+json")
    assert canonical(lines, "application/n-quads") == canonical(document, "application/ld+json")
    assert set(graphs(trig, "application/trig")) == {"", f"{BASE}/a"}


def test_a_deletion_has_no_graph() -> None:
    """FEED-05, FEED-08: a deletion says its type, its object and when, and nothing else."""
    body = b'{"@id":"https://a.example/1","@type":"Delete","object":"https://a.example/x","generatedAtTime":"2026-11-23T12:00:00.000Z","sequence":1}'
    lines = WRITER.ntriples(body, scope="x").splitlines()
    assert len(lines) == 3
    assert b"{" not in WRITER.turtle(body)
