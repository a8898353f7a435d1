"""Log lines: a word and fields, in two forms, from a level up, with what the context knows."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from streams.logs import bind, configure, logger


@pytest.fixture(autouse=True)
def _as_it_was() -> Iterator[None]:
    """Leave logging as it was found."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def test_a_line_is_a_word_with_fields(capsys: pytest.CaptureFixture[str]) -> None:
    """As JSON, a line carries its event, level, time, module, fields and the context of its block."""
    configure({"SF_LOG_FORMAT": "json"})
    with bind(source="gent-garages"):
        logger("ingest.collect").info("collected", payloads=2)
    logger("ingest.collect").info("done")
    said = capsys.readouterr()
    first, second = map(json.loads, said.err.splitlines())
    assert said.out == ""
    assert first.pop("timestamp").endswith("Z")
    assert first == {
        "event": "collected",
        "level": "info",
        "module": "ingest.collect",
        "payloads": 2,
        "source": "gent-garages",
    }
    assert "source" not in second


def test_lines_below_the_level_are_not_said(capsys: pytest.CaptureFixture[str]) -> None:
    """Only lines from the level up appear, also from loggers that were made before."""
    early = logger("early")
    configure({"SF_LOG_LEVEL": "warning"})
    early.info("quiet")
    early.warning("loud", count=1)
    assert [line.split("] ")[1] for line in capsys.readouterr().err.splitlines()] == ["loud count=1 module=early"]


def test_libraries_speak_in_the_same_form(capsys: pytest.CaptureFixture[str]) -> None:
    """A library's warning is a JSON line too; its chatter is left out."""
    configure({"SF_LOG_FORMAT": "json", "SF_LOG_LEVEL": "nonsense"})
    logging.getLogger("asyncio").info("chatter")
    logging.getLogger("asyncio").warning("slow: %s", "callback")
    (line,) = capsys.readouterr().err.splitlines()
    assert json.loads(line)["event"] == "slow: callback"
