"""The verbs about source files: `source check` and `source schema`, and those with a module of their own."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from ingest.explain import SampleReport, check_sample, source_code
from ingest.schema import source_schema
from smartflanders import explain_commands, propose_commands, replay_commands
from smartflanders.given import as_published, load_sources, lookups_of, read_payload, wrong
from vocab.model import Model, load_model, model_names

Verbs = Any  # argparse names the type of its sub-parsers only privately

# Validating with SHACL costs milliseconds a member; a sample of this many shows every structural fault.
_VALIDATED = 250


def add(verbs: Verbs) -> None:
    """Add these verbs to the command line."""
    group = verbs.add_parser("source", help="work on source files: new, check, explain, schema, replay")
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
    explain_commands.add(inner)
    propose_commands.add(inner)
    replay_commands.add(inner)


def _schema(_: argparse.Namespace) -> int:
    print(json.dumps(source_schema([load_model(name) for name in model_names()]), indent=2, ensure_ascii=False))  # noqa: T201
    return 0


def _check(arguments: argparse.Namespace) -> int:
    sources = load_sources(arguments.file)
    if arguments.code:
        for source in sources:
            print(source_code(source, load_model(source.model)))  # noqa: T201
        return 0
    if arguments.sample is None:
        for source in sources:
            print(f"{source.name}: fits model {source.model}, feeds stream {source.stream}")  # noqa: T201
        return 0
    if len(sources) != 1:
        raise wrong("--sample", "belongs to one source file", "check one file at a time")
    source = sources[0]
    model = load_model(source.model)
    payload = read_payload(arguments.sample, source.name)
    report = check_sample(source, model, payload.body, payload.media_type, lookups=lookups_of(source, arguments.lookup))
    return _tell(report, model, show=arguments.show)


def _tell(report: SampleReport, model: Model, *, show: int) -> int:
    """Print members and refusals on standard output, the counts and the verdict on standard error."""
    # Imported here: every verb loads this module, and pySHACL is 26 MB and a sixth of a second.
    from vocab.check import validate  # noqa: PLC0415

    for number, member in enumerate(report.members[:show]):
        body = as_published(member, number)
        print(json.dumps(json.loads(body), indent=2, ensure_ascii=False))  # noqa: T201
        print((model.writer.prefixes + model.writer.turtle(body)).decode())  # noqa: T201
    for rejection in report.rejections:
        print(f"refused {rejection.path}: {rejection.reason.value}: {rejection.detail}")  # noqa: T201
    checked = [as_published(member, number) for number, member in enumerate(report.members[:_VALIDATED])]
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
