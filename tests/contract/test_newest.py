"""The view of newest versions: each entity once, for ever on the same page, with the version that is newest now."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ldes_server.declaration import load_declaration
from ldes_server.definition import ByLatest, ByProperty, definition_text, read_definition
from ldes_server.fragmentations import compile_view
from ldes_server.model import PageId, Placed, Published
from ldes_server.newest_view import NewestView
from ldes_server.postgres_store import PostgresStore
from streams.errors import ConfigError
from tests.support.views import MORNING, NAME, build_all, declare, make_members, make_stream, publish, read
from vocab.model import load_model

VIEW = "newest"
STREAM = make_stream({VIEW: ByLatest(), "by-garage": ByProperty(name="entity")})


@pytest.fixture
async def store(database_url: str) -> AsyncIterator[PostgresStore]:
    """Open an empty store."""
    async with PostgresStore(database_url, base_url="https://example.org", connections=3) as opened:
        yield opened


def newest(members: list[Published]) -> dict[str, Published]:
    """Return the newest version of each entity: the order of the stream's description, applied anew."""
    found: dict[str, Published] = {}
    for each in sorted(members, key=lambda each: (each.observed_at, each.sequence)):
        found[each.entity] = each
    return found


async def shown(store: PostgresStore) -> dict[str, list[Published]]:
    """Read the view and return the members of each of its pages."""
    copy = await read(store, STREAM, VIEW)
    return {page_id.path(NAME): list(page.members) for page_id, page in copy.pages.items() if page.members}


@pytest.mark.parametrize("before", [0, 1, 30, 90])
async def test_it_shows_the_newest_versions(store: PostgresStore, before: int) -> None:
    """Built from history or filled as members come, it shows the newest version of every entity, and only those."""
    if before:
        await publish(store, before, garages=23)
    await declare(store, STREAM)
    await build_all(store, limit=3)
    for count in (1, 7, 40):
        await publish(store, count, garages=23)
        head = await store.head(NAME)
        expected = newest(list(make_members(range(head.count), garages=23)))
        pages = await shown(store)
        found = {each.entity: each for page in pages.values() for each in page}
        assert found == expected
        assert sum(map(len, pages.values())) == len(expected)
        assert all(len(page) <= STREAM.page_size for page in pages.values())
    assert len(expected) == 12


async def test_entities_stay_on_their_page(store: PostgresStore) -> None:
    """Whatever is published, an entity is found at the address where it was, and no page of the view is final."""
    await declare(store, STREAM)
    await build_all(store)
    homes: dict[str, str] = {}
    for count in (1, 2, 5, 20, 60, 100):
        await publish(store, count, garages=101)
        for address, page in (await shown(store)).items():
            for each in page:
                assert homes.setdefault(each.entity, address) == address
    copy = await read(store, STREAM, VIEW)
    assert not any(page.final for page in copy.pages.values())
    assert all(not relation.bounds for page in copy.pages.values() for relation in page.relations)
    assert max(page_id.level for page_id in copy.pages) >= 1


async def test_relations_say_how_much_is_behind_them(store: PostgresStore) -> None:
    """What each relation promises is what is found there, and the root's add up to all entities."""
    await declare(store, STREAM)
    await build_all(store)
    await publish(store, 150, garages=101)
    copy = await read(store, STREAM, VIEW)

    def count(page_id: PageId) -> int:
        page = copy.pages[page_id]
        assert all(relation.remaining == count(relation.target) for relation in page.relations)
        return len(page.members) + sum(relation.remaining for relation in page.relations)

    assert count(PageId(view=VIEW)) == len(newest(list(make_members(range(150), garages=101))))
    assert all(len(page.relations) <= STREAM.fan for page in copy.pages.values())


async def test_a_deletion_is_the_newest_version(store: PostgresStore) -> None:
    """An entity that is gone is shown by its deletion, which says so, until a version brings it back."""
    await declare(store, STREAM)
    await build_all(store)
    await publish(store, 8)
    base = await store.head(NAME)
    gone = make_members([8])[0]._replace(deleted=True, observed_at=MORNING + timedelta(days=1))
    head = replace(base, count=9, position=base.position + 1, published_at=gone.published_at)
    await store.append(NAME, Placed(base=base, head=head, members=(gone,)))
    found = {each.entity: each for page in (await shown(store)).values() for each in page}
    assert found[gone.entity] == gone
    assert gone.entity not in {each.entity for each in await store.latest(NAME, limit=99)}


async def test_pages_that_are_not_there(store: PostgresStore) -> None:
    """Beyond the last entity, above the tree and in other buckets there is nothing; without members only the root."""
    await declare(store, STREAM)
    assert await store.page(STREAM, PageId(view=VIEW)) is None
    await build_all(store)
    root = await store.page(STREAM, PageId(view=VIEW))
    assert root is not None
    assert root.relations == ()
    await publish(store, 9)
    first = PageId(view=VIEW, build=1, bucket="~", level=0)
    assert await store.page(STREAM, first) is not None
    for odd in (
        replace(first, index=9),
        replace(first, level=1),
        replace(first, level=9),
        replace(first, bucket="x"),
        replace(first, build=2),
        replace(first, level=-2),
    ):
        assert await store.page(STREAM, odd) is None


async def test_it_can_be_removed_and_built_again(store: PostgresStore) -> None:
    """Declared away and back, its entities keep their places, and those that came meanwhile follow."""
    await declare(store, STREAM)
    await build_all(store)
    await publish(store, 9)
    before = [each.entity for page in (await shown(store)).values() for each in page]
    await declare(store, make_stream({}))
    await publish(store, 90, garages=31)
    await declare(store, STREAM)
    await build_all(store, limit=2)
    pages = await shown(store)
    assert next(iter(pages)).startswith(f"/{NAME}/{VIEW}/2/")
    after = [each.entity for page in pages.values() for each in page]
    assert set(before) == set(after[: -(-len(before) // STREAM.page_size) * STREAM.page_size]) & set(before)
    assert set(after) == set(newest(list(make_members(range(9))) + list(make_members(range(9, 99), garages=31))))
    assert (await store.head(NAME)).count == 99


@given(st.integers(0, 400), st.integers(1, 5), st.integers(2, 5))
def test_every_entity_is_reached_once(count: int, size: int, fan: int) -> None:
    """From the root every number is reached exactly once, by nodes of at most `fan` links, whatever the size."""
    view = NewestView(name=VIEW, build=1, size=size, fan=fan, count=count, version=0)
    todo = [PageId(view=VIEW)]
    numbers: list[int] = []
    while todo:
        page_id = todo.pop()
        assert view.exists(page_id)
        if page_id.level == 0:
            numbers += view.numbers(page_id)
            continue
        node = view.node(page_id)
        assert len(node.relations) <= fan
        todo += [relation.target for relation in node.relations]
    assert sorted(numbers) == list(range(count))
    assert not view.exists(PageId(view=VIEW, build=1, bucket="~", level=0, index=-(-count // size)))


def test_its_definition_is_text() -> None:
    """It is stored as text, read back, and refused where members are to be divided by it."""
    assert read_definition(definition_text(ByLatest())) == ByLatest()
    with pytest.raises(ConfigError, match="divides nothing"):
        compile_view(definition_text(ByLatest()), load_model("parking"))


@pytest.mark.parametrize(
    ("text", "model", "what"),
    [
        ("v: { by_latest: operator }", "parking", "takes entity, not 'operator'"),
        ("v: { by_latest: entity }", "traffic", "observations, no versions"),
        ("v: { by_latest: entity, then: { by_property: operator } }", "parking", "more than by_latest"),
        ("v: { by_property: operator, then: { by_latest: entity } }", "parking", "by_latest inside"),
    ],
)
def test_faults_of_its_declaration(tmp_path: Path, text: str, model: str, what: str) -> None:
    """What makes no sense of it is told with the way to mend it."""
    file = tmp_path / "s.stream.yaml"
    file.write_text(f"stream: s\nviews:\n  {text}\n", "utf-8")
    with pytest.raises(ConfigError, match=what):
        load_declaration(file, {"s": load_model(model)})
