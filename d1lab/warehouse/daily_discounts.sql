-- One row per day with a discount used, as `d1lab aggregate` counts them.
SELECT
    shop,
    date                  AS day,
    total_discounts_used  AS times_used,
    total_revenue_impact  AS revenue_impact,
    unique_customers
FROM raw.daily_discount_stats
