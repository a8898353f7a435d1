"""A page from members to bytes, as ratios: to joining the members' bytes, and to bare zlib over the same page."""

from __future__ import annotations

import time
import timeit
import zlib
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import pytest

from ldes_server.growing import OpenPages
from ldes_server.hypermedia import describe
from ldes_server.model import Page, PageId
from ldes_server.negotiate import Form, PlainForm
from ldes_server.plain import render_plain
from ldes_server.render import render_page
from ldes_server.responses import FOR_EVER, Variant, make_ready
from tests.conformance.kit import make_members, make_stream
from vocab.model import load_model

pytestmark = pytest.mark.benchmark

BASE = "https://data.example.org"
MEMBERS = 250


def _microseconds(work: Callable[[], object], *, number: int) -> float:
    """Return the processor time of one call: the best of seven rounds."""
    return min(timeit.repeat(work, timer=time.process_time, number=number, repeat=7)) / number * 1e6


@pytest.mark.parametrize("name", ["parking", "traffic"])
def test_a_page_from_members_to_bytes(name: str) -> None:
    """Assembling a page costs a stated multiple of a bare join, compressing it of bare zlib; each form is timed."""
    stream = make_stream("gent-x", load_model(name), page_size=MEMBERS)
    frame = describe(stream, BASE)
    page = Page(id=PageId(level=0, index=0), final=True, version=0, members=make_members(stream, range(MEMBERS), BASE))
    joined = _microseconds(lambda: b",\n".join([member.body for member in page.members]), number=50)
    body = render_page(page, Form.JSONLD, frame=frame)
    variant = Variant(media="application/ld+json", gzip=True)
    packed = _microseconds(lambda: zlib.compress(body, 6), number=3)
    ready = _microseconds(lambda: make_ready(body, variant, cache_control=FOR_EVER), number=3)
    print(
        f"\n{name}: {len(body) / 1000:.0f} KB JSON-LD, {len(make_ready(body, variant, cache_control='').body)} B packed"
    )
    print(f"  bare join           {joined:9.0f} us   1.000")
    for form, number in ((Form.JSONLD, 20), (Form.TURTLE, 3), (Form.NTRIPLES, 3)):
        cost = _microseconds(lambda form=form: render_page(page, form, frame=frame), number=number)  # type: ignore[misc]
        print(f"  {form.value:19} {cost:9.0f} us   {joined / cost:.3f} of the rate of the join")
    for plain, number in ((PlainForm.NDJSON, 20), (PlainForm.GEOJSON, 3), (PlainForm.CSV, 3)):
        cost = _microseconds(lambda plain=plain: render_plain(page.members, plain, frame=frame), number=number)  # type: ignore[misc]
        print(f"  {plain.value:19} {cost:9.0f} us   {joined / cost:.3f} of the rate of the join")
    print(f"  bare zlib 6         {packed:9.0f} us   1.000")
    print(f"  packed, with ETag   {ready:9.0f} us   {packed / ready:.3f} of the rate of bare zlib 6")


def _itself(pages: OpenPages) -> OpenPages:
    return pages


@pytest.mark.parametrize("name", ["parking", "traffic"])
def test_versions_of_a_leaf_that_grows(name: str) -> None:
    """Seven versions of a leaf cost a stated part of making each of them at once."""
    stream = make_stream("gent-x", load_model(name), page_size=MEMBERS)
    frame, variant = describe(stream, BASE), Variant(media="application/ld+json", gzip=True)
    members = make_members(stream, range(MEMBERS - 1), BASE)
    whole = Page(id=PageId(level=0, index=0), final=False, version=0, members=members)
    versions = [replace(whole, members=members[:count]) for count in range(9, MEMBERS, 40)]

    def make(pages: Callable[[], OpenPages]) -> None:
        for page in versions:
            pages().leaf("gent-x", page, variant, frame=frame, cache_control="")

    anew = _microseconds(lambda: make(OpenPages), number=3)
    grown = _microseconds(lambda: make(partial(_itself, OpenPages())), number=3)
    print(f"\n{name}: {len(versions)} versions of a leaf, up to {len(versions[-1].members)} members")
    print(f"  each at once        {anew:9.0f} us   1.000")
    print(f"  by what is new      {grown:9.0f} us   {grown / anew:.3f} of the time")
