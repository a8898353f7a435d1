"""Unit tests of smartflanders."""
