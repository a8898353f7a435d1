-- The bookkeeping of migrations: which file of which room was applied, and when.

-- name: advise
-- One migration at a time per database; the number is the first eight bytes of SHA-256("smartflanders migrate").
SELECT pg_advisory_lock(3059676368677468882)

-- name: wait
-- Give up waiting for a lock ($1) or an answer ($2), both in milliseconds, until the session ends.
SELECT set_config('lock_timeout', $1, false), set_config('statement_timeout', $2, false)

-- name: exists
-- Whether the bookkeeping is there; a database that nobody migrated has none.
SELECT to_regclass('log.migrations') IS NOT NULL

-- name: found
-- Make room for the bookkeeping.
CREATE SCHEMA IF NOT EXISTS log;
CREATE TABLE IF NOT EXISTS log.migrations (
    room       text NOT NULL,
    name       text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (room, name)
)

-- name: applied
-- What was applied.
SELECT room, name FROM log.migrations

-- name: record
-- Note one as applied; in the transaction of the migration itself.
INSERT INTO log.migrations (room, name) VALUES ($1, $2)
