"""Benchmarks: modules that print a table, or one JSON object; run them with `make bench`."""
