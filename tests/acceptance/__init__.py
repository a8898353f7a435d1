"""A payload in, HTTP out: the whole platform, as a person starts it."""
