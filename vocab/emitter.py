"""Emitter: a member's object tree as N-Triples or Turtle; slow, and the definition of right.

`vocab.template` is the fast form of the same: it generates functions that must say what this one says.
"""

from __future__ import annotations

from typing import Any

from vocab.errors import MemberError
from vocab.lexical import Memo, bracket, canonical_double, escape, is_language, is_local, is_plain
from vocab.names import Names, Term
from vocab.terms import RDF_TYPE, XSD_BOOLEAN, XSD_DOUBLE, XSD_INTEGER, XSD_STRING

# Where labels come from (N-Triples) or where blocks that cannot be nested go (Turtle).
State = Any


class Emitter:
    """Writes the objects of one context in one syntax."""

    def __init__(self, names: Names, *, turtle: bool) -> None:
        self.names = names
        self.turtle = turtle
        self.references = Memo(self._reference)
        self.concepts = Memo(self._concept)
        self.doubles = Memo(self._double)
        self.type_lists = Memo(self._types)
        self._spaces = sorted(names.prefixes.items(), key=lambda item: -len(item[1]))

    def root(self, member: dict[str, Any], state: State) -> str:
        """Write a member."""
        return self.general(member, "", state, root=True)

    def node(self, obj: dict[str, Any], lead: str, state: State) -> str:
        """Write an object inside a member; `lead` is what stands before it: subject and predicate, or predicate."""
        return self.general(obj, lead, state, root=False)

    def general(self, obj: dict[str, Any], lead: str, state: State, *, root: bool) -> str:
        """Write any object, whatever its structure."""
        keys = {key: self.names.key(key) for key in obj}
        subject = next((self.subject(obj[key]) for key, meaning in keys.items() if meaning == "@id"), None)
        if subject is None and (root or not self.turtle):
            subject = "[]" if self.turtle else next(state)
        before = "" if self.turtle else f"{subject} "
        pieces = []
        for key, meaning in keys.items():
            if meaning == "@type":
                pieces.append(self.types(obj[key], before, root=root))
            elif isinstance(meaning, Term):
                pieces.append(self.value(meaning, obj[key], before + self.predicate(meaning, root=root), state))
        return self.wrap("".join(pieces), subject, lead, state, root=root)

    def wrap(self, body: str, subject: str | None, lead: str, state: State, *, root: bool) -> str:
        """Put the statements about a subject where they belong; `body` is one piece per statement."""
        if not self.turtle:
            return body if root else f"{lead}{subject} .\n{body}"
        body = body[len(self.separator(root=root)) :]
        if root:
            return f"{subject} {body} .\n" if body else ""
        if subject is None:
            return f"{lead}[ {body} ]" if body else f"{lead}[]"
        if body:
            state.append(f"{subject} {body} .\n")
        return lead + subject

    def separator(self, *, root: bool) -> str:
        """Return what stands before every predicate of a Turtle subject."""
        return " ;\n  " if root else " ; "

    def predicate(self, term: Term, *, root: bool) -> str:
        """Return what stands between subject and object, and before it what ends the statement before (Turtle)."""
        return f"{self.separator(root=root)}{self.iri(term.iri)} " if self.turtle else f"{bracket(term.iri)} "

    def subject(self, value: object) -> str:
        """Return the IRI of a node; refuses what would make JSON-LD lose the node's statements."""
        if isinstance(value, str) and is_plain(value):
            return f"<{value}>"
        iri = self.names.reference(value) if isinstance(value, str) else None
        if iri is None:
            raise MemberError(f"the @id {value!r} is no absolute IRI")
        return bracket(iri)

    def types(self, value: object, before: str, *, root: bool) -> str:
        """Return the statements of an `@type`."""
        found = self.type_lists[tuple(value) if isinstance(value, list) else (value,)]
        if self.turtle:
            return f"{self.separator(root=root)}a {found}" if found else ""
        return "".join(f"{before}<{RDF_TYPE}> {name} .\n" for name in found.split())

    def value(self, term: Term, value: object, lead: str, state: State) -> str:
        """Return the statements that one key makes."""
        if value is None:
            return ""
        if isinstance(value, list):
            return "".join([self.value(term, item, lead, state) for item in value])
        if isinstance(value, dict):
            return self._by_language(value, lead) if term.by_language else self.node(value, lead, state)
        text = self.scalar(term, value)
        return f"{lead}{text}{'' if self.turtle else ' .' + chr(10)}" if text else ""

    def scalar(self, term: Term, value: object) -> str:
        """Return the object that a string, number or boolean stands for; empty when JSON-LD drops it."""
        coercion = term.coercion
        if isinstance(value, str):
            if coercion == "@id":
                return self.references[value]
            if coercion == "@vocab":
                return self.concepts[value]
            if coercion == XSD_DOUBLE:
                return self._numeric_text(value)
            return f'"{escape(value)}"{self.suffix(term)}'
        datatype = None if coercion in ("@id", "@vocab") else coercion
        if isinstance(value, bool):
            return self.typed("true" if value else "false", datatype or XSD_BOOLEAN)
        assert isinstance(value, int | float)
        if datatype == XSD_DOUBLE or not float(value).is_integer() or abs(value) >= 1e21:
            return self.typed(canonical_double(value), datatype or XSD_DOUBLE)
        return self.typed(str(int(value)), datatype or XSD_INTEGER)

    # ---- spellings

    def iri(self, iri: str) -> str:
        """Return an IRI as short as the syntax allows."""
        if self.turtle:
            for prefix, space in self._spaces:
                if iri.startswith(space) and is_local(iri[len(space) :]):
                    return f"{prefix}:{iri[len(space) :]}"
        return bracket(iri)

    def suffix(self, term: Term) -> str:
        """Return what follows the quotes of a plain string of this property."""
        if term.coercion is None:
            return f"@{term.language}" if term.language else ""
        return "" if term.coercion == XSD_STRING else f"^^{self.iri(term.coercion)}"

    def typed(self, text: str, datatype: str) -> str:
        """Return a literal; Turtle knows whole numbers and booleans without quotes, in this very spelling."""
        if self.turtle and datatype == XSD_INTEGER and text.removeprefix("-").isdigit():
            return text
        if self.turtle and datatype == XSD_BOOLEAN and text in ("true", "false"):
            return text
        return f'"{text}"' if datatype == XSD_STRING else f'"{text}"^^{self.iri(datatype)}'

    def _numeric_text(self, value: str) -> str:
        try:
            text = canonical_double(float(value))
        except ValueError:
            text = escape(value)
        return self.typed(text, XSD_DOUBLE)

    def _double(self, value: float) -> str:
        return self.typed(canonical_double(value), XSD_DOUBLE)

    def _reference(self, value: str) -> str:
        iri = self.names.reference(value)
        return self.iri(iri) if iri else ""

    def _concept(self, value: str) -> str:
        iri = self.names.concept(value)
        return self.iri(iri) if iri else ""

    def _types(self, values: tuple[object, ...]) -> str:
        if not all(isinstance(value, str) for value in values):
            raise MemberError("an @type is a string or an array of strings")
        spelled = [self.concepts[value] for value in values if isinstance(value, str)]
        return (" , " if self.turtle else " ").join(text for text in spelled if text)

    def _by_language(self, texts: dict[str, Any], lead: str) -> str:
        end = "" if self.turtle else " .\n"
        pieces = []
        for tag, value in texts.items():
            if tag != "@none" and not is_language(tag):
                raise MemberError(f"{tag!r} is no language tag")
            for text in value if isinstance(value, list) else [value]:
                if text is None:
                    continue
                if not isinstance(text, str):
                    raise MemberError("a language map holds strings")
                pieces.append(f'{lead}"{escape(text)}"{"" if tag == "@none" else "@" + tag.lower()}{end}')
        return "".join(pieces)
