"""Partial evaluation: takes out of the lines of a function what its f-strings say alike for one entity each time."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """The lines of a function in two: `constants` are run once per entity, `rest` each time.

    `names` are what `rest` uses of what the constants assign, and of the fixed names.
    """

    constants: list[str]
    names: list[str]
    rest: list[str]


def split(lines: Sequence[str], *, fixed: Collection[str], sure: Collection[str], prefix: str) -> Split:
    """Split the lines of a function; they assign texts to names and join texts, and nothing else.

    `fixed` are the names that mean the same for an entity each time, `sure` names that do so and are never None. A
    statement about fixed names alone moves as it stands, with its condition; of an f-string about others too, each
    run that is about sure names alone moves, under a new name that begins with `prefix`.
    """
    body = ast.parse("def it():\n" + "\n".join(f"    {line}" for line in lines)).body[0]
    assert isinstance(body, ast.FunctionDef)
    runs, given, fixed = _Runs(set(sure), prefix), fixed, {*fixed, *sure}
    assigned = Counter(node.id for node in _names(body) if isinstance(node.ctx, ast.Store))
    rest: list[ast.stmt] = []
    for statement in body.body:
        if (name := _movable(statement, fixed)) and assigned[name] == 1:
            runs.constants.append(ast.unparse(statement))
            fixed.add(name)
            runs.sure.add(name)
        else:
            rest.append(runs.visit(statement))
    text = [line for statement in rest for line in ast.unparse(ast.fix_missing_locations(statement)).splitlines()]
    used = {node.id for statement in rest for node in _names(statement)}
    return Split(
        constants=runs.constants, names=[name for name in (*given, *runs.assigned()) if name in used], rest=text
    )


def _names(node: ast.AST) -> list[ast.Name]:
    return [found for found in ast.walk(node) if isinstance(found, ast.Name)]


def _movable(statement: ast.stmt, fixed: Collection[str]) -> str:
    """Return the name that a statement gives a text of fixed names alone; empty for any other statement.

    Texts only: a list would be one and the same in every call. A text without names stays where it is.
    """
    if not isinstance(statement, ast.Assign) or not isinstance(statement.value, ast.JoinedStr | ast.IfExp):
        return ""
    (target,) = statement.targets
    names = _names(statement.value)
    is_fixed = bool(names) and all(node.id in fixed for node in names)
    return target.id if is_fixed and isinstance(target, ast.Name) else ""


class _Runs(ast.NodeTransformer):
    """Takes the runs of sure values out of f-strings."""

    def __init__(self, sure: set[str], prefix: str) -> None:
        self.sure = sure
        self.constants: list[str] = []
        self._prefix = prefix
        self._count = 0

    def assigned(self) -> list[str]:
        """List the names that the constants assign."""
        return [line.partition(" = ")[0] for line in self.constants]

    def visit_JoinedStr(self, node: ast.JoinedStr) -> ast.JoinedStr:
        """Replace every run of text and sure values by one name."""
        values: list[ast.expr] = []
        run: list[ast.expr] = []
        for value in node.values:
            if isinstance(value, ast.Constant) or all(name.id in self.sure for name in _names(value)):
                run.append(value)
            else:
                values += self._taken(run)
                values.append(self.generic_visit(value))  # type: ignore[arg-type]  # it gives back what it is given
                run = []
        return ast.JoinedStr(values=values + self._taken(run))

    def _taken(self, run: list[ast.expr]) -> list[ast.expr]:
        values = [value for value in run if isinstance(value, ast.FormattedValue)]
        if not values or (len(run) == 1 and isinstance(values[0].value, ast.Name) and values[0].conversion < 0):
            return run
        self._count += 1
        name = f"{self._prefix}{self._count}"
        self.constants.append(f"{name} = {ast.unparse(ast.fix_missing_locations(ast.JoinedStr(values=run)))}")
        return [ast.FormattedValue(value=ast.Name(id=name, ctx=ast.Load()), conversion=-1)]
