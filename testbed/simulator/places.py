"""The fixed things of the simulated city: measuring lanes along its roads, garages, and park-and-rides."""

from __future__ import annotations

import math
from dataclasses import dataclass
from random import Random

# Main roads around Gent as rough polylines (longitude, latitude): road number as MIV writes it, name, speed limit.
_ROADS: tuple[tuple[str, str, int, tuple[tuple[float, float], ...]], ...] = (
    ("A0100001", "E40 richting kust", 120, ((4.02, 50.955), (3.83, 50.995), (3.71, 51.014), (3.55, 51.04), (3.40, 51.06))),
    ("A0140002", "E17 richting Antwerpen", 120, ((3.47, 50.93), (3.62, 50.98), (3.75, 51.02), (3.90, 51.09), (4.05, 51.14))),
    ("R0040001", "R4 Gent", 90, ((3.66, 51.02), (3.66, 51.09), (3.72, 51.12), (3.80, 51.11), (3.80, 51.03), (3.70, 51.01))),
    ("N0490001", "N49 Expresweg", 120, ((3.55, 51.19), (3.72, 51.195), (3.88, 51.20), (4.02, 51.205))),
    ("N0430002", "N43 Kortrijksesteenweg", 70, ((3.60, 50.985), (3.66, 51.005), (3.70, 51.025))),
)  # fmt: skip
_VILLAGES = ("Zwijnaarde", "Drongen", "Merelbeke", "Destelbergen", "Evergem", "Lochristi", "Nazareth", "Oostakker")

# Belgian Lambert 72 around (3.73, 51.05), as a cubic in degrees from there: fitted to EPSG:31370 over 60 by 33 km,
# where it is within a millimetre; no projection library is needed for a few invented places.
_EASTING = (105210.237, 70118.655, 955.965, 4.061, -1498.197, 0.153, -0.087, 0.049, -0.255, -2.12)
_NORTHING = (193507.726, -602.56, 111243.607, 472.169, 12.886, 18.89, -10.088, 5.679, 0.002, 0.018)

_GARAGES = (
    ("Coupure", 3.7148, 51.0512, 412), ("Dampoort", 3.7401, 51.0567, 264), ("Heuvelpoort", 3.7302, 51.0371, 338),
    ("Bijloke", 3.7172, 51.0439, 190), ("Rabot", 3.7123, 51.0612, 520), ("Muinkpark", 3.7334, 51.0421, 147),
    ("Nieuwland", 3.7338, 51.0597, 305), ("Overpoort", 3.7259, 51.0410, 228), ("Prinsenhof", 3.7188, 51.0588, 176),
    ("Sint-Baafs", 3.7359, 51.0529, 449), ("Visserij", 3.7437, 51.0491, 263), ("Westveld", 3.7665, 51.0684, 0),
)  # fmt: skip
_PARK_AND_RIDES = (
    ("Drongen", 3.6611, 51.0493, 180), ("Mariakerke", 3.6822, 51.0724, 95), ("Zwijnaarde", 3.7190, 51.0093, 310),
    ("Destelbergen", 3.7951, 51.0561, 140), ("Oostakker", 3.7623, 51.0987, 220),
)  # fmt: skip
_PAGES = "https://stad.gent/nl/mobiliteit-openbare-werken/parkeren"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """One measuring lane of MIV. `busy` scales its traffic; `stale_minutes` is how far its clock stood still before
    the city began to be watched, None for a lane that works.
    """

    unique_id: str
    descriptive_id: str
    unit: int
    name: str
    road: str
    kilometre: float
    code: str
    longitude: float
    latitude: float
    limit: int
    busy: float
    stale_minutes: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Facility:
    """A garage or a park-and-ride; `capacity` 0 is a place that is closed for works, as the real list has one."""

    name: str
    page: str
    longitude: float
    latitude: float
    capacity: int
    is_park_and_ride: bool
    minutes_late: int


def lambert72(longitude: float, latitude: float) -> tuple[float, float]:
    """Convert a place around Gent to Belgian Lambert 72 metres."""
    u, v = longitude - 3.73, latitude - 51.05
    terms = (1.0, u, v, u * u, u * v, v * v, u * u * v, v * v * v, u * v * v, u * u * u)
    x, y = (sum(a * b for a, b in zip(row, terms, strict=True)) for row in (_EASTING, _NORTHING))
    return x, y


def make_lanes(seed: int, count: int) -> tuple[Lane, ...]:
    """Lay out `count` lanes; a larger city contains the smaller one of the same seed."""
    lanes: list[Lane] = []
    site = 0
    while len(lanes) < count:
        lanes.extend(_site(seed, site, first=len(lanes) + 1))
        site += 1
    return tuple(lanes[:count])


def _site(seed: int, number: int, *, first: int) -> list[Lane]:
    """Make the lanes of one place on one road: regular lanes and now and then a special one."""
    chance = Random(f"{seed}/site/{number}")  # noqa: S311 - a simulation, not a secret
    road, road_name, limit, line = _ROADS[number % len(_ROADS)]
    # The golden ratio spreads any number of sites evenly without knowing how many will follow.
    share = (number // len(_ROADS) * (math.sqrt(5) - 1) / 2) % 1
    longitude, latitude = _along(line, share)
    codes = ["R10", "R11", "R12"][: 3 if limit > 90 else 2]
    if chance.random() < 0.12:
        codes.append("TR10")  # the loops of R10 watching for wrong-way traffic
    if chance.random() < 0.1:
        codes.append(chance.choice(("B10", "P00", "S12", "R09", "W10", "A00")))
    name = f"{road_name} - {chance.choice(_VILLAGES)}"
    lanes = []
    for index, code in enumerate(codes):
        special = 0.1 if code.startswith(("B", "P", "W", "A")) else 0.0 if code.startswith("TR") else 1.0
        lanes.append(
            Lane(
                unique_id=str(first + index),
                descriptive_id=f"H{200 + number}L{index + 1}0",
                unit=16 + number,
                name=name,
                road=road,
                kilometre=round(5 + share * 60, 3),
                code=code,
                longitude=round(longitude, 9),
                latitude=round(latitude, 8),
                limit=limit,
                busy=special * chance.uniform(0.6, 1.2) * (1.0 if limit > 70 else 0.6),
                # 78 of 4254 lanes of a real minute were stale, the oldest by four months.
                stale_minutes=chance.randint(4, 120 * 1440) if chance.random() < 0.018 else None,
            )
        )
    return lanes


def _along(line: tuple[tuple[float, float], ...], share: float) -> tuple[float, float]:
    position = share * (len(line) - 1)
    index = min(int(position), len(line) - 2)
    (x0, y0), (x1, y1) = line[index], line[index + 1]
    part = position - index
    return x0 + (x1 - x0) * part, y0 + (y1 - y0) * part


def make_garages() -> tuple[Facility, ...]:
    """List the twelve garages of the city."""
    return tuple(
        Facility(
            name=name,
            page=f"{_PAGES}/parkings-gent/parking-{name.lower()}",
            longitude=longitude,
            latitude=latitude,
            capacity=capacity,
            is_park_and_ride=False,
            minutes_late=0,
        )
        for name, longitude, latitude, capacity in _GARAGES
    )


def make_park_and_rides() -> tuple[Facility, ...]:
    """List the five park-and-rides; the second one reports an hour late, as a real one was seen to do."""
    return tuple(
        Facility(
            name=f"P+R {name}",
            page=f"{_PAGES}/park-and-ride-pr/pr-{name.lower()}",
            longitude=longitude,
            latitude=latitude,
            capacity=capacity,
            is_park_and_ride=True,
            minutes_late=60 if index == 1 else 0,
        )
        for index, (name, longitude, latitude, capacity) in enumerate(_PARK_AND_RIDES)
    )
