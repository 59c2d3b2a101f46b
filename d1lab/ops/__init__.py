"""Looking after the databases: what they lack, what is near a limit, what stopped half-way."""
