"""Media type to items: one format per file, pure functions from bytes to values."""
