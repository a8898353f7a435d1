"""Payloads to items: what a decoder finds in the body, each with what came around it under `$message`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from ingest.decoders.items import Break, Item, Wanted
from ingest.decoders.table import decode
from ingest.paths import MESSAGE, WHOLE
from streams.record import Payload, Reason

# Words of a message that say something of its body: how long it was before it was cut, and that it has none on purpose.
SIZE = "size"
TOMBSTONE = "tombstone"
_EXCERPT = 200


def read(payload: Payload, wanted: Wanted) -> Iterator[Item | Break]:
    """Yield the items of a payload.

    The topic of a message can be read by its levels, too: `$message.levels[0]`. The deletion of a key (a tombstone of
    Kafka) is one item without values.
    """
    if not payload.message:
        return decode(payload.body, payload.media_type, wanted, received=payload.received_at)
    return _around(payload, wanted)


def _around(payload: Payload, wanted: Wanted) -> Iterator[Item | Break]:
    message: dict[str, Any] = dict(payload.message)
    if (size := message.get(SIZE)) is not None:
        detail = f"a message of {size} bytes, more than max_bytes of the source file allows; its beginning is kept"
        yield Break(reason=Reason.FORBIDDEN, path="$", detail=detail, excerpt=payload.body[:_EXCERPT])
        return
    if type(topic := message.get("topic")) is str:
        message["levels"] = topic.split("/")
    if message.get(TOMBSTONE):
        yield Item({}, {MESSAGE: message}, WHOLE, 0)
        return
    root: Mapping[str, Any] | None = None
    # Asked here, because it may ask for what came around the document.
    only = wanted.only
    wanted = wanted if only is None else replace(wanted, only=None)
    for found in decode(payload.body, payload.media_type, wanted, received=payload.received_at):
        if isinstance(found, Item):
            if found.root is not root:
                root = found.root
                # A decoder makes the root of each document anew.
                if type(root) is dict:
                    root[MESSAGE] = message
            item = found if type(root) is dict else found._replace(root={**found.root, MESSAGE: message})
            if only is None or only(item.value, item.root):
                yield item
        else:
            yield found
