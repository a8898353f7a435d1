-- A stream of narrow rows in a database of its own: as many as the disk allows, for queries that read two columns of them.

-- name: make
-- Bring the database into being.
CREATE DATABASE narrow

-- name: tables
-- The two tables that `since` reads, with the columns that it reads; nothing of them need survive a crash.
CREATE SCHEMA ldes;
CREATE TABLE ldes.streams (id smallint PRIMARY KEY, name text NOT NULL UNIQUE, first bigint NOT NULL, count bigint NOT NULL);
CREATE UNLOGGED TABLE ldes.members (sequence bigint NOT NULL, published_at timestamptz NOT NULL, stream smallint NOT NULL);
INSERT INTO ldes.streams VALUES (1, 'load', 0, 0)

-- name: unindexed
-- Take the key away while rows come in.
ALTER TABLE ldes.members DROP CONSTRAINT IF EXISTS members_pkey

-- name: rows
-- The members from one number to before another, a millisecond after each other.
INSERT INTO ldes.members
SELECT number, timestamptz '2020-01-01 00:00+00' + number * interval '1 millisecond', 1
FROM generate_series($1::bigint, $2::bigint - 1) AS number

-- name: memory
-- Sort larger pieces at once.
SET maintenance_work_mem = '512MB'

-- name: indexed
-- The key that the store has.
ALTER TABLE ldes.members ADD PRIMARY KEY (stream, sequence)

-- name: counted
-- Publish them.
UPDATE ldes.streams SET count = $1
