"""The files connector: order, cursor, compressed files, and folders that are in trouble."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from ingest.connectors.files import Files
from ingest.transports.files import FilesOptions
from streams.errors import SourceError


async def read_all(folder: Path, cursor: bytes = b"", *, pattern: str = "*") -> tuple[list[tuple[str, bytes]], bytes]:
    """Read until nothing is new, with a new connector; return media types, bodies and the last cursor."""
    found: list[tuple[str, bytes]] = []
    async with Files("demo", FilesOptions(folder=folder, pattern=pattern)) as connector:
        for _ in range(100):
            poll = await connector.poll(cursor)
            if not poll.payloads:
                return found, cursor
            for payload in poll.payloads:
                found.append((payload.media_type, payload.body))
                cursor = payload.cursor
    raise AssertionError("the folder never ends")


async def test_files_come_in_name_order_each_once(tmp_path: Path) -> None:
    """Files are read in name order whatever the order they appeared in, and new ones are picked up later."""
    for name in ("b.json", "a.xml", "c.csv"):
        (tmp_path / name).write_bytes(name.encode())
    found, cursor = await read_all(tmp_path)
    assert found == [("application/xml", b"a.xml"), ("application/json", b"b.json"), ("text/csv", b"c.csv")]
    (tmp_path / "d.bin").write_bytes(b"d")
    assert (await read_all(tmp_path, cursor))[0] == [("application/octet-stream", b"d")]


async def test_the_last_file_is_read_again_when_it_changed(tmp_path: Path) -> None:
    """A file that is overwritten in place is news, its old content is not."""
    path = tmp_path / "latest.json"
    path.write_bytes(b"1")
    _, cursor = await read_all(tmp_path)
    assert (await read_all(tmp_path, cursor))[0] == []
    path.write_bytes(b"2")
    assert (await read_all(tmp_path, cursor))[0] == [("application/json", b"2")]


async def test_compressed_files_are_decompressed(tmp_path: Path) -> None:
    """A .gz file is its content, with the media type of the name without .gz."""
    (tmp_path / "a.xml.gz").write_bytes(gzip.compress(b"<a/>"))
    assert (await read_all(tmp_path))[0] == [("application/xml", b"<a/>")]


async def test_a_broken_compressed_file_is_a_payload_and_the_next_one_follows(tmp_path: Path) -> None:
    """A .gz that cannot be unpacked is passed on as it is and does not block the rest."""
    broken = gzip.compress(b"<a/>" * 100)[:-10]
    (tmp_path / "a.xml.gz").write_bytes(broken)
    (tmp_path / "b.xml").write_bytes(b"<b/>")
    assert (await read_all(tmp_path))[0] == [("application/gzip", broken), ("application/xml", b"<b/>")]


@pytest.mark.parametrize("name", ["a.json", "a.json.gz"])
async def test_an_oversize_file_is_an_error_that_names_it(tmp_path: Path, name: str) -> None:
    """A file over the limit, before or after unpacking, is an error with its name and the limit."""
    body = b" " * 1_000_000
    (tmp_path / name).write_bytes(gzip.compress(body) if name.endswith(".gz") else body)
    async with Files("demo", FilesOptions(folder=tmp_path, pattern="*", max_bytes=5000)) as connector:
        with pytest.raises(SourceError, match="5000 bytes") as caught:
            await connector.poll(b"")
    assert name in caught.value.where


async def test_a_folder_that_is_gone_is_an_error(tmp_path: Path) -> None:
    """A missing folder is an outage, told apart from a folder without news."""
    async with Files("demo", FilesOptions(folder=tmp_path / "gone", pattern="*")) as connector:
        with pytest.raises(SourceError) as caught:
            await connector.poll(b"")
    assert caught.value.retriable


async def test_the_pattern_chooses_files_and_skips_folders(tmp_path: Path) -> None:
    """Only files that match are read, also below the folder when the pattern says so."""
    (tmp_path / "2026.json").mkdir()
    (tmp_path / "2026.json" / "x.json").write_bytes(b"x")
    (tmp_path / "y.txt").write_bytes(b"y")
    assert (await read_all(tmp_path, pattern="**/*.json"))[0] == [("application/json", b"x")]
