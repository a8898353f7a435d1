"""Pages that grow: adding what is new gives the bytes of making the page at once."""

from __future__ import annotations

import zlib
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ldes_server.growing import OpenPages
from ldes_server.hypermedia import describe
from ldes_server.model import Page, PageId
from ldes_server.negotiate import PAGE_FORMS
from ldes_server.render import render_page
from ldes_server.responses import Ready, Variant
from tests.conformance.kit import make_members, make_stream
from vocab.model import load_model

BASE = "https://data.example.org"
STREAM = make_stream("gent-parking", load_model("parking"), page_size=60)
FRAME = describe(STREAM, BASE)
MEMBERS = make_members(STREAM, range(60), BASE)
JSON = Variant(media="application/ld+json", gzip=True)
VARIANTS = [Variant(media=media, gzip=squeeze) for media in PAGE_FORMS for squeeze in (False, True)]


def leaf(count: int, index: int = 0) -> Page:
    """Make an open leaf with so many members."""
    return Page(id=PageId(level=0, index=index), final=False, version=count, members=MEMBERS[:count])


def grown(pages: OpenPages, page: Page, variant: Variant, *, stream: str = "a") -> Ready:
    """Make the answer for a leaf from what was there before."""
    return pages.leaf(stream, page, variant, frame=FRAME, cache_control="public, max-age=1")


def unpacked(ready: Ready) -> bytes:
    """Return the body as it is without compression; what is compressed is one gzip member, as any client reads it."""
    if (b"content-encoding", b"gzip") not in ready.headers:
        return ready.body
    unpack = zlib.decompressobj(31)
    body = unpack.decompress(ready.body)
    assert unpack.eof
    assert not unpack.unused_data
    return body


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda variant: f"{variant.media} {variant.gzip}")
@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(1, 59), min_size=1, max_size=6))
def test_a_leaf_that_grew_is_the_leaf_made_at_once(variant: Variant, counts: list[int]) -> None:
    """LDES-59: whatever versions went before, older ones too, answer and tag are those of a process that made no other."""
    pages = OpenPages()
    for count in counts:
        page = leaf(count)
        made = grown(pages, page, variant)
        assert made == grown(OpenPages(), page, variant)
        assert unpacked(made) == render_page(page, PAGE_FORMS[variant.media], frame=FRAME)


def test_another_leaf_begins_anew() -> None:
    """The next leaf, and one whose members are others than before, hold nothing of what was made of the leaf before."""
    pages = OpenPages()
    grown(pages, leaf(7), JSON)
    other = replace(leaf(8), members=MEMBERS[8:16])
    for page in (leaf(3, index=1), other, leaf(9)):
        assert grown(pages, page, JSON) == grown(OpenPages(), page, JSON)


def test_versions_of_a_root_are_those_made_at_once() -> None:
    """LDES-59: a root that changes anywhere, becomes shorter or stays is compressed as if there had been no other."""
    text = b"".join(b'{"node":"https://data.example.org/log/0/%d"},' % number for number in range(100))
    bodies = [text[:1000], text[:1200], text, text, b"x" + text, text[:900] + text[2000:], text[:50], text[:3000]]
    pages = OpenPages()
    for variant in (JSON, replace(JSON, gzip=False)):
        for body in bodies:
            made = pages.root("a", body, variant, cache_control="public, max-age=1")
            assert made == OpenPages().root("a", body, variant, cache_control="public, max-age=1")
            assert unpacked(made) == body


def test_small_bodies_are_sent_as_they_are() -> None:
    """What is too small to gain by compression is plain, as everywhere else, and compressed once it has grown."""
    body = b"a" * 599
    made = [OpenPages().root("a", text, JSON, cache_control="") for text in (body, body + b"a")]
    assert [made[0].body == body, made[1].body == body + b"a"] == [True, False]


def test_members_read_before_are_known_until_the_next_leaf_is() -> None:
    """Of each stream those of the newest leaf that was read, and of no other page."""
    pages = OpenPages()
    assert pages.known("a", leaf(4).id) == ()
    pages.keep("a", leaf(4, index=2))
    pages.keep("b", leaf(9, index=5))
    pages.keep("a", leaf(1, index=1))
    assert pages.known("a", PageId(level=0, index=2)) == MEMBERS[:4]
    assert pages.known("a", PageId(level=0, index=1)) == ()
    assert pages.known("a", PageId(level=0, index=5)) == ()
    pages.keep("a", leaf(2, index=3))
    assert pages.known("a", PageId(level=0, index=2)) == ()


def test_what_is_remembered_is_bounded() -> None:
    """Of a hundred streams some are made from their beginning again, with the same bytes."""
    pages = OpenPages()
    for count in (5, 9):
        for number in range(100):
            page = leaf(count)
            assert grown(pages, page, JSON, stream=f"s{number}") == grown(OpenPages(), page, JSON)
            pages.keep(f"s{number}", page)
            pages.root(f"s{number}", b"a" * 1000, JSON, cache_control="")
    assert len(pages) == 3 * 32
