"""The spelling of terms."""

from __future__ import annotations

import pytest

from vocab.lexical import Memo, bracket, canonical_double, escape, is_absolute, is_local, is_plain, is_prefix


@pytest.mark.parametrize(
    ("value", "spelled"),
    [
        (12.4, "1.24E1"),
        (50.0, "5.0E1"),
        (0.0, "0.0E0"),
        (-0.0, "-0.0E0"),
        (0.1 + 0.2, "3.0E-1"),
        (1e100, "1.0E100"),
        (-1.5e-7, "-1.5E-7"),
        (float("inf"), "INF"),
        (float("nan"), "NAN"),
    ],
)
def test_doubles_are_canonical(value: float, spelled: str) -> None:
    """A double must have one digit before the point, at most fifteen after it, and a bare exponent."""
    assert canonical_double(value) == spelled


def test_strings_are_escaped_canonically() -> None:
    """What has a name must be escaped by it, other control characters by number, everything else left alone."""
    assert escape('\b\t\n\f\r"\\') == '\\b\\t\\n\\f\\r\\"\\\\'
    assert escape("\x00\x1f\x7f") == "\\u0000\\u001F\\u007F"
    assert escape("é ☃ 𝄞 '") == "é ☃ 𝄞 '"


def test_iris_stay_within_their_brackets() -> None:
    """No character may end an IRI before its closing bracket."""
    assert bracket("urn:a>b c") == "<urn:a\\u003Eb\\u0020c>"


@pytest.mark.parametrize("iri", ["relative", "/a", "", "1a:b", "a b:c", "urn:a b"])
def test_relative_references_are_known(iri: str) -> None:
    """What has no scheme, or white space in it, must not pass for an absolute IRI."""
    assert not is_absolute(iri)
    assert not is_plain(iri)


def test_names_that_need_escaping_are_not_shortened() -> None:
    """Only names that Turtle takes as they are may stand in a prefixed name."""
    assert is_local("SF_SamplingPoint.shape")
    assert not any(is_local(name) for name in ("", "a.", "a/b", "é", "-a", "1"))
    assert is_prefix("sosa")
    assert not any(is_prefix(name) for name in ("", "a.b", "_", "é"))


def test_memory_is_bounded() -> None:
    """A full memory must start anew and still answer right."""
    made: list[int] = []

    def make(key: int) -> str:
        made.append(key)
        return str(key)

    memo = Memo(make, size=3)
    assert [memo[key] for key in (1, 2, 3, 1, 4, 1)] == ["1", "2", "3", "1", "4", "1"]
    assert made == [1, 2, 3, 4, 1]
    assert len(memo) == 2
