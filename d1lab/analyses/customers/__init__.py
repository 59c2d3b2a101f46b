"""Customers: metrics' frames and pure statistics put together for one report.

    labels      the groups that are shown, and who moved since the last run and over 90 days
    groups      what each group holds, and who is about to lapse
    lifetimes   what each customer was worth, and what to expect where the model may speak
    words       what the report says in sentences

Frames come from the metrics `customer_scores` and `purchase_summary`; one row is one customer.
"""
