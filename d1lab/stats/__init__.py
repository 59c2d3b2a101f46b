"""Pure functions: sufficient statistics in, NamedTuples out; they abstain with a reason."""
