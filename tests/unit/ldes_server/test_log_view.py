"""The chronological view: every member on one path, final pages final, bounds true, windows disjoint."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ldes_server.log_view import FINAL_VERSION, ROOT, LogView, leaf
from ldes_server.model import PageId, Published, RelationType
from streams.record import parse_time

EPOCH = datetime(2026, 11, 23, tzinfo=UTC)
# Walks of whole trees take milliseconds; the machine may be busy with other work.
unhurried = settings(deadline=None)


class Times(dict[int, datetime]):
    """The publication times of a writer's worst case: equal within a leaf, one millisecond apart between leaves."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size

    def __missing__(self, sequence: int) -> datetime:
        return EPOCH + timedelta(milliseconds=sequence // self.size)


@st.composite
def views(draw: st.DrawFn) -> LogView:
    """Draw trees of up to five levels, with and without a left edge."""
    count = draw(st.integers(0, 500))
    return LogView(
        size=draw(st.integers(1, 9)),
        fan=draw(st.integers(2, 6)),
        count=count,
        first=draw(st.one_of(st.just(0), st.integers(0, count))),
    )


def walk(view: LogView, page_id: PageId = ROOT) -> list[PageId]:
    """Follow every relation from the page and list what is met, the page first."""
    return [page_id, *(met for child in view.children(page_id) for met in walk(view, child))]


def published(sequence: int, size: int) -> Published:
    """Make a member of a leaf."""
    return Published(
        sequence=sequence,
        published_at=Times(size)[sequence],
        id=f"s/members/{sequence}",
        entity="https://example.org/e",
        observed_at=EPOCH,
        point=None,
        body=b'{"@id":"x"}',
    )


@unhurried
@given(views())
def test_every_live_member_has_one_path(view: LogView) -> None:
    """Following all relations meets each live member once, and no member of a leaf that retention unlinked."""
    leaves = [page for page in walk(view) if page.level == 0]
    met = [number for page in leaves for number in view.span(page) if number < view.count]
    assert met == list(view.span(ROOT))
    assert set(range(view.first, view.count)) <= set(met)
    assert {view.leaf_of(number) for number in met} == set(leaves)


@unhurried
@given(views())
def test_it_is_a_tree(view: LogView) -> None:
    """Every page has one parent, exists, and is met once (TREE-21)."""
    assert set(Counter(walk(view)).values()) == {1}
    assert all(view.exists(page) for page in walk(view))


@unhurried
@given(views())
def test_only_the_root_and_the_open_leaf_change(view: LogView) -> None:
    """Every page but the root and the open leaf is final, and the root links the open leaf itself."""
    mutable = [page for page in walk(view) if not view.is_final(page)]
    open_leaf = [view.leaf_of(view.count)] if view.count % view.size else []
    assert mutable == [ROOT, *open_leaf]
    assert view.root_children()[-1:] == tuple(open_leaf) or not open_leaf


@unhurried
@given(views(), st.integers(1, 900), st.integers(0, 900))
def test_final_pages_never_change(view: LogView, more: int, edge: int) -> None:
    """What a final page covers and links stays the same however far the log grows and retention moves (LDES-58)."""
    count = view.count + more
    later = LogView(size=view.size, fan=view.fan, count=count, first=max(view.first, min(edge, count)))
    times = Times(view.size)
    for page in walk(view):
        if view.is_final(page):
            assert later.is_final(page)
            assert later.exists(page)
            assert later.span(page) == view.span(page)
            assert later.node(page, times) == view.node(page, times)


@unhurried
@given(views())
def test_relations_are_true_and_siblings_disjoint(view: LogView) -> None:
    """Bounds hold for every member below (TREE-16), counts are exact (TREE-23), windows do not overlap (TREE-27)."""
    times = Times(view.size)
    for page in walk(view):
        if page.level == 0:
            continue
        before = None
        for relation in view.node(page, times).relations:
            numbers = [number for number in view.span(relation.target) if number < view.count]
            low, *high = (parse_time(bound.value) for bound in relation.bounds)
            assert relation.remaining == len(numbers)
            assert low == min(times[number] for number in numbers)
            assert high == ([max(times[number] for number in numbers)] if view.is_final(relation.target) else [])
            assert before is None or before < low
            before = high[0] if high else None


@unhurried
@given(views())
def test_edges_are_what_relations_need(view: LogView) -> None:
    """`edges` names published members only, and nothing else is needed to build a node."""
    for page in walk(view):
        edges = view.edges(page)
        assert all(number < view.count for number in edges)
        view.node(page, dict.fromkeys(edges, EPOCH))


@unhurried
@given(st.integers(0, 10**12), st.integers(0, 10**12))
def test_the_root_stays_small_and_the_tree_flat(count: int, first: int) -> None:
    """The root has at most `fan - 1` links per level and side, and a leaf is a logarithm of the pages away."""
    assume(first <= count)
    view = LogView(size=250, fan=32, count=count, first=first)
    links = Counter(page.level for page in view.root_children())
    height = max(links, default=0)
    assert 250 * 32**height <= max(count, 250)
    sides = 1 if first < 250 else 2
    assert all(number <= sides * 31 + (level == 0) for level, number in links.items())


@unhurried
@given(views())
def test_the_root_says_when_it_changed(view: LogView) -> None:
    """The root's version moves with every member and every step of the left edge."""
    times = Times(view.size)
    grown = LogView(size=view.size, fan=view.fan, count=view.count + 1, first=view.first)
    cut = LogView(size=view.size, fan=view.fan, count=view.count + 1, first=view.first + 1)
    versions = [each.node(ROOT, times).version for each in (view, grown, cut)]
    assert versions == sorted(set(versions))


def test_bounds_are_on_the_publication_time() -> None:
    """A final page has both bounds, the open leaf only the lower one (LDES-33, LDES-34)."""
    view = LogView(size=2, fan=2, count=3)
    final, tail = view.node(ROOT, Times(2)).relations
    assert [bound.type for bound in final.bounds] == [RelationType.GREATER_OR_EQUAL, RelationType.LESS_OR_EQUAL]
    assert [bound.type for bound in tail.bounds] == [RelationType.GREATER_OR_EQUAL]
    assert final.bounds[0].path == ("http://www.w3.org/ns/prov#generatedAtTime",)
    assert final.bounds[0].value == "2026-11-23T00:00:00.000Z"


@unhurried
@given(view=views(), data=st.data())
def test_the_page_around_some_members_is_the_smallest(view: LogView, data: st.DataObject) -> None:
    """The page around a range of numbers exists and covers them all, and no child of it does."""
    assume(view.count)
    start = data.draw(st.integers(0, view.count - 1))
    places = range(start, data.draw(st.integers(start + 1, view.count)))
    found = view.around(places)
    assert view.exists(found)
    covered = [view.span(each) for each in (found, *view.children(found))]
    inside = [places.start in span and places[-1] in span for span in covered]
    assert found.is_root or inside[0]
    assert not any(inside[1:])


def test_retention_opens_the_oldest_subtree() -> None:
    """When the left edge enters a subtree, the root links its live children and later subtrees whole."""
    view = LogView(size=10, fan=4, count=400, first=37)
    assert [(page.level, page.index) for page in view.root_children()] == [
        (0, 3), (1, 1), (1, 2), (1, 3), (2, 1), (1, 8), (1, 9),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "page_id",
    [
        PageId(level=0, index=3),
        PageId(level=0, index=-1),
        PageId(level=1, index=1),
        PageId(level=2, index=0),
        PageId(level=10**9, index=0),
        PageId(view="by-time", level=0, index=0),
        PageId(level=-2),
        PageId(index=1),
    ],
)
def test_pages_that_do_not_exist(page_id: PageId) -> None:
    """Pages not reached yet, of another view or of no possible tree do not exist, at no cost."""
    view = LogView(size=10, fan=2, count=30)
    assert not view.exists(page_id)


def test_an_empty_log_has_an_empty_root() -> None:
    """Before the first member there is the root, it links nothing and it is not final (LDES-61)."""
    view = LogView(size=250, fan=32, count=0)
    page = view.node(ROOT, {})
    assert (page.relations, page.final, page.version) == ((), False, 0)
    assert view.exists(ROOT)
    assert not view.exists(PageId(level=0, index=0))


@pytest.mark.parametrize(("size", "fan", "first"), [(0, 2, 0), (1, 1, 0), (1, 2, 6), (1, 2, -1)])
def test_impossible_trees_are_refused(size: int, fan: int, first: int) -> None:
    """A tree that cannot hold members, cannot branch or has its edge outside the log is a programming error."""
    with pytest.raises(ValueError, match=r"must lie within|needs room"):
        LogView(size=size, fan=fan, count=5, first=first)


@unhurried
@given(st.integers(1, 20), st.integers(0, 50), st.data())
def test_a_leaf_knows_itself_from_its_members(size: int, index: int, data: st.DataObject) -> None:
    """A leaf is final when full; before, its version is the head count; without all its members it is no page."""
    held = data.draw(st.integers(0, size))
    members = [published(index * size + offset, size) for offset in range(held)]
    page_id = PageId(level=0, index=index)
    page = leaf(page_id, members, size=size)
    if not members:
        assert page is None
        return
    assert page is not None
    assert (page.final, page.members) == (held == size, tuple(members))
    assert page.version == (FINAL_VERSION if held == size else index * size + held)
    assert leaf(page_id, members[1:], size=size) is None
