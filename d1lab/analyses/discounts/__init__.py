"""Discounts: the reports on discounts, products, and recommendations.

earnings             cost of each discount, and its break-even lift
lifts                lift of each discount, code, and product, compared with break-even
products             sales with and without discounts, and elasticity, per product
recommendation_rule  discount, test, or keep the regular price
recommendations      the rule applied to a shop's data
total_gain           gain of all recommended discounts together, with its interval
track_record         results of earlier recommendations
app_counters         reports from the app's own counters, for shops without order events
counted_figures      their verdicts and key figures
report, products_report, recommendations_report  content of the three reports

What a discount sells is estimated in `d1lab.analyses.discount_effect`.
"""
