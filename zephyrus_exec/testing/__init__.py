"""Public help for tests: fakes of the interfaces and conformance suites."""
