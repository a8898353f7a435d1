"""YAML as text: words are found where they stand, and changed without touching comments and layout."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from streams.errors import ConfigError
from streams.yaml_text import Word, rewritten, words_of, written

PILOTS = Path(__file__).resolve().parents[3] / "deploy" / "pilots"
TEXT = """# Gent, by hour
source: gent-garages   # its name
box: [3.58, -50.98]
title: { nl: "Gent, 'stad'", en: 'City' }
description: >-
  of Gent
  and more
nis: "44021"
empty:
last: [a, b]  # Gent
"""


def same(word: Word) -> str:
    """Leave a word as it is."""
    return word.text


@pytest.mark.parametrize("path", sorted(PILOTS.rglob("*.yaml")), ids=lambda path: path.name)
def test_a_file_without_changes_stays_byte_by_byte(path: Path) -> None:
    """Every file that ships is written as it was read when no word changes."""
    text = path.read_text("utf-8")
    assert rewritten(text, where=path.name, word=same) == text


def test_every_word_is_found_in_its_place() -> None:
    """Keys and values have their paths, in the order of the text, and their places hold their spelling."""
    words = {word.path: word for word in words_of(TEXT, where="t") if not word.is_key}
    assert words["source",].text == "gent-garages"
    assert TEXT[words["source",].start : words["source",].end] == "gent-garages"
    assert words["title", "nl"].text == "Gent, 'stad'"
    assert words["box", "1"].text == "-50.98"
    assert words["nis",].line == 8
    keys = [word.text for word in words_of(TEXT, where="t") if word.is_key]
    assert keys == ["source", "box", "title", "nl", "en", "description", "nis", "empty", "last"]


def test_changed_words_are_read_as_what_they_became() -> None:
    """Whatever the new words hold, the document says them, keys and comments stay, and numbers stay numbers."""
    new = {
        ("source",): "x: # y",
        ("box", "0"): "4.1",
        ("box", "1"): "not 5",
        ("title", "nl"): 'quote " and \\ and é',
        ("title", "en"): "yes",
        ("description",): "one, two",
        ("nis",): "41002",
        ("empty",): "full",
        ("last", "1"): "b, c]",
    }
    changed = rewritten(TEXT, where="t", word=lambda word: word.text if word.is_key else new.get(word.path, word.text))
    assert yaml.safe_load(changed) == {
        "source": "x: # y",
        "box": [4.1, "not 5"],
        "title": {"nl": 'quote " and \\ and é', "en": "yes"},
        "description": "one, two",
        "nis": "41002",
        "empty": "full",
        "last": ["a", "b, c]"],
    }
    assert [line for line in changed.splitlines() if "#" in line] == [
        "# Gent, by hour",
        'source: "x: # y"   # its name',
        'last: [a, "b, c]"]  # Gent',
    ]


def test_only_comments_are_changed_as_comments() -> None:
    """What changes comments is asked about comments alone, also where a word holds the sign that begins one."""
    text = 'a: "x # gent"  # gent\n# gent\nb: gent#1\n'
    changed = rewritten(text, where="t", word=same, comment=str.upper)
    assert changed == 'a: "x # gent"  # GENT\n# GENT\nb: gent#1\n'


def test_a_plain_text_with_commas_stays_plain_outside_of_brackets() -> None:
    """A sentence that needed no quotes needs none after its city's name has changed."""
    text = "nl: Parkings, in Gent\nflow: { nl: Gent }\n"
    changed = rewritten(text, where="t", word=lambda word: word.text.replace("Gent", "Aalst"))
    assert changed == "nl: Parkings, in Aalst\nflow: { nl: Aalst }\n"


@pytest.mark.parametrize(
    "text", ["null", "1.5", "yes", "a: b", "a #b", "", "- x", "*a", "a,b", "2026-01-01", " a", "é"]
)
def test_what_would_be_read_as_something_else_is_quoted(text: str) -> None:
    """A word is read back as the text that was written, alone and inside a list."""
    assert yaml.safe_load(f"key: {written(text)}") == {"key": text}
    assert yaml.safe_load(f"[{written(text)}, x]") == [text, "x"]


@pytest.mark.parametrize(("text", "what"), [("a: [", "no YAML"), ("a: &x [b]\nc: *x\n", "aliases")])
def test_what_cannot_be_rewritten_is_told(text: str, what: str) -> None:
    """A document that is no YAML, or has aliases, is refused with its name."""
    with pytest.raises(ConfigError, match=what) as caught:
        words_of(text, where="some.yaml")
    assert "some.yaml" in str(caught.value)


def test_an_empty_document_has_no_words() -> None:
    """Nothing but comments is nothing to change."""
    assert words_of("# nothing\n", where="t") == ()
    assert rewritten("# nothing\n", where="t", word=same, comment=str.upper) == "# NOTHING\n"
