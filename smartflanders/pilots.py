"""Pilot folders to a plan: which sources run, which streams they feed, and where the sources are reached."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

from ingest.expectation import Expectation
from ingest.pilot_file import PilotFile
from ingest.source import Source
from ingest.transports.http_poll import HttpPollOptions
from ldes_server.declaration import SUFFIX, Declaration, declared_stream, load_declaration
from ldes_server.descriptions import RESERVED
from ldes_server.model import Stream
from smartflanders.loading import Off, load_pilot_files, load_sources
from streams.errors import ConfigError, Problem
from vocab.model import load_model
from vocab.terms import OPERATION


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What one platform runs; `off` are the sources that lack a key, whose streams nobody else feeds are not there.

    `pilots` are the pilot files, in the order of their folders; `files` has the file of each source by its name.
    """

    sources: tuple[Source, ...]
    streams: tuple[Stream, ...]
    off: tuple[Off, ...] = ()
    pilots: tuple[PilotFile, ...] = ()
    files: Mapping[str, Path] = field(default_factory=dict)

    @property
    def expect(self) -> Mapping[str, Expectation]:
        """Return what is expected of each source by its name; nothing of those that no pilot file is about."""
        return {name: each for pilot in self.pilots for name, each in pilot.expect.items()}


def load_plan(folders: Sequence[Path], *, environ: Mapping[str, str] | None = None, keyless: bool = False) -> Plan:
    """Load every source file (`*.yaml`), stream file (`*.stream.yaml`) and `pilot.yaml` below the pilot folders.

    A source whose key is not in `environ` (the environment of the process when absent) is checked and stays off; where
    recordings stand in for the publishers the plan is `keyless`: they ask for none.

    Raises:
        ConfigError: with the faults of all files at once.

    """
    problems: list[Problem] = []
    files = _files(folders, problems)
    loaded = load_sources(files, problems, environ=environ, keyless=keyless)
    streams = _streams(loaded.every, problems)
    declarations = [file for file in files if file.name.endswith(SUFFIX)]
    declarations += _beside(folders, {stream.name for stream in streams}, declarations)
    said = _declarations(streams, declarations, problems)
    streams = tuple(_as_declared(each, said[each.name]) if each.name in said else each for each in streams)
    streams = _told(streams, loaded.every, said, problems)
    problems += _unsaid(streams, said)
    pilots = load_pilot_files(folders, files, loaded, problems)
    if problems:
        raise ConfigError(problems, where="the pilots")
    fed = {source.stream for source in loaded.on}
    return Plan(
        sources=loaded.on,
        streams=tuple(stream for stream in streams if stream.name in fed),
        off=loaded.off,
        pilots=pilots,
        files=loaded.files,
    )


def _files(folders: Sequence[Path], problems: list[Problem]) -> list[Path]:
    files: list[Path] = []
    for folder in folders:
        found = [folder] if folder.is_file() else sorted(folder.rglob("*.yaml"))
        if not found:
            problems.append(
                Problem(
                    where=str(folder),
                    what="no source files (*.yaml) here" if folder.exists() else "there is no such folder",
                    fix="name a folder such as deploy/pilots/gent/parking",
                )
            )
        files.extend(found)
    return files


def _beside(folders: Sequence[Path], streams: Collection[str], known: Collection[Path]) -> list[Path]:
    """Find the stream files beside source files that were named one by one: to run one source takes no view away."""
    beside = {each for file in folders if file.is_file() for each in file.parent.glob(f"*{SUFFIX}")}
    return sorted(each for each in beside.difference(known) if declared_stream(each) in streams)


def _streams(sources: Sequence[Source], problems: list[Problem]) -> tuple[Stream, ...]:
    """Make one stream of all sources that name it; the first source of a stream describes it."""
    streams: dict[str, Stream] = {}
    for source in sources:
        known = streams.get(source.stream)
        if known is not None and known.model.name != source.model:
            problems.append(
                Problem(
                    where=source.name,
                    what=f"stream {source.stream} has model {known.model.name}, this source has {source.model}",
                    fix="one stream carries one model: give one of the two its own stream",
                )
            )
        if source.stream in RESERVED:
            problems.append(
                Problem(
                    where=source.name,
                    what=f"a stream cannot be named {source.stream}: that address is taken",
                    fix="choose another name, such as <city>-<theme>",
                )
            )
        if known is None:
            streams[source.stream] = stream_of(source)
    return tuple(streams.values())


def _declarations(
    streams: Sequence[Stream], files: Sequence[Path], problems: list[Problem]
) -> Mapping[str, Declaration]:
    """Read what the stream files declare, by the name of the stream; without one it has its history only."""
    models = {stream.name: stream.model for stream in streams}
    found: dict[str, Declaration] = {}
    for file in files:
        try:
            declaration = load_declaration(file, models)
        except ConfigError as error:
            problems.extend(error.problems)
            continue
        if declaration.stream in found:
            what = f"stream {declaration.stream} has a stream file already: {found[declaration.stream].file}"
            problems.append(Problem(where=str(file), what=what, fix="put both into one file"))
        found[declaration.stream] = declaration
    return found


def _as_declared(stream: Stream, declaration: Declaration) -> Stream:
    return replace(
        stream,
        views=declaration.views,
        operation_path=OPERATION if declaration.operations else "",
        transactions=bool(declaration.transactions),
        retention=declaration.retention,
        view_retention=declaration.view_retention,
    )


def _told(
    streams: Sequence[Stream], sources: Collection[Source], said: Mapping[str, Declaration], problems: list[Problem]
) -> tuple[Stream, ...]:
    """Let each stream tell readers what members of its sources say, whether its stream file says so or nothing of it."""
    found = []
    for stream in streams:
        own = [source for source in sources if source.stream == stream.name]
        operations, transactions = (
            any(getattr(source.publish, word) for source in own) for word in ("operations", "transaction")
        )
        declared = said.get(stream.name)
        for word, used in (("operations", operations), ("transactions", transactions)):
            if declared is not None and used and getattr(declared, word) is False:
                what = f"stream {stream.name} declares no {word}, and members of its sources say them"
                problems.append(Problem(where=declared.file, what=what, fix=f"write {word}: true, or mend the sources"))
        found.append(
            replace(
                stream,
                operation_path=OPERATION if operations else stream.operation_path,
                transactions=transactions or stream.transactions,
            )
        )
    return tuple(found)


def _unsaid(streams: Sequence[Stream], said: Mapping[str, Declaration]) -> Iterator[Problem]:
    """Yield what is kept for as long as deletions are young in streams whose members never say one (RET-10)."""
    for stream in streams:
        for name, kept in stream.policies.items():
            if kept is not None and kept.deleted_for is not None and not stream.operation_path:
                what = f"deleted_for does not fit {stream.name}/{name}: its members never say that something is gone"
                fix = "remove it, or let a source say so (docs/how-to/delete-and-group.md)"
                yield Problem(where=said[stream.name].file, what=what, fix=fix)


def stream_of(source: Source) -> Stream:
    """Describe the stream that a source feeds."""
    every = source.transport.every
    return Stream(
        name=source.stream,
        model=load_model(source.model),
        title=source.title,
        description=source.description,
        publisher_name=source.publisher_name,
        publisher_iri=source.publisher_iri,
        licence=source.licence,
        expected_every=every,
        contact=source.entry.contact,
        themes=source.entry.themes,
        keywords=source.entry.keywords,
        hvd_categories=source.entry.hvd_categories,
        spatial=source.entry.spatial,
    )


def rewrite(plan: Plan, origin: str, speed: float) -> Plan:
    """Point every HTTP source at `<origin>/<its host>/<its path>` and ask `speed` times as often.

    That is where the simulator and the replay server offer the publishers they stand in for; all else about the
    sources stays as it is in the files.
    """
    return replace(plan, sources=tuple(_rewrite(source, origin, speed) for source in plan.sources))


def _rewrite(source: Source, origin: str, speed: float) -> Source:
    options = source.transport
    if not isinstance(options, HttpPollOptions):
        return source
    url = f"{origin.rstrip('/')}/{_below_host(options.url)}"
    every = max(options.every / speed, timedelta(milliseconds=200))
    return replace(source, transport=replace(options, url=url, every=every))


def _below_host(url: str) -> str:
    parts = urlsplit(url)
    query = f"?{parts.query}" if parts.query else ""
    return f"{parts.netloc}{parts.path}{query}"


def below_host(source: Source) -> str:
    """Return `<host>/<path>` of a source that is polled by HTTP, without its query; empty for any other."""
    options = source.transport
    return _below_host(options.url).split("?")[0] if isinstance(options, HttpPollOptions) else ""


def recorded(plan: Plan, folder: Path) -> Mapping[str, Sequence[Path]]:
    """Find the recorded documents of the plan's HTTP sources below a folder, by each source's `sample` pattern.

    Returns `<host>/<path>` → files in name order, those of all sources that ask there; what has no recording is absent.
    """
    found: dict[str, set[Path]] = {}
    for source in plan.sources:
        if (address := below_host(source)) and source.sample:
            files = {path for path in folder.rglob(source.sample) if path.is_file()}
            if files:
                found[address] = found.get(address, set()) | files
    return {address: sorted(files) for address, files in found.items()}


def only_recorded(plan: Plan, documents: Mapping[str, Sequence[Path]]) -> Plan:
    """Keep the sources that have a recording of their own, and the streams they feed.

    Another source that asks at the same address for something else would only be told that it is not there.
    """
    sources = tuple(
        source
        for source in plan.sources
        if source.sample and any(path.match(source.sample) for path in documents.get(below_host(source), ()))
    )
    names = {source.stream for source in sources}
    return replace(plan, sources=sources, streams=tuple(stream for stream in plan.streams if stream.name in names))
