"""The ledger by itself: distinct items once, doubtful transfers apart, and a bound for who gave no file."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from testbed.simulator.formats import Expected, Fragment, Item
from testbed.simulator.ledger import Ledger, Told


def fragment(entity: str, minute: int, *, expected: Expected = Expected.MEMBER) -> Fragment:
    """Make an item of one minute."""
    at = datetime(2026, 1, 1, 0, minute, tzinfo=UTC)
    return Fragment(item=Item(entity=entity, observed_at=at, values={"n": 1}), body=b"x", expected=expected)


def told(*fragments: Fragment) -> Told:
    """Make a body of some items."""
    return Told(source="demo", etag="e", size=10, fragments=fragments)


@contextmanager
def opened(path: Path | None = None, **bounds: int) -> Iterator[Ledger]:
    """Open a ledger."""
    with closing(Ledger(path, **bounds)) as ledger:
        yield ledger


def kinds(ledger: Ledger) -> list[str]:
    """List the kinds of its lines."""
    return [line["kind"] for line in lines(ledger)]


def lines(ledger: Ledger) -> list[dict[str, Any]]:
    """Read its lines."""
    return [json.loads(line) for piece in ledger.lines() for line in piece.splitlines()]


def test_an_item_is_listed_once_however_often_it_is_told() -> None:
    """The same item in the same body, in another, and beside others is one line; a spoiled twin is another."""
    with opened() as ledger:
        ledger.add(told(fragment("a", 1), fragment("a", 1)), complete=True)
        ledger.add(told(fragment("a", 1), fragment("a", 2), fragment("b", 1)), complete=True)
        ledger.add(told(fragment("a", 1, expected=Expected.REJECTION)), complete=True)
        assert kinds(ledger) == ["body", "item", "body", "item", "item", "body", "item"]
        assert [line["items"] for line in lines(ledger) if line["kind"] == "body"] == [2, 3, 1]


def test_a_broken_transfer_tells_nothing() -> None:
    """Items of a body that was not handed over whole are listed when a later one tells them."""
    with opened() as ledger:
        ledger.add(told(fragment("a", 1)), complete=False)
        assert kinds(ledger) == ["body"]
        ledger.add(told(fragment("a", 1)), complete=True)
        assert kinds(ledger) == ["body", "body", "item"]


def test_a_ledger_without_a_file_begins_anew_when_it_is_full(tmp_path: Path) -> None:
    """Its size is bounded and the cut is said; a ledger with a file keeps everything."""
    with opened(kept_bytes=2000) as bounded, opened(tmp_path / "ledger", kept_bytes=2000) as whole:
        for minute in range(50):
            bounded.add(told(fragment("a", minute)), complete=True)
            whole.add(told(fragment("a", minute)), complete=True)
        assert lines(bounded)[0]["kind"] == "cut"
        assert sum(map(len, bounded.lines())) < 3000
        assert kinds(whole).count("item") == 50


def test_reading_in_pieces_while_it_grows_gives_whole_lines() -> None:
    """A reader gets what was there when it began, though writers append meanwhile."""
    with opened() as ledger:
        for minute in range(60):
            ledger.add(told(*(fragment(str(number), minute) for number in range(20))), complete=True)
        read = 0
        for piece in ledger.lines():
            read += sum(1 for line in piece.splitlines() if json.loads(line)["kind"] == "item")
            ledger.add(told(fragment("late", read % 60)), complete=True)
        assert 1200 <= read < 1300
