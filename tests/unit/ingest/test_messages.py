"""What came with a document: topic, key and properties reach the bindings, and nothing of it is lost on the way."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ingest.memory import Memory
from ingest.normalise import Outcome, normalise
from ingest.source import Source
from streams.record import Entry, Payload, Reason
from tests.unit.ingest.workbench import RECEIVED, changed, mapper_of, reasons

BIND: dict[str, Any] = {
    "entity": "$message.levels[1]",
    "observed_at": ["at", "$message.timestamp"],
    "operator": "$message.user.operator",
    "free_spaces": "free",
    **dict.fromkeys(("facility_type", "name", "description", "total_spaces", "occupancy", "open_now", "url"), None),
    **dict.fromkeys(("temporarily_closed", "opening_times", "point"), None),
}


def source(tmp_path: Path, **changes: Any) -> Source:
    """Take the car parks of Gent, one document a car park, named by the topic."""
    bind = {**BIND, **changes.pop("bind", {})}
    return changed(tmp_path, each="$", bind=bind, publish={"when": "always"}, **changes)


def run(source: Source, *payloads: tuple[bytes, dict[str, Any]]) -> Outcome:
    """Normalise payloads that came by themselves, out of the records of a log."""
    entries = [
        Entry(
            number,
            RECEIVED,
            Payload(
                source="s", received_at=RECEIVED, media_type="application/json", body=body, message=message
            ).to_record(),
        )
        for number, (body, message) in enumerate(payloads)
    ]
    outcome = normalise(entries, mapper_of(source), Memory())
    assert outcome.items == len(outcome.members) + outcome.unchanged + len(outcome.rejections)
    return outcome


def test_topic_and_properties_reach_the_bindings(tmp_path: Path) -> None:
    """A level of the topic names the entity, a property of the user the operator, and the body gives the values."""
    message = {"topic": "city/p7/state", "user": {"operator": "Stad"}}
    (member,) = run(source(tmp_path), (b'{"free": 4, "at": "2026-11-01T10:00:00+01:00"}', message)).members
    body = json.loads(member.body)
    assert member.entity.endswith("/p7")
    assert (body["freeSpaces"], body["observedAt"]) == (4, "2026-11-01T09:00:00.000Z")
    assert "Stad" in member.body.decode()


def test_a_plain_number_is_a_value(tmp_path: Path) -> None:
    """A message that is nothing but a number is bound as `value`."""
    bind = {"free_spaces": "value", "operator": None}
    message = {"topic": "city/p7", "timestamp": "2026-11-01T09:00:00Z"}
    (member,) = run(source(tmp_path, bind=bind), (b"12", message)).members
    assert json.loads(member.body)["freeSpaces"] == 12


def test_each_message_has_its_own_surroundings(tmp_path: Path) -> None:
    """Messages that are normalised together keep their topics apart; what a body calls `$message` is nobody's topic."""
    said = b'{"free": 4, "at": "2026-11-01T10:00:00+01:00", "$message": {"topic": "city/forged"}}'
    found = run(source(tmp_path), (said, {"topic": "city/p1"}), (said, {"topic": "city/p2"})).members
    assert [each.entity.rpartition("/")[2] for each in found] == ["p1", "p2"]


def test_only_some_topics_are_items_of_a_source(tmp_path: Path) -> None:
    """What is no item of this source can be told by what came around it, too."""
    only = {"from": "$message.levels[0]", "equals": "city"}
    said = b'{"free": 4, "at": "2026-11-01T10:00:00+01:00"}'
    found = run(source(tmp_path, only=only), (said, {"topic": "city/p1"}), (said, {"topic": "province/p2"}))
    assert (found.items, [each.entity.rpartition("/")[2] for each in found.members]) == (1, ["p1"])


def test_rows_of_different_messages_keep_their_topics_apart(tmp_path: Path) -> None:
    """A table has no root of its own; what came with one message is not there for the next."""
    said = b"free,at\n4,2026-11-01T10:00:00+01:00\n"
    wanted = changed(tmp_path, each="[*]", format="csv", bind=BIND, publish={"when": "always"})
    found = run(wanted, (said, {"topic": "city/p1"}), (said, {"topic": "city/p2"}), (said, {}))
    assert [each.entity.rpartition("/")[2] for each in found.members] == ["p1", "p2"]
    assert [each.path for each in found.rejections] == ["$message.levels[1]"]


def test_without_its_topic_a_document_is_refused(tmp_path: Path) -> None:
    """A document that did not come as a message has no topic to name its entity: refused, with the path that is empty."""
    outcome = run(source(tmp_path), (b'{"free": 4, "at": "2026-11-01T10:00:00+01:00"}', {}))
    assert reasons(outcome) == [Reason.MISSING]
    assert outcome.rejections[0].path == "$message.levels[1]"


def test_lists_inside_messages_work_as_elsewhere(tmp_path: Path) -> None:
    """A notification with several entities gives an item each, all with what came around it."""
    bind = {"entity": "id", "operator": "$message.headers.fiware-service"}
    found = source(tmp_path, bind=bind)
    found = changed(tmp_path, each="data[*]", bind={**_written(tmp_path)["bind"]}, publish={"when": "always"})
    body = json.dumps({"data": [{"id": f"p{n}", "free": n, "at": "2026-11-01T10:00:00Z"} for n in range(3)]}).encode()
    members = run(found, (body, {"headers": {"fiware-service": "gent"}})).members
    assert [json.loads(each.body)["freeSpaces"] for each in members] == [0, 1, 2]
    assert all(b"gent" in each.body for each in members)


def _written(tmp_path: Path) -> dict[str, Any]:
    import yaml  # noqa: PLC0415 - one test reads the file that it wrote

    found: dict[str, Any] = yaml.safe_load((tmp_path / "source.yaml").read_text("utf-8"))
    return found


def test_a_tombstone_deletes_where_the_file_says_so(tmp_path: Path) -> None:
    """A key without value is one item without values: a deletion by `publish: deleted`, otherwise a refusal."""
    message = {"topic": "t", "key": "p1", "timestamp": "2026-11-01T09:00:00Z", "tombstone": True}
    bind = {"entity": "$message.key", "operator": None}
    refused = run(source(tmp_path, bind=bind), (b"", message))
    assert reasons(refused) == [Reason.MISSING]
    deleting = changed(
        tmp_path,
        each="$",
        bind=_written(tmp_path)["bind"],
        publish={"deleted": {"from": "$message.tombstone", "equals": ["true"]}},
    )
    alive = (b'{"free": 4, "at": "2026-11-01T08:59:00Z"}', {"topic": "t", "key": "p1"})
    first, last = run(deleting, alive, (b"", message)).members
    assert b"Delete" not in first.body
    assert b"Delete" in last.body
    assert first.entity == last.entity


def test_a_message_that_was_cut_is_one_refusal(tmp_path: Path) -> None:
    """Of a message over the limit the beginning is kept, and the refusal says how long it was."""
    outcome = run(source(tmp_path), (b'{"free": 4, "at', {"topic": "city/p1", "size": 90_000_000}))
    assert reasons(outcome) == [Reason.FORBIDDEN]
    assert "90000000 bytes" in outcome.rejections[0].detail


@pytest.mark.parametrize("body", [b"", b"{", b"<html>"])
def test_bad_bodies_are_refused_as_elsewhere(tmp_path: Path, body: bytes) -> None:
    """An empty, a broken and an HTML message are one rejection each."""
    assert reasons(run(source(tmp_path), (body, {"topic": "city/p1"}))) == [Reason.MALFORMED]
