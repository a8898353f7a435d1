-- What other worlds ask of the store: newest states by their entities, and the history of some entities.

-- name: newest_of
-- The newest members of some entities in some streams, deletions too; one lookup in the key of ldes.latest for each pair.
SELECT
    s.name, m.sequence, m.published_at, m.id, m.entity, m.observed_at, m.longitude, m.latitude, m.deleted, m.body
FROM ldes.streams AS s
CROSS JOIN unnest($2::text[]) AS asked (entity)
CROSS JOIN LATERAL (
    SELECT l.sequence FROM ldes.latest AS l WHERE l.stream = s.id AND l.entity = asked.entity LIMIT 1
) AS newest
CROSS JOIN LATERAL (
    SELECT * FROM ldes.members AS held WHERE held.stream = s.id AND held.sequence = newest.sequence LIMIT 1
) AS m
WHERE s.name = ANY ($1::text[])

-- name: entities
-- How many entities of a stream are not deleted, where $2 only those with a place: a row of ldes.latest each.
SELECT count(*) FROM ldes.latest
WHERE stream = (SELECT id FROM ldes.streams WHERE name = $1) AND NOT deleted AND (longitude IS NOT NULL OR NOT $2)

-- name: blocks
-- The blocks from $2 to before $3, at most $7, that may hold members observed from $4 to $5: those whose extent says so, and
-- those of which none is written down. The highest first where $6.
SELECT asked.block
FROM generate_series($2::bigint, $3::bigint - 1) AS asked (block)
LEFT JOIN ldes.extents AS e
    ON e.stream = (SELECT id FROM ldes.streams WHERE name = $1) AND e.block = asked.block
WHERE e.block IS NULL OR (
    ($5::timestamptz IS NULL OR e.observed_from <= $5) AND ($4::timestamptz IS NULL OR e.observed_to >= $4)
)
ORDER BY CASE WHEN $6 THEN -asked.block ELSE asked.block END
LIMIT $7

-- name: trail
-- The members with numbers from $2 to before $3, of these entities (none: of all), observed from $4 to $5, at most $7: the
-- highest number first where $6. A range of the key: what is between the numbers is read, whatever matches of it.
SELECT m.sequence, m.published_at, m.id, m.entity, m.observed_at, m.longitude, m.latitude, m.deleted, m.body
FROM ldes.streams AS s
JOIN ldes.members AS m ON m.stream = s.id
WHERE s.name = $1 AND m.sequence >= $2 AND m.sequence < $3
    AND (cardinality($8::text[]) = 0 OR m.entity = ANY ($8))
    AND ($4::timestamptz IS NULL OR m.observed_at >= $4) AND ($5::timestamptz IS NULL OR m.observed_at <= $5)
ORDER BY CASE WHEN $6 THEN -m.sequence ELSE m.sequence END
LIMIT $7
