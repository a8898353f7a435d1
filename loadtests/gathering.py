"""What a scenario has found so far, on the way to its outcome."""

from __future__ import annotations

from datetime import UTC, datetime

from loadtests.outcome import Figure, Latency, Outcome
from loadtests.sampling import OtherWork
from loadtests.scenario import Plan, Tell
from loadtests.timeline import Timeline


class Gathering:
    """Made when a scenario begins: its plan and who is told, one timeline for all of it, and lists that parts add to."""

    def __init__(self, scenario: str, plan: Plan, tell: Tell) -> None:
        self.plan = plan
        self.tell = tell
        self.timeline = Timeline()
        self.figures: list[Figure] = []
        self.latencies: list[Latency] = []
        self.notes: list[str] = []
        self._scenario = scenario
        self._began = datetime.now(UTC)
        self._others = OtherWork()

    def outcome(self) -> Outcome:
        """Return everything; the scenario ends now."""
        return Outcome(
            scenario=self._scenario,
            began=self._began,
            seconds=round(self.timeline.seconds, 1),
            others=round(self._others.cores(), 2),
            figures=tuple(self.figures),
            series=self.timeline.series(),
            latencies=tuple(self.latencies),
            notes=tuple(self.notes),
        )
