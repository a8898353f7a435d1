"""Versions: what members say they do to their entity, when an absence is a deletion, and what belongs together."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.deciding import LARGEST_TRANSACTION, Batch, _tie
from ingest.memory import Memory
from ingest.normalise import Outcome, normalise
from ingest.source import Gone, Publish, Source
from streams.record import Entry, Member, Reason
from tests.unit.ingest.workbench import GARAGES, RECEIVED, entry, mapper_of, pilot, reasons, run
from vocab.check import validate
from vocab.model import load_model
from vocab.versions import payload_of

PARKING = load_model("parking")
SNAPSHOTS = Publish(changed=True, heartbeat=timedelta(minutes=15), operations=True, absent=True, transaction=True)
SOURCE = replace(pilot(GARAGES), publish=SNAPSHOTS)
MAPPER = mapper_of(SOURCE)
# Entity → minute past ten and free spaces.
State = dict[str, tuple[int, int]]


def snapshot(state: State, *more: dict[str, Any]) -> bytes:
    """Make a document of what is there."""
    items = [
        {"id": name, "lastupdate": f"2026-11-01T09:{minute:02}:00Z", "availablecapacity": free}
        for name, (minute, free) in state.items()
    ]
    return json.dumps({"results": [*items, *more]}).encode()


def said(outcome: Outcome) -> list[tuple[str, str, str]]:
    """Return what every member does, to what, as of when."""
    bodies = [json.loads(member.body) for member in outcome.members]
    return [(body["operation"], body["isVersionOf"].rsplit("/", 1)[1], body["observedAt"][14:-1]) for body in bodies]


def snapshots(*documents: bytes, source: Source = SOURCE, memory: Memory | None = None) -> Outcome:
    """Normalise documents that came a minute apart."""
    return run(source, *documents, memory=memory)


def test_the_first_version_creates_and_the_next_updates() -> None:
    """A thing that was not there is created, one that was is updated, and what says nothing new says nothing."""
    outcome = snapshots(
        snapshot({"a": (0, 5)}), snapshot({"a": (1, 6), "b": (1, 1)}), snapshot({"a": (2, 6)} | {"b": (2, 1)})
    )
    assert said(outcome) == [("Create", "a", "00:00.000"), ("Update", "a", "01:00.000"), ("Create", "b", "01:00.000")]


def test_what_a_snapshot_lacks_is_deleted_once() -> None:
    """A thing that is gone gets one deletion, as of the time of the snapshot, valid under the shape, without payload."""
    outcome = snapshots(snapshot({"a": (0, 5), "b": (0, 1)}), *[snapshot({"a": (2, 6)})] * 3)
    assert said(outcome)[2:] == [("Update", "a", "02:00.000"), ("Delete", "b", "02:00.000")]
    tombstone = outcome.members[-1]
    assert tombstone.id == "gent-parking/members/b/20261101T090200Z-deleted"
    assert (tombstone.entity, tombstone.point) == (outcome.members[1].entity, None)
    assert validate(PARKING, [tombstone.body]) == []
    assert payload_of(json.loads(tombstone.body), PARKING) == []
    assert outcome.items == 2 + 1 + 1 + 1 + 1


def test_what_comes_back_is_created_anew() -> None:
    """A thing that is there again is created, and deleted again when it is gone again: never a name used twice."""
    there, gone = {"a": (0, 5), "b": (0, 1)}, {"a": (2, 5)}
    back, again = {"a": (4, 5), "b": (4, 1)}, {"a": (6, 5)}
    outcome = snapshots(*map(snapshot, (there, gone, back, again)))
    assert [each[:2] for each in said(outcome) if each[1] == "b"] == [("Create", "b"), ("Delete", "b")] * 2
    assert len({member.id for member in outcome.members}) == len(outcome.members)


def test_what_comes_back_with_an_old_time_is_newer_than_its_deletion() -> None:
    """A thing that was left out for a moment and never changed is there again, behind its deletion in time."""
    there, gone = {"a": (0, 5), "b": (0, 1)}, {"a": (2, 5)}
    outcome = snapshots(*map(snapshot, (there, gone, {"a": (2, 5), "b": (0, 1)}, {"a": (4, 5), "b": (4, 2)})))
    assert [each for each in said(outcome) if each[1] == "b"] == [
        ("Create", "b", "00:00.000"),
        ("Delete", "b", "02:00.000"),
        ("Create", "b", "02:00.001"),
        ("Update", "b", "04:00.000"),
    ]


def test_an_old_document_deletes_and_brings_back_nothing() -> None:
    """A publisher that serves an older document again neither takes away what is new in the newer one nor undoes it."""
    old = snapshot({"a": (0, 5), "gone": (0, 1)})
    new = snapshot({"a": (2, 5), "new": (2, 1)})
    outcome = snapshots(old, new, old, new)
    assert [each[:2] for each in said(outcome)] == [
        ("Create", "a"),
        ("Create", "gone"),
        ("Create", "new"),
        ("Delete", "gone"),
    ]


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        (snapshot({}), Reason.ABSENT),
        (snapshot({"a": (2, 5)}), Reason.ABSENT),
        (snapshot({"a": (2, 5), "b": (2, 5)})[:-3], Reason.MALFORMED),
        (b"<html>busy</html>", Reason.MALFORMED),
        (b'{"elsewhere": []}', Reason.STRUCTURE),
        (snapshot({"a": (2, 5), "b": (2, 1)}, {"lastupdate": "2026-11-01T09:02:00Z"}), Reason.ABSENT),
    ],
)
def test_a_broken_snapshot_deletes_nothing(document: bytes, reason: Reason) -> None:
    """An empty, cut off, strange or mostly missing payload is refused as such, and the next good one counts again."""
    there = {"a": (0, 5), "b": (0, 1), "c": (0, 2)}
    outcome = snapshots(snapshot(there), document)
    assert not [each for each in said(outcome) if each[0] == "Delete"]
    assert reason in reasons(outcome)
    later = snapshots(snapshot({"a": (4, 5), "b": (4, 2)}), memory=outcome.memory)
    assert [each[:2] for each in said(later) if each[0] == "Delete"] == [("Delete", "c")]


def test_a_refused_item_is_there() -> None:
    """What is wrong with an item does not make its thing absent."""
    there = {"a": (0, 5), "b": (0, 1)}
    full = {"id": "b", "lastupdate": "2026-11-01T09:02:00Z", "availablecapacity": "full"}
    outcome = snapshots(snapshot(there), snapshot({"a": (2, 5)}, full), snapshot({"a": (4, 5)}, {"id": "b"}))
    assert [each[0] for each in said(outcome)] == ["Create", "Create"]
    assert reasons(outcome) == [Reason.TYPE, Reason.MISSING]


def test_an_item_can_say_that_its_thing_is_gone() -> None:
    """`deleted` reads it in the item, which needs nothing else; what was never there is not deleted."""
    said_gone = replace(SOURCE, publish=Publish(operations=True, gone=Gone(path="state", values=("closed", "true"))))
    closed = {"id": "b", "lastupdate": "2026-11-01T09:02:00Z", "state": "closed"}
    outcome = snapshots(
        snapshot({"a": (0, 5), "b": (0, 1)}),
        snapshot({}, closed, closed, {**closed, "id": "never"}, {**closed, "id": "a", "state": True}),
        snapshot({"b": (3, 4)}),
        source=said_gone,
    )
    assert said(outcome)[2:] == [
        ("Delete", "b", "02:00.000"),
        ("Delete", "a", "02:00.000"),
        ("Create", "b", "03:00.000"),
    ]
    assert outcome.unchanged == 2


def test_sources_that_ask_for_nothing_stay_as_they_are() -> None:
    """Without the words no member says what it does or belongs to, and nothing is deleted."""
    silent = replace(SOURCE, publish=Publish(changed=True))
    outcome = snapshots(snapshot({"a": (0, 5), "b": (0, 1)}), snapshot({"a": (2, 6)}), source=silent)
    assert len(outcome.members) == 3
    assert all(b"operation" not in member.body and not member.transaction for member in outcome.members)


def test_the_members_of_a_payload_belong_together() -> None:
    """One transaction per payload that has members, named after the source and the receipt; the last one closes it."""
    outcome = snapshots(
        snapshot({"a": (0, 5), "b": (0, 1), "c": (0, 1)}),
        snapshot({"a": (0, 5), "b": (0, 1), "c": (0, 1)}),
        snapshot({"a": (4, 6), "b": (2, 1)}),
        snapshot({"a": (3, 7), "b": (6, 2)}),
    )
    found = [(member.transaction.rsplit("/", 1)[-1], member.closes) for member in outcome.members]
    first, third, fourth = (f"20261101T090{2 + number}00Z-{number}" for number in (0, 2, 3))
    assert found == [
        (first, False),
        (first, False),
        (first, True),
        (third, False),
        (third, True),
        ("", False),
        (fourth, True),
    ]
    assert said(outcome)[-2:] == [("Update", "a", "03:00.000"), ("Update", "b", "06:00.000")]
    assert all(member.transaction.startswith("gent-garages/") for member in outcome.members if member.transaction)


def test_more_than_the_writer_keeps_belongs_to_nothing() -> None:
    """A payload of more members than a transaction may have is published without one."""
    batch = Batch(mapper=MAPPER, seen={}, take=lambda *_: None)
    made = snapshots(snapshot({"a": (0, 5)})).members[0]
    bare = made._replace(transaction="", closes=False)
    batch.members.extend([bare] * (LARGEST_TRANSACTION + 1))
    _tie(batch, "t", 0)
    assert not any(member.transaction for member in batch.members)
    _tie(batch, "t", 1)
    assert [member.closes for member in batch.members[1:]].index(True) == LARGEST_TRANSACTION - 1


def test_members_travel_with_what_they_belong_to() -> None:
    """A member comes out of its record as it went in, transaction included."""
    for member in snapshots(snapshot({"a": (0, 5), "b": (0, 5)})).members:
        assert Member.from_record(member.to_record()) == member


STATES = st.dictionaries(st.sampled_from("abcde"), st.tuples(st.integers(0, 9), st.integers(0, 3)), max_size=5)


def entries_of(states: list[State]) -> list[Entry]:
    """Make the raw entries of snapshots."""
    return [
        entry(snapshot(state), offset=number, received=RECEIVED + timedelta(minutes=number, milliseconds=1))
        for number, state in enumerate(states)
    ]


@given(st.lists(STATES, max_size=8), st.integers(0, 8))
def test_however_cut_the_members_are_the_same(states: list[State], cut: int) -> None:
    """Stopped and started again anywhere, with the memory packed in between, the members are the very same."""
    entries = entries_of(states)
    whole = normalise(entries, MAPPER, Memory())
    first = normalise(entries[:cut], MAPPER, Memory())
    memory = Memory.from_bytes(first.memory.to_bytes())
    second = normalise(entries[cut:], MAPPER, memory)
    assert [*first.members, *second.members] == whole.members
    assert second.memory == whole.memory
    assert whole.items == len(whole.members) + whole.unchanged + len(whole.rejections)


@given(st.lists(STATES, max_size=8))
def test_the_ledger_of_operations_holds(states: list[State]) -> None:
    """In the order of versions no thing is created while it is there, or updated or deleted while it is not; and every
    transaction is closed once, by its last member.
    """
    outcome = normalise(entries_of(states), MAPPER, Memory())
    there: dict[str, bool] = {}
    newest: dict[str, Any] = {}
    for member in outcome.members:
        operation = json.loads(member.body)["operation"]
        if member.entity in newest and member.observed_at < newest[member.entity]:
            continue  # a late word, which is no news
        newest[member.entity] = member.observed_at
        assert there.get(member.entity, False) == (operation != "Create"), operation
        there[member.entity] = operation != "Delete"
    tied = [member for member in outcome.members if member.transaction]
    for name in {member.transaction for member in tied}:
        closing = [member.closes for member in tied if member.transaction == name]
        assert closing == [False] * (len(closing) - 1) + [True]
