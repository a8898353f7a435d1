"""The ledger of a load run: each item that was sent is published once, or is counted as what went wrong with it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from ingest.mapping import compile_mapping
from ingest.memory import Memory
from ingest.normalise import normalise
from loadtests.ledger import Ledger
from loadtests.publisher import payload, stamped, write_pilot
from smartflanders.pilots import load_plan
from streams.record import Entry, Member, Payload
from vocab.model import load_model

NOON = datetime(2026, 11, 28, 12, tzinfo=UTC)


def members(folder: Path, *, items: int) -> list[Member]:
    """Make the members of a payload of source 1 with the platform's own mapping."""
    write_pilot(folder, sources=2)
    source = load_plan([folder]).sources[1]
    mapper = compile_mapping(source, load_model(source.model), base_url="https://data.example.org")
    heard = Payload(
        source=source.name,
        received_at=NOON,
        media_type="application/json",
        body=stamped(payload(1, items), NOON),
    )
    return list(normalise([Entry(0, NOON, heard.to_record())], mapper, Memory()).members)


def test_members_of_the_platform_balance_what_was_sent(tmp_path: Path) -> None:
    """The entities and times that the real mapping makes tick off every item of the payload."""
    ledger = Ledger({(1, NOON): 30})
    ledger.see((member.entity, member.observed_at) for member in members(tmp_path, items=30))
    balance = ledger.balance()
    assert (balance.sent, balance.lost, balance.doubled, balance.strange, balance.wrong) == (30, 0, 0, 0, 0)


def test_what_is_missing_doubled_or_strange_is_counted(tmp_path: Path) -> None:
    """One left out, one twice, one of a source, a time or a number that was not sent: each is counted for what it is."""
    made = [(member.entity, member.observed_at) for member in members(tmp_path, items=10)]
    ledger = Ledger({(1, NOON): 10, (0, NOON): 5})
    ledger.see([*made[1:], made[4]])
    ledger.see([(made[0][0], NOON + timedelta(seconds=1)), ("https://data.example.org/other", NOON)])
    ledger.see([(made[0][0].replace("p1-0", "p1-10"), NOON), (made[0][0].replace("p1-0", "p7-0"), NOON)])
    balance = ledger.balance()
    assert (balance.sent, balance.lost, balance.doubled, balance.strange) == (15, 6, 1, 4)
    assert balance.wrong == 11
    assert balance.told() == "15 sent, 6 lost, 1 doubled, 4 that nobody sent"
