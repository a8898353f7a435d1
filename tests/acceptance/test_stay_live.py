"""The page and the script of docs/how-to/stay-live.md, as they are written there, through a restart of the server."""

from __future__ import annotations

import functools
import http.server
import json
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from tests.support import crawl
from tests.support.browser import showing
from tests.support.running import ROOT, Running

pytestmark = pytest.mark.slow

PAGE = ROOT / "docs" / "how-to" / "stay-live.md"
EXAMPLE = "http://127.0.0.1:8080"
# A small and quick city: a car park says something new every second or two.
CITY = ("--lanes", "1", "--speed", "60")


def block(language: str, base: str) -> str:
    """Return the page's program in a language, for this site."""
    found = re.search(rf"^```{language} live\n(.*?)^```$", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    assert found is not None
    return found.group(1).replace(EXAMPLE, base)


class City:
    """A platform that can be ended and started again on its data and its port."""

    def __init__(self, data: Path) -> None:
        self.now = Running(data, *CITY)
        self.base = self.now.base

    def restart(self) -> None:
        """End the whole platform, which listeners must not hold up, and start it again."""
        assert self.now.stop() < 10
        self.now = Running(self.now.data, *CITY, port=self.now.port)
        self.now.start()


@pytest.fixture
def running(tmp_path: Path) -> Iterator[City]:
    """Start a city, and wait until its car parks are known."""
    city = City(tmp_path / "data")
    try:
        city.now.start()
        until(lambda: b'"member":[{' in city.now.get("/gent-parking/latest"))
        yield city
    finally:
        city.now.stop()


def until(done: Callable[[], bool], *, within: float = 90) -> None:
    """Wait for something to be so."""
    deadline = time.monotonic() + within
    while not done():
        assert time.monotonic() < deadline, "it did not become so in time"
        time.sleep(0.2)


def published(city: City) -> dict[int, dict[str, Any]]:
    """Read the log by its pages."""
    return {member["sequence"]: member for member in crawl.members(f"{city.base}/gent-parking/log")}


def test_the_script_stays_live_through_a_restart(running: City, tmp_path: Path) -> None:
    """It prints the newest states, then every member from there on once and in order, before and after a restart."""
    file = tmp_path / "live.py"
    file.write_text(block("python", running.base), "utf-8")
    with (
        (tmp_path / "out").open("w") as out,
        (tmp_path / "err").open("w") as err,
        subprocess.Popen(
            [sys.executable, "-I", str(file), f"{running.base}/gent-parking"], stdout=out, stderr=err
        ) as script,
    ):
        try:
            # A member that was heard has its context; until there is one, the states before it may be half written.
            until(lambda: any("@context" in member for member in printed(tmp_path)))
            first = max(member["sequence"] for member in printed(tmp_path) if "@context" not in member) + 1
            until(lambda: printed(tmp_path)[-1]["sequence"] >= first + 3)
            before = printed(tmp_path)[-1]["sequence"]
            running.restart()
            until(lambda: printed(tmp_path)[-1]["sequence"] >= before + 5)
            assert script.poll() is None
        finally:
            script.terminate()
    members = printed(tmp_path)
    heard = [member for member in members if "@context" in member]
    assert members[-len(heard) :] == heard
    assert [member["sequence"] for member in heard] == list(range(first, first + len(heard)))
    log = published(running)
    for member in heard:
        assert member.pop("@context") == f"{running.base}/models/parking"
        assert member == log[member["sequence"]]
    assert "Traceback" not in (tmp_path / "err").read_text("utf-8")


def printed(folder: Path) -> list[dict[str, Any]]:
    """Read what the script has printed, its whole lines."""
    return [json.loads(line) for line in (folder / "out").read_text("utf-8").split("\n")[:-1]]


# What the browser's page shows, sent to the test by a few lines after the page's own: the page itself is untouched.
_TELL = """<script>
setInterval(() => fetch("/shown", { method: "POST", body: document.querySelector("pre").textContent }), 200);
</script>
"""


class Window(http.server.BaseHTTPRequestHandler):
    """Serves the page from an address of its own, and hears what it shows."""

    def __init__(self, text: bytes, shown: list[str], *arguments: object) -> None:
        self._text = text
        self._shown = shown
        super().__init__(*arguments)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        """Hand out the page."""
        self._answer(self._text if self.path == "/" else b"")

    def do_POST(self) -> None:
        """Note what is shown."""
        self._shown.append(self.rfile.read(int(self.headers["content-length"])).decode())
        self._answer(b"")

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def _answer(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/html; charset=utf-8")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        with suppress(ConnectionError):
            self.wfile.write(body)


@contextmanager
def window(text: str, folder: Path) -> Iterator[list[str]]:
    """Show a page in a headless browser; give the list of what it has shown so far."""
    shown: list[str] = []
    handler = functools.partial(Window, text.encode() + _TELL.encode(), shown)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, name="window", daemon=True).start()
        try:
            with showing(f"http://127.0.0.1:{server.server_port}/", folder):
                yield shown
        finally:
            server.shutdown()


def state(shown: list[str]) -> tuple[int, int, int]:
    """Read the page's last line: how many members it heard, from which number to which."""
    for text in reversed(shown):
        if found := re.search(r"(\d+) members from (\d+) to (-?\d+)$", text):
            news, first, last = (int(group) for group in found.groups())
            return news, first, last
    return 0, 0, -1


def test_the_page_stays_live_through_a_restart(running: City, tmp_path: Path) -> None:
    """It shows every car park and hears every member once, before and after a restart, without being loaded again."""
    with window(block("html", running.base), tmp_path) as shown:
        until(lambda: state(shown)[0] >= 3)
        _, first, before = state(shown)
        running.restart()
        until(lambda: state(shown)[2] >= before + 5)
    news, still_first, last = state(shown)
    assert still_first == first
    assert news == last - first + 1
    # Each state it ever showed was whole: what it had heard is what lies between its first and its last number.
    for text in shown:
        heard, begun, ended = state([text])
        assert heard == ended - begun + 1
    log = published(running)
    newest = {str(member["isVersionOf"]): member["name"]["nl"] for number, member in log.items() if number <= last}
    assert sorted(line.rpartition(": ")[0] for line in shown[-1].splitlines()[:-1]) == sorted(newest.values())


def test_the_page_is_ten_lines_of_script() -> None:
    """What a reader copies is short: the script of the page is what fits on one screen."""
    text = block("html", EXAMPLE)
    script = text[text.index(">\n", text.index("<script")) + 2 : text.index("</script>")]
    assert len(script.splitlines()) <= 16
