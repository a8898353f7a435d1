"""What every load scenario is: a name, what it measures, and one verb."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from loadtests.outcome import Outcome

# Says how far a run is, in one short line without a line end; the caller shows it on standard error.
Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How to run: `folder` is empty and the scenario's own; the caller removes it.

    `long` asks for the form whose figures stand in docs/performance.md, else the scenario takes a minute at most.
    `server` and `generator` are the processors to pin the measured process and everything that loads it to; they are
    the same where a machine has only one. `log` is where payloads and members go: `postgres` or `kafka`.
    """

    folder: Path
    long: bool = False
    server: int = 0
    generator: int = 1
    log: str = "postgres"


class Scenario(Protocol):
    """One scenario; a module of loadtests.scenarios has one, named `SCENARIO`.

    `rows` are the rows of budget.toml that its figures answer; a row that cannot be measured here has no figure, and a
    note of the outcome says why.
    """

    name: str
    summary: str
    rows: tuple[str, ...]

    async def run(self, plan: Plan, tell: Tell) -> Outcome:
        """Run once.

        Raises:
            RuntimeError: the platform or a reference failed; the message holds its last lines.

        """
        ...
