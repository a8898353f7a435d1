"""Members to pages: the store, the writer and the web side of a Linked Data Event Stream server."""
