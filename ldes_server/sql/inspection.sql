-- Looking at the store from outside, for `smartflanders doctor`: nothing here writes or locks.

-- name: inspected_streams
-- Every stream with what it holds: the publication times at both ends of its history (older members that are kept for
-- their version left out), and the bytes of a row, of its newest ones.
SELECT s.name, s.dropped, s.count, s.published_at AS newest, oldest.published_at AS oldest, coalesce(sample.width, 0) AS width
FROM ldes.streams AS s
LEFT JOIN LATERAL (
    SELECT published_at FROM ldes.members WHERE stream = s.id AND sequence >= s.first ORDER BY sequence LIMIT 1
) AS oldest ON true
LEFT JOIN LATERAL (
    SELECT avg(pg_column_size(recent.*))::float8 AS width
    FROM (SELECT * FROM ldes.members WHERE stream = s.id ORDER BY sequence DESC LIMIT 200) AS recent
) AS sample ON true
ORDER BY s.name

-- name: inspected_pages
-- The bytes of the kept bodies of final pages, by stream; the size of a body is known without reading it.
SELECT s.name, count(*) AS pages, coalesce(sum(pg_column_size(p.body)), 0)::bigint AS bytes
FROM ldes.kept_pages AS p JOIN ldes.streams AS s ON s.id = p.stream
GROUP BY s.name

-- name: inspected_views
-- Every build of a view that has rows: how many places and buckets they are.
SELECT s.name AS stream, v.name, v.build, v.state, v.placed, s.count, held.places, held.buckets
FROM ldes.views AS v
JOIN ldes.streams AS s ON s.id = v.stream
CROSS JOIN LATERAL (
    SELECT coalesce(sum(b.count), 0)::bigint AS places, count(*) AS buckets FROM ldes.buckets AS b WHERE b.view = v.id
) AS held
WHERE v.buckets > 0 OR v.state <> 'gone'
ORDER BY v.id

-- name: inspected_tables
-- What each table of a schema takes on the disk: its rows, those moved out of them included, and its indexes.
SELECT c.relname AS name, pg_table_size(c.oid) AS rows, pg_indexes_size(c.oid) AS indexes
FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE n.nspname = $1 AND c.relkind = 'r'

-- name: inspected_reserve
-- What PostgreSQL's write-ahead log may take more than it does; for whoever may ask.
SELECT greatest(0, pg_size_bytes(current_setting('max_wal_size')) - sum(size))::bigint AS bytes FROM pg_ls_waldir()
