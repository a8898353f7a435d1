"""Partial evaluation: what is fixed of a function's texts moves out of it, and nothing else does."""

from __future__ import annotations

from typing import Any

from ingest.partial import split

LINES = (
    "p1 = f',{quote(a)}' if a is not None else \"\"",
    "p2 = []",
    "for x in xs:",
    "    p2.append(f'<{b}:{x}>')",
    'p2 = "".join(p2)',
    "p3 = f'{a}{x}' if a is not None or x else \"\"",
    "return f'{head}{p1};{b}{p2}{p3}'",
)


def _run(lines: list[str], given: str, space: dict[str, Any]) -> Any:
    text = f"def it({given}):\n" + "".join(f"    {line}\n" for line in lines)
    made: dict[str, Any] = dict(space)
    exec(text, made)
    return made["it"]


def test_both_parts_together_do_what_the_whole_did() -> None:
    """The constants, made once, and the rest, run each time, give the text that the lines gave."""
    found = split(LINES, fixed=["a"], sure=["b", "quote"], prefix="k")
    space = {"quote": repr}
    names = ", ".join(found.names)
    make = _run([*found.constants, f"return ({names},)"], "a, b", space)
    rest = _run(found.rest, f"{names}, head, xs, x", space)
    whole = _run(list(LINES), "a, b, head, xs, x", space)
    for a in (None, "it's {}"):
        assert rest(*make(a, "b"), "h", [1, 2], 7) == whole(a, "b", "h", [1, 2], 7)


def test_what_may_be_absent_moves_with_its_condition_only() -> None:
    """A value that may be None is never written outside the condition that asks for it; lists are made each time."""
    found = split(LINES, fixed=["a"], sure=["b", "quote"], prefix="k")
    assert found.constants[0] == "p1 = f',{quote(a)}' if a is not None else ''"
    assert all("{a}" not in line for line in found.constants)
    assert "p2 = []" in found.rest
    assert "a" in found.names


def test_nothing_fixed_leaves_the_lines_as_they_are() -> None:
    """Without fixed names there are no constants; a text without names is none either."""
    assert split(["a = f''"], fixed=["b"], sure=["c"], prefix="k").rest == ["a = f''"]
    found = split(["return f'{a}, {b}'"], fixed=(), sure=(), prefix="k")
    assert (found.constants, found.names, found.rest) == ([], [], ["return f'{a}, {b}'"])
