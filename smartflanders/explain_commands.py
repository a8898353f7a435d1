"""The verb `source explain`: what becomes of one item of a sample, step by step."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from ingest.explaining import Explanation, Sample, Verdict, explain, read_sample
from smartflanders.explained import as_json, as_text
from smartflanders.given import as_published, load_sources, lookups_of, read_payload, wrong
from streams.errors import ConfigError
from streams.yaml_lines import suggest
from vocab.model import Model, load_model

Verbs = Any  # argparse names the type of its sub-parsers only privately


def add(verbs: Verbs) -> None:
    """Add the verb to those about sources."""
    parser = verbs.add_parser(
        "explain",
        help="show each step from one item of a sample to its member or its refusal",
        description="Take one item of a payload and show it as decoded, where each name of the model was looked for and "
        "what converted it, the member, and the verdict: member, unchanged, gone or refused, with what to do about it. "
        "Exit status 1 when the item is refused or its member does not validate.",
    )
    parser.add_argument("file", type=Path, metavar="FILE", help="the source file")
    parser.add_argument(
        "--sample", type=Path, required=True, metavar="PAYLOAD", help="a payload as the publisher sends it (.gz too)"
    )
    parser.add_argument(
        "--lookup", action="append", default=[], metavar="NAME=PAYLOAD", help="the document of a lookup; repeatable"
    )
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--item", type=int, metavar="N", help="the number of the item, from 1 (default 1)")
    which.add_argument("--key", metavar="K", help="the item of this entity: what `entity` is bound to")
    parser.add_argument("--json", action="store_true", help="the same as JSON")
    parser.set_defaults(run=_explain)


def _explain(arguments: argparse.Namespace) -> int:
    (source,) = load_sources([arguments.file])
    model = load_model(source.model)
    payload = read_payload(arguments.sample, source.name)
    lookups = lookups_of(source, arguments.lookup)
    sample = read_sample(source, model, payload.body, payload.media_type, lookups=lookups)
    found = explain(sample, _number(sample, arguments))
    body = None if found.member is None else as_published(found.member, found.number - 1)
    member = None if body is None else json.loads(body)
    findings = _findings(model, body)
    if arguments.json:
        print(json.dumps(as_json(found, member, findings), indent=2, ensure_ascii=False))  # noqa: T201
    else:
        print(as_text(found, member, findings), end="")  # noqa: T201
    return _status(found, findings)


def _status(found: Explanation, findings: list[str]) -> int:
    return 1 if findings or found.verdict is Verdict.REFUSED else 0


def _findings(model: Model, body: bytes | None) -> list[str]:
    if body is None:
        return []
    # Imported here: every verb loads this module, and pySHACL is 26 MB and a sixth of a second.
    from vocab.check import validate  # noqa: PLC0415

    return [str(finding) for finding in validate(model, [body])]


def _number(sample: Sample, arguments: argparse.Namespace) -> int:
    count = len(sample.items)
    if not count:
        raise _no_item(sample, arguments)
    if arguments.key is not None:
        keys = sample.keys()
        if arguments.key in keys:
            return keys.index(arguments.key) + 1
        raise wrong(f"--key {arguments.key}", "no item of the sample has it", suggest(arguments.key, _few(keys)))
    number = 1 if arguments.item is None else int(arguments.item)
    if not 1 <= number <= count:
        raise wrong(f"--item {number}", f"the sample has {count} items", f"give a number from 1 to {count}")
    return number


def _few(keys: list[str]) -> list[str]:
    """Return keys for a message: all of a short list, else the first; what is near is found among a thousand."""
    known = [key for key in dict.fromkeys(keys) if key]
    return known[:1000] if len(known) > 20 else known


def _no_item(sample: Sample, arguments: argparse.Namespace) -> ConfigError:
    if sample.broken is None:
        return wrong(str(arguments.sample), "the list of items is empty", "take a payload that has some")
    where = f"{arguments.sample} {sample.broken.path}"
    return wrong(where, sample.broken.detail, "mend `each` in the source file, or take another payload")
