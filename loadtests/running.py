"""Runs scenarios one after the other, and keeps what each found as soon as it ended."""

from __future__ import annotations

import asyncio
import signal
import tempfile
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from loadtests import results
from loadtests.budget import Row, Verdict, judge
from loadtests.report import page
from loadtests.results import Results
from loadtests.sampling import places
from loadtests.scenario import Plan, Scenario
from loadtests.telling import Telling

REPORT = "report.html"


def plan_for(*, long: bool, log: str, seconds: float | None) -> Plan:
    """Return the plan of a run on this machine, without its folder."""
    server, generator = places()
    return Plan(folder=Path(), long=long, server=server, generator=generator, log=log, seconds=seconds)


async def run_all(scenarios: Sequence[Scenario], plan: Plan, folder: Path, rows: Mapping[str, Row]) -> None:
    """Run each in a folder of its own, keep its outcome or what it said when it broke off, and write the report anew.

    SIGTERM ends the run as Ctrl-C does: the scenario in hand stops its processes and is not kept.
    """
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    telling = Telling(len(scenarios))
    for scenario in scenarios:
        telling.begin(scenario.name)
        with tempfile.TemporaryDirectory(prefix=f"smartflanders-load-{scenario.name}-") as own:
            try:
                outcome = await scenario.run(replace(plan, folder=Path(own)), telling)
                # A figure in another unit than its row is the scenario's fault, found here and not in the report.
                judge(rows, [outcome], {scenario.name: scenario.rows})
            except Exception as error:  # noqa: BLE001 - one that breaks off must not take the others with it
                results.keep_failure(folder, scenario.name, "".join(traceback.format_exception(error)))
                telling.end(f"broke off: {str(error) or repr(error)}")
            else:
                results.keep(folder, outcome)
                telling.end(f"done, {len(outcome.figures)} figures")
        write_report(folder, rows)


def write_report(folder: Path, rows: Mapping[str, Row]) -> tuple[Results, list[Verdict]]:
    """Judge what a folder holds and write its report.

    Raises:
        ConfigError: it holds no run, or a damaged one.
        MisfitError: its figures do not fit the budget.

    """
    found = results.read(folder)
    verdicts = judge(rows, found.outcomes.values(), found.run.rows, smoke=found.run.smoke)
    (folder / REPORT).write_text(page(found, verdicts), "utf-8")
    return found, verdicts
