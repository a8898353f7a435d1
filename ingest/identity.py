"""Identity of entities: the same whenever and wherever they are named again."""

from __future__ import annotations

from ingest.conversions import is_iri
from streams.identity import slug

# Characters of an entity's own IRI; longer ones fit no index, and real ones end long before.
LONGEST_IRI = 1000


def entity_iri(key: str, *, base_url: str, stream: str) -> str:
    """Return the IRI of an entity: its key when that is a web address, else one minted below the stream."""
    if key.startswith(("http://", "https://")) and len(key) <= LONGEST_IRI and is_iri(key):
        return key
    return f"{base_url}/{stream}/entities/{slug(key)}"
