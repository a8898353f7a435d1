"""A city that publishes in the real formats, seeded, and can be told to misbehave."""
