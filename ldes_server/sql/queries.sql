-- The store's queries: each under its name, with what it promises.

-- name: head
-- How far a stream is; no row for a stream nobody wrote to.
SELECT count, published_at, position, first, views, gone FROM ldes.streams WHERE name = $1

-- name: heads
-- What readers see of every stream, for the safety poll.
SELECT name, count, first, views, gone FROM ldes.streams

-- name: create
-- Bring a stream into being; one that exists stays as it is.
INSERT INTO ldes.streams (name) VALUES ($1) ON CONFLICT (name) DO NOTHING

-- name: settle
-- Set the geometry of a stream's pages unless it has one, and return the one it has.
UPDATE ldes.streams SET page_size = coalesce(page_size, $2), fan = coalesce(fan, $3)
WHERE name = $1
RETURNING page_size, fan

-- name: lock
-- The head of a stream, locked until the transaction ends: one writer at a time. `forgets` says whether there are members
-- that retention has deleted, and whose identities are still remembered.
SELECT
    id, count, published_at, position, first, views, gone,
    EXISTS (SELECT FROM ldes.dropped WHERE stream = streams.id) AS forgets
FROM ldes.streams WHERE name = $1 FOR UPDATE

-- name: newest
-- Offer the members from a sequence number on as the newest of their entities: the newest observation wins, ties go to
-- the higher sequence number. Read back from the rows just copied: two thirds of the time of sending them as arrays.
-- Returns whether entities have appeared (a row that is new was deleted by nobody).
WITH offered AS (
    INSERT INTO ldes.latest AS held (stream, entity, sequence, observed_at, longitude, latitude, deleted)
    SELECT stream, entity, sequence, observed_at, longitude, latitude, deleted
    FROM (
        SELECT DISTINCT ON (entity) stream, entity, sequence, observed_at, longitude, latitude, deleted FROM ldes.members
        WHERE stream = $1 AND sequence >= $2
        ORDER BY entity, observed_at DESC, sequence DESC
    ) AS newest
    ON CONFLICT (stream, entity) DO UPDATE SET
        sequence = excluded.sequence, observed_at = excluded.observed_at,
        longitude = excluded.longitude, latitude = excluded.latitude, deleted = excluded.deleted
    WHERE (excluded.observed_at, excluded.sequence) > (held.observed_at, held.sequence)
    RETURNING held.xmax = 0 AS appeared
)
SELECT coalesce(bool_or(appeared), false) FROM offered

-- name: advance
-- Move the head and the log position of the locked stream; where members came, tell readers when the transaction commits.
UPDATE ldes.streams SET count = $2, published_at = $3, position = $4 WHERE id = $1
RETURNING CASE WHEN $5 THEN pg_notify('ldes', name) END

-- name: append_few
-- All that a batch of few members does, in one statement: members, newest-per-entity, head and log position, and readers
-- told when it commits. For a stream without live views, known from a look under its lock when its number of changes of
-- views was $8, and without deleted members that are remembered. No row, and nothing done, when that or the head ($5 to $7)
-- is not so any more: when another holds the stream's row, the conditions on it are asked again after it.
WITH moved AS (
    UPDATE ldes.streams AS s SET count = $2, published_at = $3, position = $4
    WHERE s.name = $1 AND s.count = $5 AND s.published_at IS NOT DISTINCT FROM $6::timestamptz AND s.position = $7
        AND s.views = $8 AND NOT EXISTS (SELECT FROM ldes.dropped WHERE stream = s.id)
    RETURNING s.id, CASE WHEN $2 > $5 THEN pg_notify('ldes', s.name) END
), told AS (
    SELECT m.*, moved.id AS stream
    FROM moved, unnest(
        $9::bigint[], $10::timestamptz[], $11::timestamptz[], $12::float8[], $13::float8[], $14::uuid[], $15::text[],
        $16::text[], $17::bytea[], $18::boolean[]
    ) AS m (sequence, published_at, observed_at, longitude, latitude, key, id, entity, body, deleted)
), added AS (
    INSERT INTO ldes.members (
        sequence, published_at, observed_at, longitude, latitude, key, stream, id, entity, body, deleted
    )
    SELECT sequence, published_at, observed_at, longitude, latitude, key, stream, id, entity, body, deleted FROM told
), offered AS (
    INSERT INTO ldes.latest AS held (stream, entity, sequence, observed_at, longitude, latitude, deleted)
    SELECT DISTINCT ON (entity COLLATE "C") stream, entity, sequence, observed_at, longitude, latitude, deleted FROM told
    ORDER BY entity COLLATE "C", observed_at DESC, sequence DESC
    ON CONFLICT (stream, entity) DO UPDATE SET
        sequence = excluded.sequence, observed_at = excluded.observed_at,
        longitude = excluded.longitude, latitude = excluded.latitude, deleted = excluded.deleted
    WHERE (excluded.observed_at, excluded.sequence) > (held.observed_at, held.sequence)
)
SELECT true FROM moved

-- name: announce
-- Tell readers, when the transaction commits, that a stream has changed.
SELECT pg_notify('ldes', $1)

-- name: known
-- Those of the keys that are published, or were and are deleted since. One lookup for each, not a condition on all:
-- before a young table is analysed the planner reads the whole stream for that, and may keep that plan.
SELECT asked.key
FROM ldes.streams AS s CROSS JOIN unnest($2::uuid[]) AS asked (key)
WHERE s.name = $1 AND coalesce(
    (SELECT true FROM ldes.members AS m WHERE m.stream = s.id AND m.key = asked.key),
    (SELECT true FROM ldes.dropped AS d WHERE d.stream = s.id AND d.identity = asked.key),
    false
)

-- name: remembered
-- Whether members with some of the keys were published and are deleted since.
SELECT EXISTS (SELECT FROM ldes.dropped WHERE stream = $1 AND identity = ANY ($2::uuid[]))

-- name: bodies
-- What is published under the keys; one lookup for each, as in `known`.
SELECT found.id, found.body
FROM ldes.streams AS s
CROSS JOIN unnest($2::uuid[]) AS asked (key)
CROSS JOIN LATERAL (
    SELECT m.id, m.body FROM ldes.members AS m WHERE m.stream = s.id AND m.key = asked.key LIMIT 1
) AS found
WHERE s.name = $1

-- name: leaf
-- The members of a leaf that begins at $2, from $3 to before $4, in order; none of what the history does not hand out any more.
SELECT m.sequence, m.published_at, m.id, m.entity, m.observed_at, m.longitude, m.latitude, m.deleted, m.body
FROM ldes.streams AS s JOIN ldes.members AS m ON m.stream = s.id
WHERE s.name = $1 AND s.gone <= $2 AND m.sequence >= $3 AND m.sequence < $4
ORDER BY m.sequence

-- name: since
-- The first of the members from a number on, all of which are stored, that was published at or after a moment, and how
-- many there are: that many when everything is older, or the moment is none. Without a number, from where the history
-- begins. Publication times never decrease, so halving finds it in as many steps as the count has bits.
WITH RECURSIVE stream AS (
    SELECT id, count, least(coalesce($3::bigint, first), count) AS start FROM ldes.streams WHERE name = $1
), halving (low, high) AS (
    SELECT CASE WHEN $2::timestamptz IS NULL THEN count ELSE start END, count FROM stream
    UNION ALL
    SELECT
        CASE WHEN middle.published_at < $2 THEN middle.sequence + 1 ELSE low END,
        CASE WHEN middle.published_at < $2 THEN high ELSE middle.sequence END
    FROM halving, stream, LATERAL (
        SELECT sequence, published_at FROM ldes.members
        WHERE members.stream = stream.id AND members.sequence = (low + high) / 2
    ) AS middle
    WHERE low < high
)
SELECT low, count FROM halving, stream WHERE low = high

-- name: kept
-- The body kept for a final page.
SELECT body FROM ldes.kept_pages
WHERE stream = (SELECT id FROM ldes.streams WHERE name = $1)
    AND view = $2 AND level = $3 AND index = $4 AND form = $5 AND base_url = $6

-- name: kept_from
-- The bodies kept for final pages of one level from an index to before another.
SELECT index, body FROM ldes.kept_pages
WHERE stream = (SELECT id FROM ldes.streams WHERE name = $1)
    AND view = $2 AND level = $3 AND index >= $4 AND index < $5 AND form = $6 AND base_url = $7
ORDER BY index

-- name: keep
-- Keep a final page's body unless one is kept.
INSERT INTO ldes.kept_pages (stream, view, level, index, form, base_url, body)
SELECT id, $2, $3, $4, $5, $6, $7 FROM ldes.streams WHERE name = $1
ON CONFLICT DO NOTHING
RETURNING true

-- name: member
-- The member with a key.
SELECT sequence, published_at, id, entity, observed_at, longitude, latitude, deleted, body FROM ldes.members
WHERE stream = (SELECT id FROM ldes.streams WHERE name = $1) AND key = $2

-- name: latest
-- The newest member of each entity, newest observation first; of deleted ones only where they are asked for.
SELECT m.sequence, m.published_at, m.id, m.entity, m.observed_at, m.longitude, m.latitude, m.deleted, m.body
FROM (
    SELECT stream, sequence, observed_at FROM ldes.latest
    WHERE stream = (SELECT id FROM ldes.streams WHERE name = $1) AND ($3 OR NOT deleted)
    ORDER BY observed_at DESC, sequence DESC
    LIMIT $2
) AS newest
JOIN ldes.members AS m USING (stream, sequence)
ORDER BY m.observed_at DESC, m.sequence DESC

-- name: states
-- The newest member of each entity that is not deleted, behind an entity, of those observed at or after a moment if there
-- is one, in the order of the entities: the key of ldes.latest, so a page is read as far as it goes.
SELECT m.sequence, m.published_at, m.id, m.entity, m.observed_at, m.longitude, m.latitude, m.deleted, m.body
FROM (
    SELECT stream, sequence FROM ldes.latest
    WHERE stream = (SELECT id FROM ldes.streams WHERE name = $1)
        AND entity > $2 AND ($3::timestamptz IS NULL OR observed_at >= $3) AND NOT deleted
    ORDER BY entity
    LIMIT $4
) AS newest
JOIN ldes.members AS m USING (stream, sequence)
ORDER BY m.entity

-- name: states_within
-- The same, of those between two latitudes and in one of two ranges of longitudes.
SELECT m.sequence, m.published_at, m.id, m.entity, m.observed_at, m.longitude, m.latitude, m.deleted, m.body
FROM (
    SELECT stream, sequence FROM ldes.latest
    WHERE stream = (SELECT id FROM ldes.streams WHERE name = $1)
        AND entity > $2 AND ($3::timestamptz IS NULL OR observed_at >= $3) AND NOT deleted
        AND (longitude BETWEEN $5 AND $6 OR longitude BETWEEN $7 AND $8) AND latitude BETWEEN $9 AND $10
    ORDER BY entity
    LIMIT $4
) AS newest
JOIN ldes.members AS m USING (stream, sequence)
ORDER BY m.entity

-- name: mend_places
-- Fill in the places that a writer older than the columns left empty.
UPDATE ldes.latest AS held SET longitude = member.longitude, latitude = member.latitude
FROM ldes.members AS member
WHERE held.stream = (SELECT id FROM ldes.streams WHERE name = $1) AND held.longitude IS NULL
    AND member.stream = held.stream AND member.sequence = held.sequence AND member.longitude IS NOT NULL

-- name: latest_of
-- The newest member of one entity, a deletion too.
SELECT m.sequence, m.published_at, m.id, m.entity, m.observed_at, m.longitude, m.latitude, m.deleted, m.body
FROM ldes.latest AS newest
JOIN ldes.members AS m USING (stream, sequence)
WHERE newest.stream = (SELECT id FROM ldes.streams WHERE name = $1) AND newest.entity = $2

-- name: answer
-- The answer kept for a sender's idempotency key, for a day.
SELECT digest, status, media, body FROM ldes.answers
WHERE stream = $1 AND key = $2 AND at > now() - interval '1 day'

-- name: keep_answer
-- Keep an answer unless one is kept, and let go what is older than a day.
WITH old AS (
    DELETE FROM ldes.answers WHERE at <= now() - interval '1 day'
)
INSERT INTO ldes.answers (stream, key, digest, status, media, body) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT DO NOTHING

-- name: after
-- The members that come next behind a sequence number and are handed out, in order: at most so many, and no more once the bodies before
-- one have so many bytes. The length of a body is known without reading it. From where the history begins no number is
-- missing, so a range says the same as a limit, and does not depend on what the planner knows of the table.
SELECT sequence, published_at, id, entity, observed_at, longitude, latitude, deleted, body
FROM (
    SELECT *, sum(octet_length(body)) OVER (ORDER BY sequence) - octet_length(body) AS before
    FROM (
        SELECT m.* FROM ldes.streams AS s JOIN ldes.members AS m ON m.stream = s.id
        WHERE s.name = $1
            AND m.sequence > greatest($2, s.gone - 1) AND m.sequence <= greatest($2, s.gone - 1) + $3::bigint
    ) AS following
) AS weighed
WHERE before < $4
ORDER BY sequence

-- name: signed
-- The digest of the newest page of the log that has one.
SELECT body FROM ldes.kept_pages
WHERE stream = (SELECT id FROM ldes.streams WHERE name = $1) AND view = 'log' AND level = 0 AND form = $2 AND base_url = ''
ORDER BY index DESC
LIMIT 1

-- name: sign
-- Keep the digests of the pages of the log from $3 on, each unless there is one.
INSERT INTO ldes.kept_pages (stream, view, level, index, form, base_url, body)
SELECT id, 'log', 0, $3::bigint + line.place - 1, $2, '', line.body
FROM ldes.streams, unnest($4::bytea[]) WITH ORDINALITY AS line (body, place)
WHERE name = $1
ON CONFLICT DO NOTHING

-- name: digests
-- The digests of a range of pages of the log, in order.
SELECT body FROM ldes.kept_pages
WHERE stream = (SELECT id FROM ldes.streams WHERE name = $1) AND view = 'log' AND level = 0 AND form = $2 AND base_url = ''
    AND index >= $3 AND index < $4
ORDER BY index

-- name: frontier
-- What there is of a stream, and the first block of it whose extent is not written down.
SELECT
    id, count, first,
    coalesce((SELECT max(block) + 1 FROM ldes.extents WHERE extents.stream = streams.id), 0) AS block
FROM ldes.streams WHERE name = $1

-- name: fill_extents
-- Write down what the full blocks of $2 members cover that lie in a range of sequence numbers. The range comes as numbers,
-- not from a join: with a join the planner reads the whole table for every call.
INSERT INTO ldes.extents
    (block, observed_from, observed_to, published_from, published_to, west, south, east, north, stream)
SELECT
    sequence / $2::bigint, min(observed_at), max(observed_at), min(published_at), max(published_at),
    min(longitude), min(latitude), max(longitude), max(latitude), $1
FROM ldes.members
WHERE stream = $1 AND sequence >= $3 AND sequence < $4
GROUP BY sequence / $2::bigint
ON CONFLICT DO NOTHING

-- name: coverage
-- What the live members of a stream cover: the written blocks from $2 on, and the members of two ranges of sequence numbers
-- that are in none of them, and what the history keeps of older ones. `since` is when the stream was first published, as far as anybody looked.
WITH parts AS (
    SELECT observed_from, observed_to, published_from, published_to, west, south, east, north
    FROM ldes.extents WHERE stream = $1 AND block >= $2
    UNION ALL
    SELECT
        min(observed_at), max(observed_at), min(published_at), max(published_at),
        min(longitude), min(latitude), max(longitude), max(latitude)
    FROM ldes.members WHERE stream = $1 AND sequence >= $3 AND sequence < $4
    UNION ALL
    SELECT
        min(observed_at), max(observed_at), min(published_at), max(published_at),
        min(longitude), min(latitude), max(longitude), max(latitude)
    FROM ldes.members WHERE stream = $1 AND sequence >= $5 AND sequence < $6
    UNION ALL
    SELECT
        min(m.observed_at), max(m.observed_at), min(m.published_at), max(m.published_at),
        min(m.longitude), min(m.latitude), max(m.longitude), max(m.latitude)
    FROM ldes.views AS v
    JOIN ldes.survivors AS kept ON kept.view = v.id
    JOIN ldes.members AS m ON m.stream = v.stream AND m.sequence = kept.sequence
    WHERE v.stream = $1 AND v.name = 'log' AND v.state = 'live'
)
SELECT
    min(observed_from) AS observed_from, max(observed_to) AS observed_to,
    min(published_from) AS published_from, max(published_to) AS published_to,
    min(west) AS west, min(south) AS south, max(east) AS east, max(north) AS north,
    least(min(published_from), (SELECT min(published_from) FROM ldes.extents WHERE stream = $1)) AS since
FROM parts

-- name: lags
-- How long the members of a range of sequence numbers took from observation to publication, in seconds: the middle one,
-- and the one that 95 in 100 stay below; and how many members that are.
SELECT
    percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM published_at - observed_at)) AS median,
    percentile_cont(0.95) WITHIN GROUP (ORDER BY extract(epoch FROM published_at - observed_at)) AS high,
    count(*) AS sample
FROM ldes.members WHERE stream = $1 AND sequence >= $2 AND sequence < $3
