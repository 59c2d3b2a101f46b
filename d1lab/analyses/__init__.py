"""What the reports say: one folder per analysis, with its metrics, statistics, tables, and text."""
