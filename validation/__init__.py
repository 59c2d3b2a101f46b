"""Validation of d1lab's statistics: simulations, backtests, and coverage; bench/ measures speed."""
