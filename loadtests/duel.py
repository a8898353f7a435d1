"""The same questions by turns to our page server and to nginx, each alone on one processor, wrk on the other."""

from __future__ import annotations

import asyncio
import gzip
import statistics
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from loadtests.caller import Answer, Caller
from loadtests.ground import Ground, fine_seconds
from loadtests.nginx import Nginx, place
from loadtests.outcome import Figure
from loadtests.wrk import Answers, Volley, fire

# Below it a server's processor time cannot be told from nothing.
_LEAST_SECONDS = 1e-3


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked for over and over: `row` is the figure it answers; `held` asks whether what is held is current."""

    row: str
    what: str
    path: str
    held: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One volley at one server: what came back, and the processor seconds the server took."""

    answers: Answers
    spent: float

    @property
    def cost(self) -> float:
        """Microseconds of the server's processor for an answer."""
        return self.spent / self.answers.requests * 1e6


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """Our turn and nginx's just after it."""

    ours: Turn
    theirs: Turn


class Duel:
    """Our page server against nginx with the same bodies; made by `opened`."""

    def __init__(self, ground: Ground, nginx: Nginx, tags: Mapping[str, str], *, seconds: int) -> None:
        self._ground = ground
        self._nginx = nginx
        self._tags = tags
        self._seconds = seconds
        self.rounds: dict[Question, list[Round]] = {}

    async def fight(self, question: Question) -> None:
        """Ask both for a while, one after the other.

        Raises:
            RuntimeError: one of them answered with an error.

        """
        ground = self._ground
        ours = await self._turn(ground.base, question, ground.stand.pids["serve"], self._tags[question.path])
        nginx = self._nginx
        theirs = await self._turn(nginx.base, question, nginx.pid, nginx.etag(question.path))
        self.rounds.setdefault(question, []).append(Round(ours=ours, theirs=theirs))

    async def _turn(self, base: str, question: Question, pid: int, tag: str) -> Turn:
        headers = {"Accept-Encoding": "gzip", **({"If-None-Match": tag} if question.held else {})}
        url, cpu = base + question.path, self._ground.plan.generator
        async with Caller(base, headers) as caller:
            # What is asked for must be what is answered, and ready in memory on both sides.
            before = [await caller.get(question.path) for _ in range(3)]
        if {each.status for each in before} != {304 if question.held else 200}:
            raise RuntimeError(f"{url} was answered with status {before[-1].status}")
        began = fine_seconds(pid)
        answers = await asyncio.to_thread(fire, Volley(url=url, headers=headers, seconds=self._seconds, cpu=cpu))
        spent = max(fine_seconds(pid) - began, _LEAST_SECONDS)
        if answers.failures or not answers.requests:
            raise RuntimeError(f"{url}: {answers.failures} of {answers.requests} questions failed")
        return Turn(answers=answers, spent=spent)

    def figures(self) -> Iterator[Figure]:
        """Say of each question how many answers a processor second of ours gives, of nginx's, and what one costs."""
        for question, rounds in self.rounds.items():
            ratios = tuple(each.theirs.cost / each.ours.cost for each in rounds)
            theirs = statistics.median(each.theirs.cost for each in rounds)
            note = f"answers per processor second, of nginx: {question.what}; nginx takes {theirs:.1f} us"
            yield _median(question.row, ratios, "ratio", note)
            costs = tuple(each.ours.cost for each in rounds)
            yield _median(
                f"{question.row}-cost", costs, "us", f"server's processor time for an answer: {question.what}"
            )

    def late(self, question: Question, row: str) -> Iterator[Figure]:
        """Compare the p99 of a question, both servers as busy as wrk makes them."""
        rounds = self.rounds[question]
        ratios = tuple(each.ours.answers.p99 / each.theirs.answers.p99 for each in rounds)
        theirs = statistics.median(each.theirs.answers.p99 for each in rounds)
        yield _median(row, ratios, "ratio", f"p99 of nginx {theirs:.2f} ms")
        yield _median(f"{row}-ms", tuple(each.ours.answers.p99 for each in rounds), "ms", f"p99: {question.what}")


def _median(row: str, samples: tuple[float, ...], unit: str, note: str) -> Figure:
    return Figure(row=row, value=statistics.median(samples), unit=unit, samples=samples, note=note)


async def ask(ground: Ground, path: str) -> Answer:
    """Ask our server for a page, compressed.

    Raises:
        RuntimeError: it does not have it.

    """
    async with Caller(ground.base, {"Accept-Encoding": "gzip"}) as caller:
        answer = await caller.get(path)
    if answer.status != 200:
        raise RuntimeError(f"{path} was answered with status {answer.status}")
    return answer


@contextmanager
def opened(ground: Ground, pages: Mapping[str, Answer], *, seconds: int) -> Iterator[Duel]:
    """Give nginx the bodies of our answers, by path, and both a processor.

    Raises:
        ToolUnavailableError: nginx cannot be had.

    """
    folder = ground.plan.folder / "pages"
    for path, answer in pages.items():
        place(folder, path, gzip.decompress(answer.body), squeezed=answer.body)
    with Nginx(folder, cpu=ground.plan.server) as nginx:
        yield Duel(ground, nginx, {path: answer.etag for path, answer in pages.items()}, seconds=seconds)
