"""`smartflanders replicate` on our own server with real members: copies, parts of them, views, and proofs."""

from __future__ import annotations

import asyncio
import hashlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ldes_server.digests import sign_closed
from ldes_server.postgres_store import PostgresStore
from smartflanders.cli import main
from tests.conformance.kit import PAGE_SIZE, Site, two_streams
from tests.support.running import ROOT

NAME = "gent-parking"
VERSION_OF = "http://purl.org/dc/terms/isVersionOf"
# Five closed pages and an open one.
COUNT = 57


@pytest.fixture
def site(database_url: str) -> Iterator[Site]:
    """Run a site with closed pages that are signed off, and an open one."""
    with Site(database_url, two_streams()) as running:
        running.append(NAME, COUNT)
        sign(running)
        yield running


def sign(site: Site) -> None:
    """Sign what has closed."""

    async def work(store: PostgresStore) -> int:
        return await sign_closed(site.streams[NAME], store, stop=asyncio.Event())

    site.run(work)


def served(site: Site) -> list[bytes]:
    """Read the members as the plain pages of the site have them, which the client does not ask for."""
    lines: list[bytes] = []
    pages = range(-(-COUNT // PAGE_SIZE))
    for page in pages:
        lines += site.get(f"/{NAME}/log/0/{page}?format=ndjson").body.splitlines()
    return lines


def replicate(site: Site, out: Path, *arguments: str, stream: str = NAME) -> int:
    """Run the command."""
    return main(["replicate", f"{site.base}/{stream}", "--out", str(out), *arguments])


def members(out: Path) -> list[dict[str, Any]]:
    """Read a copy."""
    return [json.loads(line) for line in out.read_bytes().splitlines()]


def test_a_copy_is_what_is_served_byte_for_byte(site: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each member once, exactly as the pages have it; run again it adds what is new and nothing else."""
    out = tmp_path / "copy"
    assert replicate(site, out, "--ordered") == 0
    assert out.read_bytes().splitlines() == served(site)
    before = out.read_bytes()
    assert "complete: 57 members written, 57 read" in capsys.readouterr().err
    site.append(NAME, 8)
    assert replicate(site, out, "--ordered") == 0
    assert out.read_bytes().startswith(before)
    assert [member["sequence"] for member in members(out)] == list(range(COUNT + 8))


def test_standard_output_carries_members_only(site: Site, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    """Without --out members are on standard output, one a line; what is said about them is on standard error."""
    assert main(["replicate", f"{site.base}/{NAME}", "--ordered"]) == 0
    captured = capfdbinary.readouterr()
    assert captured.out.splitlines() == served(site)
    assert b"complete" in captured.err


def test_n_quads_give_the_digest_of_ids(site: Site, tmp_path: Path) -> None:
    """A copy in N-Quads tells number, time and IRI of every member as they were signed off."""
    out = tmp_path / "copy"
    assert replicate(site, out, "--ordered", "--format", "nquads") == 0
    found: dict[str, dict[str, str]] = {}
    for line in out.read_text("utf-8").splitlines():
        subject, predicate, value = line.split(" ", 2)
        found.setdefault(subject, {})[predicate] = value
    text = ""
    for subject, said in found.items():
        if "<https://w3id.org/smartflanders/ns#sequence>" in said:
            number, time = (
                said[f"<{name}>"].split('"')[1]
                for name in ("https://w3id.org/smartflanders/ns#sequence", "http://www.w3.org/ns/prov#generatedAtTime")
            )
            text += f"{number} {time} {subject[1:-1]}\n" if int(number) < PAGE_SIZE else ""
    first = json.loads(site.get(f"/{NAME}/digests/0").body.splitlines()[0])
    assert hashlib.sha256(text.encode()).hexdigest() == first["ids"]


# --- proofs -----------------------------------------------------------------------------------------------------------


def test_a_copy_is_proven(site: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """--verify copies and proves: how many members, the feed's number, and what is not signed off yet; any order will do."""
    out = tmp_path / "copy"
    assert replicate(site, out, "--ordered", "--verify") == 0
    chain = json.loads(site.get(f"/{NAME}/digests").body)["chain"]
    said = capsys.readouterr().out
    assert said == f"50 members proven: {chain}\n7 members stand on no closed page yet, so they are not signed off\n"
    # Made elsewhere, in another order, of an earlier moment: judged as it is, and left so.
    other = tmp_path / "other"
    other.write_bytes(b"".join(line + b"\n" for line in reversed(out.read_bytes().splitlines()[:33])))
    kept = other.read_bytes()
    assert replicate(site, other, "--verify") == 0
    assert "30 members proven: " in (said := capsys.readouterr().out)
    assert "17 newer members are signed off that the copy does not have" in said
    assert other.read_bytes() == kept
    assert not (tmp_path / "other.state").exists()


Spoil = list[bytes]


def flipped(lines: Spoil) -> None:
    """Flip one bit of a value."""
    lines[23] = lines[23].replace(b'"observedAt":"2', b'"observedAt":"3')


def spaced(lines: Spoil) -> None:
    """Add a space, which changes no value."""
    lines[23] = lines[23].replace(b",", b", ", 1)


def lost(lines: Spoil) -> None:
    """Lose a member."""
    del lines[23]


def first_lost(lines: Spoil) -> None:
    """Lose the very first member."""
    del lines[0]


def many_lost(lines: Spoil) -> None:
    """Lose more than a page."""
    del lines[15:32]


def doubled(lines: Spoil) -> None:
    """Have a member twice."""
    lines.insert(40, lines[23])


def renumbered(lines: Spoil) -> None:
    """Give a member another's number."""
    lines[23] = lines[23].replace(b'"sequence":23', b'"sequence":24')


def garbled(lines: Spoil) -> None:
    """Break a line."""
    lines[23] = lines[23][:-1]


def open_lost(lines: Spoil) -> None:
    """Lose a member that is not signed off yet."""
    del lines[53]


@pytest.mark.parametrize(
    "wrong",
    [
        (flipped, ["page 2: member 23 says something else: line 24"]),
        (spaced, ["page 2: member 23 says something else: line 24"]),
        (lost, ["page 2: member 23 is missing"]),
        (first_lost, ["page 0: member 0 is missing"]),
        (
            many_lost,
            [
                "page 1: members 15 to 19 are missing",
                "page 2: members 20 to 29 are missing",
                "page 3: members 30 to 31 are missing",
            ],
        ),
        (doubled, ["page 2: member 23 is there twice: lines 24 and 41"]),
        (
            renumbered,
            [
                "page 2: member 23 is missing",
                "page 2: member 24 is there twice: lines 24 and 25, and they differ",
                "page 2: member 24 says something else: line 24",
            ],
        ),
        (garbled, ["line 24 is no member with a sequence number: ", "page 2: member 23 is missing"]),
        (open_lost, ["not signed yet: member 53 is missing"]),
    ],
)
@pytest.mark.parametrize("remembered", [True, False])
def test_what_is_wrong_with_a_copy_is_named(
    site: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str], wrong: tuple[Any, list[str]], remembered: bool
) -> None:
    """A flipped bit, a space, a lost or doubled member, another number, half a line: exit 1, and each is named."""
    out = tmp_path / "copy"
    assert replicate(site, out, "--ordered") == 0
    lines = out.read_bytes().splitlines()
    spoil, said = wrong
    spoil(lines)
    out.write_bytes(b"".join(line + b"\n" for line in lines))
    if not remembered:
        (tmp_path / "copy.state").unlink()
    capsys.readouterr()
    assert replicate(site, out, "--ordered", "--verify") == 1
    told = [line.removeprefix(f"{out}: ") for line in capsys.readouterr().out.splitlines()]
    assert [line[: len(wanted)] for line, wanted in zip(told, said, strict=False)] == said
    assert told[len(said)] == f"{out} is not proven"


def test_a_last_line_that_is_cut_is_named(site: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A copy whose last line has no end is not proven."""
    out = tmp_path / "copy"
    replicate(site, out)
    (tmp_path / "copy.state").unlink()
    out.write_bytes(out.read_bytes()[:-1])
    assert replicate(site, out, "--verify") == 1
    assert "line 57 is cut" in capsys.readouterr().out
    out.write_bytes(b"")
    assert replicate(site, out, "--verify") == 1
    assert "the copy is empty, the feed signed 50 members" in capsys.readouterr().out


def test_a_feed_that_contradicts_itself_proves_nothing(
    site: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Digests that do not follow from each other, or from what is served, are the feed's fault and said so."""

    async def forge(store: PostgresStore) -> None:
        line = json.loads((await store.digests(NAME, 4, limit=1))[0])
        forged = {**line, "page": 5, "first": 50, "last": 59, "json": "0" * 64}
        await store.sign(NAME, 5, json.dumps(forged).encode())

    site.append(NAME, 3)
    site.run(forge)
    assert replicate(site, tmp_path / "copy", "--verify") == 1
    said = capsys.readouterr().out
    assert "page 5: the feed's own signature does not follow from those before it" in said
    assert "page 5: the feed serves this page with other content than it signed" in said


def test_a_feed_without_digests_says_so(site: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Where nothing is signed off, nothing can be proven: status 1, and what to do."""
    assert replicate(site, tmp_path / "copy", "--verify", stream="gent-traffic") == 0
    assert "0 members proven" in capsys.readouterr().out
    assert main(["replicate", f"{site.base}/nowhere", "--out", str(tmp_path / "other"), "--verify"]) == 1
    assert "answered 404" in capsys.readouterr().err


# --- parts ------------------------------------------------------------------------------------------------------------


def test_a_part_is_what_the_conditions_say(site: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """--since and --where give the members of the whole copy for which they hold; --since reads no page before it."""
    everything = tmp_path / "all"
    assert replicate(site, everything, "--ordered") == 0
    capsys.readouterr()
    moment = members(everything)[34]["generatedAtTime"]
    assert replicate(site, tmp_path / "since", "--ordered", "--since", moment) == 0
    assert members(tmp_path / "since") == [it for it in members(everything) if it["generatedAtTime"] >= moment]
    assert "; 4 pages in this run" not in capsys.readouterr().err
    entity = members(everything)[3]["isVersionOf"]
    assert replicate(site, tmp_path / "where", "--ordered", "--where", f"{VERSION_OF}={entity}") == 0
    assert members(tmp_path / "where") == [it for it in members(everything) if it["isVersionOf"] == entity]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--verify"], "--verify"),
        (["--out", "x", "--verify", "--since", "1d"], "a part of a feed cannot be proven"),
        (["--out", "x", "--verify", "--format", "nquads"], "digests are of the JSON"),
        (["--since", "yesterday"], "--since"),
        (["--bbox", "1,2,3"], "--bbox"),
        (["--where", "colour=red"], "--where"),
        (["--where", "<urn:a>/b=red"], "--where"),
        (["--every", "5s"], "--follow"),
    ],
)
def test_wrong_use_is_explained(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Options that contradict each other or cannot be read: status 2 with what to write instead, nothing is asked."""
    assert main(["replicate", "http://127.0.0.1:1/feed", *arguments]) == 2
    captured = capsys.readouterr()
    assert said in captured.err
    assert "fix:" in captured.err


def test_all_faults_of_the_command_line_come_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    """Three faults are told in one go."""
    arguments = ["--since", "x", "--bbox", "y", "--where", "z"]
    assert main(["replicate", "http://127.0.0.1:1/feed", *arguments]) == 2
    assert "3 problems" in capsys.readouterr().err


def test_a_copy_goes_on_as_it_began(site: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Another address, form, order or condition for a copy that is there is refused, and so is a file without state."""
    out = tmp_path / "copy"
    assert replicate(site, out) == 0
    for other in (["--ordered"], ["--format", "nquads"], ["--since", "1d"]):
        assert replicate(site, out, *other) == 2
        assert "the state is that of a copy" in capsys.readouterr().err
    assert replicate(site, out, stream="gent-traffic") == 2
    (tmp_path / "copy.state").unlink()
    assert replicate(site, out) == 2
    assert "exists already" in capsys.readouterr().err
    (tmp_path / "copy.state").write_bytes(b"no database at all, but long enough to be looked at" * 100)
    assert replicate(site, out) == 1
    assert "is no state of a copy" in capsys.readouterr().err


def test_a_feed_that_is_not_there_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An address without a server, and one that is no address: an error with its fix, status 1."""
    assert main(["replicate", "ftp://example.org/feed", "--out", str(tmp_path / "a")]) == 1
    assert "is no http or https address" in capsys.readouterr().err


def test_a_reader_that_leaves_ends_the_copy(site: Site) -> None:
    """Whoever pipes the members somewhere and stops reading gets one sentence and status 1, no trace."""
    command = [sys.executable, "-m", "smartflanders.cli", "replicate", f"{site.base}/{NAME}"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        errors = process.stderr.read()
    assert process.returncode == 1
    assert "standard output: was closed by who read it" in errors
    assert "Traceback" not in errors
