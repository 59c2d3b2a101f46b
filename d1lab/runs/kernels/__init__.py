"""Kernels of runs: forked from a warm server where the system allows it, else started plainly."""
