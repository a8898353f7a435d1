"""What the verbs about source files are given: files, samples and the documents of lookups, with good errors."""

from __future__ import annotations

import gzip
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from ingest.connectors.files import MEDIA_TYPES
from ingest.source import Source, load_source
from ldes_server.model import Published
from ldes_server.render import full_body
from streams.errors import ConfigError, Problem
from streams.record import Member, Payload


def load_sources(files: Sequence[Path]) -> list[Source]:
    """Load source files.

    Raises:
        ConfigError: with the faults of all of them.

    """
    sources: list[Source] = []
    problems: list[Problem] = []
    for file in files:
        try:
            sources.append(load_source(file))
        except ConfigError as error:
            problems.extend(error.problems)
    if problems:
        raise ConfigError(problems, where="the source files" if len(files) > 1 else str(files[0]))
    return sources


def wrong(where: str, what: str, fix: str) -> ConfigError:
    """Return the error that a word on the command line makes."""
    return ConfigError([Problem(where=where, what=what, fix=fix)], where="the command line")


def lookups_of(source: Source, wishes: Sequence[str]) -> dict[str, Payload]:
    """Read the documents of lookups, given as `NAME=PAYLOAD`.

    Raises:
        ConfigError: one is unknown or cannot be read, or a required one is not given.

    """
    given = {}
    for wish in wishes:
        name, _, file = wish.partition("=")
        if name not in source.lookups:
            known = ", ".join(source.lookups) or "none"
            raise wrong(f"--lookup {wish}", f"{source.name} has no lookup {name!r}", f"its lookups: {known}")
        given[name] = read_payload(Path(file), source.lookups[name].source)
    missing = [name for name, lookup in source.lookups.items() if lookup.required and name not in given]
    if missing:
        fix = " ".join(f"--lookup {name}=PAYLOAD-OF-{source.lookups[name].source}" for name in missing)
        raise wrong(source.name, f"needs the document of lookup {', '.join(missing)}", f"add {fix}")
    return given


def read_payload(file: Path, source: str) -> Payload:
    """Read a payload from a file, decompressing `.gz`; its media type follows from its name.

    Raises:
        ConfigError: the file cannot be read.

    """
    try:
        body = file.read_bytes()
        plain = file
        if file.suffix == ".gz":
            body, plain = gzip.decompress(body), file.with_suffix("")
    except (OSError, EOFError, ValueError) as error:
        raise wrong(str(file), f"cannot be read: {error}", "name a readable payload file") from error
    media_type = MEDIA_TYPES.get(plain.suffix.lower(), "application/octet-stream")
    return Payload(source=source, received_at=datetime.now(UTC), media_type=media_type, body=body)


def as_published(member: Member, number: int) -> bytes:
    """Return the member as a page would show it, published now."""
    return full_body(
        Published(
            sequence=number,
            published_at=datetime.now(UTC),
            id=member.id,
            entity=member.entity,
            observed_at=member.observed_at,
            point=member.point,
            body=member.body,
        )
    )
