"""The register itself: every requirement has a test or a reason, and the page says what the tests show."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from tests.conformance import register
from tests.conformance.register import Proof, Requirement

DIGEST = register.ROOT.parent / "shared" / "spec" / "ldes.md"
# The exceptions there are, by kind. Fewer is progress: lower the number. More is not: write the test.
EXCEPTIONS = {"consumer": 11, "not applicable": 2, "not followed": 3}
# How the digest calls levels that are none of the five words.
WORDS = {"0..1": "MUST", "recommended": "SHOULD", "default": "MAY", "C": "MAY"}
SOME = {
    "TREE-01": Requirement(id="TREE-01", level="MUST", sections="T 1", says="A page is a page."),
    "TREE-02": Requirement(id="TREE-02", level="MAY", sections="T 2", says="It may.", kind="consumer", why="T 2 is."),
}
PROOF = Proof(test="test_a.py::test_b", cites=("TREE-01",), marked=False)


def test_every_requirement_has_a_test_or_a_reason() -> None:
    """No requirement is left out, none has both, no test cites what nobody asks, and no MUST is left unfollowed."""
    assert register.faults(register.requirements(), register.proofs()) == []


def test_exceptions_may_only_shrink() -> None:
    """There are exactly as many exceptions as were there before; a new one needs a test instead."""
    assert Counter(each["kind"] for each in register.exceptions().values()) == EXCEPTIONS


def test_the_page_is_what_tests_and_register_yield() -> None:
    """The page that is committed is the one that the tests here give when they pass; none of them is marked to be skipped."""
    tests = register.proofs()
    assert [proof.test for proof in tests if proof.marked] == []
    expected = register.page(register.requirements(), tests, {proof.test for proof in tests})
    assert register.PAGE.read_text("utf-8") == expected, "run `make conformance`"


def test_ids_and_levels_are_those_of_the_digest() -> None:
    """The register asks what our digest of the specifications lists, at its levels, in its order."""
    if not DIGEST.is_file():
        pytest.skip("the digest of the specifications is not here (shared/spec/ldes.md beside the checkout)")
    rows = re.findall(r"^\| ([A-Z]+-\d\d) \| ([^|]*) \|", DIGEST.read_text("utf-8"), re.MULTILINE)
    levels = {name: _level(cell) for name, cell in rows}
    assert len(levels) == len(rows) == 205
    assert {name: row.level for name, row in register.requirements().items()} == levels
    assert list(register.requirements()) == list(levels)


def _level(cell: str) -> str:
    cell = re.sub(r"\[[^\]]*\]", "", cell).strip()
    if cell.split()[0] in WORDS:
        return WORDS[cell.split()[0]]
    found = re.match(r"MUST NOT|SHOULD NOT|MUST|SHOULD|MAY", cell)
    assert found, cell
    return found[0]


def test_a_page_needs_every_proof_to_have_passed() -> None:
    """What has no test, or one that did not pass, gives no page; an exception needs none and is shown with its reason."""
    with pytest.raises(ValueError, match="TREE-01: no test"):
        register.page(SOME, [], set())
    with pytest.raises(ValueError, match=r"TREE-01: test_a\.py::test_b"):
        register.page(SOME, [PROOF], {"test_a.py::test_c"})
    found = register.page(SOME, [PROOF], {PROOF.test})
    assert "| TREE-01 | MUST | T 1 | A page is a page. | pass: `test_a.py::test_b` |\n" in found
    assert "| TREE-02 | MAY | T 2 | It may. | not applicable: binds consumers. T 2 is. |\n" in found


def test_faults_of_the_register_are_found() -> None:
    """Tests for exceptions, requirements without tests, unknown ids and MUSTs that are not followed are named, all at once."""
    both = replace(PROOF, cites=("TREE-02", "TREE-99"))
    must = replace(SOME["TREE-01"], id="TREE-03", kind="not followed", why="We like it so.")
    spared = [f"exceptions.yaml has {name}, which nothing asks" for name in register.exceptions()]
    assert register.faults({**SOME, "TREE-03": must}, [both]) == [
        "TREE-01 has no test and is no exception",
        "TREE-02 has a test: take it out of exceptions.yaml",
        "TREE-03 is a MUST: it cannot be left unfollowed",
        *spared,
        "test_a.py::test_b cites TREE-99, which is not in requirements.yaml",
    ]


def test_the_worst_outcome_of_a_test_counts(tmp_path: Path) -> None:
    """A test of which one parameter failed or was skipped has not passed; without a run nothing has."""
    rows = [("test_a.py::test_b[x]", "passed"), ("test_a.py::test_b[y]", "skipped"), ("test_a.py::test_b[z]", "passed")]
    lines = [json.dumps({"test": f"tests/conformance/{test}", "outcome": outcome}) for test, outcome in rows]
    (tmp_path / "results").write_text("\n".join(lines))
    assert register.outcomes(tmp_path / "results") == {"test_a.py::test_b": "skipped"}
    assert register.outcomes(tmp_path / "none") == {}
