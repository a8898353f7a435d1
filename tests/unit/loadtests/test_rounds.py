"""Work measured by turns, and the references written by hand that ours is compared with."""

from __future__ import annotations

import gc

import orjson
import pytest

from loadtests.by_hand import parking_ntriples, parking_turtle, traffic_ntriples, traffic_turtle
from loadtests.rounds import by_turns, ratios
from vocab.model import load_model


def test_works_take_turns_and_cost_what_they_cost() -> None:
    """Each work has a value for each round, in turn with the others; ten times the work is clearly more of it."""
    order: list[str] = []

    def work(name: str, size: int) -> None:
        order.append(name)
        sum(range(size))

    works = {"small": lambda: work("small", 20_000), "large": lambda: work("large", 200_000)}
    found = by_turns(works, seconds=0.02, rounds=3)
    assert [len(each) for each in found.values()] == [3, 3]
    turns = [name for name, before in zip(order, ["", *order], strict=False) if name != before]
    assert turns == ["small", "large"] * 4
    assert all(ratio > 2 for ratio in ratios(found, "large", "small"))
    assert gc.isenabled()


def test_a_ratio_is_of_one_round() -> None:
    """The time of the reference over ours, round by round."""
    assert ratios({"hand": (1.0, 3.0), "ours": (2.0, 4.0)}, "hand", "ours") == (0.5, 0.75)


@pytest.mark.parametrize(
    ("name", "turtle", "ntriples"),
    [("parking", parking_turtle, parking_ntriples), ("traffic", traffic_turtle, traffic_ntriples)],
)
def test_references_by_hand_say_the_same(name: str, turtle: object, ntriples: object) -> None:
    """What is written by hand is byte for byte what the platform writes: the comparison is of equal work."""
    model = load_model(name)
    document = orjson.loads(model.example)
    document.pop("@context")
    body = orjson.dumps(document)
    assert callable(turtle)
    assert callable(ntriples)
    assert turtle(body) == model.writer.turtle(body)
    assert ntriples(body) == model.writer.ntriples(body, scope="m")
