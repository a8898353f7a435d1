"""The small steps by themselves, each by turns with its reference: mapping, Turtle, validation, the writer's transaction."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import cycle
from statistics import median

import orjson

from loadtests import records
from loadtests.by_hand import parking_turtle, traffic_turtle
from loadtests.gathering import Gathering
from loadtests.outcome import Outcome, middle
from loadtests.rounds import by_turns, ratios
from loadtests.sampling import pinned
from loadtests.scenario import Plan, Scenario, Tell
from loadtests.transactions import BATCH, turns
from vocab.check import validate
from vocab.model import load_model

_TURTLES: Mapping[str, Callable[[bytes], bytes]] = {"parking": parking_turtle, "traffic": traffic_turtle}


class Micro:
    """No platform runs: one process does each step over and over, by processor time, the references in the same round."""

    name = "micro"
    summary = "mapping, JSON-LD to Turtle, validation and the writer's transaction, each beside its reference"
    rows: tuple[str, ...] = ("mapping-parking", "mapping-traffic", "turtle", "validation", "writer")

    async def run(self, plan: Plan, tell: Tell) -> Outcome:
        """Run once.

        Raises:
            RuntimeError: what was written by hand is not what the platform writes, so that there is nothing to compare.

        """
        found = Gathering(self.name, plan, tell)
        with pinned(plan.server):
            tell("mapping")
            parking, traffic = records.parking(), records.traffic()
            _mapping(found, "parking", parking)
            _mapping(found, "traffic", traffic)
            tell("validation")
            _validation(found, parking)
            tell("Turtle")
            _turtle(found)
        tell("writer's transaction")
        await _writer(found)
        return found.outcome()


def _seconds(plan: Plan) -> float:
    """Return how long each work runs in a round."""
    return plan.phase(0.1, 0.3) if plan.seconds is None else min(plan.seconds, 0.02)


def _rounds(plan: Plan) -> int:
    return plan.count(9, 25, least=3)


def _mapping(found: Gathering, name: str, them: records.Records) -> None:
    """Map records to checked members, beside f-strings that write the same bytes and check nothing.

    The row's reference is given identity and times ready-made; beside it stands one that reads the times itself.
    """
    works = {"ours": them.members, "given": them.written, "with times": them.written_with_times}
    first, *others = (work() for work in works.values())
    if any(other != first for other in others):
        raise RuntimeError(f"{name}: the members by hand differ from those of the platform")
    spent = by_turns(works, seconds=_seconds(found.plan), rounds=_rounds(found.plan))
    count = len(them.items)
    ours, given, whole = (median(spent[which]) / count for which in works)
    note = f"{ours:.1f} us a record, by hand {given:.1f} us with times given; {count} different records"
    found.figures.append(middle(f"mapping-{name}", "ratio", ratios(spent, "given", "ours"), note))
    note = f"by hand {whole:.1f} us when times are read as well"
    found.figures.append(middle(f"mapping-{name} with times", "ratio", ratios(spent, "with times", "ours"), note))


def _validation(found: Gathering, them: records.Records) -> None:
    """Compare the whole of mapping, of which the checks are a part, with pySHACL on the members that it makes."""
    model, bodies = load_model("parking"), cycle(them.members())
    if findings := validate(model, them.members()):
        raise RuntimeError(f"a member of the simulated city does not conform: {findings[0]}")
    works = {"ours": them.members, "pySHACL": lambda: validate(model, [next(bodies)])}
    spent = by_turns(works, seconds=_seconds(found.plan), rounds=_rounds(found.plan))
    times = tuple(ratio * len(them.items) for ratio in ratios(spent, "pySHACL", "ours"))
    ours, alone = median(spent["ours"]) / len(them.items), median(spent["pySHACL"])
    note = f"mapping with all its checks {ours:.1f} us a record, pySHACL {alone / 1000:.1f} ms a member"
    found.figures.append(middle("validation", "ratio", times, note))


def _turtle(found: Gathering) -> None:
    """Write the example of each model as Turtle, beside f-strings that do; the row has the lesser of both models."""
    figures = []
    for name, by_hand in _TURTLES.items():
        model = load_model(name)
        document = orjson.loads(model.example)
        document.pop("@context")
        body = orjson.dumps(document)
        if by_hand(body) != model.writer.turtle(body):
            raise RuntimeError(f"{name}: the Turtle by hand differs from that of the platform")
        works = {"ours": _work(model.writer.turtle, body), "by hand": _work(by_hand, body)}
        spent = by_turns(works, seconds=_seconds(found.plan), rounds=_rounds(found.plan))
        ours, hand = median(spent["ours"]), median(spent["by hand"])
        note = f"{name}: {ours:.1f} us a member, by hand {hand:.1f} us"
        figures.append(middle(f"turtle of {name}", "ratio", ratios(spent, "by hand", "ours"), note))
    least = min(figures, key=lambda figure: figure.value)
    found.figures.append(middle("turtle", "ratio", least.samples, least.note))
    found.figures.extend(figures)


def _work(function: Callable[[bytes], bytes], body: bytes) -> Callable[[], object]:
    return lambda: function(body)


async def _writer(found: Gathering) -> None:
    measured = await turns(found.plan.folder, found.plan.count(15, 60, least=3))
    own, copy = (median(getattr(turn, which) for turn in measured) * 1000 for which in ("append", "copy"))
    note = f"{own:.1f} ms a batch of {BATCH:,}, COPY into the same table {copy:.1f} ms; by the clock, by turns"
    found.figures.append(middle("writer", "ratio", [turn.copy / turn.append for turn in measured], note))
    # A batch takes a few ticks of the clock that counts processor time, so only the sum says something.
    whole = sum(turn.append_processor for turn in measured)
    of_copy = sum(turn.copy_processor for turn in measured)
    if whole:
        note = "all batches together, processor time of client and server"
        found.figures.append(middle("writer by processor", "ratio", [of_copy / whole], note))


SCENARIO: Scenario = Micro()
