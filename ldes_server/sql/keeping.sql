-- Keeping a stream to its policies: each query under its name, with what it promises.

-- name: policies
-- What each view of a stream keeps, and what is promised of it since when.
SELECT p.view, p.policy, p.since, p.starts_at
FROM ldes.policies AS p JOIN ldes.streams AS s ON s.id = p.stream
WHERE s.name = $1
ORDER BY p.view

-- name: declare_policy
-- Declare what a view keeps from now on. What was dropped before does not come back, so the new policy is told to start
-- with what is there: the oldest member from which on none is missing, or now ($5) where members were chosen by version.
INSERT INTO ldes.policies (stream, view, policy, since, starts_at)
SELECT
    s.id, $2, $3, $4,
    CASE
        WHEN whole.begin = 0 THEN NULL
        WHEN $5 THEN $4
        ELSE coalesce(
            (SELECT published_at FROM ldes.members AS m WHERE m.stream = s.id AND m.sequence = whole.begin), s.published_at
        )
    END
FROM ldes.streams AS s
CROSS JOIN LATERAL (
    SELECT greatest(s.first, coalesce(max(v.dense), 0)) AS begin FROM ldes.views AS v
    WHERE v.stream = s.id AND v.name = $2 AND v.state = 'live'
) AS whole
WHERE s.id = $1
ON CONFLICT (stream, view) DO UPDATE SET
    policy = excluded.policy, since = excluded.since, starts_at = excluded.starts_at

-- name: forget_policy
-- Say nothing of a view any more.
DELETE FROM ldes.policies WHERE stream = $1 AND view = $2

-- name: changed_policies
-- Tell readers that they find other descriptions from now on.
UPDATE ldes.streams SET views = views + 1 WHERE id = $1

-- name: edges
-- How far dropping has come.
SELECT id, count, first, gone, dropped, page_size, fan, published_at, unlinked_at FROM ldes.streams WHERE name = $1

-- name: unlink
-- Let the history begin at a number, unless what it left last is still handed out; not where it began further on.
UPDATE ldes.streams SET first = $2, unlinked_at = $3 WHERE id = $1 AND first < $2 AND first = gone RETURNING first

-- name: expire
-- Hand out nothing any more that has been unlinked long enough.
UPDATE ldes.streams SET gone = first WHERE id = $1 AND gone < first AND unlinked_at <= $2 RETURNING gone

-- name: hold
-- Keep others from deciding which members are needed, or deleting some, until the transaction ends.
SELECT pg_advisory_xact_lock(hashtext('ldes.members'), $1::integer)

-- name: sweep_members
-- Delete those of the next members behind a number that nothing needs: not the history, no build of a view that has not
-- gone, and not the newest states. Remember their identities; return how far it looked (none: at the end) and what went.
WITH edge AS (
    SELECT
        least(s.gone, (SELECT min(v.dense) FROM ldes.views AS v WHERE v.stream = s.id AND v.state <> 'gone')) AS stop,
        ARRAY(SELECT v.id FROM ldes.views AS v WHERE v.stream = s.id AND v.state <> 'gone') AS builds
    FROM ldes.streams AS s WHERE s.id = $1
), looked AS (
    SELECT m.ctid, m.sequence, m.entity FROM ldes.members AS m
    WHERE m.stream = $1 AND m.sequence > $2 AND m.sequence < (SELECT stop FROM edge)
    ORDER BY m.sequence LIMIT $3
), deleted AS (
    -- One lookup for each, not a join: the tables looked into are larger than what is looked at.
    DELETE FROM ldes.members AS m USING looked
    WHERE m.ctid = looked.ctid
        AND looked.sequence IS DISTINCT FROM (
            SELECT newest.sequence FROM ldes.latest AS newest
            WHERE newest.stream = $1 AND newest.entity = looked.entity
        )
        AND (
            SELECT count(*) FROM ldes.survivors AS kept
            WHERE kept.view = ANY ((SELECT builds FROM edge)::integer[]) AND kept.sequence = looked.sequence
        ) = 0
    RETURNING m.key
), remembered AS (
    INSERT INTO ldes.dropped (stream, identity, at) SELECT $1, key, $4 FROM deleted
    ON CONFLICT (stream, identity) DO UPDATE SET at = excluded.at
)
SELECT (SELECT max(sequence) FROM looked) AS last, (SELECT count(*) FROM deleted) AS deleted

-- name: count_dropped
-- Count deleted members.
UPDATE ldes.streams SET dropped = dropped + $2 WHERE id = $1

-- name: sweep_log_pages
-- Delete some of the kept bodies of pages of the history of one level below an index; digests stay.
DELETE FROM ldes.kept_pages WHERE ctid = ANY (ARRAY (
    SELECT ctid FROM ldes.kept_pages
    WHERE stream = $1 AND view = 'log' AND level = $2 AND index < $3 AND form <> 'digest' LIMIT $4
))

-- name: forget_dropped
-- Let go of some of what is remembered of members that were deleted before a moment.
DELETE FROM ldes.dropped WHERE ctid = ANY (ARRAY (SELECT ctid FROM ldes.dropped WHERE stream = $1 AND at < $2 LIMIT $3))

-- name: is_dropped
-- Whether a member with one of these keys was deleted not long ago.
SELECT true FROM ldes.dropped
WHERE stream = (SELECT id FROM ldes.streams WHERE name = $1) AND identity = ANY ($2::uuid[]) LIMIT 1

-- name: sizes
-- How many members a stream has stored, and how many bytes these take, going by the newest 1,000.
SELECT
    s.count - s.dropped AS members,
    (s.count - s.dropped) * coalesce((
        SELECT avg(pg_column_size(m.*)) FROM ldes.members AS m
        WHERE m.stream = s.id AND m.sequence >= s.count - 1000
    ), 0)::bigint AS bytes
FROM ldes.streams AS s WHERE s.name = $1

-- name: oldest
-- When the oldest member was published that the history still links, and that each live view may hold.
SELECT 'log' AS view, m.published_at
FROM ldes.streams AS s JOIN ldes.members AS m ON m.stream = s.id AND m.sequence = s.first
WHERE s.name = $1
UNION ALL
SELECT v.name, m.published_at
FROM ldes.streams AS s
JOIN ldes.views AS v ON v.stream = s.id AND v.state = 'live' AND v.name <> 'log'
CROSS JOIN LATERAL (
    SELECT m.published_at FROM ldes.members AS m
    WHERE m.stream = s.id AND m.sequence >= coalesce((SELECT min(k.sequence) FROM ldes.survivors AS k WHERE k.view = v.id), v.dense)
    ORDER BY m.sequence LIMIT 1
) AS m
WHERE s.name = $1

-- name: holdings
-- What the live builds of a stream's views hold.
SELECT v.name AS view, v.dense, (SELECT count(*) FROM ldes.survivors AS k WHERE k.view = v.id) AS survivors
FROM ldes.views AS v JOIN ldes.streams AS s ON s.id = v.stream
WHERE s.name = $1 AND v.state = 'live'

-- name: entities
-- How many entities a stream has whose newest member is before a number.
SELECT count(*) FROM ldes.latest WHERE stream = (SELECT id FROM ldes.streams WHERE name = $1) AND sequence < $2

-- name: policy
-- What a view keeps.
SELECT policy FROM ldes.policies WHERE stream = $1 AND view = $2

-- name: dense
-- The first member published at or after a moment, whatever is kept before it; the next one where all are older, and
-- where the moment is none: then nothing is kept for its age alone. Halving, as in `outside`, but members may be missing:
-- the one to compare is the first that is stored from the middle on.
WITH RECURSIVE halving (low, high) AS (
    SELECT CASE WHEN $2::timestamptz IS NULL THEN count ELSE 0 END, count FROM ldes.streams WHERE id = $1
    UNION ALL
    SELECT
        CASE WHEN middle.published_at < $2 THEN middle.sequence + 1 ELSE low END,
        CASE WHEN middle.published_at < $2 THEN high ELSE (low + high) / 2 END
    FROM halving LEFT JOIN LATERAL (
        SELECT sequence, published_at FROM ldes.members
        WHERE stream = $1 AND sequence >= (low + high) / 2 AND sequence < high ORDER BY sequence LIMIT 1
    ) AS middle ON true
    WHERE low < high
)
SELECT coalesce((SELECT sequence FROM ldes.members WHERE stream = $1 AND sequence >= low ORDER BY sequence LIMIT 1), low)
FROM halving WHERE low = high

-- name: decide
-- Write down what a build is filled with.
UPDATE ldes.views SET policy = $2, dense = $3 WHERE id = $1

-- name: survive
-- Write down which members before the dense part of a build are kept: the rule of ldes_server/retention.py for what lies
-- outside the window. The history ($8) takes of what it left before only what it kept then: nothing comes back.
INSERT INTO ldes.survivors (view, sequence)
SELECT $1, sequence
FROM (
    SELECT
        sequence, published_at, observed_at, deleted,
        row_number() OVER (PARTITION BY entity ORDER BY observed_at DESC, sequence DESC) AS rank
    FROM ldes.members WHERE stream = $2
) AS ranked
WHERE sequence < $3
    AND ($4::timestamptz IS NULL OR published_at >= $4)
    AND CASE
        WHEN deleted AND $7::timestamptz IS NOT NULL THEN observed_at >= $7
        ELSE rank <= $5::bigint AND ($6::timestamptz IS NULL OR observed_at >= $6)
    END
    AND (
        NOT $8
        OR sequence >= (SELECT first FROM ldes.streams WHERE id = $2)
        OR EXISTS (
            SELECT FROM ldes.survivors AS kept JOIN ldes.views AS v ON v.id = kept.view
            WHERE v.stream = $2 AND v.name = 'log' AND v.state = 'live' AND kept.sequence = ranked.sequence
        )
    )
