"""An LDES 1.0 client of its own: it replicates anybody's feed and shares no code with the server."""
