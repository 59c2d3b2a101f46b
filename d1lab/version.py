"""The version of d1lab: a pull, a run and a push each record it."""

__version__ = "0.1.0"
