"""A looker: one Kafka consumer that answers single questions, where a reader's would be waiting for news."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from streams import kafka_client
from streams.kafka_client import SHORT_POLL, started, stopped, whole
from streams.kafka_options import KafkaOptions


class Looker:
    """Asks one question at a time, within the patience of the options; after a fault the next one gets a new consumer.

    Raises whatever the client raises.
    """

    def __init__(self, options: KafkaOptions) -> None:
        self._options = options
        self._consumer: Any = None
        self._asking = asyncio.Lock()

    async def ask(self, question: Callable[[Any], Coroutine[Any, Any, Any]]) -> Any:
        """Ask with the consumer, which belongs to nothing before and after."""
        async with asyncio.timeout(self._options.patience.total_seconds()), self._asking:
            if self._consumer is None:
                consumer = kafka_client.consumer(self._options, wait=SHORT_POLL)
                self._consumer = await started(consumer, self._options)
            try:
                answer = await whole(question(self._consumer))
                self._consumer.unsubscribe()
            except BaseException:
                await self.close()
                raise
            return answer

    async def close(self) -> None:
        """Close the connections, if there are any."""
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            await stopped(consumer)
