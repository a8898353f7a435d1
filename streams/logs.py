"""Log lines: an event word with fields, as text or JSON on standard error; structlog is known here only."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Protocol, cast

import structlog


class Logger(Protocol):
    """What the rest of the house may do: say an event word with fields."""

    def debug(self, event: str, /, **fields: object) -> None:
        """Say something for who searches a fault."""
        ...

    def info(self, event: str, /, **fields: object) -> None:
        """Say that work was done; one line per batch, none per record."""
        ...

    def warning(self, event: str, /, **fields: object) -> None:
        """Say that something failed and is tried again."""
        ...

    def error(self, event: str, /, **fields: object) -> None:
        """Say that something failed for good."""
        ...


LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


def configure(environ: Mapping[str, str]) -> None:
    """Set up logging for this process: lines from SF_LOG_LEVEL up, in the form SF_LOG_FORMAT.

    Call it once, at the start; loggers made earlier follow. It happens before settings are checked, so a wrong value
    counts as not set here and is reported by `load_settings`. Lines of libraries (the standard library's logging)
    come out in the same form, from `warning` up.
    """
    level = LEVELS.get(environ.get("SF_LOG_LEVEL", ""), logging.INFO)
    json = environ.get("SF_LOG_FORMAT") == "json"
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    text = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), pad_event_to=0)
    last: structlog.typing.Processor = structlog.processors.JSONRenderer() if json else text
    trace: list[structlog.typing.Processor] = [structlog.processors.format_exc_info] if json else []
    structlog.configure(
        processors=[*shared, *trace, last],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        # Looked up at each line: whoever redirects standard error later is obeyed.
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processors=_foreign(last)))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(max(level, logging.WARNING))


def _foreign(last: structlog.typing.Processor) -> list[structlog.typing.Processor]:
    return [structlog.stdlib.ProcessorFormatter.remove_processors_meta, last]


def logger(name: str) -> Logger:
    """Return the logger of a module; call it with `__name__`. Each line carries its `module`."""
    return cast("Logger", structlog.get_logger(module=name))


@contextmanager
def bind(**fields: str) -> Iterator[None]:
    """Add fields (`source=`, `stream=`) to every line said inside the block, in this task and those it starts."""
    with structlog.contextvars.bound_contextvars(**fields):
        yield
