"""Publishers to members: sources, connectors, decoders, mapping and the two loops around them."""
