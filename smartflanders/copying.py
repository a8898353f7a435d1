"""Copying: what must change for a pilot to be another city's, and its files with these changes; pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from ingest.pilot_file import PILOT_FILE, PilotFile
from ingest.transports import TRANSPORTS
from ldes_server.declaration import SUFFIX
from streams.yaml_text import Word, rewritten, words_of
from vocab.cities import City, slug_of

# Keys whose texts are for people: the city's name in them changes with the city.
_PROSE = ("title", "description", "keywords")
_EDGES = ("west", "south", "east", "north")


@dataclass(frozen=True, slots=True, kw_only=True)
class Original:
    """A pilot that is copied: its pilot file, and the text of each of its YAML files by file name."""

    pilot: PilotFile
    texts: Mapping[str, str]

    @property
    def slug(self) -> str:
        """Return the word for its city in names."""
        return slug_of(self.pilot.area.name)

    @property
    def folder(self) -> Path:
        """Return where it is."""
        return self.pilot.file.parent

    def words(self) -> Iterator[tuple[str, Word]]:
        """Yield every word of every file with the name of the file."""
        for name, text in self.texts.items():
            for word in words_of(text, where=name):
                yield name, word


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One thing that must be said for a copy: its `key`, what it is, what the original says, and the default.

    A question without a default must be answered, unless it is `optional`.
    """

    key: str
    what: str
    before: str
    default: str = ""
    optional: bool = False


def questions(original: Original, slug: str, city: City | None) -> tuple[Question, ...]:
    """List what must be said for a copy to the city that `slug` names; `city` is what is known of it."""
    return (
        *_area(original, city),
        *_publisher(original, city),
        *_contact(original),
        *_names(original, slug),
        *_addresses(original, slug),
    )


def _area(original: Original, city: City | None) -> Iterator[Question]:
    area = original.pilot.area
    yield Question(key="area.name", what="name of the city", before=area.name, default=city.name if city else "")
    yield Question(key="area.iri", what="IRI of its area", before=area.iri, default=city.iri if city else "")
    if area.nis:
        nis = city.nis if city else ""
        yield Question(key="area.nis", what="NIS code", before=area.nis, default=nis, optional=True)
    box = str(city.box) if city else ""
    yield Question(key="area.box", what=f"box ({', '.join(_EDGES)})", before=str(area.box), default=box)


def _publisher(original: Original, city: City | None) -> Iterator[Question]:
    pilot = original.pilot
    name, iri = (city.publisher_name, city.publisher_iri) if city else ("", "")
    if pilot.publisher_name:
        yield Question(key="publisher.name", what="who publishes the data", before=pilot.publisher_name, default=name)
        yield Question(key="publisher.iri", what="IRI of the publisher", before=pilot.publisher_iri, default=iri)
    if pilot.licence:
        yield Question(key="licence", what="IRI of the licence", before=pilot.licence, default=pilot.licence)


def _contact(original: Original) -> Iterator[Question]:
    found = {
        ".".join(word.path): word.text for _, word in original.words() if word.path[0] == "contact" and not word.is_key
    }
    for key, before in found.items():
        yield Question(key=key, what="where questions about the data go", before=before)


def _names(original: Original, slug: str) -> Iterator[Question]:
    found = {"pilot": [original.pilot.name], "source": [], "stream": []}
    for name, word in original.words():
        kind = word.path[0]
        if kind in ("source", "stream") and _is(word, kind) and not (kind == "stream" and name.endswith(SUFFIX)):
            found[kind].append(word.text)
    for kind, names in found.items():
        for before in dict.fromkeys(names):
            yield Question(
                key=f"{kind}.{before}",
                what=f"name of the {kind}",
                before=before,
                default=renamed(before, original.slug, slug),
            )


def _is(word: Word, *path: str) -> bool:
    return word.path == path and not word.is_key


def _addresses(original: Original, slug: str) -> Iterator[Question]:
    for source, words in _reached(original).items():
        for key, word in words.items():
            yield Question(
                key=key,
                what=f"address of {source}" if "://" in word.text else f"{'.'.join(word.path)} of {source}",
                before=word.text,
                # An address is never guessed: whoever copies must have one.
                default="" if "://" in word.text else renamed(word.text, original.slug, slug),
            )


def _reached(original: Original) -> Mapping[str, Mapping[str, Word]]:
    """Find by source, and by the key of its question, the words by which it is reached, or that name the city there."""
    found: dict[str, Mapping[str, Word]] = {}
    for name, text in original.texts.items():
        words = words_of(text, where=name)
        source = next((word.text for word in words if _is(word, "source")), "")
        here = [
            word
            for word in words
            if word.path[0] in TRANSPORTS
            and not word.is_key
            and ("://" in word.text or _city(original.slug).search(word.text))
        ]
        if source and here:
            plain = f"address.{source}"
            found[source] = {plain if len(here) == 1 else ".".join((plain, *word.path[1:])): word for word in here}
    return found


def renamed(name: str, old: str, new: str) -> str:
    """Put one city's word in the place of another's in a name; a name without it gets the new one in front."""
    replaced = _city(old).sub(new, name) if old else name
    return replaced if replaced != name or old == new else f"{new}-{name}"


def _city(slug: str) -> re.Pattern[str]:
    """Match the word for a city in a name, between hyphens, dots and the like; never match without one."""
    return re.compile(rf"(?<![a-z0-9]){re.escape(slug)}(?![a-z0-9])" if slug else r"(?!)", re.IGNORECASE)


def copy(original: Original, slug: str, answers: Mapping[str, str]) -> dict[str, str]:
    """Return the files of the copy for the city that `slug` names, with these answers to every question put in."""
    reached = _reached(original)
    copied = {}
    for name, text in original.texts.items():
        words = words_of(text, where=name)
        source = next((word.text for word in words if _is(word, "source")), "")
        spots = {word.path: answers[key] for key, word in reached.get(source, {}).items()}
        change = _Change(original, slug, answers, spots)
        copied[change.file_name(name)] = rewritten(text, where=name, word=change.word, comment=change.prose)
    return copied


class _Change:
    """What becomes of the words and comments of one file; `spots` are answers by the paths of what they answer."""

    def __init__(
        self, original: Original, slug: str, answers: Mapping[str, str], spots: Mapping[tuple[str, ...], str]
    ) -> None:
        self._answers = answers
        self._spots = spots
        self._old = original
        self._new_slug = slug
        pilot = original.pilot
        told = {
            "publisher.name": pilot.publisher_name,
            "publisher.iri": pilot.publisher_iri,
            "licence": pilot.licence,
            "area.iri": pilot.area.iri,
        }
        self._same = {before: answers[key] for key, before in told.items() if before}
        self._ids = {
            key.partition(".")[2]: answer
            for key, answer in answers.items()
            if key.partition(".")[0] in ("pilot", "source", "stream")
        }

    def file_name(self, name: str) -> str:
        """Rename a file after what it is named for."""
        suffix = SUFFIX if name.endswith(SUFFIX) else ".yaml"
        stem = name.removesuffix(suffix)
        kind = "stream" if suffix == SUFFIX else "source"
        own = self._answers.get(f"{kind}.{stem}")
        return f"{own or _city(self._old.slug).sub(self._new_slug, stem)}{suffix}"

    def word(self, word: Word) -> str:
        """Return what stands in the place of a word."""
        path = word.path
        if word.is_key:
            return self._key(word)
        if path in self._spots:
            return self._spots[path]
        kind = _REFERENCES.get(path[0] if len(path) == 1 else _reference(path))
        if kind is not None:
            return self._answers.get(f"{kind}.{word.text}", word.text)
        if path[0] == "area":
            return self._area(word)
        if path[0] == "contact":
            return self._answers[".".join(path)]
        if word.text in self._same:
            return self._same[word.text]
        return self.name_in(word.text) if path[0] in _PROSE or path[-1] == "constant" else word.text

    def _key(self, word: Word) -> str:
        if len(word.path) == 2 and word.path[0] == "expect":
            return self._answers.get(f"source.{word.text}", word.text)
        if len(word.path) == 2 and word.path[0] == "views":
            return _city(self._old.slug).sub(self._new_slug, word.text)
        return word.text

    def _area(self, word: Word) -> str:
        if word.path[1] == "box":
            return self._answers["area.box"].split(",")[int(word.path[2])].strip()
        return self._answers.get(".".join(word.path), word.text)

    def name_in(self, text: str) -> str:
        """Put the new city's name in the place of the old one's in a text for people."""
        old = self._old.pilot.area.name
        return re.sub(rf"(?<!\w){re.escape(old)}(?!\w)", lambda _: self._answers["area.name"], text)

    def prose(self, comment: str) -> str:
        """Let a comment speak of the new city and of the new names."""
        # A name of one word may be any word; longer ones first, because one name may begin another.
        names = sorted((name for name in self._ids if "-" in name), key=len, reverse=True)
        pattern = rf"(?<![\w-])({'|'.join(map(re.escape, names)) or '(?!)'})(?![\w-])"
        return self.name_in(re.sub(pattern, lambda found: self._ids[found.group()], comment))


# Where files name a pilot, a source or a stream, by the key; `lookup.<name>.source` is one of them.
_REFERENCES: Mapping[str, str] = {
    "pilot": "pilot",
    "source": "source",
    "stream": "stream",
    "entity_of": "stream",
    "lookup source": "source",
}


def _reference(path: tuple[str, ...]) -> str:
    if path[-1] == "entity_of":
        return "entity_of"
    return "lookup source" if len(path) == 3 and path[0] == "lookup" and path[2] == "source" else ""


def leftovers(original: Original, copied: Mapping[str, str], answers: Mapping[str, str]) -> Iterator[str]:
    """Yield the lines of a copy that still speak of the city it was copied from, as `file:line: text`.

    What whoever copies has said themselves is left out.
    """
    pattern = re.compile(rf"(?<![a-z]){re.escape(original.pilot.area.name)}", re.IGNORECASE)
    for name, text in copied.items():
        for number, line in enumerate(text.splitlines(), 1):
            if pattern.search(line) and not any(answer and answer in line for answer in answers.values()):
                yield f"{name}:{number}: {line.strip()}"


def others(original: Original) -> Iterator[tuple[str, str]]:
    """Yield the source files whose publisher is not the pilot's, with that publisher: it stays in the copy."""
    for name, word in original.words():
        if name != PILOT_FILE and _is(word, "publisher", "name") and word.text != original.pilot.publisher_name:
            yield name, word.text
