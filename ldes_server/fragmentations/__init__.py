"""Pure functions from a published member to the buckets it belongs to."""
