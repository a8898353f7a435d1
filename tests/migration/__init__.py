"""Tests of data that an older release has written."""
