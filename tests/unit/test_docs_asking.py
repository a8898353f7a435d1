"""The page about transports that ask: each example can be read, and no word is left without one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from ingest.transports import TRANSPORTS
from tests.unit.ingest.transporting import read_all
from tests.unit.test_docs import HOW_TO, marked

PAGE = HOW_TO / "ask-for-data.md"
ASKING = ("http_poll", "files", "websocket", "sensorthings", "ldes")
# Said in the words of the page, or the same for each transport that asks over HTTP.
IN_PROSE = {
    "audience",
    "credentials",
    "timeout",
    "max_bytes",
    "media_type",
    "oauth2",
    "headers",
    "pause",
    "json",
    "message",
}
ENVIRON = dict.fromkeys(("CLIENT_ID", "CLIENT_SECRET", "KEY", "LIVE_TOKEN"), "x")
EXAMPLES = [yaml.safe_load(text) for text in marked(PAGE, "transport")]


@pytest.mark.parametrize("example", EXAMPLES, ids=[f"{n}-{next(iter(it))}" for n, it in enumerate(EXAMPLES)])
def test_each_example_can_be_read(example: dict[str, Any], tmp_path: Path) -> None:
    """Each example of the page is in order for the platform and for editors."""
    ((name, said),) = example.items()
    secret = tmp_path / "secret"
    secret.write_text("x\n", "utf-8")
    text = yaml.safe_dump(said).replace("/run/secrets/stations", str(secret))
    _, problems = read_all(name, text, ENVIRON)
    assert problems == []
    jsonschema.validate(said, TRANSPORTS[name].schema)


def words(schema: dict[str, Any]) -> Iterator[str]:
    """List the words of a schema, those inside others included."""
    for key, inner in schema["properties"].items():
        yield key
        if "properties" in inner:
            yield from words(inner)


def said(value: Any) -> Iterator[str]:
    """List the keys of an example, however deep."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield key
            yield from said(inner)


def test_no_word_is_without_an_example() -> None:
    """Every word of the transports that ask is in an example, or among those that the page says in prose."""
    text = PAGE.read_text("utf-8")
    for name in ASKING:
        used = {key for example in EXAMPLES if name in example for key in said(example)}
        missing = set(words(TRANSPORTS[name].schema)) - used - IN_PROSE
        if name != "http_poll":
            missing -= {"token_url", "client_id", "client_secret", "scope"}
        assert {word for word in missing if f"`{word}" not in text} == set(), name
