"""POST /hooks/{source}: what publishers push, handed to whoever takes it; 202 once it is safe."""

from __future__ import annotations

import zlib

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response

from ldes_server.problems import Problem
from streams.hooks import Hooks, Receipt


def add_hooks(app: FastAPI) -> None:
    """Add the address; `app.state.hooks` takes what comes, None where nothing does."""
    app.state.hooks = None
    summary = "By POST only: what publishers push, with a token or a signature; 202 once it is safe"
    app.add_api_route("/hooks/{source}", hook, methods=["POST"], summary=summary, response_class=Response)


async def hook(request: Request, source: str) -> Response:
    """Take a delivery of a publisher."""
    hooks: Hooks | None = request.app.state.hooks
    if hooks is None:
        raise Problem(404, "no source takes deliveries here", fix="give one `webhook:` in its source file")
    headers = {name.lower(): value for name, value in request.headers.items()}
    _refuse(await hooks.admit(source, headers))
    body = await _body(request, hooks.limit(source))
    receipt = await hooks.take(source, headers, body)
    _refuse(receipt)
    return Response(b"", receipt.status, headers={"cache-control": "no-store"})


def _refuse(receipt: Receipt | None) -> None:
    if receipt is not None and receipt.status >= 400:
        raise Problem(receipt.status, receipt.what, fix=receipt.fix, retry_after=receipt.retry_after)


async def _body(request: Request, limit: int) -> bytes:
    """Read the body as sent, unpacked where it is gzip: never more of it than is allowed."""
    coding = request.headers.get("content-encoding", "identity").strip().lower()
    if coding not in ("identity", "gzip"):
        raise Problem(415, f"cannot unpack {coding}", fix="send gzip, or no Content-Encoding")
    unpack = zlib.decompressobj(31) if coding == "gzip" else None
    parts: list[bytes] = []
    size = 0
    try:
        async for piece in request.stream():
            part = piece if unpack is None else unpack.decompress(piece, limit - size + 1)
            size += len(part)
            if size > limit:
                raise Problem(413, f"the body has more than {limit:,} bytes", fix="send less at once")
            parts.append(part)
    except zlib.error as error:
        raise Problem(400, f"the body is no gzip: {error}", fix="pack it again") from error
    if unpack is not None and (not unpack.eof or unpack.unused_data):
        what = "goes on behind its end" if unpack.eof else "ends too early"
        raise Problem(400, f"the gzip body {what}", fix="send it again, packed once and whole")
    return b"".join(parts)
