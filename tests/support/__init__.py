"""What acceptance tests share: the running platform, the independent clients, and an independent reading of pages."""
