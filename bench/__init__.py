"""Benchmarks against other tools on one machine: `make bench` writes bench/RESULTS.md.

Each module of this package with a function `run() -> list[Comparison]` is one part. `python -m
bench pull` measures one part again and keeps the results of the others.
"""
