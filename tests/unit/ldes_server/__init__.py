"""Unit tests of ldes_server."""
