"""Overview of a shop: its figures by period, and the actions of all reports.

advice           one advice per product: which one comes first, for all reports
product_advice   the advice of a shop's products, from the metrics that decide it
study            revenue, orders, margin, and the like: this period, the one before, usual range
report           content of the page
"""
