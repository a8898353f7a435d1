"""Transactions: published whole, closed once, by the last member there is, whatever was appended twice or never."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from ldes_server.gathering import PATIENCE, Gathering
from ldes_server.model import Head, Published
from ldes_server.writer import claimed, place
from streams.record import Entry
from tests.unit.ldes_server.test_writer import NOON, STREAM, entry, member

TIED = replace(STREAM, transactions=True, page_size=50)
# A member's key, its transaction ("" for none), and whether it is the last one.
Said = tuple[str, str, bool]


def log(said: Iterable[Said], *, seconds: float = 0) -> list[Entry]:
    """Make a topic of members, so many seconds apart."""
    return [
        entry(offset, member(key, transaction=name, closes=closes), NOON + timedelta(seconds=offset * seconds))
        for offset, (key, name, closes) in enumerate(said)
    ]


class Sink:
    """Publishes as the writer does, and can be stopped and begun again at the position it saved."""

    def __init__(self) -> None:
        self.head = Head()
        self.members: list[Published] = []

    def run(self, entries: Sequence[Entry], sizes: Iterable[int]) -> None:
        """Read on behind the position in batches of these sizes."""
        gathering, at = Gathering(), self.head.position + 1
        for size in sizes:
            if not (batch := entries[at : at + size]):
                return
            at += size
            gathered = gathering.add(batch)
            if gathered.ready:
                known = claimed(gathered.ready) & {each.id for each in self.members}
                placed = place(gathered.ready, TIED, head=self.head, known=known, position=gathered.position)
                self.head = placed.head
                self.members += placed.members

    def told(self) -> list[Said]:
        """Return what is published, as it was said."""
        bodies = [json.loads(each.body) for each in self.members]
        return [
            (body["@id"].rsplit("/", 1)[1], body.get("transaction", ""), body.get("transactionFinal", False))
            for body in bodies
        ]


def publish(said: Iterable[Said], *, size: int = 100) -> list[Said]:
    """Publish a topic in batches of a size and return what was told."""
    sink = Sink()
    sink.run(log(said), [size] * 100)
    return sink.told()


def test_a_transaction_is_published_in_one_piece() -> None:
    """Members of others in between do not part it, and a batch that ends inside it waits for the rest."""
    said: list[Said] = [("a", "t", False), ("x", "", False), ("b", "t", False), ("y", "u", True), ("c", "t", True)]
    together: list[Said] = [("a", "t", False), ("b", "t", False), ("c", "t", True)]
    assert publish(said) == [("x", "", False), ("y", "u", True), *together]
    assert publish(said, size=1) == [("x", "", False), ("y", "u", True), *together]


def test_what_is_not_closed_yet_is_read_again() -> None:
    """The position stays before what is held back, so a writer that begins anew finds it, and doubles nothing."""
    said: list[Said] = [("x", "", False), ("a", "t", False), ("y", "", False), ("b", "t", True), ("z", "", False)]
    sink = Sink()
    sink.run(log(said), [3])
    assert (sink.head.position, sink.told()) == (0, [("x", "", False), ("y", "", False)])
    sink.run(log(said), [9])
    assert sink.head.position == 4
    assert sink.told()[2:] == [("a", "t", False), ("b", "t", True), ("z", "", False)]


def test_a_transaction_that_was_appended_in_part_is_closed_by_its_repetition() -> None:
    """A normaliser that was killed appends it all again: it is published once, closed by its last member."""
    whole: list[Said] = [("a", "t", False), ("b", "t", False), ("c", "t", True)]
    assert publish([*whole[:2], *whole]) == whole
    assert publish([*whole, *whole]) == whole


def test_the_last_new_member_closes() -> None:
    """Where the last member is one that the batch has already, the one before it closes the transaction."""
    assert publish([("a", "t", False), ("b", "t", False), ("a", "t", True)]) == [("a", "t", False), ("b", "t", True)]


def test_what_is_left_of_a_transaction_is_none() -> None:
    """Where something of it was published before, the transaction may have been closed: the rest says nothing of it."""
    sink = Sink()
    sink.run(log([("a", "", False), ("a", "t", False), ("b", "t", True)]), [1, 9])
    assert sink.told() == [("a", "", False), ("b", "", False)]


def test_one_that_nobody_closes_is_let_go() -> None:
    """After ten minutes of the log's time its members are published as if they belonged to nothing."""
    said: list[Said] = [("a", "t", False), ("b", "t", False), *[(str(n), "", False) for n in range(4)]]
    sink = Sink()
    sink.run(log(said, seconds=PATIENCE.total_seconds() / 4), [6])
    assert [each for each in sink.told() if each[0] in "ab"] == [("a", "", False), ("b", "", False)]
    assert sink.head.position == 5
    late: list[Said] = [*said, ("a", "t", False), ("b", "t", False), ("c", "t", True)]
    sink.run(log(late), [9])
    assert sink.told()[-1] == ("c", "", False)


def test_more_than_can_be_kept_is_let_go() -> None:
    """Too many members of open transactions are published as they are."""
    gathering = Gathering(most=2)
    gathered = gathering.add(log([("a", "t", False), ("b", "u", False), ("c", "u", False)]))
    assert [json.loads(each.record.value)["@id"][-1] for each in gathered.ready] == ["a"]
    assert gathered.position == 0


def test_streams_without_transactions_say_nothing() -> None:
    """A stream that does not declare them publishes members as they are."""
    entries = log([("a", "t", False), ("b", "t", True)])
    assert all(b"transaction" not in each.body for each in place(entries, STREAM, head=Head(), known=()).members)


@st.composite
def topics(draw: st.DrawFn) -> list[Said]:
    """Draw what several normalisers append: transactions whole or, when they were killed, in part and then whole."""
    queues: list[list[Said]] = []
    for source in range(draw(st.integers(1, 3))):
        queue: list[Said] = []
        for number in range(draw(st.integers(1, 3))):
            keys = [f"{source}.{number}.{n}" for n in range(draw(st.integers(1, 4)))]
            whole: list[Said] = [(key, f"{source}.{number}", key == keys[-1]) for key in keys]
            for killed in draw(st.lists(st.integers(0, len(whole)), max_size=2)):
                queue += whole[:killed]
            queue += whole
        queues.append(queue)
    found: list[Said] = []
    while queues:
        queue = queues[draw(st.integers(0, len(queues) - 1))]
        found.append(queue.pop(0))
        queues = [each for each in queues if each]
    return found


@given(topics(), st.lists(st.lists(st.integers(1, 5), min_size=1, max_size=4), max_size=4))
def test_every_transaction_is_closed_once(said: list[Said], runs: list[list[int]]) -> None:
    """However appends are cut and repeated, and writers stopped, each member is published once and each transaction
    closed by its last one (LDES-48, LDES-49, LDES-50).
    """
    sink, entries = Sink(), log(said)
    for sizes in (*runs, [1000]):
        sink.run(entries, sizes)
    told = sink.told()
    assert {key for key, _, _ in told} == {key for key, _, _ in said}
    assert len({key for key, _, _ in told}) == len(told)
    assert sink.head.position == len(entries) - 1
    for name in {name for _, name, _ in told if name}:
        places = [place for place, (_, tied, _) in enumerate(told) if tied == name]
        assert places == list(range(places[0], places[-1] + 1))
        assert [told[place][2] for place in places] == [False] * (len(places) - 1) + [True]
    assert {name for _, name, _ in told} == {name for _, name, _ in said}
