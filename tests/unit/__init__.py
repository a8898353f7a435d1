"""Pure tests: no network, no database, no clock; folders mirror the packages."""
