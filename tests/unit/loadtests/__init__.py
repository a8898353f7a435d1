"""Unit tests of loadtests."""
