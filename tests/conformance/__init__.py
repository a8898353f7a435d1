"""Requirements of TREE, LDES, HTTP and DCAT as named tests over HTTP against the real application and database.

A test cites what it proves at the start of its docstring. requirements.yaml has all that is asked, exceptions.yaml what no
test proves and why; docs/reference/conformance.md is made of them and of the results (`make conformance`).
"""
