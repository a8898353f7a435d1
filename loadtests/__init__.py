"""Benchmarks and load scenarios that print ratios to a reference measured in the same minute."""
