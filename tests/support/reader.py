"""A reader that never rests: fetches final pages in every form, remembers their bytes, and notices any change."""

from __future__ import annotations

import contextlib
import hashlib
import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from tests.support import crawl
from tests.support.cluster import BROKEN

FORMS = ("application/ld+json", "text/turtle", "application/n-triples")


@dataclass(slots=True)
class Reader:
    """Fetches final pages all the while in every form, keeps their digests, and compares when it meets them again."""

    base: str
    streams: Sequence[str]
    fetched: Callable[[str, str], tuple[bytes, dict[str, str]]] = crawl.fetch
    forms: Sequence[str] = FORMS
    pause: float = 0.2
    kept: dict[tuple[str, str], bytes] = field(default_factory=dict)
    changed: list[tuple[str, str]] = field(default_factory=list)
    broken: int = 0
    ended: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        """Read on until told to end, whatever the server does."""
        while not self.ended.wait(self.pause):
            for stream in self.streams:
                try:
                    self.look(f"{self.base}/{stream}/log")
                except BROKEN:
                    self.broken += 1

    def look(self, root: str) -> None:
        """Fetch what is final below a root and not kept yet, and what may still change."""
        waiting = [root]
        while waiting and not self.ended.is_set():
            url = waiting.pop()
            document = json.loads(self.fetch(url, self.forms[0]))
            if url != root and document["view"].get("immutable"):
                for form in self.forms[1:]:
                    self.fetch(url, form)
            nodes = [relation["node"] for relation in document["view"].get("relation", [])]
            waiting += [node for node in nodes if (node, self.forms[-1]) not in self.kept or "/log/0/" not in node]

    def fetch(self, url: str, form: str) -> bytes:
        """Fetch a page; a final one is remembered, and must never be another again."""
        body, headers = self.fetched(url, form)
        if "immutable" in headers["cache-control"]:
            digest = hashlib.blake2b(body, digest_size=16).digest()
            if self.kept.setdefault((url, form), digest) != digest:
                self.changed.append((url, form))
        return body

    def wait_for_more(self) -> None:
        """Wait, not for long, until another final page was fetched: the next kill shall meet a reader at work."""
        have, deadline = len(self.kept), time.monotonic() + 6
        while len(self.kept) <= have and time.monotonic() < deadline:
            time.sleep(0.05)

    def compare(self) -> int:
        """Fetch every page again that was ever final; return how many there were."""
        known = list(self.kept)
        for url, form in known:
            self.fetch(url, form)
        return len(known)


@contextlib.contextmanager
def reading(reader: Reader) -> Iterator[Reader]:
    """Read in the background."""
    thread = threading.Thread(target=reader.run, name="reader")
    thread.start()
    try:
        yield reader
    finally:
        reader.ended.set()
        thread.join()
