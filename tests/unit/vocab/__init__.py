"""Unit tests of vocab."""
