-- The memory of a copy, in SQLite: what was read, what is to be read, and where the output ends.

-- name: schema
-- Pages by their address; `stage` is 0 to be read, 1 read but may change, 2 read for ever. `lower` and `upper` are
-- bounds on the order of members (order.py), as JSON. Members by 16 bytes of a digest of their IRI; `at` is their
-- publication time in nanoseconds, by which they may be forgotten.
CREATE TABLE IF NOT EXISTS fact (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS page (
    id INTEGER PRIMARY KEY,
    url TEXT NOT NULL UNIQUE,
    parent INTEGER,
    depth INTEGER NOT NULL,
    stage INTEGER NOT NULL DEFAULT 0,
    etag TEXT,
    remaining INTEGER NOT NULL DEFAULT 0,
    lower TEXT NOT NULL DEFAULT '',
    upper TEXT NOT NULL DEFAULT ''
);
CREATE INDEX IF NOT EXISTS page_by_stage ON page (stage) WHERE stage < 2;
CREATE TABLE IF NOT EXISTS seen (id BLOB PRIMARY KEY, at INTEGER) WITHOUT ROWID;

-- name: facts
SELECT name, value FROM fact;

-- name: set_fact
INSERT INTO fact (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value;

-- name: pages
-- Those that are to be read or may change, in the order in which they were found.
SELECT id, url, parent, depth, stage, etag, remaining, lower, upper FROM page WHERE stage < 2 ORDER BY id;

-- name: known
SELECT id, parent, upper FROM page WHERE url = ?;

-- name: parent
SELECT parent, url FROM page WHERE id = ?;

-- name: add_page
INSERT INTO page (url, parent, depth, remaining, lower, upper) VALUES (?, ?, ?, ?, ?, ?);

-- name: set_page
UPDATE page SET stage = ?, etag = ? WHERE id = ?;

-- name: set_upper
UPDATE page SET upper = ? WHERE id = ?;

-- name: is_seen
SELECT 1 FROM seen WHERE id = ?;

-- name: add_seen
INSERT INTO seen (id, at) VALUES (?, ?);

-- name: count_seen
SELECT count(*) FROM seen;

-- name: forget
DELETE FROM seen WHERE at < ?;
