"""A/B tests: from the totals of two variants to a decision, or a reason for having none."""
