"""Bounded decompression: gzip and deflate that stop at a limit, however small the bomb was.

The HTTP client's own decompression has no limit, so it stays off and bodies pass through here.
"""

from __future__ import annotations

import zlib

# gzip's window size for zlib, and deflate's with and without the zlib header: RFC 9110 asks for the header,
# some servers leave it out.
_GZIP = 16 + zlib.MAX_WBITS
_ZLIB = zlib.MAX_WBITS
_RAW = -zlib.MAX_WBITS


class OversizeError(ValueError):
    """The body is larger than the limit; callers turn it into the error of their own transport."""


class BrokenError(ValueError):
    """The bytes are no such stream, or it ends before its end; callers turn it into their own error."""


class Inflater:
    """Collects a body chunk by chunk, decompressing on the way, and never holds more than `limit` bytes.

    `coding` is `identity`, `gzip` or `deflate`. Feed every chunk, then `finish` once.
    """

    def __init__(self, coding: str, limit: int) -> None:
        if coding not in ("identity", "gzip", "deflate"):
            raise BrokenError(f"unknown content coding {coding!r}")
        self._coding = coding
        self._limit = limit
        self._body = bytearray()
        self._stream = zlib.decompressobj(_GZIP) if coding == "gzip" else None

    def feed(self, chunk: bytes) -> None:
        """Take the next chunk as received.

        Raises:
            OversizeError: the body has grown over the limit.
            BrokenError: the chunk does not continue a valid stream.

        """
        if self._coding == "identity":
            self._keep(chunk)
            return
        while chunk:
            stream = self._stream or self._open(chunk)
            try:
                # One byte over the limit is enough to know; the rest of a bomb is never unpacked.
                self._keep(stream.decompress(chunk, self._limit - len(self._body) + 1))
            except zlib.error as error:
                raise BrokenError(f"not a valid {self._coding} stream: {error}") from error
            chunk = stream.unconsumed_tail
            if stream.eof:
                # gzip files may be several streams in a row (RFC 1952 section 2.2); zero padding ends them.
                chunk = stream.unused_data.lstrip(b"\0") if self._coding == "gzip" else b""
                if chunk:
                    self._stream = zlib.decompressobj(_GZIP)

    def finish(self) -> bytes:
        """Return the whole body.

        Raises:
            BrokenError: the compressed stream stopped before its end.

        """
        if self._stream is not None and not self._stream.eof:
            raise BrokenError(f"the {self._coding} stream stops before its end")
        return bytes(self._body)

    def _open(self, chunk: bytes) -> zlib._Decompress:
        # CM = 8 in the low nibble and a header checksum divisible by 31 (RFC 1950): anything else is raw deflate.
        headed = chunk[0] & 0x0F == 8 and len(chunk) > 1 and int.from_bytes(chunk[:2], "big") % 31 == 0
        self._stream = zlib.decompressobj(_ZLIB if headed else _RAW)
        return self._stream

    def _keep(self, piece: bytes) -> None:
        self._body += piece
        if len(self._body) > self._limit:
            # The error's traceback keeps this object until the collector comes by; two such bodies must not add up.
            self._body = bytearray()
            raise OversizeError(f"the body is larger than {self._limit} bytes")


def gunzip(packed: bytes, limit: int) -> bytes:
    """Decompress a gzip file whole, at most `limit` bytes.

    Raises:
        OversizeError, BrokenError: as for `Inflater`.

    """
    inflater = Inflater("gzip", limit)
    inflater.feed(packed)
    return inflater.finish()
