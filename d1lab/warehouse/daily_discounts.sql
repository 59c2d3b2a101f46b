-- One row per day with a discounted order line, from `d1lab aggregate`.
SELECT
    shop,
    date                  AS day,
    total_discounts_used  AS times_used,
    total_revenue_impact  AS revenue_impact,
    unique_customers
FROM raw.daily_discount_stats
