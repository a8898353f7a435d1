-- Which members are deletions, and the number of each entity in the order in which entities appeared, for views of the
-- newest versions.
-- Adds columns with constant defaults: each table is locked for an instant. The index locks ldes.latest, a row per entity,
-- against writers while it is built, which is at once: no entity has a number yet. Safe beside older processes, which
-- know of no deletions: start the new writers before a stream declares `versions: { operations: true }`.

ALTER TABLE ldes.members ADD COLUMN deleted boolean NOT NULL DEFAULT false;  -- the member says that its entity is gone

ALTER TABLE ldes.latest
    ADD COLUMN deleted boolean NOT NULL DEFAULT false,  -- of the newest member
    ADD COLUMN number  bigint;                          -- dense per stream, given once; none where no view asks for it

-- Only entities of streams that have such a view are in it, and an entity's number never changes.
CREATE UNIQUE INDEX latest_number ON ldes.latest (stream, number) WHERE number IS NOT NULL;
