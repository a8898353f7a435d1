"""A fast client that replicates a feed: `python -m loadtests.replicator URL`; what it found as one line of JSON.

It follows TREE relations as a client does, page by page over some keep-alive connections, but reads no further into a page
than its relations go, so that it is hardly ever the limit. After the clock has stopped it unpacks the pages of its first
copy and proves that no member is missing. With `--list` it fetches a list of paths, reads each page as far, and
follows nothing: the reference.
"""

from __future__ import annotations

import argparse
import gzip
import os
import re
import socket
import struct
import sys
import time
import zlib
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import orjson

# Each answer must come within this many seconds.
_PATIENCE_SECONDS = 60
_BUFFER = 1 << 18
# Unpacked in steps of so many bytes until the relations are read: most pages need one.
_STEP = 4096
_LENGTH = re.compile(rb"\r\n[Cc]ontent-[Ll]ength: *(\d+)")
_NODE = re.compile(rb'"node":"([^"\\]+)"')
# Where members begin; what links to other pages stands before it.
_MEMBERS = b'"member":['
_RELATIONS = b'"relation":['

# Takes a path and the body as it came, and returns the paths to go to.
Take = Callable[[str, bytes], Iterable[str]]


class Line:
    """One keep-alive connection that asks for a page and reads the answer."""

    def __init__(self, host: str, port: int, headers: bytes) -> None:
        self._socket = socket.create_connection((host, port), _PATIENCE_SECONDS)
        # Waiting by the kernel's own limit: Python's would cost one more call for each reading.
        self._socket.settimeout(None)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", _PATIENCE_SECONDS, 0))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._rest = b" HTTP/1.1\r\nHost: %s:%d\r\n%s\r\n" % (host.encode(), port, headers)
        self._buffer = bytearray(_BUFFER)
        self._view = memoryview(self._buffer)

    def ask(self, path: str) -> None:
        """Send the request for a path."""
        self._socket.sendall(b"GET " + path.encode() + self._rest)

    def take(self) -> bytes:
        """Read the answer to what was asked, and return its body as it came.

        Raises:
            RuntimeError: it is not 200 with a length, or the connection ended.

        """
        have = self._more(0)
        while (end := self._buffer.find(b"\r\n\r\n", 0, have)) < 0:
            have += self._more(have)
        length = _LENGTH.search(self._buffer, 0, end)
        if length is None or not self._buffer.startswith(b"HTTP/1.1 200 "):
            raise RuntimeError(f"answered {bytes(self._buffer[:end])!r}")
        size = end + 4 + int(length[1])
        if size <= _BUFFER:
            while have < size:
                have += self._more(have)
            return bytes(self._view[end + 4 : size])
        body = bytearray(self._view[end + 4 : have])
        while missing := size - end - 4 - len(body):
            body += self._view[: self._more(0, missing)]
        return bytes(body)

    def _more(self, at: int, most: int = _BUFFER) -> int:
        got = self._socket.recv_into(self._view[at:], min(most, _BUFFER - at))
        if not got:
            raise RuntimeError("the connection ended in the middle of an answer")
        return got

    def close(self) -> None:
        """End the connection."""
        self._socket.close()


def fetch(lines: Sequence[Line], paths: Iterable[str], take: Take) -> int:
    """Fetch these pages and those that `take` returns, each once; return how many there were."""
    seen = dict.fromkeys(paths)
    waiting, idle = deque(seen), deque(lines)
    asked: deque[tuple[Line, str]] = deque()
    while waiting or asked:
        while waiting and idle:
            line, path = idle.popleft(), waiting.popleft()
            line.ask(path)
            asked.append((line, path))
        line, path = asked.popleft()
        body = line.take()
        idle.append(line)
        for found in take(path, body):
            if found not in seen:
                seen[found] = None
                waiting.append(found)
    return len(seen)


def links(body: bytes) -> list[str]:
    """Return the addresses that a page in JSON-LD links to, plain or gzip; it is read as far as its members begin."""
    if body[:2] != b"\x1f\x8b":
        return _nodes(body.partition(_MEMBERS)[0] if _RELATIONS in body else b"")
    unpack = zlib.decompressobj(31)
    text = unpack.decompress(body, _STEP)
    while _MEMBERS not in text and not unpack.eof and unpack.unconsumed_tail:
        text += unpack.decompress(unpack.unconsumed_tail, _STEP)
    return _nodes(text)


def _nodes(text: bytes) -> list[str]:
    return [found.decode() for found in _NODE.findall(text.partition(_MEMBERS)[0])]


def proof(pages: Iterable[bytes]) -> dict[str, Any]:
    """Unpack pages and count what they hold: members, different numbers of them, whether none is missing, and bytes."""
    members = plain = 0
    numbers: set[int] = set()
    for body in pages:
        text = gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body
        plain += len(text)
        found = [member["sequence"] for member in orjson.loads(text).get("member", ())]
        members += len(found)
        numbers.update(found)
    dense = bool(numbers) and max(numbers) + 1 == len(numbers)
    return {"members": members, "distinct": len(numbers), "dense": dense, "plain": plain}


def follow(url: str, lines: Sequence[Line], kept: dict[str, bytes] | None) -> int:
    """Replicate the view at an address once; what comes is kept in `kept` if there is one. Return the number of pages."""
    origin = _origin(url)

    def take(path: str, body: bytes) -> Iterable[str]:
        if kept is not None:
            kept[path] = body
        # What leads elsewhere is another server's.
        return [link.removeprefix(origin) for link in links(body) if link.startswith(origin + "/")]

    return fetch(lines, [url.removeprefix(origin)], take)


def _read(_path: str, body: bytes) -> Iterable[str]:
    links(body)
    return ()


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def run(url: str, *, connections: int, listed: Sequence[str], seconds: float, keep: Path | None) -> dict[str, Any]:
    """Copy again and again until so many seconds have passed, once at least; return what that took and what was found."""
    parts = urlsplit(url)
    assert parts.hostname is not None
    headers = b"Accept: application/ld+json\r\nAccept-Encoding: gzip\r\n"
    kept: dict[str, bytes] = {}
    pages = copies = 0
    spent = 0.0
    processor = time.process_time()
    with ExitStack() as stack:
        # The same for all copies: a copy of a million members has 500 pages to a connection, a short one 25.
        lines = [
            stack.enter_context(closing(Line(parts.hostname, parts.port or 80, headers))) for _ in range(connections)
        ]
        while not copies or spent < seconds:
            began = time.perf_counter()
            pages += fetch(lines, listed, _read) if listed else follow(url, lines, None if copies else kept)
            spent += time.perf_counter() - began
            copies += 1
    processor = time.process_time() - processor
    found = {"copies": copies, "pages": pages, "seconds": spent, "processor": processor}
    if keep is not None:
        store(keep, kept)
    return found if listed else found | {"wire": sum(map(len, kept.values()))} | proof(kept.values())


def store(folder: Path, kept: dict[str, bytes]) -> None:
    """Write the compressed pages as nginx looks for them, under numbers: its root and what is below it cannot share a name."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, body in enumerate(kept.values()):
        squeezed = body if body[:2] == b"\x1f\x8b" else gzip.compress(body, 6, mtime=0)
        (folder / f"{number}.gz").write_bytes(squeezed)


def main(argv: Sequence[str] | None = None) -> int:
    """Copy one feed; 0 when it was copied to its end, 1 when it was not."""
    parser = argparse.ArgumentParser(prog="python -m loadtests.replicator", description=__doc__)
    parser.add_argument("url", help="the root of a view, or with --list any address of the server")
    parser.add_argument("--connections", type=int, default=8, help="pages asked for at once (default 8)")
    parser.add_argument("--list", type=int, default=0, help="fetch so many paths /0, /1 ... and follow nothing")
    parser.add_argument("--seconds", type=float, default=0.0, help="copy again until so many seconds have passed")
    parser.add_argument("--keep", type=Path, help="a folder for the compressed pages of the first copy: 0.gz, 1.gz ...")
    parser.add_argument("--cpu", type=int, help="the processor to run on")
    asked = parser.parse_args(argv)
    if asked.cpu is not None and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {asked.cpu})
    listed = [f"/{number}" for number in range(asked.list)]
    try:
        found = run(asked.url, connections=asked.connections, listed=listed, seconds=asked.seconds, keep=asked.keep)
    except (OSError, RuntimeError) as error:
        print(f"failed: {error!r}", file=sys.stderr)
        return 1
    print(orjson.dumps(found).decode(), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
