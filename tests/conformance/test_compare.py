"""TREE: what relations and search forms say is what values compare to (TREE-28..45): all that match are found there."""

from __future__ import annotations

import math
from urllib.parse import quote

import pytest
from pyoxigraph import Literal, NamedNode

from tests.conformance.city import NAME, OPERATORS, PLACES
from tests.conformance.comparing import IncomparableError, family, places, satisfies, text_of
from tests.conformance.kit import TREE, Site
from tests.conformance.pages import LINES, Bound, Library, Link, Read, Tree, read

HYDRA = "http://www.w3.org/ns/hydra/core#"

LABEL = ("http://schema.mobivoc.org/#operatedBy", "http://www.w3.org/2000/01/rdf-schema#label")
GEOMETRY = ("http://www.w3.org/ns/locn#geometry", "http://www.opengis.net/ont/geosparql#asWKT")


def matching(tree: Tree, bounds: tuple[Bound, ...]) -> set[NamedNode]:
    """Return all members of a view that satisfy bounds, found without following any."""
    return {
        member
        for member, page in tree.members.items()
        if all(any(satisfies(value, bound) for value in page.facts.along(member, bound.path)) for bound in bounds)
    }


def constrained(page: Read, kind: str) -> list[Link]:
    """Return the links of a page of one kind."""
    return [link for link in page.links if {bound.kind for bound in link.bounds} == {kind}]


@pytest.mark.parametrize(("view", "expected"), [("by-free", 12), ("by-share", 12), ("by-open", 2)])
def test_tree_28_numbers_and_booleans_are_equal_by_value(library: Library, view: str, expected: int) -> None:
    """TREE-28: behind a relation to a number or boolean are exactly the members whose value is that by SPARQL's operators."""
    tree = library.tree(NAME, view)
    links = constrained(tree.pages[tree.root], "EqualToRelation")
    assert len(links) == expected
    for link in links:
        assert family(link.bounds[0].value) in ("number", "boolean")
        assert tree.held(link.target) == matching(tree, link.bounds)


def test_tree_28_times_are_compared_as_instants(library: Library) -> None:
    """TREE-28: times in other zones are in the windows of their instants, closed windows and late ones aside."""
    tree = library.tree(NAME, "by-hour")
    zones = set()
    for page, link in tree.links():
        if "/late" not in link.target and page.url == tree.root:
            late = {member for member in matching(tree, link.bounds) if "/late" in tree.members[member].url}
            assert tree.held(link.target) == matching(tree, link.bounds) - late
        for member in tree.held(link.target):
            zones |= {value.value[-6:] for value in tree.members[member].facts.along(member, by_time(tree))}
    assert {"+05:00", "-05:00"} <= zones


def by_time(tree: Tree) -> tuple[str, ...]:
    """Return the path of the windows at a view's root."""
    return next(link.bounds[0].path for link in tree.pages[tree.root].links if link.bounds)


def test_tree_30_texts_are_equal_in_normal_form(library: Library) -> None:
    """TREE-30: texts that differ in normal form only are behind one relation, in their own spelling; case does count."""
    tree = library.tree(NAME, "by-operator")
    links = constrained(tree.pages[tree.root], "EqualToRelation")
    values = [link.bounds[0].value.value for link in links]
    assert sorted(values) == sorted({text_of(each) for each in OPERATORS})
    for link in links:
        assert tree.held(link.target) == matching(tree, link.bounds)
    spelled = {value.value for member, page in tree.members.items() for value in page.facts.along(member, LABEL)}
    assert spelled == set(OPERATORS)


def test_tree_31_iris_are_equal_as_texts(library: Library, site: Site) -> None:
    """TREE-31: an IRI is behind the relation to that very IRI, which is an IRI itself; groups say nothing of what is inside."""
    tree = library.tree(NAME, "by-garage")
    links = [link for _, link in tree.links() if {bound.kind for bound in link.bounds} == {"EqualToRelation"}]
    assert len(links) == 83
    assert any("/group/" in link.target for link in tree.pages[tree.root].links)
    for link in links:
        value = link.bounds[0].value
        assert isinstance(value, NamedNode)
        assert value.value.startswith(f"{site.base}/{NAME}/entities/")
        assert tree.held(link.target) == matching(tree, link.bounds)


@pytest.mark.parametrize("view", ["by-name", "by-letter-share"])
def test_tree_35_prefixes_are_cut_by_code_point(library: Library, view: str) -> None:
    """TREE-30, TREE-35: behind a prefix are exactly the texts that start so, whatever their language; each link adds a character."""
    tree = library.tree(NAME, view)
    prefixes = set()
    for page, link in tree.links():
        if {bound.kind for bound in link.bounds} == {"PrefixRelation"}:
            prefix = link.bounds[0].value.value
            prefixes.add(prefix)
            assert len(prefix) == 1 + (len(prefix_of(tree, page)) if page.url != tree.root else 0)
            assert tree.held(link.target) == matching(tree, link.bounds)
    assert any(len(prefix) == 1 and ord(prefix) > 0xFFFF for prefix in prefixes)


def prefix_of(tree: Tree, page: Read) -> str:
    """Return the prefix that leads to a page."""
    (link,) = [link for _, link in tree.links() if link.target == page.url]
    return link.bounds[0].value.value


@pytest.mark.parametrize("view", ["by-tile", "by-tile-hour"])
def test_tree_36_areas_contain_what_is_behind(library: Library, view: str) -> None:
    """TREE-36, TREE-37, TREE-38: areas and geometries are WKT in CRS84, longitude first, and nothing touches its area's edge."""
    tree = library.tree(NAME, view)
    links = [link for _, link in tree.links() if any(bound.kind.startswith("Geo") for bound in link.bounds)]
    inside = set()
    for link in links:
        (bound,) = link.bounds
        assert bound.path == GEOMETRY
        assert len(set(places(bound.value))) == 4
        for member in tree.held(link.target):
            for value in tree.members[member].facts.along(member, GEOMETRY):
                assert satisfies(value, bound)
                inside.add(value.value)
    # What is on the edge of a tile is inside its polygon; what no tile holds, or is not in CRS84, is behind no area.
    assert PLACES[2] in inside
    assert inside & set(PLACES[4:6] + PLACES[8:]) == set()
    assert len(inside) >= 5


def test_tree_38_what_is_elsewhere_is_still_found(library: Library) -> None:
    """TREE-18, TREE-38: members without a place, off every tile or in another reference system are behind plain links only."""
    tree = library.tree(NAME, "by-tile")
    (link,) = [link for link in tree.pages[tree.root].links if not link.bounds]
    held = {
        value.value: value
        for member in tree.held(link.target)
        for value in tree.members[member].facts.along(member, GEOMETRY)
    }
    assert set(held) == set(PLACES[4:6] + PLACES[8:])
    assert any(not tree.members[member].facts.along(member, GEOMETRY) for member in tree.held(link.target))
    with pytest.raises(IncomparableError, match="another reference system"):
        places(held[PLACES[9]])
    assert all(isinstance(value, Literal) for value in held.values())


# --- search forms ---------------------------------------------------------------------------------------------------


def variables(page: Read) -> tuple[str, dict[str, str]]:
    """Return the template of a root's search form, and its variables by the property that they stand for."""
    (form,) = [value for _, value in page.facts.pairs(f"{TREE}search")]
    assert not isinstance(form, Literal)
    found = {}
    for mapping in page.facts.objects(form, f"{HYDRA}mapping"):
        assert not isinstance(mapping, Literal)
        name = page.facts.one(mapping, f"{HYDRA}variable").value
        found[page.facts.one(mapping, f"{HYDRA}property").value.removeprefix(TREE)] = name
    return page.facts.one(form, f"{HYDRA}template").value, found


def searched(site: Site, tree: Tree, said: dict[str, str]) -> set[NamedNode]:
    """Fill in a view's form, go where it leads, and return all members that are reached from there."""
    template, names = variables(tree.pages[tree.root])
    assert names.keys() == said.keys()
    for word, value in said.items():
        assert f"{{{names[word]}}}" in template
        template = template.replace(f"{{{names[word]}}}", quote(value, safe=""))
    answer = site.get(template, LINES)
    while answer.status in (301, 302, 303, 307, 308):
        answer = site.get(answer.headers["location"], LINES)
    assert answer.status == 200
    page = read(answer, tree.stream)
    return {*page.members, *(member for link in page.links for member in tree.held(link.target))}


@pytest.mark.parametrize("view", ["by-tile", "by-tile-hour"])
def test_tree_43_rows_count_from_the_north(site: Site, library: Library, view: str) -> None:
    """TREE-42, TREE-43, TREE-45: the tile of a point at any zoom, by the definition of slippy maps, leads to all members there."""
    tree = library.tree(NAME, view)
    for place in ("3.7234 51.0489", "3.515625 51.0", "-70.5 -33.4"):
        longitude, latitude = (float(each) for each in place.split())
        there = {
            member
            for member, page in tree.members.items()
            for value in page.facts.along(member, GEOMETRY)
            if value.value.startswith("POINT") and place in value.value
        }
        assert there
        for zoom in (0, 5, 8, 10, 14, 17):
            count, bend = 2**zoom, math.log(math.tan(math.radians(latitude)) + 1 / math.cos(math.radians(latitude)))
            x, y = int((longitude + 180) / 360 * count), int((1 - bend / math.pi) / 2 * count)
            said = {"zoom": str(zoom), "longitudeTile": str(x), "latitudeTile": str(y)}
            assert there <= searched(site, tree, said)


@pytest.mark.parametrize("view", ["log", "by-hour"])
def test_tree_44_a_time_leads_to_its_members(site: Site, library: Library, view: str) -> None:
    """TREE-41, TREE-44, TREE-45: a member's time leads to all members of that time, a time without members to some page."""
    tree = library.tree(NAME, view)
    path = by_time(tree)
    by_value: dict[str, set[NamedNode]] = {}
    for member, page in tree.members.items():
        (value,) = page.facts.along(member, path)
        by_value.setdefault(value.value, set()).add(member)
    for moment, members in list(by_value.items())[::9]:
        assert members <= searched(site, tree, {"timeQuery": moment})
    for nobody in ("1999-01-01T00:00:00Z", "2026-11-23T06:01:00.001+01:00", "2031-01-01T00:00:00Z"):
        searched(site, tree, {"timeQuery": nobody})
