"""Answers like those of real servers: ETag, Last-Modified, 304 and gzip, and whether they were handed over whole."""

from __future__ import annotations

import asyncio
import hashlib
import zlib
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime

from aiohttp import web

# One piece each fifth of a second: a body of any size takes about four seconds.
_SLOW_PIECES = 20
_SLOW_PAUSE = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A body to serve, with its validators; `slow` dribbles it, `broken` closes the connection at two thirds."""

    body: bytes
    media_type: str
    etag: str
    modified: datetime
    slow: bool = False
    broken: bool = False


def digest(body: bytes) -> str:
    """Make the opaque part of an ETag from the content."""
    return hashlib.sha256(body).hexdigest()[:20]


def known_etags(request: web.BaseRequest) -> tuple[str, ...]:
    """List the opaque parts of the ETags the client says it has."""
    header = request.headers.get("If-None-Match", "")
    return tuple(part.strip().removeprefix("W/").strip('"') for part in header.split(",") if part.strip())


def is_known(request: web.BaseRequest, answer: Answer) -> bool:
    """Say whether the client has this very answer: by ETag, or by date when it shows no ETag (RFC 9110 13.2.2)."""
    if "If-None-Match" in request.headers:
        return answer.etag in known_etags(request)
    try:
        since = parsedate_to_datetime(request.headers.get("If-Modified-Since", ""))
        return answer.modified.replace(microsecond=0) <= since
    except (ValueError, TypeError):
        return False


def _headers(answer: Answer, *, packed: bool) -> dict[str, str]:
    return {
        # As nginx does it: compressing on the fly makes a strong validator weak.
        "ETag": f'W/"{answer.etag}"' if packed else f'"{answer.etag}"',
        "Last-Modified": format_datetime(answer.modified.astimezone(UTC), usegmt=True),
        "Vary": "Accept-Encoding",
        "Cache-Control": "no-cache",
        "Access-Control-Allow-Origin": "*",
    }


async def send(request: web.Request, answer: Answer) -> tuple[web.StreamResponse, bool]:
    """Serve an answer; return the response and whether all of its body was handed to the network."""
    packed = "gzip" in request.headers.get("Accept-Encoding", "")
    headers = _headers(answer, packed=packed)
    if is_known(request, answer):
        return web.Response(status=304, headers=headers), False
    body = answer.body
    if packed:
        body = await asyncio.to_thread(_gzip, body)
        headers["Content-Encoding"] = "gzip"
    response = web.StreamResponse(headers=headers | {"Content-Type": answer.media_type})
    response.content_length = len(body)
    try:
        await response.prepare(request)
        if request.method != "HEAD":
            await _write(response, body, answer)
            if answer.broken:
                request.protocol.force_close()
                return response, False
        await response.write_eof()
    except ConnectionError:
        return response, False
    return response, request.method != "HEAD"


async def _write(response: web.StreamResponse, body: bytes, answer: Answer) -> None:
    if answer.broken:
        await response.write(body[: len(body) * 2 // 3])
    elif answer.slow:
        size = len(body) // _SLOW_PIECES + 1
        for start in range(0, len(body), size):
            await response.write(body[start : start + size])
            await asyncio.sleep(_SLOW_PAUSE)
    else:
        await response.write(body)


def _gzip(body: bytes) -> bytes:
    packer = zlib.compressobj(level=1, wbits=16 + zlib.MAX_WBITS)
    return packer.compress(body) + packer.flush()
