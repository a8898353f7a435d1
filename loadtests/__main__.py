"""The command `python -m loadtests`: runs load scenarios, writes their report, compares two runs.

Exit status: 0 every budget met, 1 one missed or a scenario broke off, 2 wrong use, 130 interrupted.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shlex
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from loadtests import budget, comparing, finding, machine, results, running
from loadtests.budget import Row, Verdict
from loadtests.results import Results, Run
from loadtests.scenario import Scenario
from loadtests.wording import budget_table, columns
from streams.errors import ConfigError, Problem
from streams.logs import configure

# Where runs go unless a folder is named; below the present folder, as `make load` wants it.
RUNS = Path("build/load")
_EPILOG = """\
examples:
  python -m loadtests run                        every scenario in its short form, report in build/load/<time>
  python -m loadtests run write burst --long     two of them in the form whose figures stand in docs/performance.md
  python -m loadtests run all --smoke            a check that everything works, with loosened bounds
  python -m loadtests compare build/load/A build/load/B
"""


def parser() -> argparse.ArgumentParser:
    """Build the parser."""
    top = argparse.ArgumentParser(
        prog="python -m loadtests",
        description="Put the platform under load on this machine, beside references measured in the same minute.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    verbs = top.add_subparsers(title="verbs", metavar="VERB", required=True)
    _add_run(verbs.add_parser("run", help="run scenarios, print the budget table, write the report"))
    listing = verbs.add_parser("list", help="print the scenarios and the rows of the budget that each answers")
    listing.set_defaults(run=_list)
    compare = verbs.add_parser("compare", help="print what differs between two runs by more than its spread")
    compare.add_argument("before", type=Path, metavar="A", help="folder of the first run")
    compare.add_argument("after", type=Path, metavar="B", help="folder of the second run")
    compare.set_defaults(run=_compare)
    report = verbs.add_parser("report", help="judge a finished run again and write its report")
    report.add_argument("folder", type=Path, metavar="FOLDER", help="folder of the run")
    report.set_defaults(run=_report)
    return top


def _add_run(run: argparse.ArgumentParser) -> None:
    run.add_argument("names", nargs="*", metavar="NAME", help="scenarios to run, or all (default: all)")
    form = run.add_mutually_exclusive_group()
    form.add_argument("--short", action="store_true", help="about a minute each (the default)")
    form.add_argument("--long", action="store_true", help="the form whose figures stand in docs/performance.md")
    run.add_argument(
        "--seconds", type=_seconds, help="length of every phase, with the least of everything: a mere check"
    )
    run.add_argument("--smoke", action="store_true", help="hold figures against the loosened bounds")
    run.add_argument(
        "--log", choices=("postgres", "kafka"), default="postgres", help="where the log is (default postgres)"
    )
    run.add_argument("--out", type=Path, metavar="FOLDER", help=f"where results go (default {RUNS}/<time>)")
    run.add_argument("--resume", action="store_true", help="leave out what the folder has (default: the newest one)")
    run.set_defaults(run=_run)


def _seconds(text: str) -> float:
    found = float(text)
    if not 0.1 <= found <= 3600:
        raise ValueError(text)
    return found


def _run(arguments: argparse.Namespace) -> int:
    rows = budget.read()
    wanted = finding.chosen(arguments.names, finding.found(), rows)
    folder = _folder(arguments)
    run = _described(arguments, wanted)
    there: Sequence[str] = ()
    if (folder / "run.json").exists():
        run, there = _resumed(folder, run, resume=arguments.resume)
    results.begin(folder, run)
    plan = running.plan_for(long=arguments.long, log=arguments.log, seconds=arguments.seconds)
    left = [scenario for scenario in wanted if scenario.name not in there]
    print(f"results in {folder}", file=sys.stderr, flush=True)
    try:
        asyncio.run(running.run_all(left, plan, folder, rows))
    except (KeyboardInterrupt, asyncio.CancelledError):
        print(f"\ninterrupted; go on with --resume --out {folder}", file=sys.stderr)
        return 130
    return _judged(folder, rows)


def _folder(arguments: argparse.Namespace) -> Path:
    """Return where results go: as asked, the newest run's to resume, or a new one."""
    if arguments.out is not None:
        folder: Path = arguments.out
        return folder
    if arguments.resume:
        runs = sorted(path.parent for path in RUNS.glob("*/run.json"))
        if not runs:
            problem = Problem(where=str(RUNS), what="holds no run to resume", fix="name its folder with --out")
            raise ConfigError([problem], where="the command line")
        return runs[-1]
    return RUNS / f"{datetime.now(UTC):%Y%m%dT%H%M%S}"


def _described(arguments: argparse.Namespace, wanted: Sequence[Scenario]) -> Run:
    form = "check" if arguments.seconds is not None else "long" if arguments.long else "short"
    return Run(
        began=datetime.now(UTC),
        command=f"python -m loadtests {shlex.join(arguments.words)}",
        form=form,
        smoke=arguments.smoke,
        log=arguments.log,
        commit=machine.commit(),
        machine=machine.described(),
        rows={scenario.name: tuple(scenario.rows) for scenario in wanted},
    )


def _resumed(folder: Path, run: Run, *, resume: bool) -> tuple[Run, Sequence[str]]:
    """Return the run that goes on in a folder, with the rows of both, and the names of what is there.

    Raises:
        ConfigError: it was not asked to go on, or what is there was run otherwise.

    """
    before = results.read(folder)
    differ = [
        f"{name} {getattr(before.run, name)}"
        for name in ("form", "log", "smoke")
        if getattr(before.run, name) != getattr(run, name)
    ]
    if not resume or differ:
        what = f"holds a run of another kind ({', '.join(differ)})" if resume else "holds a run already"
        fix = "name another folder with --out" + ("" if resume else ", or go on with --resume")
        raise ConfigError([Problem(where=str(folder), what=what, fix=fix)], where="the command line")
    rows = {**before.run.rows, **run.rows}
    return results.joined(run, rows), tuple(before.outcomes)


def _judged(folder: Path, rows: Mapping[str, Row]) -> int:
    found, verdicts = running.write_report(folder, rows)
    print(budget_table(verdicts), flush=True)
    for name in found.failures:
        print(f"{name} broke off; see {folder / 'outcomes' / name}.failed", file=sys.stderr)
    print(f"report: {folder / running.REPORT}", file=sys.stderr)
    return 0 if _good(found, verdicts) else 1


def _good(found: Results, verdicts: Sequence[Verdict]) -> bool:
    return budget.all_met(verdicts) and found.complete


def _list(_arguments: argparse.Namespace) -> int:
    lines = [(name, scenario.summary, ", ".join(scenario.rows)) for name, scenario in finding.found().items()]
    print(columns(("scenario", "what it does", "rows"), lines))
    return 0


def _compare(arguments: argparse.Namespace) -> int:
    before, after = results.read(arguments.before), results.read(arguments.after)
    print(f"before: {_named(before.run)}\nafter:  {_named(after.run)}\n")
    print(comparing.table(comparing.compare(before.outcomes, after.outcomes, budget.read())))
    return 0


def _named(run: Run) -> str:
    return f"{run.began:%Y-%m-%d %H:%M} UTC, {run.form} form, log in {run.log}, commit {run.commit}"


def _report(arguments: argparse.Namespace) -> int:
    return _judged(arguments.folder, budget.read())


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status."""
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        arguments = parser().parse_args(words)
    except SystemExit as end:
        return int(end.code or 0)
    arguments.words = words
    # What parts of the platform say that run in this process; standard output is for results.
    configure({"SF_LOG_LEVEL": "warning", **os.environ})
    try:
        status: int = arguments.run(arguments)
    except ConfigError as error:
        print(error, file=sys.stderr)
        return 2
    except budget.MisfitError as error:
        print(f"the figures do not fit the budget: {error}", file=sys.stderr)
        return 2
    return status


if __name__ == "__main__":
    sys.exit(main())
