"""Statistical methods: pure functions from sufficient statistics to NamedTuples."""
