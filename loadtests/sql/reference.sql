-- What the load tests ask of the database beside the platform.

-- name: committed
-- How many members of a stream are published.
SELECT count FROM ldes.streams WHERE name = $1

-- name: finished
-- The newest members as they are stored.
SELECT * FROM ldes.members ORDER BY stream, sequence DESC LIMIT $1

-- name: forget
-- Make room for the bare table.
DROP TABLE IF EXISTS bare

-- name: bare
-- A table of the same columns under the primary key alone.
CREATE TABLE bare (LIKE ldes.members INCLUDING STORAGE, PRIMARY KEY (stream, sequence))

-- name: live
-- Views that readers find.
SELECT v.name FROM ldes.views AS v JOIN ldes.streams AS s ON s.id = v.stream WHERE s.name = $1 AND v.state = 'live'

-- name: bodies
-- The bytes of members, in order.
SELECT body FROM ldes.members WHERE stream = (SELECT id FROM ldes.streams WHERE name = $1) ORDER BY sequence LIMIT $2

-- name: witnessed
-- What was observed of which entity when, as published.
SELECT entity, observed_at FROM ldes.members WHERE stream = (SELECT id FROM ldes.streams WHERE name = $1)

-- name: same
-- A table like that of the members in everything: columns, indexes and storage.
CREATE TABLE same (LIKE ldes.members INCLUDING ALL) WITH (toast_tuple_target = 8160)

-- name: batch
-- Members from a number on, as they are stored.
SELECT * FROM ldes.members WHERE stream = (SELECT id FROM ldes.streams WHERE name = $1) AND sequence >= $2 ORDER BY sequence
