-- Leases: advisory locks that belong to one session and end with it.

-- name: try
-- Take the lock $1 if nobody has it.
SELECT pg_try_advisory_lock($1)

-- name: release
-- Give the lock $1 back.
SELECT pg_advisory_unlock($1)

-- name: beat
-- Show that the holder lives; the server ends a session that says nothing (idle_session_timeout).
SELECT 1
