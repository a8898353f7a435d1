"""Packs: how the rows of the log on PostgreSQL hold records; pure.

A pack is a run of records of one append, in one row: a row for each of them costs the server more than their bytes do.
A pack of one record keeps it as it is: its framed headers, its key, its value.

A pack of several has columns, one behind the other and compressed (zstd): the keys, the values, and for each name that a
header has, what each record says under it. Before them are their sizes, four bytes for each value of each column, where
`ABSENT` stands for a record without such a header. The row's headers name the header columns, in their order; its key is
empty.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import accumulate, chain, pairwise, repeat
from typing import Any, NamedTuple

from cramjam import zstd

from streams.record import Entry, Record

# A pack ends with the record that passes this many bytes: so much is unpacked for one of its records. A row costs next to
# nothing from a hundred records on, and readers seldom ask for fewer than 500.
PACK_BYTES = 256 * 1024
PACK_RECORDS = 500
ABSENT = 2**32 - 1
# Members of a source look like each other: 650 bytes become 40 to 150 in 1.4 us, and higher levels bring nothing.
_LEVEL = 1

# The lengths of a header's name and value.
_LENGTHS = struct.Struct(">HI")
# A third of the time of calling the classes; a reader that catches up spends much of its time there
# (tests/benchmarks/test_postgres_log.py).
_new: Any = tuple.__new__


class Pack(NamedTuple):
    """A row: `records` is how many it holds, `size` the bytes of their keys and values; the rest is as told above."""

    records: int
    size: int
    headers: bytes
    key: bytes
    value: bytes


def pack_headers(headers: Mapping[str, bytes]) -> bytes:
    """Frame headers as bytes: for each, the lengths of name (2 bytes) and value (4 bytes), then both."""
    parts: list[bytes] = []
    for name, value in headers.items():
        encoded = name.encode()
        parts += (_LENGTHS.pack(len(encoded), len(value)), encoded, value)
    return b"".join(parts)


def unpack_headers(packed: bytes) -> dict[str, bytes]:
    """Undo `pack_headers`."""
    headers = {}
    at, end = 0, len(packed)
    while at < end:
        length, size = _LENGTHS.unpack_from(packed, at)
        name = at + _LENGTHS.size
        value = name + length
        at = value + size
        headers[packed[name:value].decode()] = packed[value:at]
    return headers


def pack(records: Iterable[Record]) -> Iterator[Pack]:
    """Pack records in order, each pack as full as the bounds above allow."""
    held: list[Record] = []
    size = 0
    for record in records:
        held.append(record)
        size += len(record.key) + len(record.value)
        if size >= PACK_BYTES or len(held) == PACK_RECORDS:
            yield _packed(held, size)
            held, size = [], 0
    if held:
        yield _packed(held, size)


def _packed(records: Sequence[Record], size: int) -> Pack:
    if len(records) == 1:
        ((key, value, headers),) = records
        return Pack(1, size, pack_headers(headers), key, value)
    columns: list[Sequence[bytes]] = [[each.key for each in records], [each.value for each in records]]
    sizes = [len(each) for column in columns for each in column]
    names = dict.fromkeys(chain.from_iterable(each.headers for each in records), b"")
    for name in names:
        column = [each.headers.get(name) for each in records]
        sizes += [ABSENT if each is None else len(each) for each in column]
        columns.append([each for each in column if each])
    parts = chain((struct.pack(f">{len(sizes)}I", *sizes),), chain.from_iterable(columns))
    return Pack(len(records), size, pack_headers(names), b"", bytes(zstd.compress(b"".join(parts), level=_LEVEL)))


def unpack(last: int, at: datetime, packed: Pack) -> list[Entry]:
    """Return the entries of a pack that was appended at a time, of which the last has this offset."""
    count, _, headers, key, value = packed
    if count == 1:
        return [_new(Entry, (last, at, _new(Record, (key, value, unpack_headers(headers)))))]
    names = list(unpack_headers(headers))
    sizes, parts = _parts(bytes(zstd.decompress(value)), (len(names) + 2) * count)
    columns = [parts[start : start + count] for start in range(0, len(parts), count)]
    said = zip(*columns[2:], strict=True) if names else repeat((), count)
    headed = [dict(zip(names, each, strict=True)) for each in said]
    if ABSENT in sizes:
        _leave_out(headed, names, sizes[2 * count :])
    records = zip(range(last - count + 1, last + 1), columns[0], columns[1], headed, strict=True)
    return [_new(Entry, (offset, at, _new(Record, (key, value, named)))) for offset, key, value, named in records]


def _parts(block: bytes, count: int) -> tuple[Sequence[int], list[bytes]]:
    """Cut a block into as many values as it says the sizes of."""
    sizes = struct.unpack_from(f">{count}I", block)
    real = [0 if size == ABSENT else size for size in sizes] if ABSENT in sizes else sizes
    ends = accumulate(real, initial=4 * count)
    return sizes, [block[start:end] for start, end in pairwise(ends)]


def _leave_out(headed: Sequence[dict[str, bytes]], names: Sequence[str], sizes: Sequence[int]) -> None:
    for column, name in enumerate(names):
        for headers, size in zip(headed, sizes[column * len(headed) : (column + 1) * len(headed)], strict=True):
            if size == ABSENT:
                del headers[name]
