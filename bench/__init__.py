"""Comparisons side by side, in one run on one machine: `make bench` writes bench/RESULTS.md.

Each module of this package with a `run() -> list[Comparison]` is a part of it; the folder is the
list. `python -m bench pull` measures one part anew and leaves the others as they stand.
"""
