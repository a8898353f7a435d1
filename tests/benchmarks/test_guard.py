"""What the privacy guard costs, as ratios to the same mapping without it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from ingest.bindings import names_of
from ingest.decoders.items import Item
from ingest.decoders.table import decode
from ingest.mapping import Mapper, compile_mapping
from ingest.personal import Personal
from ingest.privacy import Allowance, Privacy
from tests.unit.ingest.workbench import BASE, GARAGES, RECEIVED, TRAFFIC, document, lane_tables, pilot
from vocab.model import load_model

pytestmark = pytest.mark.benchmark


def pair(name: str) -> tuple[Mapper, Mapper]:
    """Compile a pilot with the guard, and with all of it allowed, which leaves no statement of it."""
    source = pilot(name)
    allow = tuple(
        Allowance(line=1, name=bound, path="", kinds=tuple(Personal), because="to measure without it")
        for bound in names_of(source.bind)
    )
    model = load_model(source.model)
    free = replace(source, privacy=Privacy(allow=allow))
    guarded, without = (compile_mapping(each, model, base_url=BASE) for each in (source, free))
    assert "_personal(" in guarded.source_code
    assert "_personal(" not in without.source_code
    return guarded, without


def by_turns(works: tuple[Callable[[], object], Callable[[], object]], *, times: int) -> list[float]:
    """Return the processor time of one call of each, in microseconds: the best of twenty-five rounds, one after the other."""
    best = [float("inf"), float("inf")]
    for _ in range(25):
        for at, work in enumerate(works):
            start = time.process_time()
            for _ in range(times):
                work()
            best[at] = min(best[at], (time.process_time() - start) / times * 1e6)
    return best


def mapped(mapper: Mapper, items: list[Any], tables: Any) -> Callable[[], object]:
    """Return the work of reading and writing items."""

    def work() -> None:
        for item in items:
            mapper.member(mapper.facts(item, {}, tables, RECEIVED), received=RECEIVED)

    return work


def test_what_the_guard_costs(capsys: pytest.CaptureFixture[str]) -> None:
    """A car park that is known, one that is new each time, and a lane of the motorways cost a stated multiple."""
    garages = pair(GARAGES)
    item = next(
        it for it in decode(document("garages.json"), "application/json", garages[0].wanted) if isinstance(it, Item)
    )
    # A name that is another each time makes everything of the entity anew.
    fresh = [{**item.value, "name": f"Tolhuis {number}"} for number in range(50)]
    lanes = pair(TRAFFIC)
    minute = [
        it.value for it in decode(document("miv-verkeersdata.xml"), "text/xml", lanes[0].wanted) if isinstance(it, Item)
    ]
    for what, mappers, items, tables, times in (
        ("a known car park", garages, [item.value], {}, 1000),
        ("a car park that is new each time", garages, fresh, {}, 20),
        ("a lane of the motorways", lanes, minute, lane_tables(), 400),
    ):
        guarded, without = by_turns(tuple(mapped(it, items, tables) for it in mappers), times=times)  # type: ignore[arg-type]
        with capsys.disabled():
            cost = f"{guarded / len(items):.2f} us with the guard, {without / len(items):.2f} without"
            print(f"\n{what}: {cost} = {guarded / without:.3f} of it")
