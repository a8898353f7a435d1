"""Answers to posted documents, kept in PostgreSQL for senders that ask again."""

from __future__ import annotations

from ldes_server.database import Database
from ldes_server.posting import Kept


class PostgresAnswers:
    """`posting.KeptAnswers` in the schema `ldes`; the database is entered by the caller."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def answer(self, stream: str, key: str) -> Kept | None:
        """Return the answer kept under a key, None when there is none (any more)."""
        row = await self._database.row("answer", stream, key)
        return None if row is None else Kept(**row)

    async def keep_answer(self, stream: str, key: str, kept: Kept) -> None:
        """Keep an answer for a day, unless one is kept; what is older goes."""
        await self._database.rows("keep_answer", stream, key, kept.digest, kept.status, kept.media, kept.body)
