"""Customers: RFM groups, overdue customers, and lifetime value, for one report.

    segments        RFM groups, the confirmation of labels, and the app's segments
    labels          groups of each customer, and changes since the last run and over 90 days
    groups          size and spend per group, and overdue customers
    lifetime_model  BG/NBD and Gamma-Gamma
    no_drop_out     purchases where no customer seems to leave
    spend_forecast  intervals for the spend of all customers
    holdout         backtest of the model against baselines
    lifetime_value  spend to date per customer, and expected spend if the model passed the backtest
    study           all results of one shop on one day
    report          verdict, figures, tables, charts, and notes
    actions         what to do about overdue customers

    voucher_assignment  which overdue customers get a voucher, and which are held out
    voucher_power       how many customers a voucher test needs
    voucher_outcome     what a voucher changed
    voucher_report      voucher tests in a table and in words

Frames come from the metrics `customer_scores` and `purchase_summary`, with one row per customer.
"""
