"""The verbs about source files: `source check`, `source schema` and `source replay`."""

from __future__ import annotations

import argparse
import gzip
import json
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ingest.connectors.files import MEDIA_TYPES
from ingest.explain import SampleReport, check_sample, source_code
from ingest.schema import source_schema
from ingest.source import Source, load_source
from ldes_server.model import Published
from ldes_server.render import full_body
from smartflanders import replay_commands
from streams.errors import ConfigError, Problem
from streams.record import Member, Payload
from vocab.model import Model, load_model, model_names

Verbs = Any  # argparse names the type of its sub-parsers only privately

# Validating with SHACL costs milliseconds a member; a sample of this many shows every structural fault.
_VALIDATED = 250


def add(verbs: Verbs) -> None:
    """Add these verbs to the command line."""
    group = verbs.add_parser("source", help="work on source files: check, schema, replay")
    inner = group.add_subparsers(title="verbs", metavar="VERB", required=True)
    check = inner.add_parser(
        "check",
        help="check a source file, and show what it makes of a sample",
        description="Check source files; with --sample also map a payload as the platform would, print the first "
        "members as JSON-LD and Turtle, every refusal with its reason, and the SHACL verdict. Exit status 1 when an "
        "item is refused or a member does not validate, 2 when a file has a fault.",
    )
    check.add_argument("file", type=Path, nargs="+", metavar="FILE", help="source files")
    check.add_argument("--sample", type=Path, metavar="PAYLOAD", help="a payload as the publisher sends it (.gz too)")
    check.add_argument(
        "--lookup", action="append", default=[], metavar="NAME=PAYLOAD", help="the document of a lookup; repeatable"
    )
    check.add_argument("--code", action="store_true", help="print the Python that each file becomes")
    check.add_argument("--show", type=int, default=1, metavar="N", help="print N members (default 1)")
    check.set_defaults(run=_check)
    schema = inner.add_parser(
        "schema",
        help="print the JSON Schema of source files, for editors",
        description="Print the JSON Schema of source files, with every name of every model and what it means. Point "
        "your editor's YAML support at it for completion and checks while typing.",
    )
    schema.set_defaults(run=_schema)
    replay_commands.add(inner)


def _schema(_: argparse.Namespace) -> int:
    print(json.dumps(source_schema([load_model(name) for name in model_names()]), indent=2, ensure_ascii=False))  # noqa: T201
    return 0


def _check(arguments: argparse.Namespace) -> int:
    sources = _load(arguments.file)
    if arguments.code:
        for source in sources:
            print(source_code(source, load_model(source.model)))  # noqa: T201
        return 0
    if arguments.sample is None:
        for source in sources:
            print(f"{source.name}: fits model {source.model}, feeds stream {source.stream}")  # noqa: T201
        return 0
    if len(sources) != 1:
        raise _wrong("--sample", "belongs to one source file", "check one file at a time")
    source = sources[0]
    model = load_model(source.model)
    payload = read_payload(arguments.sample, source.name)
    report = check_sample(source, model, payload.body, payload.media_type, lookups=_lookups(source, arguments.lookup))
    return _tell(report, model, show=arguments.show)


def _load(files: Sequence[Path]) -> list[Source]:
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


def _wrong(where: str, what: str, fix: str) -> ConfigError:
    return ConfigError([Problem(where=where, what=what, fix=fix)], where="the command line")


def _lookups(source: Source, wishes: Sequence[str]) -> dict[str, Payload]:
    given = {}
    for wish in wishes:
        name, _, file = wish.partition("=")
        if name not in source.lookups:
            known = ", ".join(source.lookups) or "none"
            raise _wrong(f"--lookup {wish}", f"{source.name} has no lookup {name!r}", f"its lookups: {known}")
        given[name] = read_payload(Path(file), source.lookups[name].source)
    missing = [name for name, lookup in source.lookups.items() if lookup.required and name not in given]
    if missing:
        fix = " ".join(f"--lookup {name}=PAYLOAD-OF-{source.lookups[name].source}" for name in missing)
        raise _wrong(source.name, f"needs the document of lookup {', '.join(missing)}", f"add {fix}")
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
        raise _wrong(str(file), f"cannot be read: {error}", "name a readable payload file") from error
    media_type = MEDIA_TYPES.get(plain.suffix.lower(), "application/octet-stream")
    return Payload(source=source, received_at=datetime.now(UTC), media_type=media_type, body=body)


def _tell(report: SampleReport, model: Model, *, show: int) -> int:
    """Print members and refusals on standard output, the counts and the verdict on standard error."""
    # Imported here: every verb loads this module, and pySHACL is 26 MB and a sixth of a second.
    from vocab.check import validate  # noqa: PLC0415

    for number, member in enumerate(report.members[:show]):
        body = _as_published(member, number)
        print(json.dumps(json.loads(body), indent=2, ensure_ascii=False))  # noqa: T201
        print((model.writer.prefixes + model.writer.turtle(body)).decode())  # noqa: T201
    for rejection in report.rejections:
        print(f"refused {rejection.path}: {rejection.reason.value}: {rejection.detail}")  # noqa: T201
    checked = [_as_published(member, number) for number, member in enumerate(report.members[:_VALIDATED])]
    findings = validate(model, checked)
    for finding in findings:
        print(f"not valid {finding}")  # noqa: T201
    verdict = f"{len(findings)} findings" if findings else "all valid"
    print(  # noqa: T201
        f"{report.items} items: {len(report.members)} members, {report.unchanged} unchanged, "
        f"{len(report.rejections)} refused; SHACL on {len(checked)} members: {verdict}",
        file=sys.stderr,
    )
    return 1 if findings or report.rejections else 0


def _as_published(member: Member, number: int) -> bytes:
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
