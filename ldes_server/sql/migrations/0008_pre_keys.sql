-- Keys of members that begin with the observed time, instead of hashes of their ids, whose index was written all over.
-- Writes ldes.members and its indexes anew, some 20 seconds for a million members, and locks it for so long against all:
-- readers wait. Needs the room of the table once more while it runs. The column has another name, so processes of the
-- release before, which would let twins in beside the new keys, fail loudly: stop them first, start the new ones after it.
-- What is remembered of deleted members keeps its keys until it is forgotten; the code asks for both.

ALTER TABLE ldes.members ALTER COLUMN identity TYPE uuid USING (
    -- As ldes_server/keys.py: the time in the last part of the id where it has one, then the beginning of the hash.
    CASE
        WHEN substring(id FROM '[^/]*$') ~ '^[0-9]{8}T[0-9]{6}([0-9]{3})?Z(-|$)' THEN
            lpad(to_hex((
                substr(substring(id FROM '[^/]*$'), 3, 6) || substr(substring(id FROM '[^/]*$'), 10, 6) ||
                coalesce(substring(substring(id FROM '[^/]*$') FROM '^[0-9]{8}T[0-9]{6}([0-9]{3})Z'), '000')
            )::bigint), 14, '0') || substr(replace(identity::text, '-', ''), 1, 18)
        ELSE identity::text
    END
)::uuid;
ALTER TABLE ldes.members RENAME COLUMN identity TO key;
ALTER TABLE ldes.members RENAME CONSTRAINT members_stream_identity_key TO members_stream_key_key;
