"""The fast client: which links it reads from a page, and what its proof finds."""

from __future__ import annotations

import gzip
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from loadtests.replicator import links, main, proof, run


def page(nodes: list[str], numbers: range = range(0), *, context: int = 10) -> bytes:
    """Make a page as the platform writes one: its relations before its members."""
    relations = [{"@type": "Relation", "node": node, "remainingItems": 3} for node in nodes]
    members = [{"@id": f"http://h/{number}", "node": "http://h/none", "sequence": number} for number in numbers]
    document = {"@context": "x" * context, "view": {"@type": "Node", "relation": relations}}
    return json.dumps(document | ({"member": members} if members else {}), separators=(",", ":")).encode()


@pytest.mark.parametrize("squeeze", [gzip.compress, bytes])
@pytest.mark.parametrize("context", [10, 100_000])
def test_links_are_read_from_the_head_of_a_page(squeeze: Any, context: int) -> None:
    """However long the context, compressed or not, every node is found and nothing that members say is taken for one."""
    nodes = [f"http://h/{number}" for number in range(700)]
    assert links(squeeze(page(nodes, range(3), context=context))) == nodes
    assert links(squeeze(page([], range(3), context=context))) == []
    assert links(squeeze(page(nodes, context=context))) == nodes


def test_a_proof_sees_what_is_missing_and_what_came_twice() -> None:
    """Members are counted and told apart by number; a gap is no dense copy."""
    whole = [page(["http://h/1"]), gzip.compress(page([], range(3))), page([], range(3, 5))]
    assert proof(whole) == {
        "members": 5,
        "distinct": 5,
        "dense": True,
        "plain": sum(map(len, whole)) - len(whole[1]) + len(page([], range(3))),
    }
    assert proof([page([], range(2)), page([], range(3, 4))])["dense"] is False
    assert proof([page([], range(2)), page([], range(2))])["members"] == 4
    assert proof([page([])])["dense"] is False


@contextmanager
def serving(pages: Mapping[str, bytes]) -> Iterator[str]:
    """Serve these pages over keep-alive connections, links to BASE made absolute; anything else is 404."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            body = pages.get(self.path, b"").replace(b"BASE", base.encode())
            self.send_response(200 if self.path in pages else 404)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        base = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield base
        finally:
            server.shutdown()
            thread.join()


def test_a_copy_has_every_page_once_and_a_list_as_many(tmp_path: Path) -> None:
    """Pages that several relations lead to come once; one larger than the buffer is whole; kept pages make the list."""
    large = page([], range(2, 9000))
    pages = {
        "/root": page(["BASE/a", "BASE/a", "BASE/b", "http://h/elsewhere"]),
        "/a": page(["BASE/root"], range(2)),
        "/b": large,
    }
    assert len(large) > 1 << 18
    with serving(pages) as base:
        found = run(f"{base}/root", connections=3, listed=(), seconds=0, keep=tmp_path / "kept")
        assert {name: found[name] for name in ("copies", "pages", "members", "dense")} == {
            "copies": 1, "pages": 3, "members": 9000, "dense": True,
        }  # fmt: skip
    files = {f"/{number}": (tmp_path / "kept" / f"{number}.gz").read_bytes() for number in range(3)}
    with serving(files) as base:
        found = run(f"{base}/root", connections=2, listed=list(files), seconds=0.05, keep=None)
    assert found["pages"] == 3 * found["copies"]


def test_a_page_that_is_denied_ends_the_copy(capsys: pytest.CaptureFixture[str]) -> None:
    """The command fails and says what was answered."""
    with serving({"/root": page(["BASE/none"])}) as base:
        assert main([f"{base}/root"]) == 1
    assert "404" in capsys.readouterr().err
