-- Views beside the chronological one: builds of views, their buckets, and what each bucket holds.
-- Adds a column with a constant default to ldes.streams, a table of a row per stream: an instant. Running writers of the
-- release before go on without noticing; they fill no views, so start the new ones before views are declared.

ALTER TABLE ldes.streams ADD COLUMN views integer NOT NULL DEFAULT 0;  -- how often what readers find of its views changed

-- One row per build of a view. Members are placed in the live builds in the transaction that publishes them.
CREATE TABLE ldes.views (
    id           integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    stream       smallint NOT NULL,
    build        integer NOT NULL,               -- part of its pages' addresses, never used again
    placed       bigint NOT NULL DEFAULT 0,      -- members placed while it was built; all of them since it is live
    buckets      integer NOT NULL DEFAULT 1,     -- the number of the next bucket; 0 is the root
    state        text NOT NULL DEFAULT 'building' CHECK (state IN ('building', 'live', 'retired', 'gone')),
    since        timestamptz NOT NULL DEFAULT now(),  -- when it got into that state
    closed_at    timestamptz,                    -- newest publication time it knew when it was retired
    name         text NOT NULL,
    definition   text NOT NULL,                  -- canonical JSON
    UNIQUE (stream, name, build)
);
CREATE UNIQUE INDEX live ON ldes.views (stream, name) WHERE state = 'live';
CREATE UNIQUE INDEX building ON ldes.views (stream, name) WHERE state = 'building';

-- One row per bucket. The counts change with every batch that touches it, so there is room for that within the page.
CREATE TABLE ldes.buckets (
    view         integer NOT NULL,
    number       integer NOT NULL,               -- dense within the view, in order of creation
    parent       integer NOT NULL,               -- the number of the bucket above; -1 for the root
    rank         integer NOT NULL,               -- dense within the parent, in order of creation
    count        bigint NOT NULL,                -- its own members
    total        bigint NOT NULL,                -- its own members and those below, each once
    closes_at    timestamptz,                    -- from this publication time on nothing is added at or below it
    children     integer NOT NULL,
    key          text COLLATE "C" NOT NULL,      -- the keys of its trail, joined by dots; empty for the root
    bounds       text NOT NULL,                  -- JSON: what holds for all members at and below it, on top of its parent's
    PRIMARY KEY (view, key),
    UNIQUE (view, parent, rank)
) WITH (fillfactor = 60);

-- What buckets hold, one row per bucket and batch: the sequence numbers at the places from `start` on.
CREATE TABLE ldes.places (
    start        bigint NOT NULL,
    view         integer NOT NULL,
    bucket       integer NOT NULL,
    sequences    bigint[] NOT NULL,
    PRIMARY KEY (view, bucket, start)
);
ALTER TABLE ldes.places SET (autovacuum_vacuum_insert_scale_factor = 0, autovacuum_vacuum_insert_threshold = 500000);
