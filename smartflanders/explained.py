"""An explanation of one item, as text of 80 columns for people and as JSON for programs; pure."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator, Sequence
from typing import Any

from ingest.explaining import Explanation, Verdict
from ingest.tracing import Step, Tried
from smartflanders.reference_words import REASONS

WIDTH = 80
# Lines of an item that are shown; the longest records of real feeds have some fifty values.
_LINES = 60
_SENTENCES = {
    Verdict.MEMBER: "member: it is published",
    Verdict.UNCHANGED: "unchanged: an item before it said the same of its entity, so nothing is published",
    Verdict.GONE: "gone: it says that its entity is gone; what was published of it is deleted",
    Verdict.REFUSED: "refused: nothing of it is published",
}


def as_text(found: Explanation, member: Any, findings: Sequence[str]) -> str:
    """Write an explanation; `member` is the published object or None, `findings` what SHACL says of it."""
    head = f"item {found.number} of {found.count}: {found.place}"
    lines = [*_wrapped(head, ""), "", "as decoded", *_item(found.item), "", "names"]
    for step in found.steps:
        lines += _step(step)
    if member is not None:
        lines += ["", "member (JSON-LD)"]
        # A text of many words is not broken: what is shown is what is published.
        lines += [f"  {line}" for line in json.dumps(member, indent=2, ensure_ascii=False).splitlines()]
    lines += ["", "verdict", *_verdict(found, findings)]
    return "\n".join(lines) + "\n"


def as_json(found: Explanation, member: Any, findings: Sequence[str]) -> dict[str, Any]:
    """Return the same for programs."""
    refused = None
    if found.reason is not None:
        mend = REASONS[found.reason].remedy
        refused = {"path": found.path, "reason": found.reason.value, "detail": found.detail, "mend": mend}
    return {
        "item": found.number,
        "of": found.count,
        "place": found.place,
        "key": found.key,
        "decoded": found.item,
        "names": [_step_as_json(step) for step in found.steps],
        "member": member,
        "verdict": found.verdict.value,
        "refused": refused,
        "shacl": list(findings),
    }


def _step_as_json(step: Step) -> dict[str, Any]:
    return {
        "name": step.name,
        **({"group": step.group, "row": step.row} if step.group else {}),
        "tried": [_tried_as_json(tried) for tried in step.tried],
        "words": list(step.words),
        "before": list(step.before),
        "after": step.after,
        "refused": step.trouble or None,
        "reached": step.reached,
    }


def _tried_as_json(tried: Tried) -> dict[str, Any]:
    part = {"part": tried.part} if tried.part else {}
    return {"path": tried.path, **part, "found": tried.found, "taken": tried.taken}


def _wrapped(text: str, lead: str, *, inner: str = "") -> list[str]:
    return textwrap.wrap(text, WIDTH, initial_indent=lead, subsequent_indent=lead + inner, break_on_hyphens=False) or [
        lead
    ]


def _item(item: Any) -> list[str]:
    found = list(_leaves(item, ""))
    wide = min(max((len(path) for path, _ in found), default=0), WIDTH // 2)
    lines = [_cut(f"  {path:<{wide}}  {_value(value)}") for path, value in found[:_LINES]]
    if len(found) > _LINES:
        lines.append(f"  ... and {len(found) - _LINES} more values; --json has them all")
    return lines or ["  nothing"]


def _leaves(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Yield the values of an item with their paths, as a source file names them."""
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from _leaves(inner, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list) and value:
        for index, inner in enumerate(value):
            yield from _leaves(inner, f"{path}[{index}]")
    else:
        yield path, value


def _value(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)


def _cut(line: str) -> str:
    return line if len(line) <= WIDTH else f"{line[: WIDTH - 3]}..."


def _step(step: Step) -> list[str]:
    name = f"{step.group}[{step.row}].{step.name}" if step.group else step.name
    lines = [f"  {name}"]
    for tried in step.tried:
        lead = f"{tried.part}: " if tried.part else ""
        mark = "" if tried.taken or len(step.tried) == 1 else " (not taken)"
        lines.append(_cut(f"    {lead}{tried.path} = {_found(tried)}{mark}"))
    for word in step.words:
        lines += _wrapped(word, "    ", inner="  ")
    if step.trouble:
        return [*lines, *_wrapped(f"-> refused: {step.trouble}", "    ", inner="   ")]
    if not step.reached:
        return [*lines, "    -> not looked at: the item was refused before"]
    after = "no value: the name is left out" if step.after is None else _value(step.after)
    return [*lines, _cut(f"    -> {after}")]


def _found(tried: Tried) -> str:
    return "nothing" if tried.found is None else _value(tried.found)


def _verdict(found: Explanation, findings: Sequence[str]) -> list[str]:
    lines = _wrapped(_SENTENCES[found.verdict], "  ", inner="  ")
    if found.reason is not None:
        lines += _wrapped(f"where: {found.path}", "  ", inner="  ")
        lines += _wrapped(f"why: {found.reason.value}: {found.detail}", "  ", inner="  ")
        lines += _wrapped(f"mend: {REASONS[found.reason].remedy}", "  ", inner="  ")
    if found.member is not None:
        told = [f"SHACL: not valid: {finding}" for finding in findings] or ["SHACL: valid"]
        for line in told:
            lines += _wrapped(line, "  ", inner="  ")
    return lines
