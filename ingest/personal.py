"""Personal data in texts: number plates, phone numbers, MAC and e-mail addresses, ids that follow a vehicle; pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from enum import Enum
from functools import lru_cache, partial
from hashlib import blake2b
from itertools import pairwise
from typing import Any


class Personal(Enum):
    """Kinds of personal data; the words of `privacy: allow` and of sf:personal."""

    EMAIL = "email"  # an e-mail address
    MAC = "mac"  # the hardware address of a device, such as a phone that a counter saw
    PHONE = "phone"  # a telephone number
    PLATE = "plate"  # a number plate
    VEHICLE = "vehicle"  # an id by which one vehicle can be followed from trip to trip


Search = Callable[[str], Personal | None]

NAMES: Mapping[Personal, str] = {
    Personal.EMAIL: "an e-mail address",
    Personal.MAC: "a MAC address",
    Personal.PHONE: "a phone number",
    Personal.PLATE: "a number plate",
    Personal.VEHICLE: "the id of one vehicle",
}

# No part of a longer word, number, path or address.
_BEGIN, _END = r"(?<![\w@.+/-])", r"(?![\w@])"
_EMAIL = r"(?<![\w.+%-])[\w.+%-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){0,8}\.[A-Za-z]{2,24}"
# Six or eight pairs; without a letter, hyphens make a date. Cisco writes three groups of four. Bare digits are an address
# only where they are all of the text, and not a number or a word.
_PAIR = r"[0-9A-Fa-f]{2}"
_MAC = (
    rf"(?<![\w:-])(?:{_PAIR}(?::{_PAIR}){{5}}(?:(?::{_PAIR}){{2}})?"
    rf"|(?=[0-9-]*[A-Fa-f]){_PAIR}(?:-{_PAIR}){{5}}(?:(?:-{_PAIR}){{2}})?"
    r"|(?=[0-9.]*[A-Fa-f])[0-9A-Fa-f]{4}\.[0-9A-Fa-f]{4}\.[0-9A-Fa-f]{4})(?![\w:-])"
    r"|\A(?=[A-F]*[0-9])(?=[0-9]*[A-F])[0-9A-F]{12}\Z|\A(?=[a-f]*[0-9])(?=[0-9]*[a-f])[0-9a-f]{12}\Z"
)
# With a country code: of Belgium and its neighbours, and any after `tel:`. Not a latitude of 49.50123.
_ABROAD = r"(?:\+|(?<![\w.])00)(?:3[1-3]|352|4[49])(?!\.\d{5})(?:[ ./-]?\(0\))?(?:[ ./-]{0,2}\d){8,11}(?!\w)"
# In Belgium: mobile, zones of two and of three digits; nine digits in groups, so no opening hour and no date.
_MOBILE = rf"{_BEGIN}04[5-9]\d[ ./-]{{0,3}}(?:\d\d[ .-]?\d\d[ .-]?\d\d|\d{{3}}[ .-]?\d{{3}}){_END}"
_ZONE = (
    rf"{_BEGIN}(?:0[2349][ /-]{{1,3}}\d{{3}}[ .-]?\d\d[ .-]?\d\d|0[1-8]\d[ /-]{{1,3}}\d\d[ .-]?\d\d[ .-]?\d\d"
    rf"|0[2349]\.\d{{3}}\.\d\d\.\d\d|0[1-8]\d\.\d\d\.\d\d\.\d\d){_END}"
)
# France in five pairs, the Netherlands with a hyphen or a blank behind the zone.
_NEIGHBOURS = (
    rf"{_BEGIN}(?:0[1-9](?:([ .-])\d\d)(?:\1\d\d){{3}}|06[ -]\d{{8}}|0\d\d[ -]\d{{7}}|0\d{{3}}[ -]\d{{6}}){_END}"
)
_CALLED = r"\b(?:tel|gsm|phone|telefoon|t[ée]l[ée]phone|mobiel|fax)\b\W{0,3}\+?\d(?:[ ./()-]{0,2}\d){6,13}(?!\w)"
# Belgium since 2010; France; the Netherlands; Germany with its hyphen and blank.
_PLATE = (
    rf"{_BEGIN}(?:[1-9][-. ]?[A-Z]{{3}}[-. ]?\d{{3}}|[1-9]-[a-z]{{3}}-\d{{3}}|[A-Z]{{2}}-\d{{3}}-[A-Z]{{2}}"
    r"|[A-Z]{2}-\d\d-\d\d|\d\d-\d\d-[A-Z]{2}|\d\d-[A-Z]{2}-\d\d|[A-Z]{2}-\d\d-[A-Z]{2}|[A-Z]{2}-[A-Z]{2}-\d\d"
    r"|\d\d-[A-Z]{2}-[A-Z]{2}|\d\d-[A-Z]{3}-\d|\d-[A-Z]{3}-\d\d|[A-Z]{2}-\d{3}-[A-Z]|[A-Z]-\d{3}-[A-Z]{2}"
    r"|[A-Z]{3}-\d\d-[A-Z]|[A-Z]-\d\d-[A-Z]{3}|[A-ZÄÖÜ]{1,3}-[A-Z]{1,2} \d{1,4}[EH]?)(?![\w@-])"
)
_NAMED_PLATE = (
    r"\b(?i:nummerplaat|kenteken|licen[cs]e plate|plaque|immatriculation|Kennzeichen)\b\W{1,3}"
    r"(?=[A-Z. -]*\d)(?=[\d. -]*[A-Z])[A-Z0-9](?:[-. ]?[A-Z0-9]){3,8}"
)
_PATTERNS: Mapping[Personal, str] = {
    Personal.EMAIL: _EMAIL,
    Personal.MAC: _MAC,
    Personal.PHONE: "|".join((_ABROAD, _MOBILE, _ZONE, _NEIGHBOURS, f"(?i:{_CALLED})")),
    Personal.PLATE: f"{_PLATE}|{_NAMED_PLATE}",
}
# In addresses most numbers are keys of somebody's database.
_IN_IRIS: Mapping[Personal, str] = {
    Personal.EMAIL: _EMAIL,
    Personal.MAC: _MAC,
    Personal.PHONE: r"\Atel:.|\Asms:.",
    Personal.PLATE: r"(?<=[/=:#])[1-9]-[A-Za-z]{3}-\d{3}(?![\w-])",
}
# What a value is when the publisher calls it so, whatever form it has: the key, then the value.
_CALLED_SO: Mapping[Personal, tuple[str, str]] = {
    Personal.EMAIL: (r"e-?_?mail", r".@."),
    Personal.MAC: (r"(?:^|_|-)mac(?:$|_|-|addr)|macaddress", r"\A[0-9A-Fa-f]{2}(?:[:. -]?[0-9A-Fa-f]{2}){5,7}\Z"),
    Personal.PHONE: (r"phone|telefoon|(?:^|_)(?:gsm|tel|telnr)(?:$|_)", r"\d(?:\D{0,2}\d){6,}"),
    Personal.PLATE: (
        r"nummerplaat|kenteken|licen[cs]e_?-?plate|immatricul|kennzeichen|(?:^|_)plate(?:$|_)",
        r"\A(?=\D*\d)[A-Za-z0-9](?:[-. ]?[A-Za-z0-9]){2,9}\Z",
    ),
}
# What all texts of a kind hold; a simple look, because nearly all other texts lack it.
_ANY = re.compile(r"[0-9@]").search
_GATES: Mapping[Personal, str] = {
    Personal.EMAIL: "@",
    Personal.MAC: rf"{_PAIR}[:-]{_PAIR}[:-]|\.[0-9A-Fa-f]{{4}}\.|\A[0-9A-Fa-f]{{12}}\Z",
    Personal.PHONE: r"\d(?:[ ./()-]{0,4}\d){6}|[ls]:",
    Personal.PLATE: r"[A-ZÄÖÜ][-. ]?\d|\d[-. ]?[A-Z]|\d-[a-z]{3}-\d",
}
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_LETTER, _DIGIT = re.compile(r"[^\W\d_]"), re.compile(r"\d")
# Characters of an id that may be random, and how often it must change between letters and digits.
_RANDOM_LENGTH, _RANDOM_CHANGES = 8, 3
_SHAPE = 60
# Texts whose kind is remembered by one searcher, and the characters of the longest: a megabyte or two.
_KNOWN, _LONGEST = 4096, 200


def searcher(kinds: Collection[Personal], *, iri: bool, key: str = "") -> Search | None:
    """Return what finds personal data of these kinds in a text, or None; `key` is what the publisher calls the value.

    None instead of a function where there is nothing to look for.
    """
    called = "_".join(_WORD.findall(key)).lower()
    table = _IN_IRIS if iri else _PATTERNS
    looked_for = tuple(kind for kind in table if kind in kinds)
    named = tuple(kind for kind in looked_for if not iri and re.search(_CALLED_SO[kind][0], called))
    return _built(looked_for, named, iri=iri) if looked_for else None


@lru_cache(maxsize=64)
def _built(kinds: Sequence[Personal], named: Sequence[Personal], *, iri: bool) -> Search:
    """Build a searcher, one for all names that look for the same."""
    table = _IN_IRIS if iri else _PATTERNS
    looks = [(_ANY, re.compile(_CALLED_SO[kind][1]).search, kind) for kind in named]
    looks += [(re.compile(_GATES[kind]).search, re.compile(table[kind]).search, kind) for kind in kinds]
    plain: Search = partial(_search, tuple(looks))
    # Of an entity that changed most texts are as they were; looking one up takes a tenth of reading it.
    known = lru_cache(maxsize=_KNOWN)(plain)
    return lambda text: known(text) if len(text) <= _LONGEST else plain(text)


def _search(
    looks: Sequence[tuple[Callable[[str], object], Callable[[str], object], Personal]], text: str
) -> Personal | None:
    # Most texts hold neither a digit nor an @, and are done after one scan.
    if _ANY(text) is None:
        return None
    for gate, pattern, kind in looks:
        if gate(text) is not None and pattern(text) is not None:
            return kind
    return None


def looks_random(text: str) -> bool:
    """Say whether an id can be one that is drawn anew for every trip: a UUID, a hash; not a name or a running number.

    Judged by one value alone, so that a sample and the stream are judged alike.
    """
    tail = re.split(r"[:/]", text)[-1]
    drawn = re.sub(r"[-_]", "", tail)
    classes = ["d" if character.isdigit() else "l" for character in drawn]
    changes = sum(one != two for one, two in pairwise(classes))
    return len(drawn) >= _RANDOM_LENGTH and changes >= _RANDOM_CHANGES


def rotated(raw: Any, received: datetime, salt: bytes) -> Any:
    """Return what an id is for the day it was received (UTC): `20261123-` and 16 hexadecimal digits; no value stays none.

    Without the salt nobody can tell which ids of two days were one vehicle.
    """
    if raw is None or raw == "" or isinstance(raw, dict | list):
        return raw
    day = f"{received:%Y%m%d}"
    return (
        f"{day}-{blake2b(str(raw).encode('utf-8', 'surrogatepass'), key=_of_day(day, salt), digest_size=8).hexdigest()}"
    )


@lru_cache(maxsize=64)
def _of_day(day: str, salt: bytes) -> bytes:
    return blake2b(day.encode(), key=salt[:64], digest_size=32).digest()


def is_of_another_day(key: str, received: datetime) -> bool:
    """Say whether a rotated id belongs to a day that is over."""
    return not key.startswith(f"{received:%Y%m%d}-")


def masked(value: Any) -> Any:
    """Return a value with the shape of its texts and numbers and nothing of what they say: `1-ABC-234` is `9-AAA-999`."""
    if isinstance(value, dict):
        return {key: masked(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [masked(inner) for inner in value]
    if value is None or isinstance(value, bool):
        return value
    return _LETTER.sub("a", _DIGIT.sub("9", str(value)[:_SHAPE]))
