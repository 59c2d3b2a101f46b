"""Runs: a notebook is executed with checked parameters, and everything about it is kept."""
