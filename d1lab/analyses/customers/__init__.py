"""Customers: metrics' frames and pure statistics put together for one report.

    labels      the groups that are shown, and who moved since the last run and over 90 days
    groups      what each group holds, and who is about to lapse
    lifetimes   past value per customer, and expected value where the model passed the holdout test
    words       what the report says in sentences

Frames come from the metrics `customer_scores` and `purchase_summary`; one row is one customer.
"""
