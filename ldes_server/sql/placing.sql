-- Placing members in the buckets of views: each query under its name, with what it promises.

-- name: live_views
-- The builds that a stream's new members belong to, the history's older members (`log`) not among them. The caller holds
-- the stream's lock, so none is switched meanwhile.
SELECT id, name, definition, buckets FROM ldes.views WHERE stream = $1 AND state = 'live' AND name <> 'log' ORDER BY id

-- name: grow_buckets
-- Count members into the buckets that exist, and return what these held before.
UPDATE ldes.buckets AS held SET count = held.count + grown.own, total = held.total + grown.below
FROM unnest($1::integer[], $2::text[], $3::integer[], $4::integer[]) AS grown (view, key, own, below)
WHERE held.view = grown.view AND held.key = grown.key
RETURNING held.view, held.key, held.number, held.children, held.count - grown.own AS start

-- name: adopt_buckets
-- Count new children into buckets.
UPDATE ldes.buckets AS held SET children = held.children + adopted.children
FROM unnest($1::integer[], $2::text[], $3::integer[]) AS adopted (view, key, children)
WHERE held.view = adopted.view AND held.key = adopted.key

-- name: number_buckets
-- Remember the numbers that new buckets took.
UPDATE ldes.views AS held SET buckets = numbered.buckets
FROM unnest($1::integer[], $2::integer[]) AS numbered (id, buckets)
WHERE held.id = numbered.id
