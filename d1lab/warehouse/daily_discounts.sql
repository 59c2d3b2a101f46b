-- One row per day with discount use, as counted by the app or `d1lab aggregate`.
SELECT
    shop,
    date                  AS day,
    total_discounts_used  AS times_used,
    total_revenue_impact  AS revenue_impact,
    unique_customers,
    (
        SELECT CASE count(*) WHEN 0 THEN 'app' ELSE 'd1lab' END FROM raw.d1lab_owned
        WHERE table_name = 'daily_discount_stats' AND part = 'counters'
            AND how IS DISTINCT FROM 'left'
    )                     AS counted_by
FROM raw.daily_discount_stats
WHERE NOT is_to_come(date)
