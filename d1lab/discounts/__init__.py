"""What discounts earn: the reports on products, on discounts, and on what to do next.

Modules: products (who sells without help, who answers to price), earnings (what each discount
gave, and what it needs to bring), advice (recommendations from a shop's data), record (how
earlier ones turned out), words (the reports' sentences).
"""
