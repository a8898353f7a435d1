"""A small SensorThings service over HTTP, by the words of the standard that the connector uses."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

from aiohttp import web

from tests.support.http_script import Asked, as_json


class Frost:
    """Answers `/v1.1/Observations` with `$filter` on a time, `$orderby`, `$top` and `$skip`, in pages with next links."""

    def __init__(self, *, most: int = 3, by: str = "phenomenonTime") -> None:
        self.observations: list[dict[str, Any]] = []
        self.most = most
        self.by = by
        self.lost = False  # whether pages that are led to are not kept

    def add(self, time: str | None, result: float | str, *, stream: int = 1) -> None:
        """Take an observation; times are RFC 3339, or intervals `start/end`."""
        number = len(self.observations) + 1
        self.observations.append(
            {
                "@iot.id": number,
                self.by: time,
                "result": result,
                "Datastream": {"@iot.id": stream, "name": f"s{stream}"},
            }
        )

    def __call__(self, asked: Asked) -> web.Response:
        """Answer one question."""
        if not asked.path.startswith("/v1.1/Observations?"):
            return web.Response(status=404)
        if self.lost and "$skip" in asked.query:
            return web.Response(status=400)
        found = re.search(rf"{self.by} ge (\S+)", asked.query["$filter"])
        assert found is not None
        assert asked.query["$orderby"] == f"{self.by} asc"
        since = _time(found.group(1))
        chosen = [it for it in self.observations if it[self.by] is None or _time(it[self.by]) >= since]
        chosen.sort(key=lambda it: _time(it[self.by] or "1970-01-01T00:00:00Z"))
        skip, top = int(asked.query.get("$skip", 0)), min(int(asked.query["$top"]), self.most)
        page: dict[str, Any] = {"value": chosen[skip : skip + top]}
        if skip + top < len(chosen):
            path = re.sub(r"&%24skip=\d+|&\$skip=\d+", "", asked.path)
            page["@iot.nextLink"] = f"http://{asked.headers['Host']}{path}&$skip={skip + top}"
        return as_json(page)


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text.partition("/")[0])
