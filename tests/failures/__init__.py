"""What may fail and must lose nothing: one test per row of docs/reliability.md, each printing its figures."""
