"""What a simulated city can be told at its start, and its clock."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from testbed.simulator.faults import Active

# With a fast clock the city begins this long ago, so that its times stay plausible for long.
_BACK = timedelta(days=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatorOptions:
    """The options of `smartflanders simulate`; `host` is the address to listen on.

    `speed` 60 makes a simulated minute a second. `start` is the simulated time at the real time `epoch`; by default
    both are now, and with a `speed` over 1 the start lies thirty days back. A simulator that is started again with the
    same seed, lanes, start, epoch and speed goes on as if it had never stopped. A `patient` city's time stands at the
    start until somebody asks for a document; that moment is its epoch. `ledger` is a file to keep the truth in.
    """

    host: str = "127.0.0.1"
    port: int = 0
    lanes: int = 200
    seed: int = 1
    speed: float = 1.0
    start: datetime | None = None
    epoch: datetime | None = None
    patient: bool = False
    faults: tuple[Active, ...] = ()
    ledger: Path | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be simulated."""
        if self.speed <= 0 or self.lanes < 0:
            raise ValueError("speed must be above 0 and lanes not below it")
        for time in (self.start, self.epoch):
            if time is not None and time.tzinfo is None:
                raise ValueError("start and epoch must carry a time zone")


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """Maps real time to the city's time."""

    start: datetime
    epoch: datetime
    speed: float

    @classmethod
    def of(cls, options: SimulatorOptions, now: datetime) -> Clock:
        """Make the clock of `options` as seen at the real time `now`."""
        epoch = options.epoch or now
        start = options.start or (epoch - _BACK if options.speed > 1 else epoch)
        return cls(start=start.astimezone(UTC), epoch=epoch.astimezone(UTC), speed=options.speed)

    def at(self, now: datetime) -> datetime:
        """Say what time it is in the city; a fast clock that catches up with real time goes on at its side."""
        simulated = self.start + (now - self.epoch) * self.speed
        return min(simulated, now) if self.speed > 1 and self.start <= self.epoch else simulated
