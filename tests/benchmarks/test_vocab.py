"""The writer's cost as ratios: to text by hand, to orjson alone, to two RDF libraries."""

from __future__ import annotations

import time
import timeit
from collections.abc import Callable

import orjson
import pytest
import rdflib
from pyld import jsonld

from loadtests.by_hand import parking_ntriples, traffic_ntriples
from vocab.model import load_model

pytestmark = pytest.mark.benchmark


def _microseconds(function: Callable[[], object], number: int) -> float:
    function()
    return min(timeit.repeat(function, timer=time.process_time, number=number, repeat=7)) / number * 1e6


@pytest.mark.parametrize(("name", "by_hand"), [("parking", parking_ntriples), ("traffic", traffic_ntriples)])
def test_cost_of_one_member(name: str, by_hand: Callable[[bytes], bytes]) -> None:
    """The writer must say what the hand-written text says; its cost is printed beside those of the others."""
    model = load_model(name)
    document = orjson.loads(model.example)
    context = document.pop("@context")
    body = orjson.dumps(document)
    whole = {"@context": context, **document}
    triples = model.writer.ntriples(body, scope="m")
    assert by_hand(body) == triples
    graph = rdflib.Graph().parse(data=triples, format="nt")
    hand = _microseconds(lambda: by_hand(body), 2000)
    costs = {
        "orjson.loads": _microseconds(lambda: orjson.loads(body), 2000),
        "by hand, N-Triples": hand,
        "writer, N-Triples": _microseconds(lambda: model.writer.ntriples(body, scope="m"), 2000),
        "writer, Turtle": _microseconds(lambda: model.writer.turtle(body), 2000),
        "pyld to N-Quads": _microseconds(lambda: jsonld.to_rdf(whole, {"format": "application/n-quads"}), 5),
        "rdflib graph to N-Triples": _microseconds(lambda: graph.serialize(format="nt"), 20),
    }
    print(f"\n{name}: {len(body)} B JSON-LD, {len(triples)} B N-Triples, {len(model.writer.turtle(body))} B Turtle")
    for what, cost in costs.items():
        print(f"  {what:28} {cost:9.1f} us   {hand / cost:7.3f} of the rate by hand")
