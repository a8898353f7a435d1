-- What blocks of 8,192 members cover, so that the catalogue's figures never read a whole stream.
-- Locks nothing that exists: it only creates. Safe beside running processes of any version; filled by whoever asks.

-- One row per full block, written once: which members it speaks of follows from its number, and they never change.
-- Rows of members that retention dropped stay: the first of them says since when the stream is published.
CREATE TABLE ldes.extents (
    block          bigint NOT NULL,              -- sequence numbers [8192 * block, 8192 * (block + 1))
    observed_from  timestamptz NOT NULL,
    observed_to    timestamptz NOT NULL,
    published_from timestamptz NOT NULL,
    published_to   timestamptz NOT NULL,
    west           double precision,             -- of the members that have a point; none: NULL
    south          double precision,
    east           double precision,
    north          double precision,
    stream         smallint NOT NULL,
    PRIMARY KEY (stream, block)
);
