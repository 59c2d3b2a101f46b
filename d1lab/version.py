"""The version of d1lab, recorded by every pull, run, and push."""

__version__ = "0.1.0"
