"""Kernels of runs: forked from a preloaded server if possible, else started normally."""
