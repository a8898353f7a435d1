"""Members posted over HTTP: a real server, a real log, a real writer; every answer, and nothing taken twice."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import orjson
import pytest

from ldes_server.model import Stream
from ldes_server.postgres_store import PostgresStore
from ldes_server.serve import Address, serve
from ldes_server.writer import run_writer
from smartflanders.door import open_door, read_tokens
from smartflanders.pilots import Plan
from streams.errors import ConfigError
from streams.postgres_log import PostgresLog
from streams.settings import load_settings
from tests.conformance.kit import Answer, Site, members_of, two_streams
from vocab.model import load_model

STREAM = "gent-parking"
TOKEN = "0123456789abcdef-token"
TURTLE = "text/turtle"
PARKING = load_model("parking")


class OpenSite(Site):
    """The site of the tests over HTTP, with a door for those who post, and a writer that can be held back."""

    def __init__(self, dsn: str, folder: Path) -> None:
        super().__init__(dsn, two_streams())
        self._tokens = folder / "tokens"
        self._tokens.write_text(f"# who may post\n{STREAM} {TOKEN}\n", "utf-8")

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        settings = load_settings({"SF_BASE_URL": self.base, "SF_POST_TOKENS": str(self._tokens)})
        plan = Plan(sources=(), streams=tuple(self.streams.values()))
        async with AsyncExitStack() as stack:
            self._store = await stack.enter_async_context(PostgresStore(self._dsn, base_url=self.base))
            door = await stack.enter_async_context(open_door(plan, settings, self._dsn, self._store))
            address = Address(host="127.0.0.1", port=self.port, base_url=self.base, door=door)
            await serve(plan.streams, self._store, address=address, stop=self._stop, ready=self._ready.set)

    def post(self, document: bytes | str, media: str = TURTLE, **headers: str) -> Answer:
        """Post a document with the token, unless `headers` say otherwise."""
        body = document if isinstance(document, bytes) else document.encode()
        sent = {"content_type": media, "authorization": f"Bearer {TOKEN}", **headers}
        named = {name.replace("_", "-"): value for name, value in sent.items() if value}
        return self.send("POST", f"/{STREAM}", named, body)

    def publish(self, count: int) -> None:
        """Run the writer until so many members are published."""

        async def work(store: PostgresStore) -> None:
            stop = asyncio.Event()
            stream: Stream = self.streams[STREAM]
            async with PostgresLog(self._dsn) as log, asyncio.timeout(20), asyncio.TaskGroup() as group:
                group.create_task(run_writer(stream, log, store, stop=stop))
                while (await store.head(STREAM)).count < count:  # noqa: ASYNC110 - the writer sets no event
                    await asyncio.sleep(0.02)
                stop.set()

        self.run(work)

    def count(self) -> int:
        """Count the members on the pages."""
        return sum(len(members_of(page.graph(), f"{self.base}/{STREAM}")) for page in self.crawl(STREAM))


@pytest.fixture
def site(database_url: str, tmp_path: Path) -> Iterator[OpenSite]:
    """Run a site that takes members of one stream."""
    with OpenSite(database_url, tmp_path) as running:
        yield running


def member(number: int, *, free: int = 7) -> str:
    """Write a car park's state in Turtle."""
    return (
        f"<https://e.example/v/{number}> a <http://schema.mobivoc.org/#ParkingFacility> ;"
        f" <http://purl.org/dc/terms/isVersionOf> <https://e.example/p/{number}> ;"
        ' <http://www.w3.org/ns/sosa/resultTime> "2026-11-23T20:00:44Z"^^<http://www.w3.org/2001/XMLSchema#dateTime> ;'
        f" <http://vocab.datex.org/terms#parkingNumberOfVacantSpaces> {free} ;"
        f" <http://schema.mobivoc.org/#capacity> [ <http://schema.mobivoc.org/#currentValue> {free} ] ;"
        " <http://purl.org/dc/terms/license> <https://e.example/licence> ;"
        " <http://www.w3.org/ns/prov#wasAttributedTo> <https://e.example/city> .\n"
    )


def lines(answer: Answer) -> list[dict[str, object]]:
    """Read an answer's lines."""
    return [json.loads(line) for line in answer.body.splitlines()]


def results(answer: Answer) -> list[object]:
    """Read what became of each member."""
    return [line["result"] for line in lines(answer)]


def test_a_member_is_taken_published_and_then_known(site: OpenSite) -> None:
    """201 with its address; on the pages once written; the same again is a duplicate, other statements a conflict."""
    first = site.post(member(1))
    assert (first.status, results(first)) == (201, ["created"])
    assert first.headers["location"] == "https://e.example/v/1"
    site.publish(1)
    assert site.count() == 1
    assert (site.post(member(1)).status, results(site.post(member(1)))) == (200, ["duplicate"])
    other = site.post(member(1, free=8), accept="application/problem+json")
    assert (other.status, other.media) == (409, "application/problem+json")
    assert "new version" in str(json.loads(other.body)["detail"])
    site.publish(1)
    assert site.count() == 1


def test_each_member_of_a_document_has_an_answer(site: OpenSite) -> None:
    """One bad member costs no other one its place; the shape's report says where and what."""
    answer = site.post(member(1) + member(2, free=-4) + member(3) + member(4).replace("2026-11-23T20", "2026-11-23 20"))
    assert answer.status == 200
    assert results(answer) == ["created", "rejected", "created", "rejected"]
    report = lines(answer)[1]["report"]
    assert isinstance(report, list)
    assert any(each["path"].endswith("parkingNumberOfVacantSpaces") for each in report)
    assert "no xsd:dateTime" in str(lines(answer)[3]["detail"])
    site.publish(2)
    assert site.count() == 2


@pytest.mark.parametrize("media", [TURTLE, "application/n-triples", "application/ld+json"])
def test_forms_and_gzip(site: OpenSite, media: str) -> None:
    """Members come in any form, compressed or not; JSON-LD may name the model's own context by its address."""
    body = orjson.dumps({key: value for key, value in orjson.loads(PARKING.example).items() if key != "@context"})
    documents = {
        TURTLE: PARKING.writer.prefixes + PARKING.writer.turtle(body),
        "application/n-triples": PARKING.writer.ntriples(body, scope="m"),
        "application/ld+json": b'{"@context":"%s/models/parking",' % site.base.encode() + body[1:],
    }
    answer = site.post(gzip.compress(documents[media]), media, content_encoding="gzip")
    assert (answer.status, results(answer)) == (201, ["created"])


def test_a_state_gets_a_version_of_ours(site: OpenSite) -> None:
    """A thing without version is published as one, under an address of ours that answers."""
    state = member(1).replace("<http://purl.org/dc/terms/isVersionOf> <https://e.example/p/1> ;", "")
    answer = site.post(state)
    name = str(lines(answer)[0]["member"])
    assert name.startswith(f"{site.base}/{STREAM}/members/")
    assert results(site.post(state)) == ["created"]
    site.publish(1)
    assert site.count() == 1
    assert site.get(name).status == 200
    assert results(site.post(state)) == ["duplicate"]


def test_an_idempotency_key_repeats_the_answer(site: OpenSite) -> None:
    """The same request gets the same answer again, byte for byte; the same key with another body is refused."""
    first = site.post(member(1), idempotency_key='"k-1"')
    site.publish(1)
    again = site.post(member(1), idempotency_key='"k-1"')
    assert (again.status, again.body) == (201, first.body)
    assert again.headers["idempotency-replayed"] == "true"
    assert site.post(member(2), idempotency_key='"k-1"').status == 422


@pytest.mark.parametrize(
    ("document", "media", "headers", "said"),
    [
        ("", TURTLE, {"authorization": ""}, (401, "token is needed")),
        ("", TURTLE, {"authorization": "Bearer wrong"}, (403, "does not open")),
        ("", "text/html", {}, (415, "text/turtle")),
        (b"x", TURTLE, {"content_encoding": "br"}, (415, "cannot unpack")),
        (b"no gzip at all", TURTLE, {"content_encoding": "gzip"}, (400, "no gzip")),
        (gzip.compress(member(1).encode())[:-9], TURTLE, {"content_encoding": "gzip"}, (400, "too early")),
        (gzip.compress(b" " * 17_000_000), TURTLE, {"content_encoding": "gzip"}, (413, "16,777,216")),
        ("<a", TURTLE, {}, (400, "not readable")),
        ("", TURTLE, {}, (422, "no member")),
        ('{"@context":"http://169.254.169.254/c"}', "application/ld+json", {}, (400, "not at hand")),
    ],
)
def test_what_is_wrong_with_a_request(
    site: OpenSite, document: str | bytes, media: str, headers: dict[str, str], said: tuple[int, str]
) -> None:
    """A problem document names it, says how to mend it, and nothing is taken."""
    answer = site.post(document, media, **headers)
    problem = json.loads(answer.body)
    assert (answer.status, answer.media) == (said[0], "application/problem+json"), answer.body
    assert said[1] in problem["detail"]
    assert problem["fix"]


def test_a_member_too_large_for_the_log_is_refused(site: OpenSite) -> None:
    """A member of 5 MB has its own answer; the one beside it is taken."""
    large = member(1).replace(" .\n", f' ; <http://purl.org/dc/terms/description> "{"x" * 5_000_000}"@nl .')
    assert results(site.post(large + member(2))) == ["rejected", "created"]


def test_streams_without_tokens_take_nothing(site: OpenSite) -> None:
    """A stream nobody was given a token for answers 405 and says who can change that."""
    answer = site.send("POST", "/gent-traffic", {"authorization": f"Bearer {TOKEN}"}, b"")
    assert answer.status == 405
    assert "SF_POST_TOKENS" in json.loads(answer.body)["fix"]


def test_the_file_of_tokens_is_checked(tmp_path: Path) -> None:
    """Every wrong line is named at once, before anything is served."""
    file = tmp_path / "tokens"
    file.write_text("gent-parking short\nnobody 0123456789abcdef\nonly-a-name\n", "utf-8")
    with pytest.raises(ConfigError) as caught:
        read_tokens(file, Plan(sources=(), streams=two_streams()))
    assert [problem.where for problem in caught.value.problems] == [f"tokens, line {number}" for number in (1, 2, 3)]
