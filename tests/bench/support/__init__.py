"""What the benchmarks share: a database and servers of their own, load, and the report."""
