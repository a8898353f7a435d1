"""A small feed that is served correctly, or wrongly on command: to test clients with, ours and others'."""
