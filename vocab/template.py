"""FastEmitter: generates one function per structure of object: checks, then one f-string.

Every object is dispatched on the tuple of its keys. The first object of a structure teaches the types of its values;
an object of the same structure with other types takes the general road of `Emitter`. The generated source holds only
numbers, names of ours and text that went through `_literal`; keys and values of members never reach it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, cast

from vocab.emitter import Emitter, State
from vocab.lexical import escape, is_language
from vocab.names import Names, Term
from vocab.terms import RDF_TYPE, XSD_BOOLEAN, XSD_DOUBLE, XSD_INTEGER

Emit = Callable[[dict[str, Any], str, State], str]
# A model has a handful of structures per template; foreign members may have any number.
_MOST_STRUCTURES = 512
# Objects of a list that are written one by one.
_FEW = 4


class FastEmitter(Emitter):
    """Writes what `Emitter` writes; `dirty` members have strings that need escaping."""

    def __init__(self, names: Names, *, turtle: bool, dirty: bool) -> None:
        super().__init__(names, turtle=turtle)
        self.dirty = dirty
        self._roots: dict[tuple[str, ...], Emit] = {}
        self._nodes: dict[tuple[str, ...], Emit] = {}

    def root(self, member: dict[str, Any], state: State) -> str:
        """Write a member."""
        keys = tuple(member)
        emit = self._roots.get(keys) or self._learn(self._roots, member, root=True)
        return emit(member, "", state)

    def node(self, obj: dict[str, Any], lead: str, state: State) -> str:
        """Write an object inside a member; `lead` is what stands before it: subject and predicate, or predicate."""
        return self.learned(obj)(obj, lead, state)

    def learned(self, obj: Mapping[str, Any]) -> Emit:
        """Return the function for objects inside a member that have the structure of this one."""
        return self._nodes.get(tuple(obj)) or self._learn(self._nodes, obj, root=False)

    def _learn(self, known: dict[tuple[str, ...], Emit], sample: Mapping[str, Any], *, root: bool) -> Emit:
        if len(known) >= _MOST_STRUCTURES:
            known.clear()
        emit = known[tuple(sample)] = self._generate(sample, root=root)
        return emit

    def _generate(self, sample: Mapping[str, Any], *, root: bool) -> Emit:
        def general(obj: dict[str, Any], lead: str, state: State) -> str:
            return self.general(obj, lead, state, root=root)

        source = _Source(self, root=root)
        meanings = [self.names.key(key) for key in sample]
        if not sample or meanings.count("@id") > 1:
            return general
        for index, (meaning, value) in enumerate(zip(meanings, sample.values(), strict=True)):
            source.add(index, meaning, value)
        space: dict[str, Any] = {**source.space, "general": general}
        # Interpreting the structure anew for every object costs three times as much as all its string building.
        exec(compile(source.text(len(meanings)), "<vocab.template>", "exec"), space)  # noqa: S102
        return cast("Emit", space["emit"])


def _literal(text: str) -> str:
    """Return `text` as it stands inside a double-quoted f-string."""
    return text.translate({123: "{{", 125: "}}", 92: "\\\\", 34: '\\"', 10: "\\n", 13: "\\r"})


class _Source:
    """Collects, key by key, the checks, the preparations and the f-string of one generated function."""

    def __init__(self, emitter: FastEmitter, *, root: bool) -> None:
        self._emitter = emitter
        self._root = root
        self._end = "" if emitter.turtle else " .\n"
        self._checks: list[str] = []
        self._steps: list[str] = []
        self._pieces: list[str] = []
        self._subject = ""
        self.space: dict[str, Any] = {
            "escape": escape,
            "subject": emitter.subject,
            "node": emitter.node,
            "value": emitter.value,
            "references": emitter.references,
            "concepts": emitter.concepts,
            "doubles": emitter.doubles,
            "type_lists": emitter.type_lists,
        }

    def add(self, index: int, meaning: Term | str | None, value: object) -> None:
        """Add a key that had this value in the sample."""
        if meaning == "@id":
            self._subject = f"subject(v{index})"
        elif meaning == "@type":
            self._add_types(index, value)
        elif isinstance(meaning, Term):
            self._add_term(index, meaning, value)

    def _add_types(self, index: int, value: object) -> None:
        key = f"tuple(v{index})" if isinstance(value, list) else f"(v{index},)"
        self._checks.append(f"type(v{index}) is {'list' if isinstance(value, list) else 'str'}")
        self._checks.append(f"(t{index} := type_lists[{key}])")
        if self._emitter.turtle:
            self._pieces.append(f"{_literal(self._emitter.separator(root=self._root))}a {{t{index}}}")
            return
        # In N-Triples every type is a statement of its own; how many there are belongs to what was learned.
        sample = tuple(value) if isinstance(value, list) else (value,)
        number = len(self._emitter.type_lists[sample].split())
        self._checks.append(f"len(t{index} := t{index}.split()) == {number}")
        self._pieces.extend(f"{{s}} <{RDF_TYPE}> {{t{index}[{item}]}} .\\n" for item in range(number))

    def _add_term(self, index: int, term: Term, value: object) -> None:
        lead = self._emitter.predicate(term, root=self._root)
        before = _literal(lead) if self._emitter.turtle else "{s} " + _literal(lead)
        if spelled := self._spelled(index, term, value):
            self._pieces.append(f"{before}{spelled}{_literal(self._end)}")
            return
        # What is not a plain value is written first, with the text that leads to it, and then stands in the f-string.
        self.space[f"k{index}"] = lead
        self.space[f"m{index}"] = term
        lead = f"k{index}" if self._emitter.turtle else f"s + k{index}"
        if not self._emitter.turtle:
            self.space[f"k{index}"] = " " + self.space[f"k{index}"]
        if isinstance(value, dict) and not term.by_language:
            step = self._object(f"v{index}", f"{index}", value, lead=lead, general=index)
        elif isinstance(value, list) and value and isinstance(value[0], dict) and not term.by_language:
            self._steps.append(f"k = {lead}")
            self._checks.append(f"type(v{index}) is list")
            step = self._objects(index, value)
        else:
            step = f"value(m{index}, v{index}, {lead}, state)"
        self._steps.append(f"x{index} = {step}")
        self._pieces.append(f"{{x{index}}}")

    def _object(self, name: str, mark: str, sample: Mapping[str, Any], *, lead: str, general: int) -> str:
        """Return the expression for an object inside: the function of the sample's structure where it has that, too.

        Asking for the function anew costs a call and the hash of all keys, as much as writing a small object.
        """
        self.space[f"e{mark}"], self.space[f"q{mark}"] = self._emitter.learned(sample), tuple(sample)
        inside = f"e{mark}({name}, {lead}, state) if tuple({name}) == q{mark} else node({name}, {lead}, state)"
        return f"({inside}) if type({name}) is dict else value(m{general}, {name}, {lead}, state)"

    def _objects(self, index: int, sample: list[Any]) -> str:
        """Return the expression for a list of objects; few of them are written one by one, each by its own function."""
        each = f"node(i, k, state) if type(i) is dict else value(m{index}, i, k, state)"
        step = f"''.join([{each} for i in v{index}])"
        if len(sample) > _FEW or not all(isinstance(item, dict) for item in sample):
            return step
        singly = (
            f"({self._object(f'v{index}[{at}]', f'{index}_{at}', item, lead='k', general=index)})"
            for at, item in enumerate(sample)
        )
        return f"{' + '.join(singly)} if len(v{index}) == {len(sample)} else {step}"

    def _spelled(self, index: int, term: Term, value: object) -> str:
        """Return the f-string text of a plain value and add what must be checked for it; empty for other values."""
        name, coercion = f"v{index}", term.coercion
        if isinstance(value, dict):
            return self._one_language(index, term, value)
        if isinstance(value, str) and coercion in ("@id", "@vocab"):
            memo = "references" if coercion == "@id" else "concepts"
            self._checks += [f"type({name}) is str", f"(r{index} := {memo}[{name}])"]
            return f"{{r{index}}}"
        if isinstance(value, str) and coercion != XSD_DOUBLE:
            self._checks.append(f"type({name}) is str")
            text = f"{{escape({name})}}" if self._emitter.dirty else f"{{{name}}}"
            return f'\\"{text}\\"{_literal(self._emitter.suffix(term))}'
        if type(value) is int and coercion in (None, XSD_INTEGER):
            self._checks.append(f"type({name}) is int")
            return _literal(self._emitter.typed("0", XSD_INTEGER)).replace("0", f"{{{name}}}", 1)
        if type(value) is bool and coercion in (None, XSD_BOOLEAN):
            self._checks.append(f"type({name}) is bool")
            self.space["booleans"] = {it: self._emitter.scalar(term, it) for it in (False, True)}
            return f"{{booleans[{name}]}}"
        if type(value) is float and coercion == XSD_DOUBLE:
            # Zero takes the general road: 0.0 and -0.0 are one key of a dictionary and two literals.
            self._checks += [f"type({name}) is float", name]
            return f"{{doubles[{name}]}}"
        return ""

    def _one_language(self, index: int, term: Term, value: Mapping[str, object]) -> str:
        """Spell a language map of one text, by far the most common; empty for other objects."""
        tag = next(iter(value), "")
        if not term.by_language or len(value) != 1 or not is_language(tag):
            return ""
        # The tag has the form of a language tag, so it may stand in the source.
        self._checks += [f"type(v{index}) is dict", f"len(v{index}) == 1"]
        self._checks.append(f"type(u{index} := v{index}.get('{tag}')) is str")
        text = f"{{escape(u{index})}}" if self._emitter.dirty else f"{{u{index}}}"
        return f'\\"{text}\\"@{tag.lower()}'

    def text(self, width: int) -> str:
        """Return the source of the function for objects of `width` keys."""
        values = "".join(f"v{index}," for index in range(width))
        subject = self._subject or ("'[]'" if self._emitter.turtle else "next(state)")
        needs_subject = self._root or not self._emitter.turtle or bool(self._subject)
        lines = [f"{values} = o.values()", f"if {' and '.join(self._checks) or 'True'}:"]
        if needs_subject:
            lines.append(f"  s = {subject}")
        lines += [f"  {step}" for step in self._steps]
        lines.append(f'  b = f"{"".join(self._pieces)}"')
        lines += [f"  {line}" for line in self._result(named=bool(self._subject))]
        lines.append("return general(o, lead, state)")
        return "def emit(o, lead, state):\n" + "".join(f"  {line}\n" for line in lines)

    def _result(self, *, named: bool) -> list[str]:
        if not self._emitter.turtle:
            return ["return b"] if self._root else ['return f"{lead}{s} .\\n{b}"']
        cut = len(self._emitter.separator(root=self._root))
        if self._root:
            return [f'return f"{{s}} {{b[{cut}:]}} .\\n" if b else ""']
        if not named:
            return [f'return f"{{lead}}[ {{b[{cut}:]}} ]" if b else lead + "[]"']
        return [f'if b: state.append(f"{{s}} {{b[{cut}:]}} .\\n")', "return lead + s"]
