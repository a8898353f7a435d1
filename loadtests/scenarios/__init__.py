"""The load scenarios, one module each; each has one object `SCENARIO`."""
