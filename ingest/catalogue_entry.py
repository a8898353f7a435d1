"""CatalogueEntry: what a source file says about its stream for the catalogue, beyond title, publisher and licence."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from ingest.bindings import absolute
from streams.yaml_lines import Faults, Node, check_keys, suggest, text_of
from vocab.authorities import HVD_CATEGORIES, THEMES, Concept

KEYS = ("contact", "theme", "keywords", "hvd_category", "spatial")
# Stricter than mail itself: what an IRI can hold as it is.
_EMAIL = re.compile(r"[\w.+~!$&'*=-]+@[\w-]+(\.[\w-]+)+", re.ASCII)
_CONTACT_FIX = "write an e-mail address, a web address, or { name: …, email: …, page: … }"


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogueEntry:
    """The optional words of a source file for the catalogue.

    `contact` has some of the keys `name`, `email` (no `mailto:`), `page` (an absolute IRI). `themes` and
    `hvd_categories` are IRIs of `vocab.authorities`, `spatial` absolute IRIs of places; `keywords` by language.
    """

    contact: Mapping[str, str] = field(default_factory=dict)
    themes: tuple[str, ...] = ()
    keywords: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    hvd_categories: tuple[str, ...] = ()
    spatial: tuple[str, ...] = ()


def read_entry(root: Node, faults: Faults) -> CatalogueEntry:
    """Read the catalogue's keys of a source file; what is wrong becomes a fault."""
    return CatalogueEntry(
        contact=read_contact(root.get("contact"), faults),
        themes=_concepts(root.get("theme"), THEMES, faults, where="theme"),
        keywords=_keywords(root.get("keywords"), faults),
        hvd_categories=_concepts(root.get("hvd_category"), HVD_CATEGORIES, faults, where="hvd_category"),
        spatial=tuple(absolute(text, node, faults, where="spatial") for node, text in _texts(root, "spatial", faults)),
    )


def _texts(parent: Node, key: str, faults: Faults) -> list[tuple[Node, str]]:
    """Return the texts below a key, a single one or a list, with their nodes."""
    node = parent.get(key)
    elements = node.elements() if node is not None else []
    found = [(element, text_of(element, faults, where=key, line=element.line)) for element in elements]
    return [(element, text) for element, text in found if text]


def read_contact(node: Node | None, faults: Faults) -> dict[str, str]:
    """Read where questions go: an e-mail address, a web address, or a mapping; what is wrong becomes a fault."""
    if node is None:
        return {}
    if not node.is_mapping:
        text = text_of(node, faults, where="contact", line=node.line)
        if not text:
            return {}
        if _EMAIL.fullmatch(text.removeprefix("mailto:")):
            return {"email": text.removeprefix("mailto:")}
        if not text.startswith(("http://", "https://")):
            faults.add(node.line, f"contact {text!r} is no way to reach somebody", _CONTACT_FIX)
        return {"page": absolute(text, node, faults, where="contact")}
    check_keys(node, ("name", "email", "page"), faults, where="contact")
    given = {key: text_of(value, faults, where=key, line=value.line) for key, value in node.items()}
    email, page = node.get("email"), node.get("page")
    if email is not None and given["email"] and not _EMAIL.fullmatch(given["email"].removeprefix("mailto:")):
        faults.add(email.line, f"email {given['email']!r} is no e-mail address", "write for example data@stad.example")
    if page is not None:
        absolute(given["page"], page, faults, where="page")
    if email is None and page is None:
        faults.add(node.line, "contact has neither email nor page", _CONTACT_FIX)
    return {key: text.removeprefix("mailto:") for key, text in given.items() if text}


def _concepts(node: Node | None, known: Mapping[str, Concept], faults: Faults, *, where: str) -> tuple[str, ...]:
    found = []
    for element in node.elements() if node is not None else ():
        word = text_of(element, faults, where=where, line=element.line)
        if word in known:
            found.append(known[word].iri)
        elif word:
            faults.add(element.line, f"unknown {where} {word!r}", suggest(word, known))
    return tuple(dict.fromkeys(found))


def _keywords(node: Node | None, faults: Faults) -> dict[str, tuple[str, ...]]:
    if node is None or not check_keys(node, ("nl", "en", "fr", "de"), faults, where="keywords"):
        return {}
    words = {language: _texts(node, language, faults) for language, _ in node.items()}
    return {language: tuple(dict.fromkeys(text for _, text in found)) for language, found in words.items() if found}
