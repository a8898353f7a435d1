"""The simulated city: what its sensors measure at a given time; pure, the same for the same seed and time."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from zoneinfo import ZoneInfo

from testbed.simulator.places import Facility, Lane, make_garages, make_lanes, make_park_and_rides

BRUSSELS = ZoneInfo("Europe/Brussels")

# Share of the vehicles and mean free speed (km/h, capped by the limit) of MIV's five length classes.
_CLASSES = ((0.01, 110), (0.70, 118), (0.12, 112), (0.06, 92), (0.11, 88))
# Vehicles a minute on one lane at the height of the rush hour.
_PEAK = 24.0
# A garage's figure moves every two minutes, as measured on the real portal.
PARKING_PERIOD = timedelta(minutes=2)


@dataclass(frozen=True, slots=True, kw_only=True)
class City:
    """Everything that stays: its seed, the time it begins to be watched, and its places."""

    seed: int
    start: datetime
    lanes: tuple[Lane, ...]
    garages: tuple[Facility, ...]
    park_and_rides: tuple[Facility, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassCount:
    """One vehicle class in one minute; the speeds may be MIV's sentinels (0, 252, 254)."""

    count: int
    arithmetic: int
    harmonic: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """One lane in one minute. `observed_at` is the start of that minute."""

    lane: Lane
    observed_at: datetime
    changed_at: datetime
    current: bool
    defect: int
    validity: int
    classes: tuple[ClassCount, ...]
    occupancy: int
    availability: int
    unrest: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Occupancy:
    """One car park at one time."""

    facility: Facility
    observed_at: datetime
    free: int
    occupied_percent: int


def make_city(*, seed: int = 1, lanes: int = 200, start: datetime) -> City:
    """Build the city that `seed` stands for, watched from `start`."""
    return City(
        seed=seed,
        start=start.astimezone(UTC),
        lanes=make_lanes(seed, lanes),
        garages=make_garages(),
        park_and_rides=make_park_and_rides(),
    )


def minute_of(at: datetime) -> datetime:
    """Return the start of the minute `at` falls in, in UTC."""
    return at.astimezone(UTC).replace(second=0, microsecond=0)


def measure(city: City, lane: Lane, minute: datetime) -> Measurement:
    """Say what `lane` shows for `minute`; a stale lane shows the minute its clock stopped, for ever."""
    shown = minute if lane.stale_minutes is None else minute_of(city.start) - timedelta(minutes=lane.stale_minutes)
    chance = Random(f"{city.seed}/{lane.unique_id}/{shown:%Y%m%d%H%M}")  # noqa: S311 - a simulation, not a secret
    # A detector that fails does so for an hour; one lane in fifty, as in a real minute.
    failing = Random(f"{city.seed}/{lane.unique_id}/{shown:%Y%m%d%H}").random() < 0.02  # noqa: S311 - as above
    flow = 0.0 if failing else _PEAK * lane.busy * rush(shown)
    classes = tuple(_count(chance, lane, flow, number, failing=failing) for number in range(5))
    total = sum(entry.count for entry in classes)
    return Measurement(
        lane=lane,
        observed_at=shown,
        changed_at=shown + timedelta(seconds=chance.randint(62, 108)),
        current=lane.stale_minutes is None,
        defect=int(chance.random() < 0.006),
        validity=1 if chance.random() < 0.013 else 0,
        classes=classes,
        occupancy=min(100, round(total * chance.uniform(0.9, 1.3))),
        availability=0 if failing else 100,
        unrest=chance.randint(20, 260) if total > 1 else 0,
    )


def _count(chance: Random, lane: Lane, flow: float, number: int, *, failing: bool) -> ClassCount:
    share, free_speed = _CLASSES[number]
    count = _poisson(chance, flow * share)
    if count == 0:
        # Real data: without vehicles the arithmetic mean is always 0; the harmonic one says why.
        return ClassCount(count=0, arithmetic=0, harmonic=254 if failing else 252)
    crowding = 1 - 0.45 * max(0.0, flow / _PEAK - 0.7)
    mean = min(free_speed, lane.limit + 5) * crowding * chance.uniform(0.92, 1.06)
    arithmetic = max(1, min(200, round(mean)))
    harmonic = max(1, arithmetic - chance.randint(0, 4))
    if chance.random() < 0.0003:
        harmonic = 0  # seen once in a real minute: vehicles, a good arithmetic mean, and this
    return ClassCount(count=count, arithmetic=arithmetic, harmonic=harmonic)


def occupancy(city: City, facility: Facility, at: datetime) -> Occupancy:
    """Say what a car park reports at `at`: the state at the start of its two-minute period."""
    period = int(PARKING_PERIOD.total_seconds())
    shown = at.astimezone(UTC) - timedelta(minutes=facility.minutes_late)
    shown = datetime.fromtimestamp(int(shown.timestamp()) // period * period, UTC)
    chance = Random(f"{city.seed}/{facility.page}/{shown:%Y%m%d%H%M}")  # noqa: S311 - a simulation, not a secret
    if facility.capacity == 0:
        return Occupancy(facility=facility, observed_at=shown, free=0, occupied_percent=0)
    level = Random(f"{city.seed}/{facility.page}").uniform(0.45, 0.95)  # noqa: S311 - as above
    taken = facility.capacity * min(1.0, level * fullness(shown) + chance.uniform(-0.03, 0.03))
    free = max(0, min(facility.capacity, round(facility.capacity - taken)))
    percent = round(100 * (facility.capacity - free) / facility.capacity)
    return Occupancy(facility=facility, observed_at=shown, free=free, occupied_percent=percent)


def rush(at: datetime) -> float:
    """Say how busy the roads are, 0 to 1: two peaks on working days, one flat hill at the weekend."""
    local = at.astimezone(BRUSSELS)
    hour = local.hour + local.minute / 60
    if local.weekday() >= 5:
        return 0.06 + 0.55 * _hill(hour, 14.5, 4.0)
    return min(1.0, 0.06 + 0.9 * _hill(hour, 7.9, 1.4) + 0.42 * _hill(hour, 12.7, 3.0) + 0.9 * _hill(hour, 17.0, 1.7))


def fullness(at: datetime) -> float:
    """Say how full the car parks are, 0 to 1: shops and offices by day, a second visit in the evening."""
    local = at.astimezone(BRUSSELS)
    hour = local.hour + local.minute / 60
    return min(1.0, 0.18 + 0.8 * _hill(hour, 13.5, 3.4) + 0.25 * _hill(hour, 20.5, 1.6))


def _hill(hour: float, top: float, width: float) -> float:
    return math.exp(-(((hour - top) / width) ** 2))


def _poisson(chance: Random, mean: float) -> int:
    """Draw from a Poisson distribution (Knuth); means here stay under thirty."""
    if mean <= 0:
        return 0
    floor, product, count = math.exp(-mean), chance.random(), 0
    while product > floor:
        product *= chance.random()
        count += 1
    return count
