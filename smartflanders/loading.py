"""The files of pilot folders, loaded: the sources that run, those that stay off, and the pilot files."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ingest.needs import lacking, standing_in
from ingest.pilot_file import PILOT_FILE, PilotFile, check_pilot_file, load_pilot_file
from ingest.source import Source, load_source
from ldes_server.declaration import SUFFIX
from streams.errors import ConfigError, Problem


@dataclass(frozen=True, slots=True, kw_only=True)
class Off:
    """A source that stays off: `lacks` are the names that the environment does not have, `after` a source it looks up."""

    source: Source
    lacks: tuple[str, ...] = ()
    after: str = ""

    def __str__(self) -> str:
        return f"{self.source.name} {self.reason}"

    @property
    def reason(self) -> str:
        """Say why it stays off."""
        if self.after:
            return f"looks up {self.after}, which is off"
        return f"needs {', '.join(self.lacks)}, which {'is' if len(self.lacks) == 1 else 'are'} not set"


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """Every source of the files, in their order, those of them that are `off`, and the file of each by its name."""

    every: tuple[Source, ...]
    off: tuple[Off, ...]
    files: Mapping[str, Path]

    @property
    def on(self) -> tuple[Source, ...]:
        """Return the sources that run."""
        resting = {each.source.name for each in self.off}
        return tuple(source for source in self.every if source.name not in resting)


def is_source(file: Path) -> bool:
    """Say whether a YAML file of a pilot folder is a source file."""
    return file.suffix == ".yaml" and not file.name.endswith(SUFFIX) and file.name != PILOT_FILE


def load_sources(
    files: Sequence[Path], problems: list[Problem], *, environ: Mapping[str, str] | None = None, keyless: bool = False
) -> Loaded:
    """Load the source files among these, and find those that lack a key, or look up a source that does.

    `environ` is the environment of the process when absent; with `keyless` no source needs a key. What is wrong is added
    to `problems`.
    """
    given = os.environ if environ is None else environ
    sources: dict[str, Source] = {}
    off: dict[str, Off] = {}
    known: dict[str, Path] = {}
    for file in filter(is_source, files):
        try:
            lacks = lacking(file, given)
            source = load_source(file, environ=standing_in(lacks, given))
        except ConfigError as error:
            problems.extend(error.problems)
            continue
        if source.name in sources:
            problems.append(
                Problem(where=str(file), what=f"a second source is named {source.name}", fix="give each its own name")
            )
        sources[source.name], known[source.name] = source, file
        if lacks and not keyless:
            off[source.name] = Off(source=source, lacks=lacks)
    _after(sources.values(), off)
    return Loaded(every=tuple(sources.values()), off=tuple(off.values()), files=known)


def _after(sources: Collection[Source], off: dict[str, Off]) -> None:
    """Add the sources that look up one that is off, and those that look up these."""
    grown = True
    while grown:
        grown = False
        for source in sources:
            missing = [lookup.source for lookup in source.lookups.values() if lookup.required and lookup.source in off]
            if missing and source.name not in off:
                off[source.name], grown = Off(source=source, after=missing[0]), True


def load_pilot_files(
    folders: Sequence[Path], files: Sequence[Path], loaded: Loaded, problems: list[Problem]
) -> tuple[PilotFile, ...]:
    """Read the pilot files among `files`, and check each against the sources in its folder and below.

    Of source files that were named one by one the pilot file beside them is read; it may expect things of others. What
    is wrong is added to `problems`.
    """
    whole = [file for file in files if file.name == PILOT_FILE]
    beside = {folder.parent / PILOT_FILE for folder in folders if folder.is_file()}
    found: list[PilotFile] = []
    for file in [*whole, *sorted(each for each in beside.difference(whole) if each.is_file())]:
        own = [source for source in loaded.every if file.parent in loaded.files[source.name].parents]
        try:
            pilot = load_pilot_file(file)
        except ConfigError as error:
            problems.extend(error.problems)
            continue
        if file not in whole:
            names = {source.name for source in own}
            pilot = replace(pilot, expect={name: each for name, each in pilot.expect.items() if name in names})
        problems.extend(check_pilot_file(pilot, own))
        if any(other.name == pilot.name for other in found):
            what = f"a second pilot is named {pilot.name}"
            problems.append(Problem(where=str(file), what=what, fix="give each its own name"))
        found.append(pilot)
    return tuple(found)
