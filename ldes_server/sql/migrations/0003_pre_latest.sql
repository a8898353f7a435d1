-- Where the newest state of each entity is, so that those in a bounding box are found without reading all of them.
-- Adding empty columns and filling them locks ldes.latest, a row per entity, for a second per 100,000 entities; writers
-- wait that long, readers of pages do not notice. Safe beside older processes: an older writer leaves the place of a new
-- entity empty, which the next writer that starts mends (query `mend_places`).

ALTER TABLE ldes.latest ADD COLUMN longitude double precision, ADD COLUMN latitude double precision;

UPDATE ldes.latest AS held SET longitude = member.longitude, latitude = member.latitude
FROM ldes.members AS member
WHERE member.stream = held.stream AND member.sequence = held.sequence AND member.longitude IS NOT NULL;

-- The only index beside the key. What stands still keeps its place, so its updates still touch no index.
CREATE INDEX latest_place ON ldes.latest (stream, longitude, latitude);
