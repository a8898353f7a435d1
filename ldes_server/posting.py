"""POST /{stream}: the HTTP side of the intake: tokens, limits, compression, and an answer for each member."""

from __future__ import annotations

import hmac
import zlib
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Protocol

import orjson
from starlette.requests import Request
from starlette.responses import Response

from ldes_server.intake import BusyError, Intake
from ldes_server.model import Stream
from ldes_server.negotiate import RDF_TYPES, choose
from ldes_server.problems import Problem
from ldes_server.verdicts import Answer, Result
from streams.errors import LogError
from vocab.errors import DocumentError, TooManyError

# What a document may have, unpacked: 10,000 members of 1.6 KB.
LARGEST = 16 * 1024 * 1024
LINES = "application/x-ndjson"
_PROBLEM = "application/problem+json"
_LONGEST_KEY = 200
_STATUS = {Result.CREATED: 201, Result.DUPLICATE: 200, Result.CONFLICT: 409, Result.REJECTED: 422}


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """The answer that a request with an idempotency key got; `digest` is that of the request."""

    digest: bytes
    status: int
    media: str
    body: bytes


class KeptAnswers(Protocol):
    """Where answers are kept for senders that ask again. Raises `StoreError`."""

    async def answer(self, stream: str, key: str) -> Kept | None:
        """Return the answer kept under a key, None when there is none (any more)."""
        ...

    async def keep_answer(self, stream: str, key: str, kept: Kept) -> None:
        """Keep an answer for a day, unless one is kept."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """What POST needs: the intake, the tokens of each stream (BLAKE2b digests, see `digest_of`), and kept answers."""

    intake: Intake
    tokens: Mapping[str, frozenset[bytes]]
    answers: KeptAnswers


def digest_of(token: str) -> bytes:
    """Return what is kept of a token."""
    return blake2b(token.encode()).digest()


async def post(request: Request, stream: Stream, door: Door | None) -> Response:
    """Take the members in the body of a request.

    Raises:
        Problem: with the status and the fix, for everything that is wrong with the request as a whole.

    """
    door = _admit(request, stream, door)
    media = _media(request)
    answer_in = choose(_accepted(request), (LINES, _PROBLEM)) or LINES
    key = request.headers.get("idempotency-key", "").strip().strip('"')
    if len(key) > _LONGEST_KEY:
        raise Problem(400, "the Idempotency-Key is too long", fix=f"use at most {_LONGEST_KEY} characters")
    document = await _body(request)
    digest = blake2b(media.encode() + b"\0" + document, digest_size=32).digest()
    if key and (kept := await door.answers.answer(stream.name, key)) is not None:
        return _again(kept, digest)
    status, content = _told(await _taken(door, stream, document, media), stream)
    kind = _PROBLEM if len(content) == 1 and status >= 400 and answer_in == _PROBLEM else LINES
    body = b"".join(orjson.dumps(line) + b"\n" for line in content)
    if key:
        await door.answers.keep_answer(stream.name, key, Kept(digest=digest, status=status, media=kind, body=body))
    location = {"location": str(content[0]["member"])} if status == _STATUS[Result.CREATED] else {}
    return Response(body, status, headers={"content-type": kind, "cache-control": "no-store", **location})


def _admit(request: Request, stream: Stream, door: Door | None) -> Door:
    if door is None or stream.name not in door.tokens:
        raise Problem(405, "this stream takes no members over HTTP", fix="name it in the file of SF_POST_TOKENS")
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise Problem(401, "a token is needed", fix="send the header `Authorization: Bearer <token>`")
    digest = digest_of(token.strip())
    if not any(hmac.compare_digest(digest, known) for known in door.tokens[stream.name]):
        raise Problem(403, "this token does not open this stream", fix="ask the operator for the stream's token")
    return door


def _media(request: Request) -> str:
    media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media not in RDF_TYPES:
        raise Problem(415, f"members are taken as {', '.join(RDF_TYPES)}", fix="say which in Content-Type")
    return media


def _accepted(request: Request) -> str | None:
    return ",".join(request.headers.getlist("accept")) or None


async def _body(request: Request) -> bytes:
    coding = request.headers.get("content-encoding", "identity").strip().lower()
    if coding not in ("identity", "gzip"):
        raise Problem(415, f"cannot unpack {coding}", fix="send gzip, or no Content-Encoding")
    parts: list[bytes] = []
    size = 0
    pieces = request.stream()
    async for part in pieces if coding == "identity" else _unpacked(pieces):
        size += len(part)
        if size > LARGEST:
            raise Problem(413, f"the document has more than {LARGEST:,} bytes", fix="send it in several requests")
        parts.append(part)
    return b"".join(parts)


async def _unpacked(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    unpack = zlib.decompressobj(31)
    try:
        async for piece in pieces:
            # Never more at once than is allowed in all: a small packet may hold gigabytes.
            yield unpack.decompress(piece, LARGEST + 1)
        if not unpack.eof:
            raise Problem(400, "the gzip body ends too early", fix="send it again, whole")
    except zlib.error as error:
        raise Problem(
            400, f"the body is no gzip: {error}", fix="pack it again, or leave Content-Encoding out"
        ) from error


async def _taken(door: Door, stream: Stream, document: bytes, media: str) -> Sequence[Answer]:
    try:
        answers = await door.intake.take(stream, document, media)
    except DocumentError as error:
        raise Problem(413 if isinstance(error, TooManyError) else 400, str(error), fix=error.fix) from error
    except BusyError as error:
        raise Problem(429, str(error), fix="send it again after Retry-After", retry_after=error.seconds) from error
    except LogError as error:
        raise Problem(503, "the log did not answer", fix="send it again: what arrived is not taken twice") from error
    if not answers:
        fix = "give members the type of the stream's model, or name them with tree:member"
        raise Problem(422, "there is no member in this document", fix=fix)
    return answers


def _told(answers: Sequence[Answer], stream: Stream) -> tuple[int, list[dict[str, object]]]:
    """Say what became of each member; the status is the one result's, 200 for many, 422 when none was good."""
    lines = [_line(answer, stream) for answer in answers]
    if len(answers) == 1:
        status = _STATUS[answers[0].result]
        if status >= _STATUS[Result.CONFLICT]:
            title = "Conflict" if answers[0].result is Result.CONFLICT else "Unprocessable Content"
            lines[0] = {"type": "about:blank", "title": title, "status": status, **lines[0]}
        return status, lines
    bad = all(answer.result in (Result.REJECTED, Result.CONFLICT) for answer in answers)
    return (_STATUS[Result.REJECTED] if bad else 200), lines


def _line(answer: Answer, stream: Stream) -> dict[str, object]:
    line: dict[str, object] = {"member": answer.member, "result": answer.result.value}
    if answer.faults:
        line["detail"] = "; ".join(answer.faults)
    if answer.report:
        line["detail"] = f"does not conform to <{stream.model.shape.iri}>"
        line["report"] = [
            {"focus": each.focus, "path": each.path, "message": each.message, "value": each.value}
            for each in answer.report
        ]
    return line


def _again(kept: Kept, digest: bytes) -> Response:
    if not hmac.compare_digest(kept.digest, digest):
        raise Problem(422, "this Idempotency-Key came with another body", fix="use a new key for a new request")
    headers = {"content-type": kept.media, "cache-control": "no-store", "idempotency-replayed": "true"}
    return Response(kept.body, kept.status, headers=headers)
