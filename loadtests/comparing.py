"""Two runs side by side: which figures differ by more than the spread of their samples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from loadtests.budget import Row
from loadtests.outcome import Figure, Outcome
from loadtests.wording import columns, quantity, spread


class Change(Enum):
    """What became of a figure from one run to the other."""

    BETTER = "better"
    WORSE = "worse"
    OTHER = "other"  # it differs, and has no row that says which way is good
    WITHIN = "within the spread"
    UNCLEAR = "unclear"  # without samples nobody can tell a change from chance
    ONLY_BEFORE = "only before"
    ONLY_AFTER = "only after"


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One figure of a scenario in both runs; `ratio` is after by before, or None where there is none."""

    scenario: str
    name: str
    before: Figure | None
    after: Figure | None
    change: Change

    @property
    def ratio(self) -> float | None:
        """How many times the value of before the value of after is."""
        if self.before is None or self.after is None or self.before.value == 0:
            return None
        return self.after.value / self.before.value


def compare(before: Mapping[str, Outcome], after: Mapping[str, Outcome], rows: Mapping[str, Row]) -> list[Difference]:
    """Compare outcomes by scenario, figure by figure, in the order of the first run and then of the second."""
    found = []
    for scenario in dict.fromkeys((*before, *after)):
        left, right = _figures(before.get(scenario)), _figures(after.get(scenario))
        for name in dict.fromkeys((*left, *right)):
            one, two = left.get(name), right.get(name)
            change = _change(one, two, rows.get(name))
            found.append(Difference(scenario=scenario, name=name, before=one, after=two, change=change))
    return found


def _figures(outcome: Outcome | None) -> dict[str, Figure]:
    return {figure.row: figure for figure in outcome.figures} if outcome else {}


def _change(before: Figure | None, after: Figure | None, row: Row | None) -> Change:
    if before is None:
        return Change.ONLY_AFTER
    if after is None:
        return Change.ONLY_BEFORE
    if before.value == after.value:
        return Change.WITHIN
    # A count that a budget asks for (lost members) has no spread: any change of it is one.
    exact = row is not None and row.unit == "count"
    if not exact and min(len(before.samples), len(after.samples)) < 2:
        return Change.UNCLEAR
    if not exact and not _apart(before.samples, after.samples):
        return Change.WITHIN
    if row is None:
        return Change.OTHER
    more_is_good = row.bound == "least"
    return Change.BETTER if (after.value > before.value) == more_is_good else Change.WORSE


def _apart(before: Sequence[float], after: Sequence[float]) -> bool:
    """Return whether every sample of one lies on the same side of every sample of the other."""
    return max(before) < min(after) or max(after) < min(before)


def table(differences: Sequence[Difference]) -> str:
    """Lay the differences out for a terminal, what is worse first."""
    order = [Change.WORSE, Change.BETTER, Change.OTHER, Change.UNCLEAR, *Change]
    rows = [
        (
            each.change.value,
            each.scenario,
            each.name,
            _shown(each.before),
            _shown(each.after),
            f"{each.ratio:.2f}" if each.ratio is not None else "",
        )
        for each in sorted(differences, key=lambda each: order.index(each.change))
    ]
    return columns(("", "scenario", "figure", "before", "after", "after/before"), rows)


def _shown(figure: Figure | None) -> str:
    if figure is None:
        return ""
    ranged = spread(figure)
    return quantity(figure.value, figure.unit) + (f" ({ranged})" if ranged else "")
