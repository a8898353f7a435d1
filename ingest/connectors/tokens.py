"""Tokens: an access token by client credentials, kept while it is good (RFC 6749 section 4.4)."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from typing import Any
from urllib.parse import quote_plus, urlencode

import orjson

from ingest.connectors.request import Answer, ClosedDoorError, Request
from ingest.transports.oauth2 import OAuth2
from streams.errors import SourceError

# A token is not used in the last tenth of its life, at most this long: an answer under way must still find it good.
_MARGIN = 60.0
# What a token without `expires_in` is believed to live.
_UNSAID = 300.0
_FORM = "application/x-www-form-urlencoded"
# The service said no to our name or secret: asking every minute again would only lock the account.
_REFUSED = timedelta(minutes=5)

Ask = Callable[[Request], Awaitable[Answer]]


class Tokens:
    """Hands out the token of one client and asks for a new one when it is old or was refused.

    `ask` sends a request without any key of the source, and returns error answers as they are.
    """

    def __init__(self, source: str, options: OAuth2, ask: Ask) -> None:
        self._source = source
        self._options = options
        self._ask = ask
        self._token = ""
        self._until = 0.0

    async def header(self) -> Mapping[str, str]:
        """Return the header that shows the token.

        Raises:
            ClosedDoorError: the service refuses the client.
            SourceError: the service answers an error, or something that is no token.

        """
        if not self._token or asyncio.get_running_loop().time() >= self._until:
            await self._renew()
        return {"Authorization": f"Bearer {self._token}"}

    def drop(self) -> None:
        """Forget the token: the publisher refused it."""
        self._token = ""

    async def _renew(self) -> None:
        asked = asyncio.get_running_loop().time()
        answer = await self._ask(self._request())
        said = _object(answer.body)
        if answer.status != 200:
            self._refuse(answer.status, said)
        token, kind = said.get("access_token"), str(said.get("token_type", "Bearer"))
        if not isinstance(token, str) or not token or not token.isprintable() or kind.lower() != "bearer":
            fix = "check token_url: it must answer JSON with access_token and token_type Bearer"
            raise self._error("the token service answered something that is no bearer token", fix=fix)
        life = _seconds(said.get("expires_in"))
        if life <= 0:
            fix = "ask the publisher; the clock of its token service may be wrong"
            raise self._error("the token service hands out tokens that have expired already", fix=fix)
        self._token, self._until = token, asked + life - min(_MARGIN, life / 10)

    def _refuse(self, status: int, said: Mapping[str, Any]) -> None:
        # The description is the service's own and may repeat what was sent; the code is from a closed list.
        code = str(said.get("error", ""))[:60]
        what = f"the token service answered {status} {code}".rstrip()
        error = self._error(what, fix="check client_id, client_secret and scope of oauth2 in the source file")
        if status in (400, 401, 403):
            raise ClosedDoorError(error, again_in=_REFUSED)
        raise error

    def _request(self) -> Request:
        options = self._options
        wishes = {"scope": options.scope, "audience": options.audience}
        fields = {"grant_type": "client_credentials"} | {name: value for name, value in wishes.items() if value}
        headers = {"Content-Type": _FORM, "Accept": "application/json"}
        if options.in_body:
            fields |= {"client_id": options.client_id, "client_secret": options.client_secret}
        else:
            # Both parts are form-encoded before they are joined (section 2.3.1).
            pair = f"{quote_plus(options.client_id)}:{quote_plus(options.client_secret)}"
            headers["Authorization"] = f"Basic {b64encode(pair.encode()).decode()}"
        return Request(url=options.token_url, headers=headers, body=urlencode(fields).encode())

    def _error(self, what: str, *, fix: str) -> SourceError:
        where = f"{self._source}, {self._options.token_url.partition('?')[0]}"
        return SourceError(what, where=where, fix=fix, retriable=True)


def _object(body: bytes) -> Mapping[str, Any]:
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return value if isinstance(value, dict) else {}


def _seconds(value: object) -> float:
    """Read `expires_in`: a number, which some services write as a text."""
    try:
        return _UNSAID if value is None else float(str(value))
    except ValueError:
        return _UNSAID
