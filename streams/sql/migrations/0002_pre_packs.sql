-- Rows of the log that hold several records (streams/packs.py), and the oldest number of a topic that is kept.
-- Renames log.entries and adds columns with constant defaults: an instant, whatever the size; no row is written anew, as
-- one there is a pack of one record already. Finding each topic's oldest entry is one look into the index.
-- The name is another one on purpose: processes of the release before would take a pack for one record. Those that still
-- run with the log on PostgreSQL fail at their next call, having lost nothing, and begin again once they are of this release.

ALTER TABLE log.entries RENAME TO packs;
ALTER TABLE log.packs RENAME CONSTRAINT entries_pkey TO packs_pkey;

ALTER TABLE log.packs
    ADD COLUMN count integer NOT NULL DEFAULT 1, -- records; `number` is the offset of the last of them
    ADD COLUMN size integer NOT NULL DEFAULT 0;  -- bytes of them before compression, if they were compressed

-- Retention drops records, but deletes whole packs: what is below this number is dropped, be it there or not.
ALTER TABLE log.topics ADD COLUMN first bigint NOT NULL DEFAULT 0;

UPDATE log.topics AS t
SET first = coalesce((SELECT number FROM log.packs WHERE topic = t.id ORDER BY number LIMIT 1), next);
