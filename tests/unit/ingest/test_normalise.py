"""Normalise: what is news, what is unchanged, what is a revision, and that nothing vanishes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.memory import LIMIT, Memory, Seen, bounded
from ingest.normalise import normalise
from ingest.source import Publish, Source
from streams.record import Reason, Record
from tests.unit.ingest.workbench import GARAGES, TRAFFIC, document, entry, mapper_of, pilot, reasons, run

ALWAYS = Publish()


def garages(*states: tuple[str, int], key: str = "https://stad.gent/p1") -> bytes:
    """Make a document with one item per (minute past ten, free spaces)."""
    items = [
        {"id": key, "lastupdate": f"2026-11-01T10:{minute}:00+01:00", "availablecapacity": free}
        for minute, free in states
    ]
    return json.dumps({"results": items}).encode()


def source(publish: Publish | None = None) -> Source:
    """Load the garages, with another publishing rule if given."""
    found = pilot(GARAGES)
    return Source(**{**{name: getattr(found, name) for name in Source.__slots__}, "publish": publish or found.publish})


def said(outcome: Any) -> list[tuple[str, int]]:
    """Return minute and free spaces of every member."""
    bodies = [json.loads(member.body) for member in outcome.members]
    return [(body["observedAt"][14:16], body["freeSpaces"]) for body in bodies]


def test_the_same_again_is_unchanged_even_when_all_is_published() -> None:
    """A snapshot sent twice gives its members once."""
    outcome = run(source(ALWAYS), garages(("00", 5)), garages(("00", 5)))
    assert said(outcome) == [("00", 5)]
    assert outcome.unchanged == 1


def test_always_publishes_every_new_time() -> None:
    """With `always` the same content at another time is a member."""
    assert said(run(source(ALWAYS), garages(("00", 5), ("01", 5)))) == [("00", 5), ("01", 5)]


def test_changed_publishes_news_and_heartbeats() -> None:
    """With `changed` the same content is unchanged until 15 minutes of observed time have passed."""
    outcome = run(source(), garages(("00", 5), ("05", 5), ("10", 6), ("24", 6), ("25", 6), ("26", 6)))
    assert said(outcome) == [("00", 5), ("10", 6), ("25", 6)]
    assert outcome.unchanged == 3


def test_other_content_at_the_same_time_is_a_revision() -> None:
    """A correction gets an id of its own and names the member it corrects, correction after correction."""
    outcome = run(source(), garages(("00", 5)), garages(("00", 6)), garages(("00", 7)))
    first, second, third = outcome.members
    assert second.id.startswith(f"{first.id}-")
    assert json.loads(second.body)["revisionOf"] == json.loads(first.body)["@id"]
    assert json.loads(third.body)["revisionOf"] == json.loads(second.body)["@id"]
    assert len({member.id for member in outcome.members}) == 3


def test_a_correction_of_what_was_never_published_is_a_first_member() -> None:
    """When the corrected item was unchanged and unpublished, its correction corrects nothing."""
    outcome = run(source(), garages(("00", 5), ("01", 5)), garages(("01", 6)))
    assert said(outcome) == [("00", 5), ("01", 6)]
    assert "revisionOf" not in json.loads(outcome.members[1].body)


def test_late_items_are_published_under_their_own_time() -> None:
    """An older item is a member and leaves the memory of the newer one as it is."""
    outcome = run(source(), garages(("10", 5)), garages(("05", 4)), garages(("10", 5)))
    assert said(outcome) == [("10", 5), ("05", 4)]
    assert outcome.unchanged == 1


def test_the_same_payloads_again_give_nothing_new() -> None:
    """A second run over the newest payloads yields no member, and a rerun from the start the very same ones."""
    body = document("garages.json")
    first = run(source(), body)
    assert run(source(), body, memory=first.memory).members == []
    assert run(source(), body) == first


def test_duplicates_in_one_document_are_unchanged() -> None:
    """An item that stands twice in a document is one member."""
    outcome = run(source(), garages(("00", 5), ("00", 5)))
    assert (len(outcome.members), outcome.unchanged) == (1, 1)


def test_a_broken_document_counts_as_one_rejection() -> None:
    """Whole items before the break are members, the break is a rejection with its offset."""
    outcome = run(source(), garages(("00", 5), ("01", 6))[:-4])
    assert (len(outcome.members), reasons(outcome)) == (1, [Reason.MALFORMED])


def test_a_record_that_is_no_payload_is_a_fault() -> None:
    """What somebody else wrote into the raw topic is kept as a fault."""
    strange = entry(b"[]")
    strange = type(strange)(offset=0, at=strange.at, record=Record(key=b"x", value=b"y"))
    outcome = normalise([strange], mapper_of(source()), Memory())
    assert (outcome.items, reasons(outcome)) == (1, [Reason.FAULT])


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=5), children, max_size=3),
    max_leaves=8,
)
MAPPER = mapper_of(pilot(GARAGES))
TRAFFIC_MAPPER = mapper_of(pilot(TRAFFIC))


@given(st.lists(st.dictionaries(st.sampled_from(["id", "lastupdate", "availablecapacity", "location", "type"]), JSON)))
def test_garbage_is_accounted_for(items: list[dict[str, Any]]) -> None:
    """Whatever stands in the fields, every item is a member, unchanged or a rejection that is no fault of ours."""
    body = json.dumps({"results": items}).encode()
    outcome = normalise([entry(body)], MAPPER, Memory())
    assert outcome.items == len(outcome.members) + outcome.unchanged + len(outcome.rejections)
    assert Reason.FAULT not in reasons(outcome)


@given(st.integers(0, 2200), st.binary(max_size=40))
def test_damaged_documents_are_accounted_for(at: int, noise: bytes) -> None:
    """Bytes changed anywhere in an XML document never stop the normaliser, and the sum holds."""
    body = document("miv-verkeersdata.xml")
    damaged = body[:at] + noise + body[at + len(noise) :]
    outcome = normalise([entry(damaged, media_type="text/xml")], TRAFFIC_MAPPER, Memory(), tables={"lane": {"7": {}}})
    assert outcome.items == len(outcome.members) + outcome.unchanged + len(outcome.rejections)
    assert Reason.FAULT not in reasons(outcome)


SEEN = st.builds(
    Seen, st.integers(-(2**62), 2**62), st.binary(min_size=8, max_size=8), st.integers(-(2**62), 2**62), st.booleans()
)


@given(st.dictionaries(st.text(max_size=50), SEEN))
def test_memory_survives_packing(seen: dict[str, Seen]) -> None:
    """What is packed unpacks to the same."""
    assert Memory.from_bytes(Memory(seen=seen).to_bytes()) == Memory(seen=seen)


@pytest.mark.parametrize(
    "packed", [b"", b"x", b"sfm1\x00", Memory(seen={"a" * 9: Seen(1, b"8" * 8, 1, revised=False)}).to_bytes()[:-1]]
)
def test_damaged_memory_is_refused(packed: bytes) -> None:
    """Bytes that are no memory, or half of one, are refused."""
    with pytest.raises(ValueError, match="memory"):
        Memory.from_bytes(packed)


def test_memory_is_bounded() -> None:
    """Above the limit the entities observed longest ago are forgotten, a tenth at a time."""
    seen = {str(number): Seen(number, b"8" * 8, number, revised=False) for number in range(LIMIT + 1)}
    kept = bounded(seen)
    assert len(kept) == LIMIT * 9 // 10
    assert str(LIMIT) in kept
