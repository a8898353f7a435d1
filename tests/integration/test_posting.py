"""Members posted over HTTP: a real server, a real log, a real writer; every answer, and nothing taken twice."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest

from smartflanders.door import read_tokens
from smartflanders.pilots import Plan
from streams.errors import ConfigError
from tests.conformance.kit import two_streams
from tests.support.open_site import STREAM, TOKEN, TURTLE, OpenSite, lines, member, results
from vocab.model import load_model

PARKING = load_model("parking")


@pytest.fixture
def site(database_url: str, tmp_path: Path) -> Iterator[OpenSite]:
    """Run a site that takes members of one stream."""
    with OpenSite(database_url, tmp_path) as running:
        yield running


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
