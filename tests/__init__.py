"""The tests, by floor: unit, contract, integration, acceptance, conformance, benchmarks."""
