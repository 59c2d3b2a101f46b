"""Ingest: order events and files, unit costs, competitor prices, and the app's counters."""
