"""The verbs about pilots: `pilot list`, `pilot copy`, `pilot check` and `pilot schema`."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ingest.expectation import Expectation
from ingest.explain import check_sample
from ingest.needs import needs_of
from ingest.pilot_file import PILOT_FILE, PilotFile
from ingest.pilot_schema import pilot_schema
from ingest.source import Source
from smartflanders.copies import Wish, answered, read_answers, read_original, write_copy
from smartflanders.copying import Original, leftovers, others
from smartflanders.loading import Off, is_source
from smartflanders.pilots import Plan, load_plan
from smartflanders.platform import pilots_folder
from smartflanders.samples import Sample, Samples
from smartflanders.trial import Measure, Verdict, judge
from streams.errors import ConfigError, Problem
from streams.record import Payload
from vocab.cities import CITIES
from vocab.model import load_model, model_names

Verbs = Any  # argparse names the type of its sub-parsers only privately

_HEAD = ("source", "sample", "items", "members", "unchanged", "refused", "ranges", "box", "expected")
_KEPT = {True: "kept", False: "not kept", None: "-"}


def add(verbs: Verbs) -> None:
    """Add these verbs to the command line."""
    group = verbs.add_parser("pilot", help="work on pilots: list, copy, check, schema")
    inner = group.add_subparsers(title="verbs", metavar="VERB", required=True)
    listing = inner.add_parser(
        "list",
        help="show which pilots there are, for whom, and which sources wait for a key",
        description="Show each pilot with its area, its models and its sources; a source whose key is not in the "
        "environment is off, and stays so when its pilot is started. Cities without a pilot are named too.",
    )
    listing.add_argument(
        "folder", type=Path, nargs="*", metavar="FOLDER", help="where to look (default: all that ship)"
    )
    listing.set_defaults(run=_list)
    _add_copy(inner)
    _add_check(inner)
    schema = inner.add_parser(
        "schema",
        help="print the JSON Schema of pilot files, for editors",
        description=f"Print the JSON Schema of {PILOT_FILE}. Point your editor's YAML support at it for completion and "
        "checks while typing.",
    )
    schema.set_defaults(run=_schema)


def _add_copy(inner: Verbs) -> None:
    copying = inner.add_parser(
        "copy",
        help="make a pilot of another city from one that works",
        description="Copy a pilot to another city: names of sources and streams, addresses, publisher, licence, area and "
        "box change wherever they stand; comments and all else stay. On a terminal what must be said is asked, with what "
        "is known of the centre cities and Brussels as defaults; without one, defaults are taken and the rest must be "
        "given. The copy is checked, and what is still to be done is told. Nothing is written when something is wrong.",
    )
    copying.add_argument("pilot", metavar="PILOT", help="a pilot folder, or its end: gent/parking")
    copying.add_argument("--to", required=True, metavar="CITY", help="the city: aalst, sint-niklaas, ...")
    copying.add_argument("--into", type=Path, metavar="FOLDER", help="where to (default: <pilots>/<city>/<pilot>)")
    copying.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=ANSWER",
        help="one answer, such as area.name=Halle; repeatable",
    )
    copying.add_argument("--answers", type=Path, metavar="FILE", help="a YAML file of `key: answer` lines; --set wins")
    copying.add_argument(
        "--force", action="store_true", help="replace the folder, as a whole, when it is there already"
    )
    copying.set_defaults(run=_copy)


def _add_check(inner: Verbs) -> None:
    check = inner.add_parser(
        "check",
        help="try every source of a pilot on its sample, and see whether the pilot holds what it promises",
        description="Check pilot folders and map a sample with each of their sources: the file of --sample, else the "
        "recordings of --samples, else what the simulated city would answer. Of each is shown how many items became "
        "members, how many were refused and why, and whether the values are in the ranges and the places in the box that "
        f"{PILOT_FILE} expects. Exit status 1 when an expectation is not met, 2 when a file has a fault.",
    )
    check.add_argument("folder", type=Path, nargs="*", metavar="FOLDER", help="pilot folders (default: all that ship)")
    check.add_argument("--samples", type=Path, metavar="FOLDER", help="a folder of recordings, as for `up --replay`")
    check.add_argument(
        "--sample", action="append", default=[], metavar="SOURCE=PAYLOAD", help="the payload of one source; repeatable"
    )
    check.set_defaults(run=_check)


def _say(line: str) -> None:
    print(line)  # noqa: T201 - the command's result


def _schema(_: argparse.Namespace) -> int:
    _say(json.dumps(pilot_schema([load_model(name) for name in model_names()]), indent=2, ensure_ascii=False))
    return 0


def _list(arguments: argparse.Namespace) -> int:
    roots = tuple(arguments.folder) or (pilots_folder(),)
    plan = load_plan(roots)
    pilots = {pilot.file.parent: pilot for pilot in plan.pilots}
    off = {each.source.name: each for each in plan.off}
    sources = {source.name: source for source in (*plan.sources, *(each.source for each in plan.off))}
    folders: dict[Path, list[Source]] = {}
    for name, file in plan.files.items():
        folders.setdefault(file.parent, []).append(sources[name])
    for folder, own in sorted(folders.items()):
        for line in _described(folder, own, pilots.get(folder), off, plan.files):
            _say(line)
    for line in _waiting(roots):
        _say(line)
    return 0


def _described(
    folder: Path, own: Sequence[Source], pilot: PilotFile | None, off: Mapping[str, Off], files: Mapping[str, Path]
) -> Iterator[str]:
    models = ", ".join(sorted({source.model for source in own}))
    about = f"{pilot.title['en']}, {pilot.area.name}" if pilot else own[0].title["en"]
    yield f"{folder}: {about} ({models})"
    for source in own:
        needed = ", ".join(needs_of(files[source.name]))
        state = (
            f"stays off: {off[source.name].reason}" if source.name in off else f"key {needed} is set" if needed else ""
        )
        yield f"  {source.name} -> {source.stream}{f'  {state}' if state else ''}"


def _waiting(roots: Iterable[Path]) -> Iterator[str]:
    """Name the cities without a pilot: their folder says what is known of them."""
    for root in roots:
        for slug, city in CITIES.items():
            readme = root / slug / "README.md"
            if readme.is_file() and not any(is_source(file) for file in readme.parent.rglob("*.yaml")):
                yield f"{readme.parent}: no pilot yet; what {city.name} can copy and what is missing: {readme}"


def _check(arguments: argparse.Namespace) -> int:
    folders = tuple(arguments.folder) or (pilots_folder(),)
    plan = load_plan(folders, keyless=True)
    given = _given(arguments.sample, [source.name for source in plan.sources])
    samples = Samples(given=given, folder=arguments.samples)
    return 0 if _tell(plan, {source.name: samples.of(source) for source in plan.sources}) else 1


def _given(wishes: Sequence[str], known: Sequence[str]) -> dict[str, Path]:
    given = {}
    for wish in wishes:
        name, _, file = wish.partition("=")
        if name not in known:
            problem = Problem(
                where=f"--sample {wish}", what=f"no source {name!r} here", fix=f"name one of {', '.join(known)}"
            )
            raise ConfigError([problem], where="the command line")
        given[name] = Path(file)
    return given


def _tell(plan: Plan, samples: Mapping[str, Sample | None], *, boxed: bool = True) -> bool:
    """Print the table and what is not as expected; return whether everything with a sample is."""
    rows: list[Sequence[str]] = [_HEAD]
    remarks: list[str] = []
    good = True
    for source in plan.sources:
        sample = samples[source.name]
        if sample is None:
            rows.append((source.name, "none", *("-" for _ in _HEAD[2:])))
            remarks.append(f"{source.name}: no sample; give one with --sample {source.name}=PAYLOAD")
            continue
        verdict = _tried(plan, source, samples, boxed=boxed)
        good = good and verdict.met
        rows.append(_row(source, sample, verdict))
        remarks.extend(f"{source.name}: {shortfall}" for shortfall in verdict.shortfalls())
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEAD))]
    for row in rows:
        _say("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    for remark in remarks:
        _say(remark)
    return good


def _row(source: Source, sample: Sample, verdict: Verdict) -> Sequence[str]:
    reasons = ", ".join(f"{reason} {count}" for reason, count in sorted(verdict.refused.items()))
    return (
        source.name,
        sample.origin,
        str(verdict.items),
        str(verdict.members),
        str(verdict.unchanged),
        reasons or "0",
        _KEPT[verdict.ranges_kept],
        _KEPT[verdict.box_kept],
        "met" if verdict.met else "not met",
    )


def _tried(plan: Plan, source: Source, samples: Mapping[str, Sample | None], *, boxed: bool) -> Verdict:
    sample = samples[source.name]
    assert sample is not None
    model = load_model(source.model)
    lookups = {name: found for name, lookup in source.lookups.items() if (found := _newest(samples.get(lookup.source)))}
    reports = [
        check_sample(source, model, payload.body, payload.media_type, lookups=lookups) for payload in sample.payloads
    ]
    folder = plan.files[source.name].parent
    pilot = next((each for each in plan.pilots if each.file.parent == folder), None)
    measure = Measure(
        model=model,
        expectation=plan.expect.get(source.name, Expectation()),
        box=pilot.area.box if pilot and boxed else None,
        now=datetime.now(UTC) if sample.now else None,
    )
    return judge(reports, measure)


def _newest(sample: Sample | None) -> Payload | None:
    return sample.payloads[-1] if sample else None


def _copy(arguments: argparse.Namespace) -> int:
    wish = Wish(
        pilot=_found(arguments.pilot),
        to=arguments.to,
        into=arguments.into,
        force=arguments.force,
        said={**(read_answers(arguments.answers) if arguments.answers else {}), **_said(arguments.set)},
    )
    original = read_original(wish.pilot)
    answers = answered(wish, original, ask=sys.stdin.isatty())
    copied = write_copy(wish, original, answers)
    _say(f"wrote {wish.folder}: {', '.join(copied)}")
    plan = load_plan([wish.folder], keyless=True)
    good = _tell(plan, _lent(plan, original, answers), boxed=False)
    _say("still to be done")
    for line in _to_do(wish, original, answers, copied):
        _say(f"  - {line}")
    return 0 if good else 1


def _found(word: str) -> Path:
    """Find a pilot by its folder, or by the end of it among those that ship."""
    folder = Path(word)
    return folder if folder.is_dir() else pilots_folder() / word


def _said(wishes: Sequence[str]) -> dict[str, str]:
    said = {}
    for wish in wishes:
        key, equals, answer = wish.partition("=")
        if not equals:
            problem = Problem(where=f"--set {wish}", what="has no answer", fix="write --set area.name=Halle")
            raise ConfigError([problem], where="the command line")
        said[key.strip()] = answer.strip()
    return said


def _lent(plan: Plan, original: Original, answers: Mapping[str, str]) -> dict[str, Sample | None]:
    """Try the copy on the samples of the original: what its own publisher sends nobody here has seen."""
    before = {answer: key.partition(".")[2] for key, answer in answers.items() if key.startswith("source.")}
    sources = {source.name: source for source in load_plan([original.folder], keyless=True).sources}
    samples = Samples(given={})
    return {source.name: samples.of(sources[before[source.name]]) for source in plan.sources}


def _to_do(wish: Wish, original: Original, answers: Mapping[str, str], copied: Mapping[str, str]) -> Iterator[str]:
    """Yield what no command can know: whether the sources really send the same, and what still tells of the original."""
    for key, answer in answers.items():
        if key.startswith("source."):
            yield f"save what {answer} sends, and: smartflanders pilot check {wish.folder} --sample {answer}=PAYLOAD"
    if answers.get("licence") == original.pilot.licence and "licence" not in wish.said:
        yield f"the licence is that of {original.pilot.name}: make sure that it is yours too ({original.pilot.licence})"
    if original.pilot.expect:
        yield f"{PILOT_FILE} expects what {original.pilot.area.name} does: adapt intervals, shares and ranges"
    for name, publisher in others(original):
        yield f"{name}: the publisher stays {publisher}: change it if it is another one here"
    names = {name for file in copied if is_source(wish.folder / file) for name in needs_of(wish.folder / file)}
    for name in sorted(names):
        yield f"set {name} in the environment{'' if os.environ.get(name) else ': its source stays off without it'}"
    for place in leftovers(original, copied, answers):
        yield f"still speaks of {original.pilot.area.name}: {place}"
    yield f"start it: smartflanders up --pilot {wish.folder}"
