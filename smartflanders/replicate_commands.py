"""The verb `replicate`: a copy of anybody's feed, followed if wished, and proven."""

from __future__ import annotations

import argparse
import asyncio
import sys
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from smartflanders.progress import Progress
from streams.errors import ConfigError, Problem
from streams.settings import parse_duration

if TYPE_CHECKING:
    from testbed.client.crawl import Tally, Wish
    from testbed.client.fetching import Fetcher
    from testbed.client.proof import Proof
    from testbed.client.state import State

Verbs = Any  # argparse names the type of its sub-parsers only privately

_DESCRIPTION = """\
Copy the members of a Linked Data Event Stream, each once: to standard output, or to FILE, which goes on where it was when
this is run again, interrupted or killed or finished. URL is the IRI of a stream or the address of the root of one of its
views. Reads any LDES 1.0 feed in JSON-LD, Turtle, TriG, N-Triples or N-Quads; asks at the origin of URL only.
"""
_EPILOG = """\
examples:
  smartflanders replicate http://127.0.0.1:8080/gent-parking --out parking.ndjson            run again: adds what is new
  smartflanders replicate http://127.0.0.1:8080/gent-parking --out parking.ndjson --verify   and prove the whole copy
  smartflanders replicate http://127.0.0.1:8080/gent-parking --follow --since 1h             new members as they come
"""
# Findings that are printed one by one; a copy that is all wrong has as many as it has pages.
_MOST_FAULTS = 20


def add(verbs: Verbs) -> None:
    """Add the verb to the command line."""
    parser = verbs.add_parser(
        "replicate",
        help="copy anybody's feed, follow it, prove the copy",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("url", metavar="URL", help="a stream, or the root of one of its views")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write there (default: standard output)")
    words = "remember there what was copied (default: FILE.state; without FILE nothing is remembered)"
    parser.add_argument("--state", type=Path, metavar="FILE", help=words)
    words = "a JSON-LD object per member, or N-Quads (default: ndjson)"
    parser.add_argument("--format", choices=("ndjson", "nquads"), default="ndjson", help=words)
    parser.add_argument("--ordered", action="store_true", help="oldest first, in the order of publication")
    parser.add_argument("--follow", action="store_true", help="go on with what is published from now on, until stopped")
    words = "how often to look, with --follow (default: what the feed says)"
    parser.add_argument("--every", type=_duration, metavar="DURATION", help=words)
    words = "only what was published since then: 2026-11-23T08:00:00Z, or how long ago: 1d, 90m"
    parser.add_argument("--since", metavar="TIME", help=words)
    words = "only what is in this box: degrees, such as 3.6,51.0,3.8,51.1"
    parser.add_argument("--bbox", metavar="W,S,E,N", help=words)
    words = "only members with this value; PATH is an IRI or <IRI>/<IRI>; repeatable"
    parser.add_argument("--where", action="append", default=[], metavar="PATH=VALUE", help=words)
    words = (
        "prove the whole of --out by the digests that the feed signs off: what is missing, doubled or altered is named"
    )
    parser.add_argument("--verify", action="store_true", help=words)
    words = "an origin that the feed may also lead to, such as https://w3id.org; repeatable"
    parser.add_argument("--allow", action="append", default=[], metavar="ORIGIN", help=words)
    parser.add_argument("--contact", metavar="EMAIL", help="tell the publisher who reads (header From)")
    parser.set_defaults(run=_replicate)


def _duration(text: str) -> timedelta:
    try:
        return parse_duration(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


async def _replicate(arguments: argparse.Namespace, stop: asyncio.Event) -> int:
    # The RDF reader is 10 MB that no other verb needs.
    from testbed.client.fetching import Fetcher  # noqa: PLC0415
    from testbed.client.limits import Limits, Origins  # noqa: PLC0415
    from testbed.client.state import State  # noqa: PLC0415

    wish = _wish(arguments)
    state_file, proves_only = _state_file(arguments)
    fetcher = Fetcher(
        Origins([arguments.url, *arguments.allow]),
        Limits(patient=arguments.follow),
        agent=f"smartflanders-replicate/{version('smartflanders')}",
        contact=arguments.contact,
        stop=stop,
    )
    async with fetcher:
        with State(state_file) as state:
            status = 0
            if not (proves_only or (arguments.verify and _changed(arguments.out, state))):
                status = await _copy(arguments, fetcher, state, wish, stop=stop)
            stream = state.facts.get("stream")
        # Whoever stops a feed that is followed still wants to know.
        if arguments.verify and (status == 0 or arguments.follow):
            status = await _prove(arguments, fetcher, stream) or status
    return status


def _state_file(arguments: argparse.Namespace) -> tuple[Path | None, bool]:
    """Return where the state is, and whether there is only a copy, made elsewhere, to be proven."""
    out: Path | None = arguments.out
    if out is None:
        return arguments.state, False
    state: Path = arguments.state or out.with_name(f"{out.name}.state")
    if state.exists() or not out.exists():
        return state, False
    if not arguments.verify:
        what = f"exists already, and {state} is not there to say what of it was copied"
        raise _wrong("--out", what, "name another file, or bring its state back")
    return None, True


def _wish(arguments: argparse.Namespace) -> Wish:
    """Read what is wanted; every fault at once."""
    from testbed.client.crawl import Format, Wish  # noqa: PLC0415
    from testbed.client.geometry import parse_box  # noqa: PLC0415
    from testbed.client.paths import parse_path  # noqa: PLC0415
    from testbed.client.query import Condition, Query, Where, Within  # noqa: PLC0415

    conditions: list[Condition] = []
    problems: list[Problem] = []
    try:
        if arguments.since is not None:
            conditions.append(_since(arguments.since))
    except ValueError as error:
        problems.append(Problem(where="--since", what=str(error), fix="write 2026-11-23T08:00:00Z, or 1d"))
    try:
        if arguments.bbox is not None:
            conditions.append(Within(box=parse_box(arguments.bbox)))
    except ValueError as error:
        problems.append(Problem(where="--bbox", what=str(error), fix="write west,south,east,north"))
    for text in arguments.where:
        path, _, value = text.partition("=") if not text.startswith("<") else _split(text)
        try:
            conditions.append(Where(path=parse_path(path), text=value))
        except ValueError as error:
            problems.append(Problem(where="--where", what=str(error), fix="write IRI=VALUE or <IRI>/<IRI>=VALUE"))
    problems += _contradictions(arguments, selects=bool(conditions))
    if problems:
        raise ConfigError(problems, where="the command line")
    # What is remembered of a copy holds for this wish only.
    text = " ".join(f"{name}={value}" for name in ("since", "bbox", "where") if (value := getattr(arguments, name)))
    return Wish(
        query=Query(conditions=tuple(conditions), text=text),
        ordered=arguments.ordered,
        format=Format(arguments.format),
    )


def _contradictions(arguments: argparse.Namespace, *, selects: bool) -> list[Problem]:
    problems = []
    if arguments.verify and arguments.out is None:
        problems.append(Problem(where="--verify", what="there is no copy to prove", fix="name it with --out FILE"))
    if arguments.verify and selects:
        fix = "copy everything, or leave --verify out"
        problems.append(Problem(where="--verify", what="a part of a feed cannot be proven", fix=fix))
    if arguments.verify and arguments.format != "ndjson":
        fix = "copy as ndjson"
        problems.append(Problem(where="--verify", what="digests are of the JSON of members", fix=fix))
    if arguments.every is not None and not arguments.follow:
        problems.append(
            Problem(where="--every", what="a copy that is made once does not look again", fix="add --follow")
        )
    return problems


def _split(text: str) -> tuple[str, str, str]:
    path, mark, value = text.rpartition(">=")
    return f"{path}>" if mark else text, mark, value


def _since(text: str) -> Any:
    from testbed.client.moments import parse_moment  # noqa: PLC0415
    from testbed.client.query import Since  # noqa: PLC0415

    with suppress(ValueError):
        ago = datetime.now(UTC) - parse_duration(text)
        return Since(moment=parse_moment(ago.isoformat()))
    return Since(moment=parse_moment(text))


def _wrong(where: str, what: str, fix: str) -> ConfigError:
    return ConfigError([Problem(where=where, what=what, fix=fix)], where="the command line")


def _changed(out: Path, state: State) -> bool:
    """Say whether a copy that was finished is not as long any more as it was: then it is only judged."""
    finished = state.facts.get("writing") == "0"
    return finished and out.exists() and out.stat().st_size != int(state.facts["position"])


async def _copy(
    arguments: argparse.Namespace, fetcher: Fetcher, state: State, wish: Wish, *, stop: asyncio.Event
) -> int:
    from testbed.client.output import Output  # noqa: PLC0415
    from testbed.client.replica import Replica  # noqa: PLC0415

    mine = {"url": arguments.url, "query": wish.query.text, "ordered": wish.ordered, "format": wish.format.value}
    for name, value in mine.items():
        if (known := state.facts.get(name, str(value))) != str(value):
            fix = "copy to another file, or with the same words as before"
            raise _wrong(name, f"the state is that of a copy with {known or 'nothing'}, not {value or 'nothing'}", fix)
    state.note(**mine)
    position, cut = int(state.facts.get("position", "0")), state.facts.get("writing") != "0"
    ended = False
    # What went to standard output before cannot be cut back.
    with Output(arguments.out, position if arguments.out else 0, cut=cut) as output:
        replica = Replica(arguments.url, fetcher=fetcher, state=state, output=output, wish=wish)
        teller = _Teller(replica.notes)
        try:
            async for tally in replica.runs(
                stop=stop, every=arguments.every, seen=teller.seen, last=not arguments.follow
            ):
                ended = True
                teller.end(tally, replica.notes)
        finally:
            teller.close(replica.notes)
    return 0 if ended or arguments.follow else 130


class _Teller:
    """Says on standard error how far a copy is, and what was read past."""

    def __init__(self, notes: list[str]) -> None:
        self._said = len(notes)
        self._written = -1
        self._progress: Progress | None = Progress("members", 0)

    def seen(self, tally: Tally) -> None:
        """Show progress of the first run; later ones take a moment."""
        if self._progress is not None:
            self._progress.expect(tally.total)
            self._progress(tally.read)

    def end(self, tally: Tally, notes: list[str]) -> None:
        """Say that a run has ended, unless it had nothing new."""
        self.close(notes)
        if tally.written != self._written:
            self._written = tally.written
            _tell(f"complete: {tally.written} members written, {tally.read} read; {tally.pages} pages in this run")

    def close(self, notes: list[str]) -> None:
        """Leave the line of the progress, and say what is new to say."""
        if self._progress is not None:
            self._progress.close()
            self._progress = None
        for note in notes[self._said :]:
            _tell(f"note: {note}")
        self._said = len(notes)


async def _prove(arguments: argparse.Namespace, fetcher: Fetcher, stream: str | None) -> int:
    from testbed.client.copies import Copy  # noqa: PLC0415
    from testbed.client.proof import prove  # noqa: PLC0415
    from testbed.client.replica import find_stream  # noqa: PLC0415

    stream = stream or await find_stream(fetcher, arguments.url)
    with Copy(arguments.out) as copy:
        proof = await prove(copy, fetcher, stream)
    for line in proven(proof, arguments.out):
        print(line)  # noqa: T201 - the result
    return 1 if proof.faults else 0


def proven(proof: Proof, out: Path) -> list[str]:
    """Word what came of a proof."""
    lines = [f"{out}: {fault}" for fault in proof.faults[:_MOST_FAULTS]]
    if len(proof.faults) > _MOST_FAULTS:
        lines.append(f"{out}: and {len(proof.faults) - _MOST_FAULTS} more")
    lines.append(f"{proof.proven} members proven: {proof.chain}" if not proof.faults else f"{out} is not proven")
    if proof.unsigned:
        lines.append(f"{proof.unsigned} members stand on no closed page yet, so they are not signed off")
    if proof.newer:
        lines.append(f"{proof.newer} newer members are signed off that the copy does not have")
    if proof.loose:
        lines.append(f"{proof.loose} members stand on pages of which the copy has not all, so they are not proven")
    if proof.begin:
        lines.append(f"members before number {proof.begin} are not all kept by the feed, or were never signed off")
    return lines


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)  # noqa: T201 - progress
