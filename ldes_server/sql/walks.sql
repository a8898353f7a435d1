-- Walking through the pages of members of a view: each query under its name, with what it promises.

-- name: chain
-- The buckets with these keys, a bucket and all those above it: the deepest first.
SELECT number, parent, rank, coalesce(closes_at <= $3, false) AS closed FROM ldes.buckets
WHERE view = $1 AND key = ANY ($2::text[])
ORDER BY length(key) DESC

-- name: descend
-- The first child of a bucket from a rank on, and the first bucket below that, and so on, down to one with members of
-- its own. No row where there is no such child.
WITH RECURSIVE down (depth, number, count, key, closed) AS (
    (
        SELECT 0, number, count, key, coalesce(closes_at <= $4, false) FROM ldes.buckets
        WHERE view = $1 AND parent = $2 AND rank >= $3
        ORDER BY rank
        LIMIT 1
    )
    UNION ALL
    SELECT down.depth + 1, child.number, child.count, child.key, child.closed
    FROM down
    CROSS JOIN LATERAL (
        SELECT number, count, key, coalesce(closes_at <= $4, false) AS closed FROM ldes.buckets
        WHERE view = $1 AND parent = down.number
        ORDER BY rank
        LIMIT 1
    ) AS child
    WHERE down.count = 0
)
SELECT key, count, closed FROM down ORDER BY depth

-- name: buckets
-- The buckets with these keys.
SELECT number, count, total, children, key, bounds, coalesce(closes_at <= $3, false) AS closed FROM ldes.buckets
WHERE view = $1 AND key = ANY ($2::text[])
