"""The door for those who post members: its tokens, the log it appends to, and what it knows beforehand."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import orjson

from ldes_server.contexts import Contexts
from ldes_server.intake import Intake
from ldes_server.postgres_answers import PostgresAnswers
from ldes_server.postgres_store import PostgresStore
from ldes_server.posting import Door, digest_of
from smartflanders.logs_of import kept_for, open_log
from smartflanders.pilots import Plan
from streams.errors import ConfigError, Problem
from streams.settings import Settings

# Guessing 16 random letters and digits takes longer than any feed lives.
_SHORTEST = 16


@asynccontextmanager
async def open_door(plan: Plan, settings: Settings, dsn: str, store: PostgresStore) -> AsyncIterator[Door | None]:
    """Open the door when SF_POST_TOKENS names who may use it; else there is none, and no log is opened.

    Raises:
        ConfigError: the file of tokens is wrong; with every fault.
        LogError: the log cannot be reached.

    """
    if settings.post_tokens is None:
        yield None
        return
    tokens = read_tokens(settings.post_tokens, plan)
    models = {stream.model.name: stream.model for stream in plan.streams}
    known = {
        f"{settings.base_url}/models/{name}": {"@context": orjson.loads(model.context)}
        for name, model in models.items()
    }
    contexts = Contexts(known, allowed=settings.post_contexts or ())
    async with (
        open_log(settings, dsn, kept=kept_for(plan, settings)) as log,
        Intake(log, store, base_url=settings.base_url, contexts=contexts) as intake,
    ):
        yield Door(intake=intake, tokens=tokens, answers=PostgresAnswers(store.database))


def read_tokens(file: Path, plan: Plan) -> dict[str, frozenset[bytes]]:
    """Read lines of `<stream> <token>`; `#` begins a comment, and a stream may have several tokens.

    Raises:
        ConfigError: a line is no such pair, names no stream, or its token is too short; with every fault.

    """
    found: dict[str, set[bytes]] = {}
    problems: list[Problem] = []
    names = [stream.name for stream in plan.streams]
    for number, line in enumerate(file.read_text("utf-8").splitlines(), 1):
        words = line.partition("#")[0].split()
        if not words:
            continue
        fault = _fault(words, names)
        if fault is not None:
            problems.append(Problem(where=f"{file.name}, line {number}", what=fault[0], fix=fault[1]))
        else:
            found.setdefault(words[0], set()).add(digest_of(words[1]))
    if problems:
        raise ConfigError(problems, where="SF_POST_TOKENS")
    return {name: frozenset(digests) for name, digests in found.items()}


def _fault(words: list[str], names: list[str]) -> tuple[str, str] | None:
    if len(words) != 2:
        return "not a stream and a token", "write `<stream> <token>`"
    if words[0] not in names:
        return f"there is no stream {words[0]}", f"the streams are {', '.join(names)}"
    if len(words[1]) < _SHORTEST:
        return f"the token of {words[0]} is too short", f"use {_SHORTEST} random characters or more"
    return None
