"""Requirements of TREE, LDES and HTTP as named tests over HTTP against the real application and database.

Test names carry the requirement's id. Not covered here, each with the reason why:

- TREE-10: relative addresses are advised; ours are absolute, so that pages survive being stored elsewhere.
- LDES-08: follows from LDES-33 and LDES-36, which every page of our only view is tested for.
- LDES-09: a changed shape meets old members only across releases; models are versioned by their folder.
- LDES-19, LDES-20: our members use no named graphs.
- LDES-25, LDES-39: there is one view, the chronological one.
- LDES-40, HTTP-17, HTTP-30: bind consumers, not servers.
- HTTP-12, HTTP-13: overload needs a small gate; tests/integration/test_app.py has it.
- HTTP-14, HTTP-15: no page is dropped before there is retention; the store's contract covers a page without members.
- HTTP-16: pages are never merged.
- HTTP-24: no format outside the five is offered.
"""
