-- Filling, switching and removing builds of views: each query under its name, with what it promises.

-- name: declare_view
-- Begin a new build of a view; of two at once the second one changes nothing.
INSERT INTO ldes.views (stream, name, build, definition)
SELECT $1, $2, coalesce(max(build), 0) + 1, $3 FROM ldes.views WHERE stream = $1 AND name = $2
ON CONFLICT DO NOTHING
RETURNING id, build

-- name: root_bucket
-- The bucket that all others of a build are below.
INSERT INTO ldes.buckets (view, number, parent, rank, count, total, children, key, bounds) VALUES ($1, 0, -1, 0, 0, 0, 0, '', '[]')

-- name: lock_view
-- A build that is being filled, locked until the transaction ends: whoever fills it goes on where the last one ended.
SELECT
    v.id, v.name, v.build, v.definition, v.placed, v.buckets, v.policy, v.dense,
    s.id AS stream, s.count, s.first, s.page_size
FROM ldes.views AS v JOIN ldes.streams AS s ON s.id = v.stream
WHERE v.id = $1 AND v.state = 'building'
FOR UPDATE OF v

-- name: history
-- The next members of a stream from a sequence number on that a build holds: all from $4 on, before $5, and its survivors.
SELECT sequence, published_at, id, entity, observed_at, longitude, latitude, deleted, body FROM ldes.members AS m
WHERE stream = $1 AND sequence >= $2 AND sequence < $5 AND (
    sequence >= $4 OR EXISTS (SELECT FROM ldes.survivors AS kept WHERE kept.view = $6 AND kept.sequence = m.sequence)
)
ORDER BY sequence LIMIT $3

-- name: survivors_left
-- How many survivors of a build are still to be placed; counted no further than $3.
SELECT count(*) FROM (SELECT FROM ldes.survivors WHERE view = $1 AND sequence >= $2 LIMIT $3) AS left_over

-- name: begin_at
-- Let the history begin where a build of its older members ends.
UPDATE ldes.streams SET first = greatest(first, $2), unlinked_at = $3 WHERE id = $1

-- name: fill_view
-- Remember how far a build is.
UPDATE ldes.views SET placed = $2, buckets = $3 WHERE id = $1

-- name: retire_view
-- Take the live build of a view from its root; its pages stay readable for a while.
UPDATE ldes.views AS v SET state = 'retired', since = now(), placed = s.count, closed_at = s.published_at
FROM ldes.streams AS s
WHERE s.id = v.stream AND v.stream = $1 AND v.name = $2 AND v.state = 'live'

-- name: switch_view
-- Put a build that holds everything at the view's root.
UPDATE ldes.views SET state = 'live', since = now() WHERE id = $1

-- name: drop_view
-- Give up a build that nobody reads yet.
UPDATE ldes.views SET state = 'gone', since = now() WHERE id = $1 AND state = 'building'

-- name: expire_views
-- Take the retired builds away whose grace period is over.
UPDATE ldes.views SET state = 'gone', since = now()
WHERE stream = $1 AND state = 'retired' AND since <= now() - $2::interval
RETURNING id

-- name: changed_views
-- Tell readers that they find other views from now on.
UPDATE ldes.streams SET views = views + 1 WHERE id = $1

-- name: unswept_views
-- Builds that are gone and still have rows.
SELECT v.id, v.name, v.build FROM ldes.views AS v JOIN ldes.streams AS s ON s.id = v.stream
WHERE s.name = $1 AND v.state = 'gone' AND v.buckets > 0

-- name: sweep_places
-- Delete some of the runs of a build.
DELETE FROM ldes.places WHERE ctid = ANY (ARRAY (SELECT ctid FROM ldes.places WHERE view = $1 LIMIT $2))

-- name: sweep_buckets
-- Delete some of the buckets of a build.
DELETE FROM ldes.buckets WHERE ctid = ANY (ARRAY (SELECT ctid FROM ldes.buckets WHERE view = $1 LIMIT $2))

-- name: sweep_survivors
-- Delete some of the survivors of a build.
DELETE FROM ldes.survivors WHERE ctid = ANY (ARRAY (SELECT ctid FROM ldes.survivors WHERE view = $1 LIMIT $2))

-- name: sweep_pages
-- Delete some of the kept pages of a build.
DELETE FROM ldes.kept_pages WHERE ctid = ANY (ARRAY (
    SELECT p.ctid FROM ldes.kept_pages AS p JOIN ldes.streams AS s ON s.id = p.stream
    WHERE s.name = $1 AND starts_with(p.view, $2) LIMIT $3
))

-- name: swept_view
-- Remember that nothing of a build is left.
UPDATE ldes.views SET buckets = 0 WHERE id = $1
