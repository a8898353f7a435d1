"""Copies of a view: what is published, what clients nobody here wrote print of it, and how the two are compared."""

from __future__ import annotations

from collections.abc import Mapping

from tests.support import crawl
from tests.support.graphs import SEQUENCE, Node, lacking, members, parse


def published(root: str, *, every: int = 1) -> dict[str, Node]:
    """Read a view independently: our JSON-LD pages by plain HTTP, as RDF with pyld; or each `every`th of a page."""
    return members(triple for page in crawl.crawl(root) for triple in crawl.triples(page, every=every))


def same(found: Mapping[str, Node], expected: Mapping[str, Node]) -> None:
    """Check that a client found these members, and that it says the same of each."""
    assert found.keys() == expected.keys()
    assert [name for name, node in expected.items() if found[name].spelled != node.spelled] == []


def sequences(printed: str) -> list[int]:
    """Return the sequence number of every member that a client printed, as often as it did."""
    return [int(value[1 : value.rindex('"')]) for _, predicate, value in parse(printed) if predicate == SEQUENCE]


def check_parts(found: Mapping[str, Node], expected: Mapping[str, Node]) -> None:
    """Check what actor-init 4.0.9 found: each member lacks no quad but those whose object is an IRI it had visited."""
    assert found.keys() == expected.keys()
    for name, whole in expected.items():
        missing = lacking(whole, found[name])
        assert missing is not None, f"says something else of {name}"
        visited = {value for value in found[name].objects() if value[0] == "<"} | {f"<{name}>"}
        assert {value for _, value in missing} <= visited
