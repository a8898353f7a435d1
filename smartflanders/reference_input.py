"""The table of bad input in the reference: what comes, the answer, and the test that shows it."""

from __future__ import annotations

# What readers and senders of a feed get wrong, the answer, and the test that shows it; each stores nothing.
BAD_INPUT: tuple[tuple[str, str, str], ...] = (
    (
        "an Accept without any of our types",
        "406 that lists them",
        "test_an_unknown_accept_is_told_what_there_is",
    ),
    (
        "a value that is not of its form, or a parameter that is not there",
        "400 that names it and says the form",
        "test_a_wrong_value_is_named_with_its_form",
    ),
    (
        "a stream that is not there",
        "404 with the nearest names",
        "test_an_unknown_stream_names_the_nearest",
    ),
    (
        "parameters in another order, or one twice",
        "308 to the canonical address",
        "test_another_order_leads_to_the_canonical_one",
    ),
    (
        "a page beyond the tail",
        "404, kept for 2 seconds; a place beyond it leads to the root",
        "test_pages_beyond_the_tail_are_not_there_yet",
    ),
    (
        "a view whose path no member has",
        "all members in `none`, behind a plain `tree:Relation`",
        "test_a_view_whose_path_no_member_has_is_one_bucket",
    ),
    (
        "a blank node as member, a blank node used twice, a relative IRI, a time that is none (also those that RDF libraries pass)",
        "`rejected` with the reason; other members of the document are taken",
        "test_a_member_that_is_none_is_rejected_with_the_reason",
    ),
    (
        "a blank node that two members hang on",
        "both `rejected`",
        "test_blank_nodes_of_two_members_are_not_shared",
    ),
    (
        "a dangling blank node",
        "as object it is valid RDF and published as it is; as subject of its own it is `rejected`",
        "test_a_dangling_blank_node_is_published_as_it_is",
    ),
    (
        "a relative IRI in N-Triples or N-Quads",
        "400: the document cannot be read",
        "test_relative_addresses_are_refused_in_every_form",
    ),
    (
        "a member of 5 MB",
        "`rejected` with its size; 900,000 bytes are the most",
        "test_a_member_of_five_megabytes_has_its_own_answer",
    ),
    (
        "100,000 members in one POST, 500,000 statements, 300,000 values of JSON-LD",
        "413 with the limit; the process that reads has had some 400 MB at most",
        "test_a_hundred_thousand_members_at_once_are_refused",
    ),
    (
        "a document that takes two minutes of processor time to read",
        "413: send several",
        "test_what_would_go_on_is_given_up",
    ),
    (
        "a delivery to `/hooks/{source}` without its token",
        "401; with a wrong token or signature 403",
        "test_strangers_are_refused",
    ),
    (
        "a body that is larger than `max_bytes` of the source, packed or not",
        "413; one that cannot be unpacked 400 or 415",
        "test_bodies_have_bounds",
    ),
    (
        "more deliveries at once than the log takes",
        "429 for a source, 503 for all, with Retry-After; nothing that had a 202 is lost",
        "test_a_storm_is_told_to_come_back",
    ),
    (
        "a delivery while the log is away",
        "503 with Retry-After",
        "test_without_the_log_nothing_is_promised",
    ),
)
