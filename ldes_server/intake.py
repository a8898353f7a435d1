"""Intake: takes members that others post, and answers once they are safe in the log."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import BrokenExecutor, ProcessPoolExecutor
from contextlib import asynccontextmanager
from datetime import timedelta
from multiprocessing import get_context
from typing import TYPE_CHECKING, Any, Protocol, Self, TypeVar

from ldes_server.budget import SpentError, within
from ldes_server.contexts import Contexts
from ldes_server.model import Head, Stream
from ldes_server.verdicts import Answer, Judged, Place, Result
from streams.log import Log
from streams.metrics import POSTED
from streams.record import Member, members_topic
from vocab.errors import DocumentError, MissingContextError, TooManyError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from types import TracebackType

# Documents that wait for the judge; one takes a second at most, so nobody waits longer than a client's patience.
WAITING = 8
# Contexts of one document that may have to be fetched first.
MOST_CONTEXTS = 5
# What the judge may compute for one document; 1,000 small car parks take it 4.6 s of processor time, nearly all SHACL.
BUDGET = timedelta(seconds=120)
# Members in the log that are not published yet, before senders have to wait for the writer.
LARGEST_LAG = 100_000

_T = TypeVar("_T")


class BusyError(Exception):
    """Too much is being taken in at this moment: the sender comes back in `seconds`."""

    def __init__(self, what: str, *, seconds: int) -> None:
        super().__init__(what)
        self.seconds = seconds


class Published(Protocol):
    """What is published, as far as the intake asks. Raises `StoreError`."""

    async def newest_head(self, stream: str) -> Head:
        """Return how far the stream is."""
        ...

    async def bodies(self, stream: str, ids: Collection[str]) -> Mapping[str, bytes]:
        """Return what is published under those of `ids` that are."""
        ...

    async def known(self, stream: str, ids: Collection[str]) -> frozenset[str]:
        """Return those of `ids` that were published already."""
        ...


class Intake:
    """Takes documents for streams; an async context manager that owns the judging process.

    The judge is one other process, started with the first document, so that reading RDF never keeps a reader of pages
    waiting. `contexts` has the JSON-LD contexts that documents may name.
    """

    def __init__(self, log: Log, published: Published, *, base_url: str, contexts: Contexts) -> None:
        self._log = log
        self._published = published
        self._base_url = base_url
        self._contexts = contexts
        self._pool: ProcessPoolExecutor | None = None
        self._waiting = 0

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.shutdown(wait=False, cancel_futures=True)

    async def take(self, stream: Stream, document: bytes, media: str) -> list[Answer]:
        """Judge a document's members and append the good ones to the log, all or none; answers in document order.

        Identity makes it safe to send again: what is published already is answered `duplicate`, and what is still on
        its way is left out by the writer.

        Raises:
            DocumentError: the document as a whole cannot be read.
            BusyError: too many wait for the judge, or the writer is far behind.
            LogError, StoreError: the log or the store did not answer; nothing is known of what was appended.

        """
        async with self._turn():
            await self._refuse_lag(stream.name)
            place = Place(
                stream=stream.name,
                model=stream.model.name,
                base_url=self._base_url,
                operations=bool(stream.operation_path),
            )
            judged = await self._judged(document, media, place)
            answers, fresh = await self._settle(stream, judged)
            if fresh:
                await self._log.append(members_topic(stream.name), [member.to_record() for member in fresh])
            for answer in answers:
                POSTED.labels(stream=stream.name, result=answer.result.value).inc()
            return answers

    async def _judged(self, document: bytes, media: str, place: Place) -> list[Judged]:
        for _ in range(MOST_CONTEXTS):
            try:
                return await self._run(_judge, document, media, place, self._contexts.known)
            except MissingContextError as missing:
                await self._contexts.fetch(missing)
        raise DocumentError(f"it names more than {MOST_CONTEXTS} contexts", fix="write them into the document")

    async def _settle(self, stream: Stream, judged: Sequence[Judged]) -> tuple[list[Answer], list[Member]]:
        """Compare with what is published; return the answers and the members that are new."""
        members = {each.member.id: each.member for each in judged if each.member is not None}
        held = await self._published.bodies(stream.name, members)
        said = [*held.values()]
        spelled = await self._run(_canonical, said, stream.model.name) if said else []
        same = {name for name, body in zip(held, spelled, strict=True) if body == members[name].body}
        # What retention dropped a while ago was published, whatever it said.
        same |= await self._published.known(stream.name, members) - held.keys()
        answers: list[Answer] = []
        fresh: dict[str, Member] = {}
        for each in judged:
            result, faults = Result.REJECTED, each.faults
            if each.member is not None:
                result, faults = _weigh(each.member, held, same, fresh)
                if result is Result.CREATED:
                    fresh[each.member.id] = each.member
            answers.append(Answer(member=each.iri, result=result, faults=faults, report=each.report))
        return answers, [*fresh.values()]

    async def _refuse_lag(self, stream: str) -> None:
        newest = await self._log.last(members_topic(stream))
        head = await self._published.newest_head(stream)
        if newest is not None and newest.offset - head.position > LARGEST_LAG:
            raise BusyError(f"{newest.offset - head.position:,} members wait to be published", seconds=10)

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        if self._waiting >= WAITING:
            raise BusyError("too many documents wait to be read", seconds=5)
        self._waiting += 1
        try:
            yield
        finally:
            self._waiting -= 1

    async def _run(self, work: Callable[..., _T], *arguments: Any) -> _T:
        loop = asyncio.get_running_loop()
        if self._pool is None:
            # One process, and not forked: this one has threads and sockets that a copy must not have.
            self._pool = ProcessPoolExecutor(1, mp_context=get_context("spawn"))
        try:
            return await loop.run_in_executor(self._pool, work, *arguments)
        except BrokenExecutor as error:
            # It was killed, by hand or for its memory: the next document gets a new one.
            self._pool = None
            raise BusyError("the process that reads documents ended", seconds=2) from error


def _weigh(
    member: Member, held: Mapping[str, bytes], same: Collection[str], fresh: Mapping[str, Member]
) -> tuple[Result, tuple[str, ...]]:
    if member.id in same:
        return Result.DUPLICATE, ()
    if member.id in held:
        fault = f"other statements are published under this IRI: see <{member.id}>; a member never changes"
        return Result.CONFLICT, (f"{fault}: send a new version under an IRI of its own",)
    if member.id in fresh:
        equal = fresh[member.id].body == member.body
        return (Result.DUPLICATE, ()) if equal else (Result.CONFLICT, ("this document says it twice, differently",))
    return Result.CREATED, ()


# Both run in the judging process, and only that one loads what they need: 26 MB that no other process has use for.


def _judge(*arguments: Any) -> list[Judged]:
    from ldes_server.judging import judge  # noqa: PLC0415

    try:
        return within(BUDGET, judge, *arguments)
    except SpentError as error:
        what = f"takes longer than {BUDGET.total_seconds():g} seconds to read"
        raise TooManyError(what, fix="send several documents, with fewer values of one property") from error


def _canonical(*arguments: Any) -> list[bytes]:
    from ldes_server.judging import canonical  # noqa: PLC0415

    return canonical(*arguments)
