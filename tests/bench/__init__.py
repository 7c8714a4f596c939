"""Benchmarks, run by hand: speed is no matter of a timed test."""
