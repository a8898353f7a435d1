"""What each compression that Kafka knows makes of real members, batch by batch, and what it costs this process."""

from __future__ import annotations

import statistics
import time
from datetime import UTC, datetime

import pytest
from aiokafka.record.default_records import DefaultRecordBatch, DefaultRecordBatchBuilder

from ingest.mapping import compile_mapping
from ingest.memory import Memory
from ingest.normalise import normalise
from streams.kafka_options import MAX_BATCH_BYTES
from streams.record import Record
from tests.benchmarks.minutes import BASE, documents, origin
from tests.unit.ingest.workbench import TRAFFIC, entry, lane_tables, pilot
from vocab.model import load_model

pytestmark = pytest.mark.benchmark

KINDS = {
    "none": 0,
    "gzip": DefaultRecordBatch.CODEC_GZIP,
    "lz4": DefaultRecordBatch.CODEC_LZ4,
    "zstd": DefaultRecordBatch.CODEC_ZSTD,
}
ROUNDS = 5


def minute() -> list[Record]:
    """Make the members of a MIV minute."""
    body, configuration, _ = documents()
    source = pilot(TRAFFIC)
    mapper = compile_mapping(source, load_model(source.model), base_url=BASE)
    received = datetime.now(UTC)
    payload = entry(body, media_type="text/xml", received=received)
    made = normalise([payload], mapper, Memory(), tables=lane_tables(configuration)).members
    return [member.to_record() for member in made]


def packed(records: list[Record], codec: int) -> list[bytes]:
    """Pack records into batches as the producer does."""
    batches, builder, place = [], None, 0
    for record in records:
        headers = list(record.headers.items())
        if builder is None or builder.append(place, 0, record.key, record.value, headers) is None:
            if builder is not None:
                batches.append(bytes(builder.build()))
            builder = DefaultRecordBatchBuilder(2, codec, 0, -1, -1, -1, MAX_BATCH_BYTES)
            place = 0
            builder.append(place, 0, record.key, record.value, headers)
        place += 1
    assert builder is not None
    return [*batches, bytes(builder.build())]


def unpacked(batches: list[bytes]) -> int:
    """Read all records of batches as a consumer does."""
    return sum(sum(1 for _ in DefaultRecordBatch(bytearray(batch))) for batch in batches)


def test_compressions_of_a_minute() -> None:
    """Print per compression the bytes of a minute's members, and the processor time to pack and to unpack them."""
    records = minute()
    plain = sum(len(record.value) for record in records)
    print(f"\n{len(records)} {origin()} members, {plain / 2**20:.1f} MB of JSON-LD")
    for name, codec in KINDS.items():
        costs: list[tuple[float, float]] = []
        for _ in range(ROUNDS):
            start = time.process_time()
            batches = packed(records, codec)
            middle = time.process_time()
            assert unpacked(batches) == len(records)
            costs.append((middle - start, time.process_time() - middle))
        size = sum(map(len, batches))
        pack, unpack = (statistics.median(cost[place] for cost in costs) * 1000 for place in (0, 1))
        print(f"{name:5} {size / 2**20:6.2f} MB, 1/{plain / size:4.1f}; pack {pack:5.0f} ms, unpack {unpack:5.0f} ms")
