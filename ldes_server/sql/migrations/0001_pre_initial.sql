-- The schema `ldes`: streams, their members, the newest member per entity, and the bodies of final pages.
-- Locks nothing that exists: it only creates. Safe beside running processes of any version.

CREATE SCHEMA IF NOT EXISTS ldes;

-- One row per stream: its head and its place in the log. Every append locks this row, so a stream has one writer.
CREATE TABLE ldes.streams (
    id           smallint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name         text NOT NULL UNIQUE,
    count        bigint NOT NULL DEFAULT 0,      -- members published; the next sequence number
    first        bigint NOT NULL DEFAULT 0,      -- the oldest sequence number still live; retention moves it
    position     bigint NOT NULL DEFAULT -1,     -- the last log offset whose members are stored
    published_at timestamptz,                    -- of the newest member; none before the first
    page_size    integer,                        -- the geometry of its pages, set once: final pages rely on it
    fan          integer,
    CHECK (0 <= first AND first <= count),
    CHECK ((published_at IS NULL) = (count = 0))
) WITH (fillfactor = 50);                        -- updated by every batch: room for updates within the page

-- One row per member, written once. Wide fixed columns first, so that nothing is lost to alignment.
CREATE TABLE ldes.members (
    sequence     bigint NOT NULL,
    published_at timestamptz NOT NULL,
    observed_at  timestamptz NOT NULL,
    longitude    double precision,
    latitude     double precision,
    identity     uuid NOT NULL,                  -- 16 bytes of BLAKE2b over the id: a third of an index on the id
    stream       smallint NOT NULL,
    id           text NOT NULL,
    entity       text COLLATE "C" NOT NULL,      -- compared as bytes: IRIs have no language
    body         bytea NOT NULL,
    PRIMARY KEY (stream, sequence),
    UNIQUE (stream, identity)
) WITH (toast_tuple_target = 8160);
-- Bodies up to a page stay in the row as they are: compressing them would cost the server twice the whole insert,
-- moving them out an index lookup per member read. Larger ones are compressed, then moved out.
ALTER TABLE ldes.members ALTER COLUMN body SET STORAGE MAIN;
-- Insert-only tables are vacuumed after this many rows rather than a fifth of the table, so that the work stays small.
ALTER TABLE ldes.members SET (autovacuum_vacuum_insert_scale_factor = 0, autovacuum_vacuum_insert_threshold = 500000);

-- The newest member of each entity: the newest observation wins, then the higher sequence number.
CREATE TABLE ldes.latest (
    observed_at  timestamptz NOT NULL,
    sequence     bigint NOT NULL,
    stream       smallint NOT NULL,
    entity       text COLLATE "C" NOT NULL,
    PRIMARY KEY (stream, entity)
) WITH (fillfactor = 50);                        -- no index on what changes: updates stay within the page

-- The bodies of final pages, rendered once; the server compresses them, once. Pages name absolute addresses, so another public address has other bodies.
CREATE TABLE ldes.kept_pages (
    index        bigint NOT NULL,
    stream       smallint NOT NULL,
    level        smallint NOT NULL,
    view         text NOT NULL,
    form         text NOT NULL,
    base_url     text NOT NULL,
    body         bytea NOT NULL,
    PRIMARY KEY (stream, view, level, index, form, base_url)
);
