-- Keys of members that lie together by entity and time, instead of hashes of their ids, whose index was written all over.
-- Writes ldes.members and its indexes anew, some 20 seconds for a million members, and locks it for so long against all:
-- readers wait. Needs the room of the table once more while it runs. The column has another name, so processes of the release
-- before, which would let twins in beside the new keys, fail loudly: stop them first, start the new ones after it.
-- What is remembered of deleted members keeps its keys until it is forgotten; the code asks for both.

ALTER TABLE ldes.members ALTER COLUMN identity TYPE uuid USING (
    -- As ldes_server/keys.py: the entity's part of the id, the time in its last part where it has one, and of the hash of the
    -- whole, which is what the column had, the beginning.
    substr(encode(sha256(convert_to(
        left(id, greatest(0, length(id) - length(substring(id FROM '[^/]*$')) - 1)), 'UTF8'
    )), 'hex'), 1, 8) ||
    CASE
        WHEN substring(id FROM '[^/]*$') ~ '^[0-9]{8}T[0-9]{6}([0-9]{3})?Z(-|$)' THEN
            lpad(to_hex((
                substr(substring(id FROM '[^/]*$'), 3, 6) || substr(substring(id FROM '[^/]*$'), 10, 6) ||
                coalesce(substring(substring(id FROM '[^/]*$') FROM '^[0-9]{8}T[0-9]{6}([0-9]{3})Z'), '000')
            )::bigint), 14, '0') || substr(replace(identity::text, '-', ''), 1, 10)
        ELSE substr(replace(identity::text, '-', ''), 1, 24)
    END
)::uuid;
ALTER TABLE ldes.members RENAME COLUMN identity TO key;
ALTER TABLE ldes.members RENAME CONSTRAINT members_stream_identity_key TO members_stream_key_key;
