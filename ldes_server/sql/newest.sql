-- The view of newest versions: each query under its name, with what it promises.

-- name: number_new
-- Give numbers to the entities of the members from a sequence number on that have none, in the order of their members,
-- where the stream has a live view with this definition. The caller holds the stream's lock.
UPDATE ldes.latest AS held SET number = fresh.number
FROM (
    SELECT entity, coalesce((SELECT max(number) FROM ldes.latest WHERE stream = $1 AND number IS NOT NULL) + 1, 0)
        + row_number() OVER (ORDER BY told.sequence) - 1 AS number
    FROM (
        SELECT entity, min(sequence) AS sequence FROM ldes.members WHERE stream = $1 AND sequence >= $2 GROUP BY entity
    ) AS told
    JOIN ldes.latest AS known USING (entity)
    WHERE known.stream = $1 AND known.number IS NULL
) AS fresh
WHERE held.stream = $1 AND held.entity = fresh.entity
    AND EXISTS (SELECT FROM ldes.views WHERE stream = $1 AND state = 'live' AND definition = $3)

-- name: number_some
-- Give numbers to some of the entities that have none, those whose newest members are oldest first; returns how many. The
-- caller holds the stream's lock.
WITH fresh AS (
    SELECT entity, coalesce((SELECT max(number) FROM ldes.latest WHERE stream = $1 AND number IS NOT NULL) + 1, 0)
        + row_number() OVER (ORDER BY sequence) - 1 AS number
    FROM (SELECT entity, sequence FROM ldes.latest WHERE stream = $1 AND number IS NULL ORDER BY sequence LIMIT $2) AS next
), numbered AS (
    UPDATE ldes.latest AS held SET number = fresh.number FROM fresh
    WHERE held.stream = $1 AND held.entity = fresh.entity
    RETURNING 1
)
SELECT count(*) FROM numbered

-- name: numbered
-- How many entities of a stream have a number.
SELECT coalesce(max(number) + 1, 0) FROM ldes.latest WHERE stream = $1 AND number IS NOT NULL

-- name: newest_members
-- The newest members of the entities with these numbers, in the order of publication.
SELECT m.sequence, m.published_at, m.id, m.entity, m.observed_at, m.longitude, m.latitude, m.deleted, m.body
FROM ldes.latest AS newest
JOIN ldes.members AS m USING (stream, sequence)
WHERE newest.stream = $1 AND newest.number >= $2 AND newest.number < $3
ORDER BY m.sequence
