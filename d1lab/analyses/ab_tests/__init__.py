"""A/B tests: from the sums of two variants to a decision, or to a reason why there is none."""
