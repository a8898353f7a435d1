"""The inlet: takes what publishers post, checks who they are, and answers when it is safe in the log."""

from __future__ import annotations

import asyncio
import base64
import binascii
import hmac
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, NamedTuple

from ingest.transports.webhook import Signature, WebhookOptions
from ingest.trouble import Troubles
from streams.errors import LogError, SourceError, Trouble
from streams.hooks import Receipt
from streams.log import Log
from streams.logs import logger
from streams.metrics import COLLECTED_BYTES, COLLECTED_PAYLOADS, DELIVERIES, LAST_COLLECTED
from streams.record import Payload, Record, raw_topic

_SOON, _LATER = 1, 5
_TAKEN = Receipt(202)

_log = logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """Deliveries that may wait for the log at once: `of_one` source, of all `together`, and how many bytes they have.

    An append takes milliseconds, and all that wait share one.
    """

    of_one: int = 256
    together: int = 1024
    size: int = 64 * 2**20


class _Waiting(NamedTuple):
    """A delivery on its way into the log, and whom to tell."""

    payload: Payload
    told: asyncio.Future[None]


class Inlet:
    """Takes deliveries for sources with `webhook:`; what `streams.hooks.Hooks` promises.

    The same delivery twice is fine: members are told apart by identity. Any number of processes may do this at once.
    """

    def __init__(self, sources: Mapping[str, WebhookOptions], log: Log, *, bounds: Bounds | None = None) -> None:
        self._sources = sources
        self._bounds = bounds or Bounds()
        self._log = log
        self._troubles = Troubles(log)
        self._waiting: list[_Waiting] = []
        self._count = dict.fromkeys(sources, 0)
        self._bytes = 0
        self._turn = asyncio.Lock()

    async def admit(self, source: str, headers: Mapping[str, str]) -> Receipt | None:
        """Refuse a source that takes no deliveries, a wrong token, and more than can be taken now."""
        options = self._sources.get(source)
        if options is None:
            return Receipt(404, f"no source {source!r} takes deliveries", "see `source:` in its file, with `webhook:`")
        refusal = _unknown(options, headers)
        if refusal is not None:
            return await self._refused(source, refusal, kind=Trouble.REFUSED)
        if self._count[source] >= self._bounds.of_one:
            what = f"{self._count[source]} deliveries of {source} wait"
            return await self._refused(source, Receipt(429, what, "send them later", _SOON), kind=Trouble.BUSY)
        if sum(self._count.values()) >= self._bounds.together or self._bytes >= self._bounds.size:
            receipt = Receipt(503, "too many deliveries wait", "send it again in a moment", _SOON)
            return await self._refused(source, receipt, kind=Trouble.BUSY)
        return None

    def limit(self, source: str) -> int:
        """Return how many bytes a body of a source may have."""
        return self._sources[source].max_bytes

    async def take(self, source: str, headers: Mapping[str, str], body: bytes) -> Receipt:
        """Take an admitted delivery; 202 when it is safe, and everything else means: send it again, or mend it."""
        options = self._sources[source]
        if options.signature is not None and not is_signed(options.signature, headers, body):
            receipt = Receipt(403, "the signature does not fit the body", "sign the bytes of the body with our secret")
            return await self._refused(source, receipt, kind=Trouble.REFUSED)
        payload = Payload(
            source=source,
            received_at=datetime.now(UTC),
            media_type=options.media_type or headers.get("content-type") or "application/json",
            body=body,
            message=_said(options, headers),
        )
        try:
            await self._safe(payload)
        except LogError as error:
            DELIVERIES.labels(source=source, outcome="failed").inc()
            _log.warning("delivery not kept", source=source, error=str(error))
            return Receipt(503, "the log does not take it now", "send it again in a moment", _LATER)
        DELIVERIES.labels(source=source, outcome="taken").inc()
        with suppress(LogError):
            await self._troubles.over(source)
        return _TAKEN

    async def _safe(self, payload: Payload) -> None:
        """Return when a payload is in the log; those that wait at the same time share an append."""
        waiting = _Waiting(payload, asyncio.get_running_loop().create_future())
        self._count[payload.source] += 1
        self._bytes += len(payload.body)
        self._waiting.append(waiting)
        try:
            async with self._turn:
                # Whoever had the turn before may have taken this one along.
                if not waiting.told.done():
                    await self._append()
            waiting.told.result()
        finally:
            self._count[payload.source] -= 1
            self._bytes -= len(payload.body)

    async def _append(self) -> None:
        """Append all that waits, and tell each."""
        batch, self._waiting = self._waiting, []
        topics: dict[str, list[Record]] = {}
        for each in batch:
            topics.setdefault(raw_topic(each.payload.source), []).append(each.payload.to_record())
        try:
            await self._log.append_together(list(topics.items()))
        except BaseException as error:
            # Nobody knows whether it is safe, so all of them must send it again.
            cut = LogError("the append was cut off", where="the inlet", fix="send it again", retriable=True)
            for each in batch:
                each.told.set_exception(error if isinstance(error, LogError) else cut)
                each.told.exception()
            raise
        for each in batch:
            _counted(each.payload)
            each.told.set_result(None)

    async def _refused(self, source: str, receipt: Receipt, *, kind: Trouble) -> Receipt:
        """Count and tell a refusal, and return it: what is refused is missing, and the operator must hear of it."""
        DELIVERIES.labels(source=source, outcome="busy" if kind is Trouble.BUSY else "refused").inc()
        busy = "it sends more than the log takes: see the disk, or ask it for fewer and larger deliveries"
        fix = busy if kind is Trouble.BUSY else "give publisher and platform the same token and secret"
        what = f"a delivery was refused: {receipt.what}"
        with suppress(LogError):
            await self._troubles.tell(source, SourceError(what, where=source, fix=fix, kind=kind, retriable=True))
        return receipt


def _unknown(options: WebhookOptions, headers: Mapping[str, str]) -> Receipt | None:
    """Say why a sender is not known by its token; None when it is, or when only the signature tells."""
    if not options.bearer:
        return None
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        return Receipt(401, "a token is needed", "send the header `Authorization: Bearer <token>`")
    # Of equal length, so that the time it takes says nothing.
    given, known = (sha256(text.encode()).digest() for text in (token.strip(), options.bearer))
    return None if hmac.compare_digest(given, known) else Receipt(403, "this token is not ours", "ask the operator")


def is_signed(signature: Signature, headers: Mapping[str, str], body: bytes) -> bool:
    """Say whether a body is signed with the secret; the time it takes does not depend on how wrong it is."""
    text = headers.get(signature.header, "").strip()
    if not text.startswith(signature.prefix):
        return False
    try:
        given = _bytes(text.removeprefix(signature.prefix), signature.encoding)
    except (ValueError, binascii.Error):
        return False
    return hmac.compare_digest(given, hmac.digest(signature.secret, body, "sha256"))


def _bytes(text: str, encoding: str) -> bytes:
    return bytes.fromhex(text) if encoding == "hex" else base64.b64decode(text, validate=True)


def _said(options: WebhookOptions, headers: Mapping[str, str]) -> Mapping[str, Any]:
    found = {name: headers[name] for name in options.headers if name in headers}
    return {"headers": found} if found else {}


def _counted(payload: Payload) -> None:
    COLLECTED_PAYLOADS.labels(source=payload.source).inc()
    COLLECTED_BYTES.labels(source=payload.source).inc(len(payload.body))
    LAST_COLLECTED.labels(source=payload.source).set(payload.received_at.timestamp())
