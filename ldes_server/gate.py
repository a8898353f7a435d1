"""The gate: in front of all routes, it grants browsers access and turns away what is too much at once."""

from __future__ import annotations

from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ldes_server.problems import Problem
from ldes_server.responses import CORS, PREFLIGHT
from streams.metrics import REQUESTS

_OUTCOMES = {304: "not_modified", 404: "missing", 410: "gone"}
_CLASSES = {2: "ok", 3: "redirect", 4: "refused", 5: "failed"}


class Gate:
    """ASGI middleware: CORS on every answer (HTTP-11), preflight, and 429 above `limit` requests at once (HTTP-12)."""

    def __init__(self, app: ASGIApp, *, limit: int) -> None:
        self._app = app
        self._limit = limit
        self._inside = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or answer it here."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if scope["method"] == "OPTIONS":
            response = Response(status_code=204)
            response.raw_headers = list(PREFLIGHT)
            await response(scope, receive, send)
            return
        if self._inside >= self._limit:
            problem = Problem(
                429, "too many requests at once", fix="wait the seconds that Retry-After says, then ask again"
            )
            await problem.response()(scope, receive, send)
            return
        self._inside += 1
        try:
            await self._app(scope, receive, _counted(scope, send))
        finally:
            self._inside -= 1


def _counted(scope: Scope, send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            # The router names the route while it handles the request; a path of ours never becomes a label.
            route = getattr(scope.get("route"), "name", "none")
            REQUESTS.labels(route, _outcome(message["status"])).inc()
            present = {name.lower() for name, _ in message["headers"]}
            missing = [pair for pair in CORS if pair[0] not in present]
            message = {**message, "headers": [*message["headers"], *missing]}
        await send(message)

    return sending


def _outcome(status: int) -> str:
    return _OUTCOMES.get(status) or _CLASSES[status // 100]
