"""Ready answers and the memory that keeps them."""

from __future__ import annotations

import gzip
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ldes_server.negotiate import FORMS
from ldes_server.responses import FOR_EVER, Ready, ReadyCache, Variant, make_kept, make_ready, mutable, pack

BODY = b"some statement or other .\n" * 100


def ready(body: bytes = BODY, media: str = "text/turtle", *, squeeze: bool = False) -> Ready:
    """Make an answer."""
    return make_ready(body, Variant(media=media, gzip=squeeze), cache_control=FOR_EVER)


def test_wire_is_headers_and_body() -> None:
    """The head of the wire ends in an empty line, the rest is the body, and the length is stated."""
    made = ready()
    head = made.wire[: made.head_size]
    assert head.endswith(b"\r\n\r\n")
    assert made.body == BODY
    assert b"content-length: %d\r\n" % len(BODY) in head
    assert b"content-type: text/turtle; charset=utf-8\r\n" in head


def test_unchanged_has_the_validators_and_no_length() -> None:
    """A 304 carries ETag, Cache-Control, Vary and CORS (HTTP-06), and says nothing of a body."""
    made = ready()
    for name in (b"etag: ", b"cache-control: public, max-age=604800, immutable", b"vary: ", b"access-control-"):
        assert name in made.unchanged
    assert b"content-" not in made.unchanged


def test_equal_bodies_give_equal_bytes() -> None:
    """Making an answer twice gives the same bytes, compressed or not (LDES-59)."""
    assert ready(squeeze=True) == ready(squeeze=True)
    assert ready() == ready()


@given(st.binary(max_size=2000))
def test_gzip_never_loses(body: bytes) -> None:
    """Whatever the body, the compressed answer unpacks to it; small ones are sent as they are."""
    made = ready(body, squeeze=True)
    squeezed = (b"content-encoding", b"gzip") in made.headers
    assert (gzip.decompress(made.body) if squeezed else made.body) == body


@given(st.text(max_size=2000))
def test_what_is_kept_packed_answers_everybody(text: str) -> None:
    """A final body is compressed at most once: who takes gzip gets the bytes kept, who does not gets the body itself."""
    body = text.encode()
    kept = pack(body)
    plain, squeezed = (make_kept(kept, Variant(media="text/turtle", gzip=squeeze)) for squeeze in (False, True))
    assert plain.body == body
    assert squeezed.body == kept
    assert ((b"content-encoding", b"gzip") in squeezed.headers) is (kept != body)
    assert (b"cache-control", FOR_EVER.encode()) in squeezed.headers
    assert (plain.etag != squeezed.etag) is (kept != body)


def test_what_an_earlier_release_kept_plain_is_answered_too() -> None:
    """A body kept as it is gives the answer that it gave in that release, compressed or not."""
    for squeeze in (False, True):
        assert make_kept(BODY, Variant(media="text/turtle", gzip=squeeze)) == ready(squeeze=squeeze)


def test_every_representation_has_its_own_tag() -> None:
    """Media types and codings of one body have different tags (HTTP-05, HTTP-26)."""
    tags = {ready(media=media, squeeze=squeeze).etag for media in FORMS for squeeze in (True, False)}
    assert len(tags) == 2 * len(FORMS)


@pytest.mark.parametrize(("seconds", "text"), [(5, "public, max-age=5"), (0.4, "public, max-age=0")])
def test_mutable_is_never_immutable(seconds: float, text: str) -> None:
    """What may change has a lifetime in whole seconds, rounded down (HTTP-08)."""
    assert mutable(timedelta(seconds=seconds)) == text


def test_memory_is_bounded_and_forgets_the_least_used() -> None:
    """The memory holds no more bytes than it may; what was asked for last stays."""
    one = ready()
    cache = ReadyCache(3 * len(one.wire))
    variant = Variant(media="text/turtle")
    for path in (b"/a", b"/b", b"/c"):
        cache.put(path, variant, one)
    assert cache.get(b"/a", "text/turtle", False) is one
    cache.put(b"/d", variant, one)
    assert cache.get(b"/b", "text/turtle", False) is None
    assert cache.get(b"/a", "text/turtle", False) is one
    assert (len(cache), cache.size) == (3, 3 * len(one.wire))


def test_memory_takes_an_answer_once_and_none_too_large() -> None:
    """Putting again replaces; an answer larger than the whole memory is left out."""
    one = ready()
    cache = ReadyCache(2 * len(one.wire))
    for _ in range(3):
        cache.put(b"/a", Variant(media="text/turtle"), one)
    cache.put(b"/big", Variant(media="text/turtle"), ready(BODY * 10))
    assert (len(cache), cache.size) == (1, len(one.wire))
