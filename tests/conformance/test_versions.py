"""LDES: versions, deletions and transactions (LDES-43..56), over HTTP, from documents of a source to the pages."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

import pytest
from pyoxigraph import Literal, NamedNode

from ldes_server.model import GENERATED_AT, SEQUENCE, VERSION_OF
from smartflanders.embedded import EmbeddedPostgres
from tests.conformance.conftest import database_of_site
from tests.conformance.kit import LDES
from tests.conformance.pages import TYPE, XSD, Read, Tree, walk
from tests.integration.test_versions import VersionSite
from tests.support.open_site import STREAM
from tests.unit.ingest.test_versions import snapshot
from vocab.terms import AS, OPERATION, TRANSACTION, TRANSACTION_FINAL

OBSERVED = "http://www.w3.org/ns/sosa/resultTime"
# All that a deletion says: of what, when, by whom, and that it is one.
TOMBSTONE = {TYPE, VERSION_OF, OBSERVED, GENERATED_AT, SEQUENCE, OPERATION, TRANSACTION, TRANSACTION_FINAL}
TOMBSTONE |= {"http://www.w3.org/ns/prov#wasAttributedTo", "http://purl.org/dc/terms/license"}
TRUE = Literal("true", datatype=NamedNode(f"{XSD}boolean"))
MEMBERS = 10


@pytest.fixture(scope="module")
def versions(postgres: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tree]:
    """Read the history of car parks that come, change, close and come back, one document a minute; one is broken."""
    documents = (
        snapshot({"a": (0, 5), "b": (0, 1), "c": (0, 7)}),
        snapshot({"a": (1, 6), "b": (1, 1), "c": (1, 7)}),
        b'{"results": [',
        snapshot({"a": (3, 6), "c": (3, 9)}),
        snapshot({"a": (4, 6), "b": (4, 4), "c": (4, 9)}),
        snapshot({"a": (5, 3), "b": (5, 2), "c": (5, 1)}),
    )
    database = database_of_site(postgres, "conformance_versions")
    with VersionSite(database, tmp_path_factory.mktemp("versions")) as site:
        site.feed(*documents)
        site.publish(MEMBERS)
        yield walk(site, STREAM, "log")


def in_order(tree: Tree) -> list[tuple[NamedNode, Read]]:
    """Return the members with their pages, in order of publication."""
    return sorted(tree.members.items(), key=lambda pair: int(pair[1].facts.one(pair[0], SEQUENCE).value))


def doing(page: Read, member: NamedNode) -> str:
    """Return what a member does."""
    return page.facts.one(member, OPERATION).value.removeprefix(AS)


def test_ldes_43_a_member_does_one_thing(versions: Tree) -> None:
    """LDES-43: the root says where and by which value, and each member has exactly one of the three values there."""
    root = versions.pages[versions.root].facts
    name = NamedNode(versions.stream)
    objects = set()
    for word in ("Create", "Update", "Delete"):
        assert root.objects(name, f"{LDES}version{word}Path") == [NamedNode(OPERATION)]
        objects.add(root.one(name, f"{LDES}version{word}Object"))
    found = [page.facts.one(member, OPERATION) for member, page in in_order(versions)]
    assert set(found) == objects
    assert len(objects) == 3


def test_ldes_45_a_deletion_is_a_member_without_payload(versions: Tree) -> None:
    """LDES-45: a deletion names its entity and its time and says nothing else; what the entity was before is still there."""
    ordered = in_order(versions)
    (gone,) = [(member, page) for member, page in ordered if doing(page, member) == "Delete"]
    member, page = gone
    assert {predicate for predicate, _ in page.facts.about(member)} <= TOMBSTONE
    assert len(page.facts.objects(member, VERSION_OF)) == len(page.facts.objects(member, OBSERVED)) == 1
    entity = page.facts.one(member, VERSION_OF)
    before = [
        doing(page, each) for each, page in ordered[: ordered.index(gone)] if page.facts.one(each, VERSION_OF) == entity
    ]
    assert before == ["Create"]


def test_ldes_56_what_comes_back_is_created_anew(versions: Tree) -> None:
    """LDES-55, LDES-56: after its deletion an entity is created by a new member, later in the order of its versions."""
    by_entity: dict[str, list[tuple[str, int, str, str]]] = defaultdict(list)
    for member, page in in_order(versions):
        times = page.facts.one(member, OBSERVED).value, int(page.facts.one(member, SEQUENCE).value)
        entity = page.facts.one(member, VERSION_OF).value.rsplit("/", 1)[1]
        by_entity[entity].append((*times, doing(page, member), member.value))
    assert [each[2] for each in by_entity["b"]] == ["Create", "Delete", "Create", "Update"]
    for found in by_entity.values():
        assert found == sorted(found)
        assert len({each[:2] for each in found}) == len({each[3] for each in found}) == len(found)


def test_ldes_48_transactions_end_once_and_last(versions: Tree) -> None:
    """LDES-48, LDES-49, LDES-50, LDES-52: each transaction is in one piece, ends at its last member, and comes only once."""
    root, name = versions.pages[versions.root].facts, NamedNode(versions.stream)
    assert root.objects(name, f"{LDES}transactionPath") == [NamedNode(TRANSACTION)]
    assert root.objects(name, f"{LDES}transactionFinalizedPath") == [NamedNode(TRANSACTION_FINAL)]
    # What it would be by default, said all the same.
    assert root.objects(name, f"{LDES}transactionFinalizedObject") == [TRUE]
    found: dict[str, list[tuple[str, int, bool]]] = defaultdict(list)
    for member, page in in_order(versions):
        key = page.facts.one(member, GENERATED_AT).value, int(page.facts.one(member, SEQUENCE).value)
        ends = page.facts.objects(member, TRANSACTION_FINAL)
        assert ends in ([], [TRUE])
        found[page.facts.one(member, TRANSACTION).value].append((*key, bool(ends)))
    assert len(found) == 5
    for members in found.values():
        assert [ends for _, _, ends in members] == [False] * (len(members) - 1) + [True]
        assert max(members) == members[-1]
        numbers = [number for _, number, _ in members]
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
