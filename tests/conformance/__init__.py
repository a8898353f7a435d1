"""Requirements of the specification, each test citing its id, over HTTP."""
