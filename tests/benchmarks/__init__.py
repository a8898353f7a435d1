"""Micro-benchmarks that print ratios; off by default."""
