-- The log's queries: each under its name, with what it promises.

-- name: append
-- Append packs of $2 records in all: the offset of each one's last record from the first number of the append, and its
-- columns. Locks the topic until the transaction ends: this statement, where it is alone. The clock is read after the lock
-- was taken, and readers are woken when the transaction commits. No row for a topic that does not exist.
WITH place AS (
    UPDATE log.topics SET next = next + $2 WHERE name = $1
    RETURNING id, next - $2 AS first, date_trunc('milliseconds', clock_timestamp()) AS at, pg_notify('log', name)
), added AS (
    INSERT INTO log.packs (number, at, topic, count, size, headers, key, value)
    SELECT place.first + pack.last, place.at, place.id, pack.count, pack.size, pack.headers, pack.key, pack.value
    FROM place, unnest($3::bigint[], $4::integer[], $5::integer[], $6::bytea[], $7::bytea[], $8::bytea[])
        AS pack (last, count, size, headers, key, value)
)
SELECT first FROM place

-- name: append_together
-- Append to the topics $1, $2 records to each, all or none: returns how many topics, 0 when one of them does not exist. The
-- packs come with the name of their topic. What `append` promises holds for each of the topics; whoever appends to several
-- that others append to together as well may be chosen to give way (deadlock), and tries again.
WITH place AS (
    UPDATE log.topics AS t SET next = t.next + asked.records
    FROM unnest($1::text[], $2::bigint[]) AS asked (name, records)
    WHERE t.name = asked.name AND (SELECT count(*) FROM log.topics WHERE name = ANY ($1)) = cardinality($1)
    RETURNING
        t.id, t.name, t.next - asked.records AS first, date_trunc('milliseconds', clock_timestamp()) AS at,
        pg_notify('log', t.name)
), added AS (
    INSERT INTO log.packs (number, at, topic, count, size, headers, key, value)
    SELECT place.first + pack.last, place.at, place.id, pack.count, pack.size, pack.headers, pack.key, pack.value
    FROM unnest($3::text[], $4::bigint[], $5::integer[], $6::integer[], $7::bytea[], $8::bytea[], $9::bytea[])
        AS pack (name, last, count, size, headers, key, value)
    JOIN place ON place.name = pack.name
)
SELECT count(*) FROM place

-- name: create
-- Bring a topic into being; one that exists stays as it is.
INSERT INTO log.topics (name) VALUES ($1) ON CONFLICT (name) DO NOTHING

-- name: topics
-- Every topic there is.
SELECT name FROM log.topics

-- name: end
-- The number of the newest entry, -1 for an empty topic; no row for a topic nobody wrote to.
SELECT next - 1 FROM log.topics WHERE name = $1

-- name: ends
-- The number of the newest entry of each of some topics, those that nobody wrote to left out.
SELECT name, next - 1 FROM log.topics WHERE name = ANY ($1::text[])

-- name: read
-- The packs that hold the entries above $2: those that end within $3 entries, but always one if there is one, and of those
-- no more than fit in $4 bytes. `after` is $2, or the last offset that is not there any more; `newest` the topic's end. Offsets are dense, so the
-- range is known beforehand. The size of a value is known without reading it (EXTERNAL storage; and what is packed has its
-- size beside it), so what does not fit is never fetched.
WITH place AS (
    SELECT p.topic, p.number, greatest($2, t.first - 1, p.number - p.count) AS after, t.next - 1 AS newest
    FROM log.topics AS t, LATERAL (
        SELECT topic, number, count FROM log.packs
        WHERE topic = t.id AND number > $2 AND number >= t.first
        ORDER BY number
        LIMIT 1
    ) AS p
    WHERE t.name = $1
)
SELECT after, newest, number, at, count, size, headers, key, value
FROM (
    SELECT
        place.after, place.newest, p.number, p.at, p.count, p.size, p.headers, p.key, p.value,
        sum(p.weight) OVER (ORDER BY p.number ROWS UNBOUNDED PRECEDING) - p.weight AS before
    FROM place, LATERAL (
        SELECT *, greatest(packs.size, octet_length(packs.value)) AS weight FROM log.packs
        WHERE topic = place.topic AND packs.number >= place.number
            AND packs.number <= greatest(place.number, place.after + $3)
        ORDER BY packs.number
    ) AS p
) AS sized
WHERE before < $4
ORDER BY number

-- name: last
-- The newest pack of a topic.
SELECT number, at, count, size, headers, key, value
FROM log.packs
WHERE topic = (SELECT id FROM log.topics WHERE name = $1)
ORDER BY number DESC
LIMIT 1

-- name: commit
-- Save how far a group is; going back is allowed.
INSERT INTO log.commits (reader, topic, number) VALUES ($1, $2, $3)
ON CONFLICT (reader, topic) DO UPDATE SET number = excluded.number

-- name: committed
-- How far a group is; no row for one that never committed.
SELECT number FROM log.commits WHERE reader = $1 AND topic = $2

-- name: kept
-- The oldest pack there is, none of an empty topic, and the oldest entry to keep: the first younger than $2, at most the
-- newest. The entries of a pack are equally old. Walks over no more packs than will be dropped.
SELECT
    id,
    (SELECT number FROM log.packs WHERE topic = id ORDER BY number LIMIT 1) AS pack,
    least(
        next - 1,
        (
            SELECT number - count + 1 FROM log.packs
            WHERE topic = id AND at >= clock_timestamp() - $2::interval
            ORDER BY number
            LIMIT 1
        )
    ) AS keep
FROM log.topics
WHERE name = $1

-- name: drop
-- Delete the packs that end in a range of numbers; locks nobody, since nobody updates packs.
DELETE FROM log.packs WHERE topic = $1 AND number >= $2 AND number < $3

-- name: dropped
-- Remember that nothing before a number is kept; returns how many entries that are more than before.
UPDATE log.topics AS held SET first = $2
FROM (SELECT id, first FROM log.topics WHERE id = $1 FOR UPDATE) AS old
WHERE held.id = old.id AND old.first < $2
RETURNING $2 - old.first
