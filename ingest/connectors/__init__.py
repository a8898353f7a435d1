"""One transport per file; each is an async context manager with one verb, `poll`."""
