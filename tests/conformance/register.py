"""The register of requirements: what is asked, which tests prove it, and the page that says how we stand.

`python -m tests.conformance.register` writes docs/reference/conformance.md from the results of the last run of
tests/conformance (`make conformance` does both). A test proves a requirement by citing it at the start of its docstring:
`TREE-02, TREE-05: the stream answers 303 to the root`.
"""

from __future__ import annotations

import ast
import json
import re
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import yaml

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
PAGE = ROOT / "docs" / "reference" / "conformance.md"
RESULTS = ROOT / ".cache" / "conformance.jsonl"
LEVELS = ("MUST", "MUST NOT", "SHOULD", "SHOULD NOT", "MAY")
# What an exception is because of, and how the page calls it.
KINDS = {
    "consumer": "not applicable: binds consumers",
    "not applicable": "not applicable",
    "not followed": "not followed",
}
_CITED = re.compile(r"((?:[A-Z]+-\d\d)(?:, [A-Z]+-\d\d)*): ")
_AREAS = {
    "TREE": "TREE: roots, pages, relations, comparison, search forms",
    "LDES": "LDES: description, members, order, versions, immutability",
    "HTTP": "HTTP: formats, caching, errors",
    "RET": "Retention",
    "DCAT": "DCAT",
    "FEED": "DCAT-AP Feeds",
    "CLI": "Clients",
}
_HEAD = """# Conformance

How the server stands to LDES 1.0, TREE and DCAT-AP Feeds, requirement by requirement: our numbering and our words.
*Pass* means that every test named beside it passed: over HTTP, against the real server with its database and real members;
requirements of clients against the testbed's client (`test_client.py`).

From: L is the [LDES specification](https://w3id.org/ldes/specification), P its primer for servers, V its vocabulary, T
[TREE](https://w3id.org/tree/specification), TP the TREE profile, TD TREE discovery, F DCAT-AP Feeds, each with its section. *Ours*: no
specification says so, but clients that people use rely on it.

{sums}
"""
_FOOT = "\n<!-- Written by `make conformance` from the results of tests/conformance; change it there. -->\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirement:
    """What is asked, at which level, from which sections; and why no test proves it, if none does."""

    id: str
    level: str
    sections: str
    says: str
    kind: str = ""
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """A test, as `test_tree.py::test_tree_01_x`, the requirements it cites, and whether it is marked not to count."""

    test: str
    cites: tuple[str, ...]
    marked: bool


@dataclass(slots=True, kw_only=True)
class Faults:
    """What is wrong with register, tests and results, collected."""

    found: list[str] = field(default_factory=list)

    def add(self, wrong: bool, what: str) -> None:
        """Note what is wrong."""
        if wrong:
            self.found.append(what)


def requirements() -> dict[str, Requirement]:
    """Read the register, in its order."""
    known = yaml.safe_load((HERE / "requirements.yaml").read_text("utf-8"))
    spared = exceptions()
    return {
        name: Requirement(
            id=name, level=row["level"], sections=row["from"], says=row["says"], **spared.get(name, {"kind": ""})
        )
        for name, row in known.items()
    }


def exceptions() -> dict[str, dict[str, str]]:
    """Read which requirements no test proves, each with its kind and the reason why."""
    found: dict[str, dict[str, str]] = yaml.safe_load((HERE / "exceptions.yaml").read_text("utf-8"))
    return found


def proofs() -> list[Proof]:
    """Find the tests of this folder that cite requirements, by reading them."""
    return [proof for path in sorted(HERE.glob("test_*.py")) for proof in _of(path.name, path.read_text("utf-8"))]


def _of(file: str, text: str) -> Iterator[Proof]:
    tree = ast.parse(text)
    everywhere = [ast.unparse(node) for node in tree.body if isinstance(node, ast.Assign) if _is_mark(node)]
    for node in tree.body:
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) or not node.name.startswith("test_"):
            continue
        if cited := _CITED.match(ast.get_docstring(node) or ""):
            marks = [*everywhere, *(ast.unparse(each) for each in node.decorator_list)]
            marked = any(word in mark for mark in marks for word in ("skip", "xfail"))
            yield Proof(test=f"{file}::{node.name}", cites=tuple(cited[1].split(", ")), marked=marked)


def _is_mark(node: ast.Assign) -> bool:
    return any(isinstance(target, ast.Name) and target.id == "pytestmark" for target in node.targets)


def faults(known: Mapping[str, Requirement], tests: Sequence[Proof]) -> list[str]:
    """Return what is wrong: unknown ids and levels, requirements with neither test nor exception, or with both."""
    wrong = Faults()
    proven = {name for proof in tests for name in proof.cites}
    for name, row in known.items():
        wrong.add(row.level not in LEVELS, f"{name} has no level {row.level!r}")
        wrong.add(name not in proven and not row.kind, f"{name} has no test and is no exception")
        wrong.add(name in proven and bool(row.kind), f"{name} has a test: take it out of exceptions.yaml")
        wrong.add(bool(row.kind) and (row.kind not in KINDS or not row.why), f"{name}: say of what kind and why")
        must = row.level.startswith("MUST") and row.kind == "not followed"
        wrong.add(must, f"{name} is a {row.level}: it cannot be left unfollowed")
    for name in exceptions():
        wrong.add(name not in known, f"exceptions.yaml has {name}, which nothing asks")
    for proof in tests:
        for name in proof.cites:
            wrong.add(name not in known, f"{proof.test} cites {name}, which is not in requirements.yaml")
    return wrong.found


def outcomes(path: Path = RESULTS) -> dict[str, str]:
    """Read the outcome of each test of the last run, the worst of its parameters; none if there was no run."""
    found: dict[str, str] = {}
    for line in path.read_text("utf-8").splitlines() if path.is_file() else ():
        row = json.loads(line)
        test = row["test"].removeprefix("tests/conformance/").split("[")[0]
        if found.get(test, "passed") == "passed":
            found[test] = row["outcome"]
    return found


def page(known: Mapping[str, Requirement], tests: Sequence[Proof], passed: Collection[str]) -> str:
    """Write the page. A requirement passes when tests cite it and all of these are in `passed`.

    Raises:
        ValueError: something that is no exception does not pass; no page says so.

    """
    cited: dict[str, list[str]] = {}
    for proof in tests:
        for name in proof.cites:
            cited.setdefault(name, []).append(proof.test)
    failed = [
        f"{name}: {test}"
        for name, row in known.items()
        if not row.kind
        for test in cited.get(name, ["no test"])
        if test not in passed
    ]
    if failed:
        raise ValueError("these did not pass:\n" + "\n".join(failed))
    parts = [_HEAD.format(sums=_sums(known))]
    for area, title in _AREAS.items():
        rows = [_row(row, cited.get(name, [])) for name, row in known.items() if name.startswith(f"{area}-")]
        parts.append(f"\n## {title}\n\n| | Level | From | What it asks | Verdict |\n|---|---|---|---|---|\n")
        parts += rows
    return "".join(parts) + _FOOT


def _sums(known: Mapping[str, Requirement]) -> str:
    lines = [
        "| Level | Asked | Pass | Bind consumers | Not applicable | Not followed |",
        "|---|---|---|---|---|---|",
    ]
    for level in LEVELS:
        kinds = [row.kind for row in known.values() if row.level == level]
        counts = [len(kinds), *(kinds.count(kind) for kind in ("", *KINDS))]
        lines.append(f"| {level} | {' | '.join(map(str, counts))} |")
    return "\n".join(lines)


def _row(row: Requirement, tests: Sequence[str]) -> str:
    passed = "pass: " + "<br>".join(f"`{test}`" for test in tests)
    verdict = f"{KINDS[row.kind]}. {row.why}" if row.kind else passed
    return f"| {row.id} | {row.level} | {row.sections} | {row.says} | {verdict} |\n"


def main() -> int:
    """Write the page from the last results; return the exit status."""
    known, tests = requirements(), proofs()
    passed = {test for test, outcome in outcomes().items() if outcome == "passed"}
    wrong = faults(known, tests)
    try:
        text = "" if wrong else page(known, tests, passed)
    except ValueError as error:
        wrong = [str(error)]
    if wrong:
        print("\n".join([*wrong, "the page stays as it was"]), file=sys.stderr)
        return 1
    PAGE.write_text(text, "utf-8")
    print(PAGE.relative_to(ROOT))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
