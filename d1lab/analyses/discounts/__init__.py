"""Discounts: the reports on products, on discounts, and on recommendations.

Modules: products (who sells without help, who answers to price), earnings (what each discount
gave, and what it needs to bring), lifts (what was observed), advice (recommendations from a shop's
data), record (how earlier ones turned out), counters and counter_words (what the app's own counters
tell where no orders are recorded).
"""
