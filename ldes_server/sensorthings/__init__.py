"""OGC SensorThings 1.1, read-only: entities as Things, their numbers as Datastreams, members as Observations."""
