"""Conformity rules, one function each, with id, level and section of the specification."""
