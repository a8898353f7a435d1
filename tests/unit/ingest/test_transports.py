"""Transports in source files: every word is described, and secrets come from outside the file."""

from __future__ import annotations

from pathlib import Path

import jsonschema
import pytest

from ingest.connectors import CONNECTORS
from ingest.transports import TRANSPORTS
from ingest.transports.http_poll import HttpPollOptions
from tests.unit.ingest.transporting import faults, read

POLL = """\
url: https://x.example/feed
every: 60s
headers: { Authorization: "Bearer %s" }
"""
OAUTH2 = "{ token_url: 'https://x.example/t', client_id: me, client_secret: '${SECRET}' }"


@pytest.mark.parametrize("name", sorted(TRANSPORTS))
def test_every_word_of_a_transport_is_described(name: str) -> None:
    """Each key below a transport says what it is for, in a schema that is one."""
    transport = TRANSPORTS[name]
    jsonschema.Draft202012Validator.check_schema(transport.schema)
    rows = dict(transport.rows())
    assert len(rows) >= len(transport.schema["properties"]) > 0
    assert all(meaning.endswith((".", ").")) for meaning in [transport.meaning, *rows.values()])


def test_every_transport_has_a_connector() -> None:
    """As many kinds of options can be opened as can be written; what is posted to us is taken by the inlet."""
    assert len(CONNECTORS) == len(TRANSPORTS.keys() - {"webhook"})


def test_a_secret_comes_from_a_file(tmp_path: Path) -> None:
    """${file:/path} is the file's content without the line break at its end."""
    path = tmp_path / "token"
    path.write_text("s3cr3t\n", "utf-8")
    options = read("http_poll", POLL % f"${{file:{path}}}")
    assert isinstance(options, HttpPollOptions)
    assert options.headers == {"Authorization": "Bearer s3cr3t"}


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "cannot be read"),
        (b"", "no secret of one line"),
        (b"a\nb", "no secret of one line"),
        (b"\xff\xfe", "cannot be read"),
        (b"x" * 100_000, "larger than any secret"),
    ],
)
def test_a_file_that_holds_no_secret_is_a_fault(tmp_path: Path, content: bytes | None, says: str) -> None:
    """A file that is absent, empty, of several lines, no text or too large is named with its line."""
    path = tmp_path / "token"
    if content is not None:
        path.write_bytes(content)
    (fault,) = faults("http_poll", POLL % f"${{file:{path}}}")
    assert says in fault
    assert fault.startswith("s.yaml:3: ")


def test_secrets_in_the_file_and_places_that_are_not_there_are_faults() -> None:
    """A token in clear, a variable that is not set and a relative path are each refused."""
    assert "holds a secret" in faults("http_poll", POLL % "abc")[0]
    assert "TOKEN is not set" in faults("http_poll", POLL % "${TOKEN}")[0]
    assert "no absolute path" in faults("http_poll", POLL % "${file:token}")[0]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (
            "http_poll",
            POLL.replace("/feed", "/feed?key=${SECRET}") % "${SECRET}" + "post: { form: { token: '${SECRET}' } }",
        ),
        ("http_poll", f"url: https://x.example/\nevery: 60s\noauth2: {OAUTH2}"),
        ("websocket", "url: wss://x.example/?key=${SECRET}\nsubscribe: { token: '${SECRET}' }"),
    ],
)
def test_printed_options_show_no_secret(name: str, text: str) -> None:
    """Options that end up in a log or a traceback show nothing that may be a secret."""
    assert "s3cr3t" not in repr(read(name, text, {"SECRET": "s3cr3t"}))
