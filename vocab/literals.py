"""The lexical forms of XML Schema datatypes, which RDF libraries let pass when they are wrong; pure."""

from __future__ import annotations

import re
from datetime import date, datetime

from vocab.terms import XSD_BOOLEAN, XSD_DATE, XSD_DATETIME, XSD_DECIMAL, XSD_DOUBLE, XSD_INTEGER

_ZONE = r"(?:Z|[+-](?:(?:0\d|1[0-3]):[0-5]\d|14:00))"
_FORMS = {
    XSD_BOOLEAN: (re.compile(r"true|false|0|1"), "true or false"),
    XSD_INTEGER: (re.compile(r"[+-]?\d{1,1000}", re.ASCII), "digits"),
    XSD_DECIMAL: (re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)", re.ASCII), "digits with a dot"),
    XSD_DOUBLE: (re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?|[+-]?INF|NaN", re.ASCII), "a number"),
    XSD_DATE: (re.compile(rf"(\d{{4}}-\d\d-\d\d){_ZONE}?", re.ASCII), "for example 2026-11-23"),
    XSD_DATETIME: (
        re.compile(rf"(\d{{4}}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.\d+)?{_ZONE}?", re.ASCII),
        "for example 2026-11-23T20:00:44Z",
    ),
}
_READ = {XSD_DATE: date.fromisoformat, XSD_DATETIME: datetime.fromisoformat}


def fault_of(text: str, datatype: str) -> str | None:
    """Return what is wrong with the lexical form of a literal, None when nothing is or the datatype is not known here.

    Years have four digits; 24:00:00 is refused: consumers read both in different ways.
    """
    if datatype not in _FORMS:
        return None
    form, example = _FORMS[datatype]
    found = form.fullmatch(text)
    name = datatype.rpartition("#")[2]
    if found is None:
        return f"{text[:100]!r} is no xsd:{name}: write {example}"
    if datatype in _READ:
        try:
            _READ[datatype](found[1])
        except ValueError as error:
            return f"{text[:100]!r} is no xsd:{name}: {error}"
    return None
