-- Reading the pages of views: each query under its name, with what it promises.

-- name: history
-- How far the history is, where it begins, what else its root depends on, and when the first member of the open leaf was
-- published, of pages of $2; none where the leaf is empty.
SELECT
    s.count, s.first, s.gone, s.views,
    (
        SELECT m.published_at FROM ldes.members AS m
        WHERE m.stream = s.id AND m.sequence = s.count - s.count % $2::bigint
    ) AS opened_at
FROM ldes.streams AS s WHERE s.name = $1

-- name: times
-- The publication times of single members.
SELECT sequence, published_at FROM ldes.members
WHERE stream = (SELECT id FROM ldes.streams WHERE name = $1) AND sequence = ANY ($2::bigint[])

-- name: survived
-- Which places the members of a range of numbers have in the bucket $4, where the history keeps those of older ones that it
-- keeps; no row where none of them is kept. Halving, since only places say how many are before a number: two looks at the
-- places for each bit of how many are kept.
WITH RECURSIVE kept AS (
    SELECT v.id AS view, v.build, b.number, b.count
    FROM ldes.views AS v JOIN ldes.buckets AS b ON b.view = v.id AND b.key = $4
    WHERE v.stream = (SELECT id FROM ldes.streams WHERE name = $1) AND v.name = 'log' AND v.state = 'live'
        AND EXISTS (SELECT FROM ldes.survivors AS of WHERE of.view = v.id AND of.sequence >= $2 AND of.sequence < $3)
), halving (bound, low, high) AS (
    SELECT bound, 0::bigint, kept.count FROM kept, unnest(ARRAY[$2, $3]::bigint[]) AS bound
    UNION ALL
    SELECT
        bound,
        CASE WHEN middle.sequence < bound THEN (low + high) / 2 + 1 ELSE low END,
        CASE WHEN middle.sequence < bound THEN high ELSE (low + high) / 2 END
    FROM halving CROSS JOIN kept CROSS JOIN LATERAL (
        SELECT sequences[(low + high) / 2 - start + 1] AS sequence FROM ldes.places
        WHERE view = kept.view AND bucket = kept.number AND start <= (low + high) / 2 ORDER BY start DESC LIMIT 1
    ) AS middle
    WHERE low < high
)
SELECT kept.build, kept.count AS total, min(low) AS start, max(low) AS stop
FROM kept CROSS JOIN halving WHERE low = high
GROUP BY kept.build, kept.count

-- name: find_bucket
-- A bucket of a build that readers may read; build 0 stands for the live one. `newest` is the publication time that
-- says what is closed: a retired build knows nothing newer than its retirement.
SELECT
    s.id AS stream, s.count AS published, s.first, v.id AS view, v.build, v.definition, b.number, b.count, b.children,
    CASE v.state WHEN 'live' THEN s.published_at ELSE v.closed_at END >= b.closes_at AS closed,
    CASE v.state WHEN 'live' THEN s.published_at ELSE v.closed_at END AS newest
FROM ldes.streams AS s
JOIN ldes.views AS v ON v.stream = s.id AND v.name = $2
JOIN ldes.buckets AS b ON b.view = v.id AND b.key = $4
WHERE s.name = $1 AND CASE $3::integer WHEN 0 THEN v.state = 'live' ELSE v.build = $3 AND v.state IN ('live', 'retired') END

-- name: child_buckets
-- The children of a bucket with these ranks, in order of creation.
SELECT key, bounds, total, closes_at <= $5 AS closed FROM ldes.buckets
WHERE view = $1 AND parent = $2 AND rank >= $3 AND rank < $4
ORDER BY rank

-- name: bucket_groups
-- The children of a bucket with these ranks, in groups of so many.
SELECT (rank / $5::bigint) AS index, sum(total)::bigint AS total, count(*) AS count, bool_and(coalesce(closes_at <= $6, false)) AS closed
FROM ldes.buckets
WHERE view = $1 AND parent = $2 AND rank >= $3 AND rank < $4
GROUP BY 1
ORDER BY 1

-- name: bucket_times
-- The publication times of the members at single places of a bucket.
SELECT asked.place, m.published_at
FROM unnest($4::bigint[]) AS asked (place)
CROSS JOIN LATERAL (
    SELECT start, sequences FROM ldes.places
    WHERE view = $2 AND bucket = $3 AND start <= asked.place ORDER BY start DESC LIMIT 1
) AS run
JOIN ldes.members AS m ON m.stream = $1 AND m.sequence = run.sequences[asked.place - run.start + 1]

-- name: bucket_members
-- The members at a range of places of a bucket, in order.
SELECT m.sequence, m.published_at, m.id, m.entity, m.observed_at, m.longitude, m.latitude, m.deleted, m.body
FROM ldes.places AS run
CROSS JOIN LATERAL unnest(run.sequences[greatest(1, $4 - run.start + 1):$5 - run.start]) AS held (sequence)
JOIN ldes.members AS m ON m.stream = $1 AND m.sequence = held.sequence
WHERE run.view = $2 AND run.bucket = $3 AND run.start < $5
    AND run.start >= (SELECT max(start) FROM ldes.places WHERE view = $2 AND bucket = $3 AND start <= $4)
ORDER BY m.sequence

-- name: all_views
-- Every build of the views of all streams, those of a stream oldest first.
SELECT s.name AS stream, v.id, v.name, v.build, v.state, v.definition, v.placed, v.buckets, v.since, s.count
FROM ldes.views AS v JOIN ldes.streams AS s ON s.id = v.stream
ORDER BY v.id

-- name: views
-- Every build of a stream's views, oldest first.
SELECT v.id, v.name, v.build, v.state, v.definition, v.placed, v.buckets, v.since, s.count
FROM ldes.views AS v JOIN ldes.streams AS s ON s.id = v.stream
WHERE s.name = $1
ORDER BY v.id
