"""Tests, one package per app, and the benchmarks."""
