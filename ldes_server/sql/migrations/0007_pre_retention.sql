-- What streams and their views keep, how far dropping has come, and what is remembered of members that are deleted.
-- Adds columns with constant defaults to ldes.streams and ldes.views, tables of a row per stream and build: an instant.
-- Safe beside running processes of the release before, which drop nothing; start the new ones before a policy is declared,
-- because older ones go on handing out from their memory what newer ones have dropped.

ALTER TABLE ldes.streams
    ADD COLUMN gone bigint NOT NULL DEFAULT 0,      -- pages of the history that begin before it are not handed out
    ADD COLUMN dropped bigint NOT NULL DEFAULT 0,   -- members deleted so far
    ADD COLUMN unlinked_at timestamptz;             -- when `first` was moved the last time

ALTER TABLE ldes.views
    ADD COLUMN policy text,                         -- what it was filled by, canonical JSON; none before it was decided
    ADD COLUMN dense bigint NOT NULL DEFAULT 0;     -- every member from here on is in it; of older ones its survivors

-- Views of newest versions show what is stored anyhow: they need no member.
UPDATE ldes.views SET policy = '{}', dense = 9223372036854775807 WHERE definition = '{"by_latest":"entity"}';

-- What each view of a stream keeps, as it was declared last and as its root says.
CREATE TABLE ldes.policies (
    since        timestamptz NOT NULL,           -- when it was declared: nothing is dropped by it before a grace period
    starts_at    timestamptz,                    -- what was published before was dropped under another policy
    stream       smallint NOT NULL,
    view         text NOT NULL,                  -- `log` is the history
    policy       text NOT NULL,                  -- canonical JSON
    PRIMARY KEY (stream, view)
);

-- The members before its dense part that a build keeps: versions of entities that were seen last long ago.
CREATE TABLE ldes.survivors (
    sequence     bigint NOT NULL,
    view         integer NOT NULL,
    PRIMARY KEY (view, sequence)
);

-- Members that were deleted, for a while, so that a replay does not publish them again and their addresses say 410.
CREATE TABLE ldes.dropped (
    identity     uuid NOT NULL,                  -- as in ldes.members
    at           timestamptz NOT NULL,
    stream       smallint NOT NULL,
    PRIMARY KEY (stream, identity)
);
CREATE INDEX ON ldes.dropped (at);
