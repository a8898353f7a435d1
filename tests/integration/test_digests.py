"""Digests of closed pages: made once and in order, resumed, served for ever, and proven by the script of the docs."""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from rdflib import URIRef

from ldes_server.digests import GENESIS, PER_PART, run_signing, sign, sign_closed
from ldes_server.postgres_store import PostgresStore
from tests.conformance.kit import PAGE_SIZE, Site, make_members, members_of, two_streams
from tests.support.running import ROOT

NAME = "gent-parking"
PAGE = ROOT / "docs" / "how-to" / "prove-a-copy.md"
GENERATED_AT = URIRef("http://www.w3.org/ns/prov#generatedAtTime")
SEQUENCE = URIRef("https://w3id.org/smartflanders/ns#sequence")


@pytest.fixture
def site(database_url: str) -> Iterator[Site]:
    """Run a site with five closed pages and an open one, none signed."""
    with Site(database_url, two_streams()) as running:
        running.append(NAME, 57)
        yield running


def signed(site: Site) -> int:
    """Sign what has closed."""

    async def work(store: PostgresStore) -> int:
        return await sign_closed(site.streams[NAME], store, stop=asyncio.Event())

    return site.run(work)


def lines(site: Site) -> list[dict[str, object]]:
    """Fetch all digests."""
    summary = json.loads(site.get(f"/{NAME}/digests").body)
    parts = [site.get(part.removeprefix(site.base)) for part in summary["parts"]]
    return [json.loads(line) for part in parts for line in part.body.splitlines()]


def test_closed_pages_are_signed_once_and_in_order(site: Site) -> None:
    """Signing goes on where it ended; each page is counted, and the newest chain is the summary's."""
    empty = json.loads(site.get(f"/{NAME}/digests").body)
    assert (empty["pages"], empty["members"], empty["chain"], empty["parts"]) == (0, 0, GENESIS, [])
    assert site.get(f"/{NAME}/digests/0").status == 404
    assert signed(site) == 5
    assert signed(site) == 0
    before = lines(site)
    site.append(NAME, 13)
    assert signed(site) == 2
    assert lines(site)[:5] == before
    assert [(it["page"], it["first"], it["last"], it["count"]) for it in lines(site)] == [
        (index, index * PAGE_SIZE, index * PAGE_SIZE + PAGE_SIZE - 1, PAGE_SIZE) for index in range(7)
    ]
    summary = json.loads(site.get(f"/{NAME}/digests").body)
    assert (summary["pages"], summary["members"], summary["chain"]) == (7, 70, lines(site)[-1]["chain"])


def test_every_form_of_a_page_gives_the_digest_of_its_ids(site: Site) -> None:
    """Number, time and IRI of each member, from any RDF form, digest to what is signed; the JSON does byte for byte."""
    signed(site)
    for line in lines(site)[::2]:
        path = f"/{NAME}/log/0/{line['page']}"
        for media in ("text/turtle", "application/n-triples", "application/trig", "application/n-quads"):
            page = site.get(path, media)
            graph = page.graph()
            found = sorted(
                (int(str(graph.value(member, SEQUENCE))), str(graph.value(member, GENERATED_AT)), str(member))
                for member in members_of(graph, f"{site.base}/{NAME}")
            )
            text = "".join(f"{number} {moment} {member}\n" for number, moment, member in found)
            assert hashlib.sha256(text.encode()).hexdigest() == line["ids"]
        members = json.loads(site.get(path).body)["member"]
        text = "".join(json.dumps(it, ensure_ascii=False, separators=(",", ":")) + "\n" for it in members)
        assert hashlib.sha256(text.encode()).hexdigest() == line["json"]


def test_digests_may_be_kept(site: Site) -> None:
    """The summary and an unfinished part are kept briefly; both have a tag, any web page may read them; HEAD answers."""
    signed(site)
    for path, media in ((f"/{NAME}/digests", "application/json"), (f"/{NAME}/digests/0", "application/x-ndjson")):
        answer = site.get(path)
        assert (answer.status, answer.media, answer.headers["cache-control"]) == (200, media, "public, max-age=5")
        assert site.get(path, if_none_match=answer.headers["etag"]).status == 304
        assert site.get(path, method="HEAD").headers["etag"] == answer.headers["etag"]
        assert site.get(path, "text/turtle").status == 406
    for wrong in ("1", "x", "-1", "00", "999999999999999"):
        assert site.get(f"/{NAME}/digests/{wrong}").status == 404


def test_a_full_part_never_changes(site: Site) -> None:
    """A thousand lines are served as what is kept for ever."""

    async def fill(store: PostgresStore) -> None:
        for index in range(PER_PART):
            await store.sign(NAME, index, b'{"page":%d}' % index)

    site.run(fill)
    answer = site.get(f"/{NAME}/digests/0")
    assert "immutable" in answer.headers["cache-control"]
    assert len(answer.body.splitlines()) == PER_PART


def test_a_digest_that_is_there_stays(site: Site) -> None:
    """Signing a page again changes nothing, whoever does it."""
    signed(site)
    before = lines(site)
    site.run(lambda store: store.sign(NAME, 2, b'{"page":2,"other":true}'))
    assert lines(site) == before


def test_the_loop_signs_what_closes(site: Site) -> None:
    """The loop signs what has closed, and ends when it is told to."""

    async def work(store: PostgresStore) -> int:
        stop = asyncio.Event()
        async with asyncio.timeout(20), asyncio.TaskGroup() as group:
            group.create_task(run_signing(site.streams[NAME], store, stop=stop), name="sign")
            while await store.signed(NAME) is None:  # noqa: ASYNC110 - the loop tells nobody
                await asyncio.sleep(0.01)
            stop.set()
        return len(await store.digests(NAME, 0, limit=PER_PART))

    assert site.run(work) >= 1


def test_any_change_of_a_page_changes_its_chain() -> None:
    """Another time, number, order, text or page before gives another digest, and with it another chain."""
    stream = two_streams()[0]
    members = make_members(stream, range(10), "https://example.org")
    whole = json.loads(sign(0, members, previous=GENESIS))
    changed = [
        (members[1], members[0], *members[2:]),
        (*members[:9], members[9]._replace(sequence=10)),
        (*members[:9], members[9]._replace(body=members[9].body.replace(b"312", b"313"))),
        members[:9],
    ]
    chains = {json.loads(sign(0, them, previous=GENESIS))["chain"] for them in changed}
    chains.add(json.loads(sign(0, members, previous="1" * 64))["chain"])
    assert len(chains | {whole["chain"]}) == 6


def script(tmp_path: Path) -> Path:
    """Write the script of the page into a file."""
    found = re.search(r"^```python prove\n(.*?)^```$", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    assert found is not None
    file = tmp_path / "prove.py"
    file.write_text(found.group(1), "utf-8")
    return file


def test_the_script_of_the_page_proves_a_copy(site: Site, tmp_path: Path) -> None:
    """It copies and proves, adds what is new, and finds a member that is missing, changed or out of place."""
    file, copy = script(tmp_path), tmp_path / "copy.ndjson"

    def prove() -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-I", str(file), f"{site.base}/{NAME}", str(copy)]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    for appended, pages in ((0, 5), (20, 7)):
        site.append(NAME, appended) if appended else None
        signed(site)
        done = prove()
        assert done.stdout == f"{pages * PAGE_SIZE} members proven: {lines(site)[-1]['chain']}\n", done.stderr
    kept = copy.read_text("utf-8").split("\n")[:-1]
    assert len(kept) == 70
    wrong = {
        "missing": [*kept[:33], *kept[34:]],
        "out of order": [kept[1], kept[0], *kept[2:]],
        "says something else": [*kept[:69], kept[69].replace('"freeSpaces":312', '"freeSpaces":313')],
    }
    for reason, changed in wrong.items():
        copy.write_text("".join(f"{line}\n" for line in changed), "utf-8")
        done = prove()
        assert done.returncode != 0
        assert reason in done.stderr


def test_roots_say_where_digests_are(site: Site) -> None:
    """The root says of its stream where it is signed off, in JSON and in RDF, and what it names is there."""
    address = f"{site.base}/{NAME}/digests"
    root = site.get(f"/{NAME}/log", "application/ld+json")
    assert json.loads(root.body)["digests"] == address
    said = f"<{site.base}/{NAME}> <https://w3id.org/smartflanders/ns#digests> <{address}> ."
    assert said in site.get(f"/{NAME}/log", "application/n-quads").body.decode().splitlines()
    assert site.get(f"/{NAME}/digests").status == 200
