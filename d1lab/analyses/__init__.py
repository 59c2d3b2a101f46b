"""Analyses: one folder each, with its metrics, statistics, tables, and report text."""
