-- What senders of members were answered, for a day, so that a request with an idempotency key can be sent again.
-- Locks nothing that exists: it only creates. Safe beside running processes of any version.

CREATE TABLE ldes.answers (
    at           timestamptz NOT NULL DEFAULT now(),
    status       smallint NOT NULL,
    stream       text NOT NULL,
    key          text NOT NULL,
    digest       bytea NOT NULL,                 -- of the request: the same key must come with the same document
    media        text NOT NULL,
    body         bytea NOT NULL,
    PRIMARY KEY (stream, key)
);
CREATE INDEX ON ldes.answers (at);
