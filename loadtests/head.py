"""A reader of the head page: asks for the newest member over and over, and notes when each time of it was first seen."""

from __future__ import annotations

import http.client
import json
import threading
import time
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

# Between two looks: a hundredth of the age that is allowed at worst.
_PAUSE_SECONDS = 0.005


class HeadReader:
    """Reads the open leaf of a stream's chronological view in a thread of its own while entered.

    `seen` lists what it found: when, and the observed time of the newest member.
    """

    def __init__(self, base: str, stream: str) -> None:
        self.seen: list[tuple[datetime, datetime]] = []
        self.failures = 0
        self._stream = stream
        parts = urlsplit(base)
        assert parts.hostname is not None
        self._connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=10)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="head reader", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()
        self._connection.close()

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                newest = self._newest()
            except (OSError, http.client.HTTPException, ValueError, KeyError, IndexError):
                # Between the root and its leaf a page may turn; what is wrong for long shows as nothing seen.
                self.failures += 1
                self._connection.close()
                newest = None
            if newest is not None:
                self.seen.append((datetime.now(UTC), newest))
            time.sleep(_PAUSE_SECONDS)

    def _newest(self) -> datetime | None:
        """Return the observed time of the newest member that a client can see now."""
        root = self._get(f"/{self._stream}/log")
        relations = root["view"].get("relation", [])
        page = self._get(urlsplit(relations[-1]["node"]).path) if relations else root
        members = page.get("member", [])
        return datetime.fromisoformat(members[-1]["observedAt"]) if members else None

    def _get(self, path: str) -> Any:
        self._connection.request("GET", path, headers={"Accept": "application/ld+json"})
        answer = self._connection.getresponse()
        body = answer.read()
        if answer.status != 200:
            raise ValueError(f"{path} answered {answer.status}")
        return json.loads(body)
