"""Truth: certificates, backtests and coverage of what d1lab claims; speed is in bench/."""
