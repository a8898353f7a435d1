"""Unit tests of testbed."""
