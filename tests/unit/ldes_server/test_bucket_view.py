"""The pages of buckets, pure: every child in exactly one group, every place on one page, final only when nothing comes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from ldes_server.bucket_view import GROUP, BucketView, Child, Group, read_bounds, write_bounds
from ldes_server.model import Bound, PageId, Relation, RelationType

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


def view(*, count: int = 0, children: int = 0, closed: bool = False, bucket: str = "b") -> BucketView:
    """Make the pages of a bucket."""
    return BucketView(
        node=PageId(view="by", build=3 if bucket else 0, bucket=bucket),
        build=3,
        size=4,
        fan=2,
        count=count,
        children=children,
        closed=closed,
        version=count,
    )


def linked(bucket: BucketView, page_id: PageId) -> list[int]:
    """Return the places that are reached below a page of members."""
    if page_id.level == 0:
        return list(bucket.places(page_id))
    return [place for child in bucket.listed(page_id) for place in linked(bucket, child)]


@given(st.integers(0, 200), st.booleans())
def test_every_place_is_on_one_page(count: int, closed: bool) -> None:
    """The node leads to each place of its bucket once, and the promises of its links add up."""
    bucket = view(count=count, closed=closed)
    assert linked(bucket, bucket.node) == list(range(count))
    times = {edge: NOON + timedelta(seconds=edge) for edge in bucket.edges(bucket.node)}
    relations = bucket.pages(bucket.node, times)
    assert sum(relation.remaining for relation in relations) == count
    for relation in relations:
        # Only what may still grow has no upper bound (LDES-35), and of that there is one leaf at most.
        assert len(relation.bounds) == 1 + bucket.is_final(relation.target)
    open_pages = [relation for relation in relations if not bucket.is_final(relation.target)]
    assert len(open_pages) == (1 if count % 4 and not closed else 0)


def reached(bucket: BucketView, page_id: PageId) -> list[int]:
    """Return the ranks that are reached below a node or a group."""
    level = bucket.group_level() if page_id.level == -1 else -2 - page_id.level
    ranks = range(bucket.children) if page_id.level == -1 else bucket.ranks(page_id)
    if level == 0:
        return list(ranks)
    width = GROUP**level
    groups = [Group(index=i // width, count=1, total=1, closed=False) for i in range(ranks.start, ranks.stop, width)]
    page = bucket.root_page((), groups) if page_id.level == -1 else bucket.group_page(page_id, groups)
    return [rank for relation in page.relations for rank in reached(bucket, relation.target)]


@given(st.sampled_from([0, 1, 63, 64, 65, 128, 4095, 4096, 4097, 9000]), st.sampled_from(["", "b"]))
def test_every_child_is_in_one_group(children: int, bucket: str) -> None:
    """The node leads to each child once; up to 64 directly, then through groups of at most 64 links each."""
    nodes = view(children=children, bucket=bucket)
    assert reached(nodes, nodes.node) == list(range(children))
    assert nodes.group_level() == (0 if children <= 64 else 1 if children <= 4096 else 2)


def test_groups_that_are_not_there() -> None:
    """A group beyond the children, of a level that nobody links, or of a node that lists its children has no ranks."""
    nodes = view(children=65)
    assert nodes.ranks(PageId(view="by", build=3, bucket="b", level=-2, index=1)) == range(64, 65)
    for level, index in ((-2, 2), (-3, 0), (-1, 0)):
        assert not nodes.ranks(PageId(view="by", build=3, bucket="b", level=level, index=index))
    assert not view(children=64).ranks(PageId(view="by", build=3, bucket="b", level=-2, index=0))


def test_a_full_group_of_closed_buckets_is_final() -> None:
    """A group is final when it is full and all in it have closed, or when the bucket itself has closed (LDES-58)."""
    page_id = PageId(view="by", build=3, bucket="b", level=-2, index=0)
    closed = [Child(key=f"b.{rank}", bounds=(), total=1, closed=True) for rank in range(GROUP)]
    still = [*closed[:-1], Child(key="b.63", bounds=(), total=1, closed=False)]
    assert view(children=65).group_page(page_id, closed).final
    assert not view(children=65).group_page(page_id, still).final
    rest = PageId(view="by", build=3, bucket="b", level=-2, index=1)
    assert not view(children=65).group_page(rest, closed[:1]).final
    assert view(children=65, closed=True).group_page(rest, closed[:1]).final


def test_the_root_is_never_final() -> None:
    """A bucket's node is final once it has closed; the root is not, since a new build may take its place."""
    assert view(count=3, closed=True).root_page((), ()).final
    assert not view(bucket="", closed=True).root_page((), ()).final


def test_links_name_the_build() -> None:
    """What the root links carries the build, so that no address ever shows the content of another one."""
    child = Child(key="2026", bounds=(), total=7, closed=False)
    (relation,) = view(bucket="", children=1).root_page((), [child]).relations
    assert relation == Relation(target=PageId(view="by", build=3, bucket="2026"), bounds=(), remaining=7)
    assert relation.target.path("s") == "/s/by/3/2026"
    group = view(bucket="", children=70).root_page((), [Group(index=1, count=6, total=9, closed=False)])
    assert group.relations[0].target.path("s") == "/s/by/3/~/group/1/1"


@given(st.text(), st.text())
def test_bounds_come_back_as_they_went_in(value: str, datatype: str) -> None:
    """Bounds are stored as text and read back the same, whatever their values are."""
    try:
        value.encode()
        datatype.encode()
    except UnicodeEncodeError:
        return
    bounds = (
        Bound(type=RelationType.PREFIX, path=("https://a", "https://b"), value=value, datatype=datatype),
        Bound(type=RelationType.EQUAL, path=("https://a",), value=value, datatype=""),
    )
    assert read_bounds(write_bounds(bounds)) == bounds
