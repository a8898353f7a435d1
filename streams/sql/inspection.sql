-- Looking at the log on PostgreSQL and at the leases from outside, for `smartflanders doctor`: nothing here writes or locks.

-- name: inspected_topics
-- Every topic: the number its next entry gets, the oldest entry there is, and the bytes of an entry, of the newest ones.
SELECT t.name, t.next, greatest(t.first, oldest.first) AS first, oldest.at AS since, coalesce(sample.width, 0) AS width
FROM log.topics AS t
LEFT JOIN LATERAL (
    SELECT number - count + 1 AS first, at FROM log.packs WHERE topic = t.id ORDER BY number LIMIT 1
) AS oldest ON true
LEFT JOIN LATERAL (
    SELECT sum(pg_column_size(recent.*) + octet_length(recent.value))::float8 / sum(count) AS width
    FROM (SELECT * FROM log.packs WHERE topic = t.id ORDER BY number DESC LIMIT 100) AS recent
) AS sample ON true
ORDER BY t.name

-- name: inspected_leases
-- Who holds which lease: the number of the lock, and the host and process that its session is named after.
SELECT (locks.classid::bigint << 32) | locks.objid::bigint AS key, activity.application_name AS holder
FROM pg_locks AS locks JOIN pg_stat_activity AS activity USING (pid)
WHERE locks.locktype = 'advisory' AND locks.granted AND locks.objsubid = 1
    AND locks.database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND activity.application_name LIKE 'smartflanders lease %'
