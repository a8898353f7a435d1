"""The verb `source new`: a source file proposed from a sample, and what it makes of it."""

from __future__ import annotations

import argparse
import os
import re
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ingest.decoders.items import Break
from ingest.decoders.whole import whole
from ingest.explain import SampleReport, check_sample
from ingest.proposing.drafting import SALT, Frame, accepted, draft
from ingest.proposing.proposal import Proposal, propose
from ingest.source import load_text
from smartflanders.given import as_published, read_payload, wrong
from streams.errors import ConfigError
from streams.record import Payload
from vocab.model import Model, load_model, model_names

Verbs = Any  # argparse names the type of its sub-parsers only privately

# Validating with SHACL costs milliseconds a member; what is wrong shows in a few.
_VALIDATED = 50
# Media types of formats that are told from their first bytes; others are named in the file.
_TOLD = re.compile(r"json$|xml$")
_NAMED = {
    "text/csv": "csv",
    "text/tab-separated-values": "csv",
    "application/x-ndjson": "ndjson",
    "application/x-protobuf": "gtfs-realtime",
    "application/senml+json": "senml",
}


def add(verbs: Verbs) -> None:
    """Add the verb to those about sources."""
    parser = verbs.add_parser(
        "new",
        help="propose a source file from a sample",
        description="Look at a payload and write a source file for it: where its items are, what identifies them, when and "
        "where they were observed, and which of their values are which names of the model that fits best. Each line says how "
        "sure it is and why; guesses that a sample cannot settle are marked, and `source check` names them. What the file "
        "makes of the sample when all guesses are right is told on standard error.",
    )
    parser.add_argument(
        "--sample", type=Path, required=True, metavar="PAYLOAD", help="a payload as the publisher sends it (.gz too)"
    )
    parser.add_argument("--model", metavar="M", help="the reference model; without it the one whose names fit best")
    parser.add_argument("--url", default="", metavar="U", help="the address that the payload comes from")
    parser.add_argument("--out", type=Path, metavar="FILE", help="where to write it; without it on standard output")
    parser.set_defaults(run=_new)


def _new(arguments: argparse.Namespace) -> int:
    models = [load_model(name) for name in _models(arguments.model)]
    if arguments.out is not None and arguments.out.exists():
        raise wrong(f"--out {arguments.out}", "exists already", "name another file, or remove it first")
    payload = read_payload(arguments.sample, "sample")
    document = whole(payload.body, payload.media_type)
    if isinstance(document, Break):
        raise wrong(
            str(arguments.sample),
            document.detail,
            "take a payload as the publisher sends it, named by its format: .json, .xml, .csv",
        )
    name = _name(arguments)
    called = f"{arguments.sample.name} {arguments.url}"
    proposal = propose(document, models, called=called, now=datetime.now(UTC))
    if proposal is None:
        fix = "take a payload with the list of things that the publisher knows"
        raise wrong(str(arguments.sample), "has no list of objects", fix)
    frame = Frame(name=name, url=arguments.url, format=_format(payload.media_type), sample=arguments.sample.name)
    text = draft(proposal, frame)
    if arguments.out is None:
        print(text, end="")  # noqa: T201
    else:
        arguments.out.write_text(text, "utf-8")
    _tell(proposal, text, payload)
    return 0


def _models(wish: str | None) -> tuple[str, ...]:
    if wish is None:
        return model_names()
    if wish not in model_names():
        raise wrong(f"--model {wish}", "there is no such model", f"one of {', '.join(model_names())}")
    return (wish,)


def _name(arguments: argparse.Namespace) -> str:
    """Name the source after the file it is written to, or the sample."""
    stem = (arguments.out or arguments.sample).name.partition(".")[0]
    name = re.sub(r"[^a-z0-9]+", "-", stem.lower()).strip("-")
    if arguments.url and not arguments.out:
        host = (urlsplit(arguments.url).hostname or "").removeprefix("www.")
        name = f"{re.sub(r'[^a-z0-9]+', '-', host)}-{name}" if re.search("[a-z]", host) else name
    return name if name[:1].isalpha() else f"source-{name}".rstrip("-")


def _format(media_type: str) -> str:
    return _NAMED.get(media_type, "") if not _TOLD.search(media_type) or media_type in _NAMED else ""


def _tell(proposal: Proposal, text: str, payload: Payload) -> None:
    """Say on standard error what is to be confirmed, and what the file makes of the sample when it is right."""
    marked = text.count("!unsure") - text.partition("source:")[0].count("!unsure")
    print(f"model {proposal.model.text} ({proposal.model.sure.value}); {marked} guesses to confirm", file=sys.stderr)  # noqa: T201
    try:
        # Nothing of this goes anywhere, so the secret is none.
        source = load_text(accepted(text), file="the proposal", environ={SALT: "x" * 32, **os.environ})
        report = check_sample(source, load_model(source.model), payload.body, payload.media_type)
    except ConfigError as error:
        print(f"with all guesses taken it cannot be loaded yet: {error}", file=sys.stderr)  # noqa: T201
        return
    print(_counts(report, load_model(source.model)), file=sys.stderr)  # noqa: T201


def _counts(report: SampleReport, model: Model) -> str:
    # Imported here: every verb loads this module, and pySHACL is 26 MB and a sixth of a second.
    from vocab.check import validate  # noqa: PLC0415

    looked_at = [as_published(member, number) for number, member in enumerate(report.members[:_VALIDATED])]
    findings = validate(model, looked_at)
    verdict = f"{len(findings)} findings, the first: {findings[0]}" if findings else "all valid"
    counted = f"{len(report.members)} members, {report.unchanged} unchanged, {len(report.rejections)} refused"
    first = ""
    if report.rejections:
        refusal = report.rejections[0]
        first = f"; the first refusal: {refusal.path}: {refusal.reason.value}: {refusal.detail}"
    return f"with all guesses taken: {report.items} items: {counted}; SHACL on {len(looked_at)}: {verdict}{first}"
