"""Standing: what readers find of a stream's views until one of them is built, retired or kept otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ldes_server.hypermedia import describe
from ldes_server.log_view import VIEW
from ldes_server.model import PageId, Stream, ViewState
from ldes_server.render import Frame
from ldes_server.searches import Search, search_of
from ldes_server.store import PageStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What readers find of a stream's views, true for as long as `Head.views` is `version`.

    `states` has every build by name and number, `searches` what views can be asked for, `frame` what their roots say.
    """

    version: int
    states: Mapping[tuple[str, int], ViewState]
    searches: Mapping[str, Search]
    frame: Frame

    def readable(self) -> set[tuple[str, int]]:
        """Return the builds that are handed out."""
        return {key for key, state in self.states.items() if state.readable}

    def gone(self, page_id: PageId) -> bool:
        """Whether there was such a page, and it is not handed out any more."""
        found = [state for (name, _), state in self.states.items() if name == page_id.view]
        if page_id.is_root:
            return bool(found) and all(state.state in ("retired", "gone") for state in found)
        return any(state.build == page_id.build and state.state == "gone" for state in found)


async def read_standing(stream: Stream, store: PageStore, version: int, *, base_url: str) -> Standing:
    """Read how the views of a stream stand; `version` is the `Head.views` they have at least.

    Raises:
        StoreError: the store fails.

    """
    states = await store.views(stream.name)
    live = {each.name: each.definition for each in states if each.state == "live" and each.name != VIEW}
    searches = {name: it for name in sorted(live) if (it := search_of(live[name], stream.model))}
    policies = await store.policies(stream.name)
    return Standing(
        version=version,
        states={(state.name, state.build): state for state in states},
        searches=searches,
        frame=describe(stream, base_url, (VIEW, *sorted(live)), searches, policies),
    )
