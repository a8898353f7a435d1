"""Ready: a complete HTTP answer in bytes, made once and written many times; and the bounded memory for them."""

from __future__ import annotations

import gzip
import hashlib
import zlib
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

Headers = tuple[tuple[bytes, bytes], ...]

# On every answer there is, errors and redirects included: browser applications read us from anywhere (HTTP-11).
CORS: Final[Headers] = (
    (b"access-control-allow-origin", b"*"),
    (b"access-control-expose-headers", b"ETag, Link, Retry-After, Location, Age"),
)
PREFLIGHT: Final[Headers] = (
    *CORS,
    (b"access-control-allow-methods", b"GET, HEAD, POST, OPTIONS"),
    (
        b"access-control-allow-headers",
        (
            b"Accept, Authorization, Cache-Control, Content-Type, Idempotency-Key, "
            b"If-Modified-Since, If-None-Match, Last-Event-ID, Range"
        ),
    ),
    (b"access-control-max-age", b"86400"),
)
VARY: Final = (b"vary", b"Accept, Accept-Encoding")
# Of an address that names its form itself: what the client accepts does not matter.
VARY_CODING: Final = (b"vary", b"Accept-Encoding")

# One week: what DCAT-AP Feeds writes. Lower case, comma and space: two clients at hand read it literally (HTTP-07).
FOR_EVER: Final = "public, max-age=604800, immutable"
# Level 6 of zlib: 12.6 KB for a page of 142 KB; level 9 is 5 % smaller for three times the time, paid by one request.
_GZIP_LEVEL = 6
# Bodies under this many bytes fit one packet either way.
_GZIP_FROM = 600
# No body begins so: all of them are text.
_GZIP_MARK = b"\x1f\x8b"
# Short names of the media types inside entity tags, so that each representation has its own (HTTP-05).
_TAGS = {
    "application/ld+json": "j",
    "text/turtle": "t",
    "application/trig": "g",
    "application/n-triples": "n",
    "application/n-quads": "q",
    "application/x-ndjson": "l",
    "application/geo+json": "e",
    "text/csv": "c",
}
_PROFILED = "p"  # behind the name of a media type that is served with a profile


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """Which representation of a resource: its media type, whether gzip may be used, and whether the address `named` it.

    Other addresses than the one for all forms have other answers in detail: they do not vary by Accept.
    """

    media: str
    gzip: bool = False
    named: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """One representation, ready for the socket.

    `wire` is everything after the status line and the Date: headers, blank line, body; its first `head_size` bytes
    are the answer to HEAD. `unchanged` is the same for 304. The header tuples serve those who go through ASGI.
    """

    etag: str
    headers: Headers
    wire: bytes
    head_size: int
    unchanged_headers: Headers
    unchanged: bytes

    @property
    def body(self) -> bytes:
        """The body alone."""
        return self.wire[self.head_size :]


def mutable(max_age: timedelta) -> str:
    """Return the Cache-Control of what may change, kept for at most `max_age` (HTTP-08)."""
    return f"public, max-age={int(max_age.total_seconds())}"


def make_ready(body: bytes, variant: Variant, *, cache_control: str, extra: Headers = ()) -> Ready:
    """Make the answer for a body. Bodies too small to gain are sent as they are, gzip allowed or not."""
    squeezed = is_squeezed(len(body), variant)
    payload = _gzip(body) if squeezed else body
    return _ready(
        body, payload, variant, squeezed=squeezed, headers=((b"cache-control", cache_control.encode()), extra)
    )


def make_squeezed(payload: bytes, variant: Variant, *, cache_control: str) -> Ready:
    """Make the answer for a body that is compressed already, as a `squeezer` does it."""
    return _ready(payload, payload, variant, squeezed=True, headers=((b"cache-control", cache_control.encode()), ()))


def is_squeezed(size: int, variant: Variant) -> bool:
    """Whether a body of so many bytes is sent compressed."""
    return variant.gzip and size >= _GZIP_FROM


def pack(body: bytes) -> bytes:
    """Return a final body as it is kept: gzip where that gains, so that it is compressed once and not for each reader."""
    return _gzip(body) if len(body) >= _GZIP_FROM else body


def is_packed(kept: bytes) -> bool:
    """Whether a final body is kept compressed."""
    return kept.startswith(_GZIP_MARK)


def make_kept(kept: bytes, variant: Variant, *, extra: Headers = ()) -> Ready:
    """Make the answer for a final body as it is kept: by `pack`, or plain by a release that did not know it."""
    if not is_packed(kept):
        return make_ready(kept, variant, cache_control=FOR_EVER, extra=extra)
    payload = kept if variant.gzip else gzip.decompress(kept)
    return _ready(kept, payload, variant, squeezed=variant.gzip, headers=((b"cache-control", FOR_EVER.encode()), extra))


def _ready(
    named: bytes, payload: bytes, variant: Variant, *, squeezed: bool, headers: tuple[tuple[bytes, bytes], Headers]
) -> Ready:
    """Make the answer that sends `payload`; `named` are the bytes whose digest names the content."""
    # The tag names the content and, strong as it is, the exact bytes: media type and coding take part (HTTP-26).
    digest = hashlib.blake2b(named, digest_size=12).hexdigest()
    media, profile, _ = variant.media.partition(";")
    kind = _TAGS.get(media, "x") + (_PROFILED if profile else "")
    etag = f'"{digest}-{kind}{"z" if squeezed else ""}"'
    cache_control, extra = headers
    validators: Headers = (
        (b"etag", etag.encode()),
        cache_control,
        VARY_CODING if variant.named else VARY,
        *CORS,
        *extra,
    )
    coding: Headers = ((b"content-encoding", b"gzip"),) if squeezed else ()
    described: Headers = (
        (b"content-type", content_type(variant.media).encode()),
        # Always a length: a cut-off N-Triples file would be a valid one (HTTP-27).
        (b"content-length", str(len(payload)).encode()),
        *coding,
        *validators,
    )
    head = _head(described)
    return Ready(
        etag=etag,
        headers=described,
        wire=head + payload,
        head_size=len(head),
        unchanged_headers=validators,
        unchanged=_head(validators),
    )


def content_type(media: str) -> str:
    """Return the Content-Type of a media type: text says its charset, the others are UTF-8 by definition."""
    if media == "text/csv":
        return "text/csv; charset=utf-8; header=present"
    plain, separator, profile = media.partition(";")
    return f"{plain}; charset=utf-8{separator}{profile}" if plain.startswith("text/") else media


class ReadyCache:
    """Answers that never change, in memory up to `capacity` bytes; the one unused longest leaves first."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._size = 0
        self._kept: OrderedDict[tuple[bytes, str, bool], Ready] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    @property
    def size(self) -> int:
        """The bytes kept."""
        return self._size

    def get(self, path: bytes, media: str, gzip: bool) -> Ready | None:
        """Return the answer for a raw path in one representation, and remember that it was used."""
        key = (path, media, gzip)
        ready = self._kept.get(key)
        if ready is not None:
            self._kept.move_to_end(key)
        return ready

    def put(self, path: bytes, variant: Variant, ready: Ready) -> None:
        """Keep an answer; one larger than the whole memory is not kept."""
        if len(ready.wire) > self._capacity:
            return
        key = (path, variant.media, variant.gzip)
        if (before := self._kept.pop(key, None)) is not None:
            self._size -= len(before.wire)
        self._kept[key] = ready
        self._size += len(ready.wire)
        while self._size > self._capacity:
            _, gone = self._kept.popitem(last=False)
            self._size -= len(gone.wire)

    def forget(self, prefix: bytes) -> None:
        """Drop every answer whose path begins so: what was there for ever is gone now."""
        for key in [key for key in self._kept if key[0].startswith(prefix)]:
            self._size -= len(self._kept.pop(key).wire)


def _head(headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    return b"".join(b"%s: %s\r\n" % pair for pair in headers) + b"\r\n"


def squeezer() -> zlib._Compress:
    """Begin to compress a body as all of ours are."""
    # 31 = zlib's largest window with a gzip wrapper; no name and no time in it, so equal bodies give equal bytes.
    return zlib.compressobj(_GZIP_LEVEL, zlib.DEFLATED, 31)


def _gzip(body: bytes) -> bytes:
    squeeze = squeezer()
    return squeeze.compress(body) + squeeze.flush()
