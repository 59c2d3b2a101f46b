"""Runs: execute a notebook with checked parameters, and store its results and record."""
