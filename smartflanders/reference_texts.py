"""The long texts of the reference pages: live streams, digests, models."""

from __future__ import annotations

LIVE = """\
# Live streams

`GET /{stream}/live` gives every new member the moment it is published, as Server-Sent Events (`text/event-stream`), and does not
end. How to use it: [stay live](../how-to/stay-live.md).

## Where it begins

| Asked with | Begins with |
|---|---|
| nothing | the next member that is published |
| `?since=1234` | the member with this `sequence` |
| `?since=2026-11-23T08:00:00Z` | the first member published then or later (RFC 3339, with its zone); the next one if there is none yet |
| header `Last-Event-ID: 1234` | the member after this one. A browser sends it by itself when it comes back; it counts more than `since` |

Whatever comes is the history from there on, in order, each member once. Coming back with the last `id` goes on behind it, also
after a restart of the server, also from another server of the same feed.

## What comes

| Event | `id` | `data` |
|---|---|---|
| `member` | its `sequence` | the member in one line of JSON: as in the pages, with a link to its context as `@context` |
| `gap` | the last one missing | `{"from":…,"to":…,"reason":…}`: these numbers cannot be given: `no longer kept`, or `not published yet` where somebody asks for what is beyond the newest (a server restored from a backup, say). The stream goes on behind it, or at the newest |
| `end` | | `{"reason":…}`: the last event. `stopped`: the server goes down; `slow`: nothing was taken for {patience} seconds; `store`: the database did not answer. Come back |
| none | where to resume | at the very beginning, with `retry:`, the milliseconds to wait before coming back |

After {heartbeat} seconds of silence there is a comment (`: heartbeat`). Answers other than 200 are problem documents: 400 for a
`since` or a `Last-Event-ID` that is not of its form, 404 for an unknown stream, 503 with `Retry-After` above {listeners}
listeners in a server. A browser's `EventSource` does not come back by itself after those; a script should.

A listener that takes less than is published is fed at its own pace, from memory and then from the database; it waits for
nobody and nobody for it.
"""

DIGESTS = """\
# Digests

A page of the history is closed once it is full, and then signed off, within seconds: the number of its members and digests of
them. With these whoever holds a copy can prove that it is complete, in order and unaltered: [prove a copy](../how-to/prove-a-copy.md).

Roots say where that is told of their stream: `digests` in JSON, `<https://w3id.org/smartflanders/ns#digests>` in RDF.

| Address | What |
|---|---|
| `/{stream}/digests` | JSON: `pages` and `members` signed off, `pageSize`, the newest `chain`, and the addresses of all `parts` |
| `/{stream}/digests/{part}` | one line of JSON per page (NDJSON), {lines} pages; never changes once it is full |

| Key of a line | What |
|---|---|
| `page` | the `index` of the page: its members are at `/{stream}/log/0/{page}` |
| `first`, `last`, `count` | the `sequence` of its first and last member, and how many there are |
| `ids` | SHA-256 of a line per member, in order: `sequence`, a space, `generatedAtTime`, a space, `@id`, a line feed |
| `json` | SHA-256 of a line per member, in order: its JSON as the JSON-LD page has it, byte for byte, and a line feed |
| `chain` | SHA-256 of three texts in one: the `chain` of the line before (64 zeros for the first), `ids`, `json` |

Digests are written in lower-case hexadecimal; everything is UTF-8. `generatedAtTime` is spelled as in the pages, with
milliseconds and `Z`. `ids` can be made from every form of a page, RDF and JSON alike, and proves which members there are and in
what order. `json` needs the text that was served, and proves what they say. `chain` needs no members at all.

What a line says never changes, whatever retention drops later. Pages are numbered without gaps, except where a page was no
longer kept when digests came into use.

An example, the page of two members:

```json
{example}
```
"""

MODELS = (
    "# Reference models\n\nThe names that a source file binds. Besides them every source binds `entity` (required: what "
    "the item is about), `observed_at` (required: when) and may bind `point`. A name of a group is bound inside "
    "that group. At a running site `/models/<model>` has the context (JSON-LD), the SHACL shape (Turtle) and an "
    "explanation.\n"
)
