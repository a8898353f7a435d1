"""The files connector: order, cursor, compressed files, and folders that are in trouble."""

from __future__ import annotations

import gzip
import os
import time
import zipfile
from datetime import timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from ingest.connectors.files import Files
from ingest.transports.files import FilesOptions
from streams.errors import SourceError


def options(folder: Path, *, pattern: str = "*", **more: Any) -> FilesOptions:
    """Read a folder whose files are in place when they are seen."""
    return FilesOptions(**{"folder": folder, "pattern": pattern, "settle": timedelta(0), **more})


async def read_all(folder: Path, cursor: bytes = b"", **more: Any) -> tuple[list[tuple[str, bytes]], bytes]:
    """Read until nothing is new, with a new connector; return media types, bodies and the last cursor."""
    found: list[tuple[str, bytes]] = []
    async with Files("demo", options(folder, **more)) as connector:
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
    async with Files("demo", options(tmp_path, max_bytes=5000)) as connector:
        with pytest.raises(SourceError, match="5000 bytes") as caught:
            await connector.poll(b"")
    assert name in caught.value.where


async def test_a_folder_that_is_gone_is_an_error(tmp_path: Path) -> None:
    """A missing folder is an outage, told apart from a folder without news."""
    async with Files("demo", options(tmp_path / "gone")) as connector:
        with pytest.raises(SourceError) as caught:
            await connector.poll(b"")
    assert caught.value.retriable


async def test_the_pattern_chooses_files_and_skips_folders(tmp_path: Path) -> None:
    """Only files that match are read, also below the folder when the pattern says so."""
    (tmp_path / "2026.json").mkdir()
    (tmp_path / "2026.json" / "x.json").write_bytes(b"x")
    (tmp_path / "y.txt").write_bytes(b"y")
    assert (await read_all(tmp_path, pattern="**/*.json"))[0] == [("application/json", b"x")]


def zipped(entries: dict[str, bytes]) -> bytes:
    """Make a zip."""
    packed = BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, body in entries.items():
            archive.writestr(name, body)
    return packed.getvalue()


DELIVERY = {
    "b.csv": b"b",
    "folder/": b"",
    "folder/a.xml": b"<a/>",
    "__MACOSX/b.csv": b"x",
    ".hidden": b"x",
    "c.json": b"{}",
}


async def test_each_entry_of_a_zip_is_a_payload(tmp_path: Path) -> None:
    """The files of a zip come in name order, then the next file of the folder; hidden ones and folders are left out."""
    (tmp_path / "1.zip").write_bytes(zipped(DELIVERY))
    (tmp_path / "2.json").write_bytes(b"2")
    found, cursor = await read_all(tmp_path)
    assert found == [
        ("text/csv", b"b"),
        ("application/json", b"{}"),
        ("application/xml", b"<a/>"),
        ("application/json", b"2"),
    ]
    assert (await read_all(tmp_path, cursor))[0] == []


async def test_a_zip_is_read_on_after_the_entry_that_is_safe(tmp_path: Path) -> None:
    """A new connector goes on inside the archive; one that changed in between is read from its start."""
    path = tmp_path / "1.zip"
    path.write_bytes(zipped(DELIVERY))
    async with Files("demo", options(tmp_path)) as connector:
        (first,) = (await connector.poll(b"")).payloads
    assert [body for _, body in (await read_all(tmp_path, first.cursor))[0]] == [b"{}", b"<a/>"]
    path.write_bytes(zipped({"a.csv": b"new", "b.csv": b"b"}))
    assert [body for _, body in (await read_all(tmp_path, first.cursor))[0]] == [b"new", b"b"]


async def test_archives_stay_whole_on_demand(tmp_path: Path) -> None:
    """`unpack: false` passes .gz and .zip on as they are."""
    packed, delivery = gzip.compress(b"<a/>"), zipped(DELIVERY)
    (tmp_path / "a.xml.gz").write_bytes(packed)
    (tmp_path / "b.zip").write_bytes(delivery)
    found, _ = await read_all(tmp_path, unpack=False)
    assert found == [("application/gzip", packed), ("application/zip", delivery)]


def lying(entries: dict[str, bytes]) -> bytes:
    """Make a zip whose headers claim that each entry is one byte long."""
    packed = bytearray(zipped(entries))
    for mark, offset in ((b"PK\x01\x02", 24), (b"PK\x03\x04", 22)):
        at = packed.find(mark)
        packed[at + offset : at + offset + 4] = (1).to_bytes(4, "little")
    return bytes(packed)


async def test_a_zip_bomb_is_an_error_that_names_the_entry(tmp_path: Path) -> None:
    """An entry that unpacks to more than the limit is refused, and nothing of it is kept."""
    (tmp_path / "1.zip").write_bytes(zipped({"a.csv": b"a", "bomb.csv": b" " * 50_000_000}))
    async with Files("demo", options(tmp_path, max_bytes=100_000)) as connector:
        (first,) = (await connector.poll(b"")).payloads
        with pytest.raises(SourceError, match=r"entry bomb\.csv is larger than 100000 bytes") as caught:
            await connector.poll(first.cursor)
    assert "1.zip" in caught.value.where


async def test_a_zip_that_lies_about_its_size_unpacks_no_more_than_the_limit(tmp_path: Path) -> None:
    """What headers claim does not count: such an archive is passed on as it is, for the normaliser to refuse."""
    bomb = lying({"bomb.csv": b" " * 50_000_000})
    (tmp_path / "1.zip").write_bytes(bomb)
    (tmp_path / "2.csv").write_bytes(b"2")
    assert (await read_all(tmp_path, max_bytes=100_000))[0] == [("application/zip", bomb), ("text/csv", b"2")]


@pytest.mark.parametrize("damage", ["cut", "no zip", "empty", "entry"])
async def test_a_broken_zip_is_a_payload_and_the_rest_follows(tmp_path: Path, damage: str) -> None:
    """An archive, or an entry, that cannot be read is passed on once as it is; what can be read comes besides."""
    good = zipped({"a.csv": b"a" * 50, "b.csv": b"b" * 50, "c.csv": b"c" * 50})
    at = good.find(b"b.csv") + len("b.csv")
    broken = {
        "cut": good[:-30],
        "no zip": b"hello",
        "empty": zipped({}),
        "entry": good[:at] + b"\xff\xff\xff" + good[at + 3 :],
    }[damage]
    (tmp_path / "1.zip").write_bytes(broken)
    (tmp_path / "2.csv").write_bytes(b"2")
    around = [("text/csv", b"a" * 50)] if damage == "entry" else []
    behind = [("text/csv", b"c" * 50)] if damage == "entry" else []
    assert (await read_all(tmp_path))[0] == [*around, ("application/zip", broken), *behind, ("text/csv", b"2")]


async def test_a_file_under_way_is_not_read(tmp_path: Path) -> None:
    """A file is read when it has stood still, and no later one before it; temporary names are never read."""
    for name in (".a.json", "b.json.part", "c.json~", "d.tmp"):
        (tmp_path / name).write_bytes(b"half")
    old = time.time() - 60
    (tmp_path / "z.json").write_bytes(b"z")
    os.utime(tmp_path / "z.json", (old, old))
    growing = tmp_path / "f.json"
    growing.write_bytes(b"[1,")
    async with Files("demo", options(tmp_path, settle=timedelta(seconds=30), every=timedelta(minutes=5))) as connector:
        poll = await connector.poll(b"")
        assert poll.payloads == ()
        assert timedelta(0) < poll.again_in <= timedelta(seconds=30)
        growing.write_bytes(b"[1, 2]")
        assert (await connector.poll(b"")).payloads == ()
        os.utime(growing, (old, old))
        (first,) = (await connector.poll(b"")).payloads
        (second,) = (await connector.poll(first.cursor)).payloads
    assert (first.body, second.body) == (b"[1, 2]", b"z")


async def test_a_clock_that_runs_ahead_does_not_hold_a_file_for_ever(tmp_path: Path) -> None:
    """A file from the future is read when it looked the same for long enough."""
    path = tmp_path / "a.json"
    path.write_bytes(b"a")
    os.utime(path, (time.time() + 3600, time.time() + 3600))
    async with Files("demo", options(tmp_path, settle=timedelta(seconds=0.2))) as connector:
        assert (await connector.poll(b"")).payloads == ()
        time.sleep(0.25)  # noqa: ASYNC251 - nothing else runs here
        assert len((await connector.poll(b"")).payloads) == 1
