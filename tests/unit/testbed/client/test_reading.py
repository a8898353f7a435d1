"""What pages and descriptions say: paths, relations, retention, single values, and members as lines."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from pyld import jsonld
from pyoxigraph import CanonicalizationAlgorithm, Literal, NamedNode, RdfFormat, parse
from pyoxigraph import Dataset as Canonical

from testbed.client.description import describe
from testbed.client.extraction import extract
from testbed.client.fetching import Answer
from testbed.client.graph import Dataset
from testbed.client.hypermedia import read_page
from testbed.client.lines import expanded, nquads, written_members
from testbed.client.order import Bound, load_bound
from testbed.client.paths import parse_path, predicate, read_path, sequence, values
from testbed.client.reading import Reading
from testbed.client.replica import pause
from testbed.client.retention import Policy, read_policies, shortest_window
from testbed.client.terms import Kind
from testbed.feed.documents import DESCRIPTION, PREFIXES

BASE = "http://feed/"


def read(trig: str) -> Dataset:
    """Parse TriG."""
    return Dataset(parse((PREFIXES + trig).encode(), format=RdfFormat.TRIG, base_iri=BASE))


# --- paths ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "found"),
    [
        ("ex:a", ["1", "2"]),
        ("( ex:b ex:c )", ["3"]),
        ("( ex:a )", ["1", "2"]),
        ("[ sh:alternativePath ( ex:a ( ex:b ex:c ) ) ]", ["1", "2", "3"]),
        ("( [ sh:inversePath ex:has ] ex:name )", ["owner"]),
        ("( [ sh:zeroOrMorePath ex:next ] ex:name )", ["self", "n1", "n2"]),
        ("( [ sh:oneOrMorePath ex:next ] ex:name )", ["n1", "n2", "self"]),
        ("( [ sh:zeroOrOnePath ex:next ] ex:name )", ["self", "n1"]),
    ],
)
def test_every_shacl_path_is_followed(written: str, found: list[str]) -> None:
    """TREE-15: every form of a SHACL path is read and followed; a circle ends."""
    data = read(
        f"<s> ex:path {written} . <m> ex:a '1', '2' ; ex:b [ ex:c '3' ] ; ex:name 'self' ; ex:next <n1> .\n"
        "<n1> ex:name 'n1' ; ex:next <n2> . <n2> ex:name 'n2' ; ex:next <m> . <o> ex:has <m> ; ex:name 'owner' ."
    )
    (node,) = data.objects(NamedNode(f"{BASE}s"), "https://example.org/ns#path")
    path = read_path(data, node)
    assert path is not None
    assert sorted(
        str(it.value) for it in values(path, NamedNode(f"{BASE}m"), data) if isinstance(it, Literal)
    ) == sorted(found)


@pytest.mark.parametrize(
    "written",
    [
        "'text'",
        "[]",
        "[ sh:inversePath ex:a ; sh:zeroOrMorePath ex:a ]",
        "[ rdf:first ex:a ]",
        "[ rdf:first ex:a ; rdf:rest [] ]",
    ],
)
def test_what_is_no_path_is_none(written: str) -> None:
    """TREE-15: a literal, an empty node, two forms in one, a list without an end: no path, so no promise."""
    data = read(f"<s> ex:path {written} .")
    (node,) = data.objects(NamedNode(f"{BASE}s"), "https://example.org/ns#path")
    assert read_path(data, node) is None


def test_paths_as_people_type_them() -> None:
    """An IRI, or IRIs in angle brackets; what is neither is refused."""
    assert parse_path("urn:a") == predicate("urn:a")
    assert parse_path("<http://a/b>/<urn:c>") == sequence(predicate("http://a/b"), predicate("urn:c"))
    for wrong in ("", "a", "urn:a urn:b", "<urn:a>/b", "urn:<a>"):
        with pytest.raises(ValueError, match="is no path"):
            parse_path(wrong)


# --- relations --------------------------------------------------------------------------------------------------------


def relations(trig: str) -> list[tuple[str, Kind, int | None]]:
    """Read the relations of a page."""
    page = read_page(read(trig), [BASE], f"{BASE}s")
    return [(it.node.removeprefix(BASE), it.kind, it.remaining) for it in page.relations]


@pytest.mark.parametrize(
    "said",
    [
        "tree:node <n>",
        "a tree:Relation ; tree:node <n>",
        "a ex:Odd ; tree:node <n> ; tree:path ex:p ; tree:value 1",
        "a tree:LessThanRelation , ex:Odd ; tree:node <n> ; tree:path ex:p ; tree:value 1",
        "a tree:LessThanRelation , tree:EqualToRelation ; tree:node <n> ; tree:path ex:p ; tree:value 1",
        "a tree:LessThanRelation ; tree:node <n> ; tree:path ex:p , ex:q ; tree:value 1",
        "a tree:LessThanRelation ; tree:node <n> ; tree:path ex:p ; tree:value 1 , 2",
        "a tree:LessThanRelation ; tree:node <n> ; tree:path ex:p",
        "a tree:LessThanRelation ; tree:node <n> ; tree:path 'p' ; tree:value 1",
    ],
)
def test_what_is_not_understood_promises_nothing(said: str) -> None:
    """CLI-13: a relation that is not fully understood is followed without a condition."""
    assert relations(f"<> tree:relation [ {said} ] .") == [("n", Kind.ANY, None)]


def test_only_relations_of_the_page_with_one_node_are_followed() -> None:
    """TREE-11, TREE-12: those of other subjects and those without one IRI to follow are not; counts are numbers."""
    trig = (
        "<> tree:relation [ tree:node <a#x> ; tree:remainingItems 7 ] , [ tree:node <b> , <c> ] , [] , [ tree:node 'd' ] .\n"
        "<other> tree:relation [ tree:node <e> ] .\n<> tree:relation [ tree:node <f> ; tree:remainingItems 'many' ] ."
    )
    assert relations(trig) == [("a", Kind.ANY, 7), ("f", Kind.ANY, None)]


# --- description and retention ----------------------------------------------------------------------------------------


def test_cli_17_the_context_is_read() -> None:
    """CLI-17: paths, polling, retention through the view description, and single values through nested shapes."""
    data = read(
        DESCRIPTION
        + "<> tree:viewDescription [ ldes:retentionPolicy <p> ] . <p> ldes:fullLogDuration 'P7D'^^xsd:duration ;"
        " ldes:versionAmount 3 ; ldes:versionDuration 'PT1H'^^xsd:duration ; ldes:startingFrom '2026-01-01T00:00:00Z'^^xsd:dateTime ."
    )
    about = describe(data, f"{BASE}feed", BASE, ())
    assert about.notes == ()
    assert set(about.paths) == {"timestampPath", "sequencePath", "versionOfPath"}
    assert about.polling == timedelta(seconds=1)
    (policy,) = about.policies
    assert (policy.full_log, policy.version_amount, policy.versions) == (timedelta(days=7), 3, timedelta(hours=1))
    assert policy.starting_from is not None
    assert shortest_window(about.policies) == timedelta(hours=1)
    place = parse_path("<https://example.org/ns#place>/<http://www.opengis.net/ont/geosparql#asWKT>")
    assert about.one_value(place)
    assert about.one_value(about.paths["versionOfPath"])
    assert not about.one_value(predicate("https://example.org/ns#other"))


@pytest.mark.parametrize(
    ("said", "policy"),
    [
        ("a ldes:DurationAgoPolicy ; tree:value 'P1D'^^xsd:duration", Policy(full_log=timedelta(days=1))),
        ("a ldes:LatestVersionSubset", Policy(version_amount=1)),
        ("a ldes:LatestVersionSubset ; ldes:amount '2'", Policy(version_amount=2)),
        ("a ldes:LatestVersionSubset ; ldes:versionAmount 5", Policy(version_amount=5)),
        ("ldes:versionDeleteDuration 'PT1H'^^xsd:duration", Policy(deletions=timedelta(hours=1))),
        ("a ex:Empty", Policy()),
    ],
)
def test_ret_16_older_policies_mean_the_same(said: str, policy: Policy) -> None:
    """RET-16: the classes of older feeds are read as the properties of 1.0, on the root as well (RET-02)."""
    assert read_policies(read(f"<> ldes:retentionPolicy [ {said} ] ."), BASE) == ((policy,), ())


def test_what_a_description_gets_wrong_is_noted() -> None:
    """LDES-03, RET-06 to RET-08: doubled paths and unreadable values are left out, each with a note."""
    data = read(
        "<feed> ldes:timestampPath ex:a , ex:b ; ldes:pollingInterval 'PT10S'^^xsd:duration . <> ldes:retentionPolicy "
        "[ ldes:fullLogDuration 'a week' ; ldes:versionAmount 0 ; ldes:startingFrom '2026' ] ."
    )
    about = describe(data, f"{BASE}feed", BASE, ())
    assert about.paths == {}
    assert about.policies == (Policy(),)
    assert [code for code in ("LDES-03", "seconds", "RET-06", "RET-07", "RET-08") if code in " ".join(about.notes)] == [
        *("LDES-03", "seconds", "RET-06", "RET-07", "RET-08")
    ]


def test_cli_15_the_pause_between_runs() -> None:
    """CLI-15: the later of pollingInterval and the root's max-age (A19), a minute where nothing is said, or as wished."""
    page = Reading(answer=Answer(names=(BASE,), status=200, max_age=timedelta(seconds=9)), data=Dataset(()))
    silent = Reading(answer=Answer(names=(BASE,), status=200), data=Dataset(()))
    about = describe(read(DESCRIPTION), f"{BASE}feed", BASE, ())
    assert pause(about, page, None) == timedelta(seconds=9)
    assert pause(about, silent, None) == timedelta(seconds=1)
    assert pause(describe(read(""), f"{BASE}feed", BASE, ()), silent, None) == timedelta(minutes=1)
    assert pause(about, page, timedelta(hours=1)) == timedelta(hours=1)


# --- lines ------------------------------------------------------------------------------------------------------------

MEMBERS = [
    "<m> ex:a 1 , 'één'@nl , 'line\\nfeed' ; a ex:T ; ex:b [ ex:c [ ex:d <x> ] ] .",
    "<m> ex:a _:n ; ex:b _:n . _:n ex:c _:n .",
    "<m> ex:a _:n . <m> { <y> ex:b _:n . _:n ex:c 2.50 . }",
    "<m> ex:g _:g . _:g { <z> ex:b 'inside' }",
]


@pytest.mark.parametrize("trig", MEMBERS)
def test_expanded_members_say_the_same(trig: str) -> None:
    """A member written as expanded JSON-LD is the same dataset, by a processor that is not ours."""
    member = extract(read(trig), f"{BASE}m")
    again = jsonld.to_rdf(json.loads(json.dumps(expanded(member))), {"format": "application/n-quads"})
    assert canonical(again) == canonical(nquads(member).decode())


def test_endless_chains_are_members_too() -> None:
    """A chain of two thousand blank nodes is written, shallow enough for any JSON reader, and says the same."""
    chain = "".join(f"_:n{number} ex:next _:n{number + 1} .\n" for number in range(2000))
    member = extract(read(f"<m> ex:next _:n0 .\n{chain}"), f"{BASE}m")
    line = json.dumps(expanded(member))
    again = parse(line.encode(), format=RdfFormat.JSON_LD)
    # A chain of 2001 steps: each node is named once as what follows, and all but the last go on.
    steps = {str(quad.subject): str(quad.object) for quad in again}
    node, length = f"<{BASE}m>", 0
    while node in steps:
        node, length = steps[node], length + 1
    assert length == len(steps) == 2001


def test_shapes_and_paths_that_multiply_end() -> None:
    """Ten shapes that each refer to all, and lists of lists of lists, are read in a moment and promise nothing much."""
    shapes = ""
    for number in range(10):
        every = " , ".join(f"<s{other}>" for other in range(10))
        shapes += (
            f"<s{number}> sh:property [ sh:path ex:p{number} ; sh:maxCount 1 ; sh:node {every} ] ; sh:node {every} .\n"
        )
    lists = "<l0> rdf:first ex:a ; rdf:rest rdf:nil .\n"
    for number in range(1, 12):
        lists += f"<l{number}> rdf:first <l{number - 1}> ; rdf:rest <r{number}> .\n"
        lists += f"<r{number}> rdf:first <l{number - 1}> ; rdf:rest rdf:nil .\n"
    data = read(f"<feed> tree:shape <s0> .\n{shapes}{lists}")
    assert describe(data, f"{BASE}feed", BASE, ()).one_value(predicate("https://example.org/ns#p0"))
    assert read_path(data, NamedNode(f"{BASE}l3")) is not None
    assert read_path(data, NamedNode(f"{BASE}l11")) is None


def canonical(quads: str) -> str:
    """Name blank nodes by what is said of them."""
    dataset = Canonical(parse(quads.encode(), format=RdfFormat.N_QUADS))
    dataset.canonicalize(CanonicalizationAlgorithm.UNSTABLE)
    return "\n".join(sorted(map(str, dataset)))


def test_labels_of_members_never_meet() -> None:
    """Two members with the same labels on their pages have different ones in one N-Quads file."""
    data = read("<m> ex:a [ ex:b 1 ] . <n> ex:a [ ex:b 1 ] .")
    lines = nquads(extract(data, f"{BASE}m")) + nquads(extract(data, f"{BASE}n"))
    assert len({line.split()[2] for line in lines.splitlines() if b"ns#a" in line}) == 2


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (
            '{"member":[{"@id":"/m/1","a":1.0},\n{"@id":"http://feed/m/2", "b":"é"}]}',
            {"m/1": '{"@id":"/m/1","a":1.0}', "m/2": '{"@id":"http://feed/m/2", "b":"é"}'},
        ),
        ('{"x": {"member": []}, "tree:member": {"id": "m/1"} , "y": 1}', {"m/1": '{"id": "m/1"}'}),
        ('{"member": [{"@id": "m/1",\n "a": 1}]}', {"m/1": '{"@id":"m/1","a":1}'}),
        ('{"member": [{"@id": "m/1", "b": {"@id": "_:b"}}, {"@id": "m/2"}]}', {"m/2": '{"@id": "m/2"}'}),
        ('{"@graph": [{"@id": "m/1"}], "member": [{"@id": "m/1"}]}', {}),
        ('{"member": ["m/1", 5, null]}', {}),
        ('[{"member": []}]', {}),
        ('{"member": [', {}),
        ("", {}),
        ("\xff", {}),
    ],
)
def test_members_as_they_are_written(body: str, found: dict[str, str]) -> None:
    """A framed page gives its members byte for byte, on one line; one that says more elsewhere gives none."""
    got = written_members(body.encode("latin-1" if body == "\xff" else "utf-8"), BASE)
    assert {iri.removeprefix(BASE): line.decode() for iri, line in got.items()} == found


def test_bounds_survive_being_written_down() -> None:
    """CLI-09: the bounds of a branch are the same after they were kept in the state."""
    for bound in (Bound(), Bound(beyond=True), Bound(rank=(2, "x"))):
        assert load_bound(bound.dump()) == bound
    assert load_bound("") == Bound()
