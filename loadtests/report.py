"""The report of a run as one HTML page that asks nobody for anything: the budget first, then each scenario's charts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path
from string import Template
from typing import TypeVar

from loadtests.budget import Judgement, Verdict
from loadtests.charts import html_table, of_percentiles, over_time
from loadtests.outcome import Figure, Latency, Outcome, Series
from loadtests.results import Results
from loadtests.wording import bound, number, quantity, spread, tally

_PAGE = Path(__file__).with_name("report.html")
# What a chart of values in a unit shows, in the order of the page.
_CHARTS = {
    "1/s": "Throughput",
    "count": "Lag and counts",
    "ms": "Times",
    "s": "Seconds",
    "cores": "Processor",
    "MB": "Memory",
    "B": "Bytes",
    "us": "Processor time of each",
    "ratio": "Ratios",
}
_CLASSES = {Judgement.PASS: "pass", Judgement.FAIL: "fail", Judgement.NOT_MEASURED: "none"}
T = TypeVar("T", Series, Latency)
# More lines than this in one picture cannot be told apart.
_LINES = 8


def page(results: Results, verdicts: Sequence[Verdict]) -> str:
    """Write the page of a run and of what became of its rows."""
    run = results.run
    title = f"Load run of {run.began:%Y-%m-%d %H:%M} UTC"
    asked = "loosened bounds of a smoke check" if run.smoke else "the budget"
    missing = [name for name in run.rows if name not in results.outcomes]
    summary = (
        f"{tally(verdicts) or 'no rows'}, against {asked}; {run.form} form, log in {run.log}, commit {run.commit}."
    )
    if missing:
        summary += f" Without a result: {', '.join(missing)}."
    parts = [*(_scenario(outcome) for outcome in results.outcomes.values()), *_failures(results)]
    return Template(_PAGE.read_text("utf-8")).substitute(
        title=escape(title),
        summary=escape(summary),
        budget=_budget(verdicts),
        scenarios="\n".join(parts),
        run=_run(results),
    )


def _budget(verdicts: Sequence[Verdict]) -> str:
    head = ("Verdict", "Row", "Figure", "Asked", "Spread", "What", "Reference", "Scenario", "Note")
    table = html_table(head, [_cells(verdict) for verdict in verdicts], kind="budget")
    # Each row gets the colour of its judgement; the word stands in it as well.
    first, *rest = table.split('<tbody role="rowgroup">')
    body = "".join(rest)
    for verdict in verdicts:
        body = body.replace('<tr role="row">', f'<tr class="{_CLASSES[verdict.judgement]}" role="row">', 1)
    return f'{first}<tbody role="rowgroup">{body}'


def _cells(verdict: Verdict) -> tuple[str, ...]:
    figure, row = verdict.figure, verdict.row
    shown = quantity(figure.value, figure.unit) if figure else ""
    ranged, note = (spread(figure), figure.note) if figure else ("", "see the notes of the scenario")
    told = (row.what, row.reference, verdict.scenario, note)
    return (verdict.judgement.value, row.name, shown, bound(row, verdict.limit), ranged, *told)


def _scenario(outcome: Outcome) -> str:
    name = escape(outcome.scenario)
    charts = [chart for chart in _charts(outcome) if chart]
    notes = "".join(f"<li>{escape(note)}</li>" for note in outcome.notes)
    busy = f"{number(outcome.others)} cores were busy with other work"
    parts = [
        f'<section aria-labelledby="s-{name}"><h2 id="s-{name}">{name}</h2>',
        f'<p class="soft">Began {outcome.began:%H:%M:%S} UTC, {number(outcome.seconds)} s; {busy}.</p>',
        f"<ul>{notes}</ul>" if notes else "",
        html_table(("Figure", "Value", "Spread", "Note"), [_figure(each) for each in outcome.figures], kind="figures"),
        f'<div class="charts">{"".join(charts)}</div>' if charts else "",
        "</section>",
    ]
    return "\n".join(part for part in parts if part)


def _figure(figure: Figure) -> tuple[str, ...]:
    return (figure.row, quantity(figure.value, figure.unit), spread(figure), figure.note)


def _charts(outcome: Outcome) -> Iterator[str]:
    """Draw the times by percentile, and the series of each unit in one picture, or in several where there are many."""
    for start, latencies in _some(outcome.latencies):
        yield of_percentiles("Times by percentile", f"{outcome.scenario}-p{start}", latencies)
    units = dict.fromkeys((*_CHARTS, *(each.unit for each in outcome.series)))
    for at, unit in enumerate(units):
        for start, series in _some([each for each in outcome.series if each.unit == unit]):
            yield over_time(_CHARTS.get(unit, unit), f"{outcome.scenario}-{at}-{start}", series)


def _some(them: Sequence[T]) -> Iterator[tuple[int, Sequence[T]]]:
    for start in range(0, len(them), _LINES):
        yield start, them[start : start + _LINES]


def _failures(results: Results) -> Iterator[str]:
    for name, words in results.failures.items():
        yield (
            f'<section aria-labelledby="s-{escape(name)}"><h2 id="s-{escape(name)}">{escape(name)}</h2>'
            f"<p>It broke off and found nothing:</p><pre>{escape(words)}</pre></section>"
        )


def _run(results: Results) -> str:
    run = results.run
    facts = {"command": run.command, "commit": run.commit, "began": f"{run.began:%Y-%m-%d %H:%M:%S} UTC", **run.machine}
    return f"<dl>{''.join(f'<dt>{escape(name)}</dt><dd>{escape(words)}</dd>' for name, words in facts.items())}</dl>"
