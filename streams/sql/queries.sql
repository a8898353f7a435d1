-- The log's queries: each under its name, with what it promises.

-- name: reserve
-- Reserve $2 numbers and lock the topic until the transaction ends. The clock is read after the lock was taken,
-- and readers are woken when the transaction commits.
UPDATE log.topics SET next = next + $2 WHERE name = $1
RETURNING id, next - $2 AS first, date_trunc('milliseconds', clock_timestamp()) AS at, pg_notify('log', name)

-- name: create
-- Bring a topic into being; one that exists stays as it is.
INSERT INTO log.topics (name) VALUES ($1) ON CONFLICT (name) DO NOTHING

-- name: topics
-- Every topic there is.
SELECT name FROM log.topics

-- name: end
-- The number of the newest entry, -1 for an empty topic; no row for a topic nobody wrote to.
SELECT next - 1 FROM log.topics WHERE name = $1

-- name: read
-- At most $3 entries above $2, and of those no more than fit in $4 bytes, but always one if there is one.
-- The size of a value is known without reading it (EXTERNAL storage), so what does not fit is never fetched.
SELECT number, at, headers, key, value
FROM (
    SELECT *, sum(octet_length(value)) OVER (ORDER BY number ROWS UNBOUNDED PRECEDING) - octet_length(value) AS before
    FROM (
        SELECT number, at, headers, key, value
        FROM log.entries
        WHERE topic = (SELECT id FROM log.topics WHERE name = $1) AND number > $2
        ORDER BY number
        LIMIT $3
    ) AS bounded
) AS sized
WHERE before < $4
ORDER BY number

-- name: last
-- The newest entry of a topic.
SELECT number, at, headers, key, value
FROM log.entries
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
-- The oldest entry there is and the oldest one to keep: the first younger than $2, at most the newest.
-- Walks over no more entries than will be dropped.
SELECT
    id,
    (SELECT number FROM log.entries WHERE topic = id ORDER BY number LIMIT 1) AS oldest,
    least(
        next - 1,
        (SELECT number FROM log.entries WHERE topic = id AND at >= clock_timestamp() - $2::interval ORDER BY number LIMIT 1)
    ) AS keep
FROM log.topics
WHERE name = $1

-- name: drop
-- Drop a range of entries; locks nobody, since nobody updates entries.
DELETE FROM log.entries WHERE topic = $1 AND number >= $2 AND number < $3
