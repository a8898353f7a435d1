"""Copies: a pilot folder for another city, asked for, written at once or not at all, and checked before it is there."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from ingest.pilot_file import PILOT_FILE, load_pilot_file
from smartflanders.copying import Original, Question, copy, questions
from smartflanders.loading import is_source
from smartflanders.pilots import load_plan
from streams.errors import ConfigError, Problem
from streams.yaml_lines import read_file, suggest
from streams.yaml_text import words_of
from vocab.cities import CITIES, City, slug_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What is asked for: the `pilot` to copy, the city it is `to`, and where it goes (`into`, else beside its city's).

    `said` are answers by the keys of questions; on a terminal the others are asked.
    """

    pilot: Path
    to: str
    into: Path | None
    force: bool
    said: Mapping[str, str]

    @property
    def slug(self) -> str:
        """Return the word for the city in names and folders."""
        return slug_of(self.to)

    @property
    def city(self) -> City | None:
        """Return what is known of the city."""
        return CITIES.get(self.slug)

    @property
    def folder(self) -> Path:
        """Return where the copy goes."""
        return self.into or self.pilot.parent.parent / self.slug / self.pilot.name


def read_original(folder: Path) -> Original:
    """Read a pilot that is copied, once it is known to be without faults.

    Raises:
        ConfigError: it has no pilot file, or a file of it has a fault.

    """
    if not (folder / PILOT_FILE).is_file():
        what = (
            f"no {PILOT_FILE} here, which says what must change on a copy"
            if folder.is_dir()
            else "there is no such pilot"
        )
        fix = "name a pilot such as gent/parking; `smartflanders pilot list` shows them"
        raise ConfigError([Problem(where=str(folder), what=what, fix=fix)], where="the pilot to copy")
    load_plan([folder], keyless=True)
    texts = {file.name: file.read_text("utf-8") for file in sorted(folder.glob("*.yaml"))}
    return Original(pilot=load_pilot_file(folder / PILOT_FILE), texts=texts)


def read_answers(path: Path) -> dict[str, str]:
    """Read a file of answers: `key: answer` lines.

    Raises:
        ConfigError: it cannot be read, or is not such a file.

    """
    root, faults = read_file(path)
    for key, node in root.items():
        if isinstance(node.value, dict | list) or node.value is None:
            faults.add(node.line, f"{key} is {node.described}", f"write {key}: … on one line, as --set has it")
    if not root.is_mapping:
        faults.add(root.line, "this is no list of answers", "write `key: answer` lines")
    if faults.problems:
        raise ConfigError(faults.problems, where=str(path))
    return {key: node.text for key, node in root.items()}


def answered(wish: Wish, original: Original, *, ask: bool) -> dict[str, str]:
    """Return an answer to every question: what was said, else what is asked on the terminal, else the default.

    Raises:
        ConfigError: with every answer that is missing, unknown or impossible.

    """
    if not wish.slug:
        raise _refused("--to", f"{wish.to!r} names no city", "write for example --to aalst")
    if wish.slug == original.slug:
        raise _refused("--to", f"{original.pilot.name} is of {original.pilot.area.name} already", "name another city")
    asked = questions(original, wish.slug, wish.city)
    known = [question.key for question in asked]
    problems = [_unknown(key, known) for key in wish.said if key not in known]
    if problems:
        raise ConfigError(problems, where="the answers")
    answers = {}
    for question in asked:
        said = wish.said.get(question.key)
        answers[question.key] = said if said is not None else _asked(question) if ask else question.default
        if not answers[question.key] and not question.optional:
            fix = f"add --set {question.key}=… (that of {original.pilot.name}: {question.before})"
            problems.append(Problem(where=question.key, what=f"{question.what} is missing", fix=fix))
    problems += _impossible(answers)
    if problems:
        raise ConfigError(problems, where="the answers")
    return answers


def _unknown(key: str, known: Sequence[str]) -> Problem:
    return Problem(where=key, what="nothing of this pilot asks for it", fix=suggest(key, known))


def _asked(question: Question) -> str:
    """Ask on the terminal until there is an answer; Enter takes the default."""
    # On standard error, as all that is no result; readline writes its prompt to standard output.
    hint = f" [{question.default}]" if question.default else f" (was: {question.before})"
    while True:
        print(f"{question.what}{hint}: ", end="", file=sys.stderr, flush=True)  # noqa: T201
        line = sys.stdin.readline()
        answer = line.strip() or question.default
        if answer or question.optional or not line:
            return answer


def _impossible(answers: Mapping[str, str]) -> Iterator[Problem]:
    """Yield the answers that no file can hold; the rest is told by the check of the copy."""
    for key, answer in answers.items():
        if not answer:
            continue
        if "\n" in answer:
            yield Problem(where=key, what="has more than one line", fix="write it on one line")
        if key in ("area.iri", "publisher.iri", "licence") and not urlsplit(answer).scheme:
            yield Problem(where=key, what=f"{answer!r} is no absolute IRI", fix="write for example https://…")
        if key == "area.box" and not _is_box(answer):
            fix = "write west, south, east, north in degrees: 3.982, 50.899, 4.163, 50.995"
            yield Problem(where=key, what=f"{answer!r} is no box", fix=fix)
    for kind in ("source", "stream"):
        names = [answer for key, answer in answers.items() if key.startswith(f"{kind}.")]
        for name in {name for name in names if names.count(name) > 1}:
            yield Problem(where=kind, what=f"two would be named {name}", fix="give each its own name")


def _is_box(text: str) -> bool:
    try:
        return len([float(edge) for edge in text.split(",")]) == 4
    except ValueError:
        return False


def write_copy(wish: Wish, original: Original, answers: Mapping[str, str]) -> dict[str, str]:
    """Write the files of a copy and return their texts by their names; they are checked before they are there.

    The folder appears at once, whole; an old one, with --force, is replaced at once. When anything fails all is as before.

    Raises:
        ConfigError: the folder is taken, a name is, a file would have a fault, or the disk refuses.

    """
    target = wish.folder
    if target.exists() and not wish.force:
        fix = "choose another with --into FOLDER, or replace it with --force"
        raise _refused(str(target), "there is something here already", fix)
    copied = copy(original, wish.slug, answers)
    problems = list(_taken(original, target, answers))
    if problems:
        raise ConfigError(problems, where="the copy")
    made = _first_missing(target.parent)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent) as draft:
            _fill(Path(draft) / target.name, copied)
            _swap(Path(draft) / target.name, target, Path(draft) / "old")
    except OSError as error:
        _tidy(made, target.parent)
        fix = "let this user write there, or choose another folder with --into"
        raise _refused(str(target), f"cannot be written: {(error.strerror or str(error)).lower()}", fix) from error
    except ConfigError:
        _tidy(made, target.parent)
        raise
    return copied


def _taken(original: Original, target: Path, answers: Mapping[str, str]) -> Iterator[Problem]:
    """Yield the names of the copy that another pilot of the same collection has."""
    root = original.folder.parent.parent
    for file in sorted(root.rglob("*.yaml")):
        if target in file.parents:
            continue
        kind = "source" if is_source(file) else "pilot" if file.name == PILOT_FILE else ""
        for word in words_of(file.read_text("utf-8"), where=str(file)) if kind else ():
            for key, answer in answers.items():
                if key.startswith(f"{kind}.") and word.path == (kind,) and not word.is_key and word.text == answer:
                    fix = f"choose another: --set {key}=…"
                    yield Problem(where=key, what=f"{answer} is the name of another {kind}: {file}", fix=fix)


def _first_missing(folder: Path) -> Path | None:
    """Return the uppermost of the folders that would have to be made."""
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    return missing[-1] if missing else None


def _fill(folder: Path, copied: Mapping[str, str]) -> None:
    """Write the files, and load them as the platform would.

    Raises:
        ConfigError: a file has a fault; the draft it is in is not named, because it will be gone.

    """
    folder.mkdir()
    for name, text in copied.items():
        (folder / name).write_text(text, "utf-8")
    try:
        load_plan([folder], keyless=True)
    except ConfigError as error:
        told = [
            Problem(where=each.where.replace(f"{folder}/", ""), what=each.what.replace(f"{folder}/", ""), fix=each.fix)
            for each in error.problems
        ]
        raise ConfigError(told, where="the copy, which was not written") from error


def _swap(draft: Path, target: Path, old: Path) -> None:
    """Put a folder in the place of another one, or of none; when that fails the old one is back."""
    if target.exists():
        target.rename(old)
    try:
        draft.rename(target)
    except OSError:
        if old.exists():
            old.rename(target)
        raise


def _tidy(made: Path | None, below: Path) -> None:
    """Take away the folders that were made, which are empty."""
    if made is not None and made.exists():
        for folder in (below, *below.parents):
            if folder.is_dir():
                folder.rmdir()
            if folder == made:
                break


def _refused(where: str, what: str, fix: str) -> ConfigError:
    return ConfigError([Problem(where=where, what=what, fix=fix)], where="the copy")
